"""Checkpoints: all that it takes to go on with a run exactly, sealed as a model is, the last two of them kept.

A checkpoint holds the trainer's numbers and tensors, the best row with its weights, and `metrics.jsonl` and `samples.jsonl` as
they were: whatever was written after it belongs to a future that a resumed run makes anew. Never torch, never pickle.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from seqtool.errors import ModelError
from seqtool.storage.run_directory import checkpoint_numbers
from seqtool.storage.verified_directory import (
    DirectoryFormat,
    canonical_json,
    pack_arrays,
    parse_object,
    read_verified,
    unpack_arrays,
    write_verified,
)
from seqtool.training.engine.events import RowEvent
from seqtool.types import Arrays, Json

LOGS = ("metrics.jsonl", "samples.jsonl")
FORMAT = DirectoryFormat(
    noun="checkpoint",
    version=1,
    limits={"state.json": 64 << 20, "tensors.safetensors": 128 << 30, **dict.fromkeys(LOGS, 4 << 30)},
    repair="use an earlier checkpoint, or start anew with --overwrite",
    other_version="the checkpoint was written by another version of seqtool: use that version, or start anew with --overwrite",
)
KEPT = 2
_BEST = "best/"


@dataclass(frozen=True)
class Checkpoint:
    """A run in progress, as it lies on disk.

    Attributes:
        experiment: what the run is made of; a run that goes on must be made of the same.
        made_with: device, threads and versions.
        numbers, tensors: the trainer's.
        best: the best row so far, with the network's weights in it.
        logs: the bytes of `metrics.jsonl` and `samples.jsonl`.
    """

    experiment: Json
    made_with: Json
    numbers: Json
    tensors: Arrays
    best: RowEvent | None
    best_weights: Arrays
    logs: Mapping[str, bytes]


class Checkpoints:
    """The checkpoints of a run, numbered one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._whole: list[int] = []  # the newest first
        self._last = max(checkpoint_numbers(folder), default=0)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; the older ones but the last go when it stands.

        Raises:
            SeqtoolError: if it cannot be written; the earlier ones are then untouched.
        """
        contents = {
            "state.json": _state(checkpoint),
            "tensors.safetensors": _tensors(checkpoint),
            **checkpoint.logs,
        }
        number = self._last + 1
        write_verified(self._path(number), FORMAT, contents, {})
        self._last, self._whole = number, [number, *self._whole][:KEPT]
        for other in checkpoint_numbers(self.folder):
            if other not in self._whole:
                shutil.rmtree(self._path(other), ignore_errors=True)

    def newest(self, say: Callable[[str], None]) -> Checkpoint | None:
        """The newest checkpoint that is whole, or None where there is none at all; each one that is damaged is told of.

        Raises:
            ModelError: if all are damaged.
        """
        numbers = checkpoint_numbers(self.folder)
        for number in numbers:
            try:
                found = read_checkpoint(self._path(number))
            except ModelError as error:
                if number == numbers[-1]:
                    raise
                say(f"{error}; using the checkpoint before it")
                continue
            self._whole = [number]
            return found
        return None

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}"


def _state(checkpoint: Checkpoint) -> bytes:
    best = None if checkpoint.best is None else asdict(checkpoint.best)
    names = ("experiment", "made_with", "numbers")
    return canonical_json({**{name: getattr(checkpoint, name) for name in names}, "best": best})


def _tensors(checkpoint: Checkpoint) -> bytes:
    return pack_arrays(
        {**checkpoint.tensors, **{_BEST + name: array for name, array in checkpoint.best_weights.items()}}
    )


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read and verify a checkpoint. Whether it fits a run is seen by the trainer that takes it.

    Raises:
        ModelError: if any byte of it is not what was written.
    """
    _, contents = read_verified(folder, FORMAT)
    state = parse_object(folder / "state.json", contents["state.json"], FORMAT)
    objects = [state.get(name) for name in ("experiment", "made_with", "numbers")]
    if state.keys() != {"experiment", "made_with", "numbers", "best"} or not all(
        isinstance(item, dict) for item in objects
    ):
        raise ModelError("not the state that this version writes", place=str(folder), hint=FORMAT.repair)
    arrays = unpack_arrays(folder / "tensors.safetensors", contents["tensors.safetensors"], FORMAT)
    return Checkpoint(
        **{name: state[name] for name in ("experiment", "made_with", "numbers")},
        tensors={name: array for name, array in arrays.items() if not name.startswith(_BEST)},
        best=_row(state["best"], folder),
        best_weights={
            name.removeprefix(_BEST): array for name, array in arrays.items() if name.startswith(_BEST)
        },
        logs={name: bytes(contents[name]) for name in LOGS},
    )


def _row(value: object, folder: Path) -> RowEvent | None:
    if value is None:
        return None
    types = {field.name: field.type for field in fields(RowEvent)}
    if (
        isinstance(value, dict)
        and value.keys() == types.keys()
        and all(_fits(value[name], types[name]) for name in types)
    ):
        return RowEvent(**value)
    raise ModelError("the best row is not what this version writes", place=str(folder), hint=FORMAT.repair)


def _fits(value: object, type_: object) -> bool:
    if type_ in ("bool", "int"):
        return type(value).__name__ == type_
    if type_ == "float":
        return _is_number(value)
    return isinstance(value, dict) and all(map(_is_number, value.values()))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
