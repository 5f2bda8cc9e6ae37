"""Checkpoints: verified directories from which a run resumes exactly. The last two are kept.

A checkpoint contains the trainer's numbers and tensors, the best row with its weights, and the content of the
log files. Rows that were logged after the checkpoint are discarded, since the resumed run repeats them. Files
are JSON and safetensors, never pickle; this module imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from seqtool.errors import ModelError
from seqtool.settings import Training
from seqtool.storage.ownership import delete_own
from seqtool.storage.plain_files import parse_object
from seqtool.storage.run_directory import checkpoint_numbers, checkpoint_path
from seqtool.storage.verified_directory import (
    DirectoryFormat,
    canonical_json,
    pack_arrays,
    read_verified,
    unpack_arrays,
    write_verified,
)
from seqtool.training.engine.events import RowEvent
from seqtool.training.run_files import LOGS
from seqtool.types import Arrays, Json

FORMAT = DirectoryFormat(
    noun="checkpoint",
    versions=(1,),
    limits={"state.json": 64 << 20, "tensors.safetensors": 128 << 30, **dict.fromkeys(LOGS, 4 << 30)},
    repair="use an earlier checkpoint, or restart with --overwrite",
    other_version="another version of seqtool wrote the checkpoint: use that version, or add --overwrite",
)
KEPT = 2
_OBJECTS = ("experiment", "made_with", "numbers")  # objects in `state.json`
_BEST = "best/"  # prefix of the arrays of the best row
_EARLIER_BEST = "earlier/"  # prefix of the arrays of the best row before an extra row


@dataclass(frozen=True)
class BeforeExtraRow:
    """State without the last row of a run, if only the end of the run asked for that row.

    A run with larger limits continues from here, so that it ends as if it had these limits from the start.

    Attributes:
        numbers: numbers of the trainer.
        best: the best row before the extra row; None if there was none.
        best_weights: weights of the network in that row.
    """

    numbers: Json
    best: RowEvent | None
    best_weights: Arrays


@dataclass(frozen=True)
class Checkpoint:
    """State of a run in progress.

    Attributes:
        experiment: settings and data hashes; a resumed run must have the same.
        made_with: device, threads and versions.
        numbers: numbers of the trainer.
        tensors: tensors of the trainer.
        best: the best row so far; None before the first row.
        best_weights: weights of the network in the best row.
        logs: content of each log file by name.
        continues: SHA-256 of the manifest of the finished run that this run continues and replaces; empty if
            there is none.
        before_extra_row: state without the last row; None if that row is a regular one.
    """

    experiment: Json
    made_with: Json
    numbers: Json
    tensors: Arrays
    best: RowEvent | None
    best_weights: Arrays
    logs: Mapping[str, bytes]
    continues: str = ""
    before_extra_row: BeforeExtraRow | None = None

    def limit_reached(self, training: Training) -> str:
        """Name the limit that the run has reached; empty if it can be continued.

        Raises:
            ModelError: the numbers are not those of a trainer.
        """
        progress = self.numbers.get("progress")
        names = ("step", "epoch", "waited", "seconds")
        values: list[Any] = [progress.get(name) for name in names] if isinstance(progress, dict) else []
        if not values or not all(map(_is_number, values)):
            raise ModelError("the checkpoint's progress is not what this version writes", hint=FORMAT.repair)
        return training.reached_limit(*values)

    def without_extra_row(self) -> Checkpoint:
        """Return the state from which a run with larger limits continues."""
        earlier = self.before_extra_row
        if earlier is None:
            return self
        return replace(
            self,
            numbers=earlier.numbers,
            best=earlier.best,
            best_weights=earlier.best_weights,
            logs={name: _without_last_line(content) for name, content in self.logs.items()},
            before_extra_row=None,
        )


def _without_last_line(content: bytes) -> bytes:
    return b"".join(content.splitlines(keepends=True)[:-1])


class Checkpoints:
    """The checkpoints of a run, in subdirectories with consecutive numbers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._complete: list[int] = []  # numbers of checkpoints that are kept, the newest first
        self._last = max(checkpoint_numbers(folder), default=0)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, then delete all but the last two.

        Raises:
            SeqtoolError: it cannot be written; the earlier ones are unchanged.
        """
        contents = {
            "state.json": _state_json(checkpoint),
            "tensors.safetensors": _packed_tensors(checkpoint),
            **checkpoint.logs,
        }
        number = self._last + 1
        write_verified(self._path(number), FORMAT, contents, {})
        self._last, self._complete = number, [number, *self._complete][:KEPT]
        for other in checkpoint_numbers(self.folder):
            if other not in self._complete:
                with suppress(OSError):
                    delete_own(self._path(other), FORMAT.contents)

    def newest(self, warn: Callable[[str], None]) -> Checkpoint | None:
        """Read the newest checkpoint that is not damaged; None if there are no checkpoints.

        Args:
            warn: receives a line for each damaged checkpoint.

        Raises:
            ModelError: all checkpoints are damaged.
        """
        numbers = checkpoint_numbers(self.folder)
        for number in numbers:
            try:
                checkpoint = read_checkpoint(self._path(number))
            except ModelError as error:
                if number == numbers[-1]:
                    raise
                warn(f"{error.summary}; using the previous checkpoint")
                continue
            self._complete = [number]
            return checkpoint
        return None

    def _path(self, number: int) -> Path:
        return checkpoint_path(self.folder, number)


# --- writing ------------------------------------------------------------------------------------------------


def _state_json(checkpoint: Checkpoint) -> bytes:
    state: Json = {name: getattr(checkpoint, name) for name in _OBJECTS}
    state["best"] = None if checkpoint.best is None else asdict(checkpoint.best)
    if checkpoint.continues:
        state["continues"] = checkpoint.continues
    earlier = checkpoint.before_extra_row
    if earlier is not None:
        best = None if earlier.best is None else asdict(earlier.best)
        state["before_extra_row"] = {"numbers": earlier.numbers, "best": best}
    return canonical_json(state)


def _packed_tensors(checkpoint: Checkpoint) -> bytes:
    best_weights = {_BEST + name: array for name, array in checkpoint.best_weights.items()}
    earlier = checkpoint.before_extra_row
    if earlier is not None and earlier.best != checkpoint.best:  # equal rows have equal weights
        best_weights |= {_EARLIER_BEST + name: array for name, array in earlier.best_weights.items()}
    return pack_arrays({**checkpoint.tensors, **best_weights})


# --- reading ------------------------------------------------------------------------------------------------


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read and verify a checkpoint. The trainer that loads it checks whether it fits the run.

    Raises:
        ModelError: the directory is missing, damaged, or of another version.
    """
    _, contents = read_verified(folder, FORMAT)
    state = parse_object(folder / "state.json", contents["state.json"], FORMAT.repair)
    expected, optional = {*_OBJECTS, "best"}, {"continues": str, "before_extra_row": dict}
    if (
        not expected <= state.keys() <= expected | optional.keys()
        or not all(isinstance(state[name], dict) for name in _OBJECTS)
        or not all(isinstance(state.get(name, type_()), type_) for name, type_ in optional.items())
        or not isinstance(state.get("before_extra_row", {}).get("numbers", {}), dict)
    ):
        raise ModelError("not the state that this version writes", place=str(folder), hint=FORMAT.repair)
    arrays = unpack_arrays(folder / "tensors.safetensors", contents["tensors.safetensors"], FORMAT)
    best, best_weights = _best_row(state["best"], folder), _with_prefix(arrays, _BEST)
    earlier = None
    if "before_extra_row" in state:
        row = _best_row(state["before_extra_row"].get("best"), folder)
        weights = best_weights if row == best else _with_prefix(arrays, _EARLIER_BEST)
        earlier = BeforeExtraRow(state["before_extra_row"].get("numbers", {}), row, weights)
    return Checkpoint(
        **{name: state[name] for name in _OBJECTS},
        tensors={
            name: array for name, array in arrays.items() if not name.startswith((_BEST, _EARLIER_BEST))
        },
        best=best,
        best_weights=best_weights,
        logs={name: bytes(contents[name]) for name in LOGS},
        continues=state.get("continues", ""),
        before_extra_row=earlier,
    )


def _with_prefix(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _best_row(value: object, folder: Path) -> RowEvent | None:
    if value is None:
        return None
    types = {field.name: field.type for field in fields(RowEvent)}
    if (
        isinstance(value, dict)
        and value.keys() == types.keys()
        and all(_has_type(value[name], types[name]) for name in types)
    ):
        return RowEvent(**value)
    raise ModelError("the best row is not what this version writes", place=str(folder), hint=FORMAT.repair)


def _has_type(value: object, type_: object) -> bool:
    """Return whether a value has the type of a field of `RowEvent`, given as its annotation."""
    if type_ in ("bool", "int"):
        return type(value).__name__ == type_
    if type_ == "float":
        return _is_number(value)
    return isinstance(value, dict) and all(map(_is_number, value.values()))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
