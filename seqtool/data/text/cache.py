"""Encoded text on disk, by the hash of what it was made from: written once, memory-mapped by every run that needs it.

An entry is a folder of plain arrays and a JSON file that says how long they are. It is written under another name and then
renamed, so that a crash leaves nothing that could be taken for it; one whose sizes are wrong is made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqtool.data.batches import release_pages
from seqtool.storage.atomic import writing
from seqtool.types import Array

PIECE = 1 << 22  # symbols that are looked at together
FORGOTTEN = 86_400  # seconds after which an unfinished entry is nobody's
_UNFINISHED = ".unfinished."
_FACTS = "facts.json"
NOT_WHOLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
)  # what reading a missing or damaged entry raises


@dataclass(frozen=True)
class StoredText:
    """Symbol numbers, and the symbols in the order of their numbers.

    Attributes:
        symbols: one character each.
        arrays: numbers of each part (length,), of the smallest unsigned type; memory-mapped where there is a cache.
    """

    symbols: str
    arrays: dict[str, Array]


class TextCache:
    """A folder of entries; without one, texts are held in memory."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def find(self, facts: Any) -> StoredText | None:
        """The entry made from such facts (JSON), if it is there and whole."""
        if self.folder is None:
            return None
        try:
            return _open(self.folder / _key(facts))
        except NOT_WHOLE:
            return None

    def store(self, facts: Any, symbols: str, parts: Mapping[str, Iterable[Array]]) -> StoredText:
        """Keep parts, given piece by piece.

        Raises:
            SeqtoolError: the entry cannot be written.
        """
        dtype = np.min_scalar_type(max(len(symbols) - 1, 0))
        if self.folder is None:
            made = {
                name: np.concatenate([np.zeros(0, dtype), *pieces]).astype(dtype, copy=False)
                for name, pieces in parts.items()
            }
            return StoredText(symbols, made)
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            return self._write(self.folder / _key(facts), symbols, parts, dtype)

    def _write(
        self, entry: Path, symbols: str, parts: Mapping[str, Iterable[Array]], dtype: np.dtype[Any]
    ) -> StoredText:
        fresh = entry.parent / f"{_UNFINISHED}{os.getpid()}.{time.time_ns()}"
        fresh.mkdir()
        try:
            lengths = {
                name: _write_array(fresh / f"{name}.bin", pieces, dtype) for name, pieces in parts.items()
            }
            facts = {"symbols": [ord(symbol) for symbol in symbols], "dtype": dtype.str, "lengths": lengths}
            (fresh / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
            _take_place(fresh, entry)
            return _open(entry)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _sweep(self) -> None:
        """What a crash left lying is nobody's after a day."""
        assert self.folder is not None
        for leftover in self.folder.glob(f"{_UNFINISHED}*"):
            with suppress(OSError):
                if time.time() - leftover.stat().st_mtime > FORGOTTEN:
                    shutil.rmtree(leftover, ignore_errors=True)


def _key(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _write_array(path: Path, pieces: Iterable[Array], dtype: np.dtype[Any]) -> int:
    """Write pieces one after the other; gives their length together."""
    length = 0
    with path.open("wb") as file:
        for piece in pieces:
            file.write(np.ascontiguousarray(piece, dtype).data)
            length += len(piece)
        file.flush()
        os.fsync(file.fileno())
    return length


def _take_place(fresh: Path, entry: Path) -> None:
    """Rename; where a run beside this one was sooner, its entry stays, unless it is broken."""
    with suppress(OSError):
        fresh.rename(entry)
        return
    with suppress(*NOT_WHOLE):
        _open(entry)
        return
    shutil.rmtree(entry)
    fresh.rename(entry)


def _open(entry: Path) -> StoredText:
    """Map an entry's arrays.

    Raises:
        any of NOT_WHOLE: it is not there, or not whole.
    """
    facts = json.loads((entry / _FACTS).read_text(encoding="utf-8"))
    dtype = np.dtype(facts["dtype"])
    if dtype.kind != "u":
        raise ValueError(f"{entry}: not symbol numbers")
    arrays: dict[str, Array] = {}
    for name, length in facts["lengths"].items():
        path = entry / f"{name}.bin"
        if path.stat().st_size != length * dtype.itemsize:
            raise ValueError(f"{path}: wrong size")
        arrays[name] = np.memmap(path, dtype, "r", shape=(length,)) if length else np.zeros(0, dtype)
    return StoredText("".join(map(chr, facts["symbols"])), arrays)


def pieces_of(array: Array) -> Iterator[Array]:
    """An array piece by piece; pages of a memory-mapped one are given back."""
    for start in range(0, len(array), PIECE):
        yield np.asarray(array[start : start + PIECE])
        release_pages(array)
