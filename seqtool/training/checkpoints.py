"""Checkpoints: verified directories from which a run resumes exactly. The last two are kept.

A checkpoint contains the trainer's numbers and tensors of each part of the run that was started, its best row
with its weights, and the content of the log files. Rows that were logged after the checkpoint are discarded,
since the resumed run repeats them. Files are JSON and safetensors, never pickle. This module needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from seqtool.errors import ModelError
from seqtool.settings.training import Training
from seqtool.storage.model_directory import TASKS
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
from seqtool.training.run_files import LOGS, part_of_line
from seqtool.types import Arrays, Json

FORMAT = DirectoryFormat(
    noun="checkpoint",
    versions=(1,),
    limits={"state.json": 64 << 20, "tensors.safetensors": 128 << 30, **dict.fromkeys(LOGS, 4 << 30)},
    repair="use an earlier checkpoint, or restart with --overwrite",
    other_version="another version of seqtool wrote the checkpoint: use that version, or add --overwrite",
)
KEPT = 2
_RUN_OBJECTS = ("experiment", "made_with")  # objects in `state.json` of the whole run
_PART_KEYS = ("numbers", "best")  # keys of each part; those of the only part of a run are beside the objects
_PARTS = ("", *TASKS[::-1])  # names that a part can have, in the order of the data flow
_BEST = "best/"  # prefix of the arrays of the best row
_EARLIER_BEST = "earlier/"  # prefix of the arrays of the best row before an extra row


@dataclass(frozen=True)
class BeforeExtraRow:
    """State without the last row of a part, if only the end of the training asked for that row.

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
class PartState:
    """State of one part of a run.

    Attributes:
        numbers: numbers of the trainer.
        tensors: tensors of the trainer.
        best: the best row so far; None before the first row.
        best_weights: weights of the network in the best row.
        before_extra_row: state without the last row; None if that row is a regular one.
    """

    numbers: Json
    tensors: Arrays
    best: RowEvent | None
    best_weights: Arrays
    before_extra_row: BeforeExtraRow | None = None

    def limit_reached(self, training: Training) -> str:
        """Name the limit that the part has reached; empty if its training can be continued.

        Raises:
            ModelError: the numbers are not those of a trainer.
        """
        progress = self.numbers.get("progress")
        names = ("step", "epoch", "waited", "seconds")
        values: list[Any] = [progress.get(name) for name in names] if isinstance(progress, dict) else []
        if not values or not all(map(_is_number, values)):
            raise ModelError("the checkpoint's progress is not what this version writes", hint=FORMAT.repair)
        return training.reached_limit(*values)


@dataclass(frozen=True)
class Checkpoint:
    """State of a run in progress.

    Attributes:
        experiment: settings and data hashes; a resumed run must have the same.
        made_with: device, threads and versions.
        parts: state of each part by name, in the order of the data flow; a part is missing before its start.
        logs: content of each log file by name.
        continues: SHA-256 of the manifest of the finished run that this run continues and replaces; empty if
            there is none.
    """

    experiment: Json
    made_with: Json
    parts: Mapping[str, PartState]
    logs: Mapping[str, bytes]
    continues: str = ""

    def without_extra_rows(self, trainings: Mapping[str, Training]) -> Checkpoint:
        """Return the state from which the run continues with the present limits.

        Args:
            trainings: settings of each part. A part that has reached its limit is left unchanged.
        """
        parts, logs = dict(self.parts), dict(self.logs)
        for name, state in self.parts.items():
            earlier = state.before_extra_row
            if earlier is None or state.limit_reached(trainings[name]):
                continue
            parts[name] = PartState(earlier.numbers, state.tensors, earlier.best, earlier.best_weights)
            logs = {file: _without_last_line(content, name) for file, content in logs.items()}
        return replace(self, parts=parts, logs=logs)


def _without_last_line(content: bytes, part: str) -> bytes:
    """Return a log file without the last line of a part."""
    lines = content.splitlines(keepends=True)
    own = [number for number, line in enumerate(lines) if part_of_line(line) == part]
    return b"".join(line for number, line in enumerate(lines) if number not in own[-1:])


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
    state: Json = {name: getattr(checkpoint, name) for name in _RUN_OBJECTS}
    if checkpoint.continues:
        state["continues"] = checkpoint.continues
    parts = {name: _part_json(part) for name, part in checkpoint.parts.items()}
    return canonical_json({**state, **parts[""]} if "" in parts else {**state, "parts": parts})


def _part_json(part: PartState) -> dict[str, object]:
    value: dict[str, object] = {
        "numbers": part.numbers,
        "best": None if part.best is None else asdict(part.best),
    }
    earlier = part.before_extra_row
    if earlier is not None:
        best = None if earlier.best is None else asdict(earlier.best)
        value["before_extra_row"] = {"numbers": earlier.numbers, "best": best}
    return value


def _packed_tensors(checkpoint: Checkpoint) -> bytes:
    arrays: Arrays = {}
    for name, part in checkpoint.parts.items():
        prefix = _part_prefix(name)
        arrays |= {prefix + key: array for key, array in part.tensors.items()}
        arrays |= {prefix + _BEST + key: array for key, array in part.best_weights.items()}
        earlier = part.before_extra_row
        if earlier is not None and earlier.best != part.best:  # equal rows have equal weights
            arrays |= {prefix + _EARLIER_BEST + key: array for key, array in earlier.best_weights.items()}
    return pack_arrays(arrays)


def _part_prefix(name: str) -> str:
    return f"{name}/" if name else ""


# --- reading ------------------------------------------------------------------------------------------------


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read and verify a checkpoint. The trainer that loads it checks whether it fits the run.

    Raises:
        ModelError: the directory is missing, damaged, or of another version.
    """
    _, contents = read_verified(folder, FORMAT)
    state = parse_object(folder / "state.json", contents["state.json"], FORMAT.repair)
    stored = _stored_parts(state, folder)
    arrays = unpack_arrays(folder / "tensors.safetensors", contents["tensors.safetensors"], FORMAT)
    return Checkpoint(
        **{name: state[name] for name in _RUN_OBJECTS},
        parts={
            name: _read_part(value, _with_prefix(arrays, _part_prefix(name)), folder)
            for name, value in stored.items()
        },
        logs={name: bytes(contents[name]) for name in LOGS},
        continues=state.get("continues", ""),
    )


def _stored_parts(state: Json, folder: Path) -> dict[str, Json]:
    """Return the stored state of each part, in the order of the data flow.

    Raises:
        ModelError: the content of `state.json` is not what this version writes.
    """
    expected, optional = {*_RUN_OBJECTS}, {"continues"}
    stored = {"": {name: value for name, value in state.items() if name not in expected | optional}}
    if "parts" in state:
        expected |= {"parts"}
        stored = state["parts"] if isinstance(state["parts"], dict) and state["parts"] else {"": {}}
    if (
        not expected <= state.keys()
        or ("parts" in state and not state.keys() <= expected | optional)
        or not all(isinstance(state[name], dict) for name in expected)
        or not isinstance(state.get("continues", ""), str)
        or not all(map(_is_part, stored.values()))
        or not stored.keys() <= {*_PARTS}
    ):
        raise ModelError("not the state that this version writes", place=str(folder), hint=FORMAT.repair)
    return {name: stored[name] for name in sorted(stored, key=_PARTS.index)}


def _is_part(value: object) -> bool:
    """Return whether a value is the stored state of a part."""
    expected = {*_PART_KEYS}
    return (
        isinstance(value, dict)
        and expected <= value.keys() <= expected | {"before_extra_row"}
        and isinstance(value["numbers"], dict)
        and isinstance(value.get("before_extra_row", {}), dict)
        and isinstance(value.get("before_extra_row", {}).get("numbers", {}), dict)
    )


def _read_part(value: Json, arrays: Arrays, folder: Path) -> PartState:
    best, best_weights = _best_row(value["best"], folder), _with_prefix(arrays, _BEST)
    earlier = None
    if "before_extra_row" in value:
        row = _best_row(value["before_extra_row"].get("best"), folder)
        weights = best_weights if row == best else _with_prefix(arrays, _EARLIER_BEST)
        earlier = BeforeExtraRow(value["before_extra_row"].get("numbers", {}), row, weights)
    tensors = {name: array for name, array in arrays.items() if not name.startswith((_BEST, _EARLIER_BEST))}
    return PartState(value["numbers"], tensors, best, best_weights, earlier)


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
