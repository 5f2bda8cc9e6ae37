"""Checkpoints: verified directories from which a run resumes exactly. The last two are kept.

A checkpoint contains the trainer's numbers and tensors, the best row with its weights, and the content of the
log files. Rows that were logged after the checkpoint are discarded, since the resumed run repeats them. Files
are JSON and safetensors, never pickle; this module imports no torch.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from seqtool.errors import ModelError
from seqtool.storage.plain_files import parse_object
from seqtool.storage.run_directory import checkpoint_numbers
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
    version=1,
    limits={"state.json": 64 << 20, "tensors.safetensors": 128 << 30, **dict.fromkeys(LOGS, 4 << 30)},
    repair="use an earlier checkpoint, or restart with --overwrite",
    other_version="another version of seqtool wrote the checkpoint: use that version, or add --overwrite",
)
KEPT = 2
_BEST = "best/"  # prefix of the arrays of the best row


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
    """

    experiment: Json
    made_with: Json
    numbers: Json
    tensors: Arrays
    best: RowEvent | None
    best_weights: Arrays
    logs: Mapping[str, bytes]


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
                shutil.rmtree(self._path(other), ignore_errors=True)

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
                warn(f"{error}; using the previous checkpoint")
                continue
            self._complete = [number]
            return checkpoint
        return None

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}"


# --- writing ------------------------------------------------------------------------------------------------


def _state_json(checkpoint: Checkpoint) -> bytes:
    best = None if checkpoint.best is None else asdict(checkpoint.best)
    names = ("experiment", "made_with", "numbers")
    return canonical_json({**{name: getattr(checkpoint, name) for name in names}, "best": best})


def _packed_tensors(checkpoint: Checkpoint) -> bytes:
    best_weights = {_BEST + name: array for name, array in checkpoint.best_weights.items()}
    return pack_arrays({**checkpoint.tensors, **best_weights})


# --- reading ------------------------------------------------------------------------------------------------


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read and verify a checkpoint. The trainer that loads it checks whether it fits the run.

    Raises:
        ModelError: the directory is missing, damaged, or of another version.
    """
    _, contents = read_verified(folder, FORMAT)
    state = parse_object(folder / "state.json", contents["state.json"], FORMAT.repair)
    names = ("experiment", "made_with", "numbers")
    objects = {name: state.get(name) for name in names}
    if state.keys() != {*names, "best"} or not all(isinstance(item, dict) for item in objects.values()):
        raise ModelError("not the state that this version writes", place=str(folder), hint=FORMAT.repair)
    arrays = unpack_arrays(folder / "tensors.safetensors", contents["tensors.safetensors"], FORMAT)
    return Checkpoint(
        experiment=state["experiment"],
        made_with=state["made_with"],
        numbers=state["numbers"],
        tensors={name: array for name, array in arrays.items() if not name.startswith(_BEST)},
        best=_best_row(state["best"], folder),
        best_weights={
            name.removeprefix(_BEST): array for name, array in arrays.items() if name.startswith(_BEST)
        },
        logs={name: bytes(contents[name]) for name in LOGS},
    )


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
