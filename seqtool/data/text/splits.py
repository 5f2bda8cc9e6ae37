"""Which stretches or lines of encoded text are for training, validation and test."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import overload

import numpy as np

from seqtool.data.text.cache import PIECE, pieces_of
from seqtool.types import Array

NAMES = ("train", "val", "test")
SPLIT_PURPOSE = 0x11E5  # keeps the drawing of lines apart from every other use of the seed


# --- running text -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stretch:
    """A contiguous part of one of the encoded texts."""

    text: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def of(self, arrays: Mapping[str, Array]) -> Array:
        """Its symbol numbers (length,)."""
        return arrays[self.text][self.start : self.stop]

    def counts(self, arrays: Mapping[str, Array], size: int) -> Array:
        """How often each of `size` symbols occurs in it."""
        return _count(pieces_of(self.of(arrays)), size)


def stretches(arrays: Mapping[str, Array], split: Sequence[float]) -> dict[str, Stretch]:
    """Parts of running text by fractions, or the texts that have files of their own (`val`, `test`)."""
    whole = len(arrays["text"])
    ends = [whole] if "val" in arrays else bounds(whole, split[:2] if "test" in arrays else split)
    found = {
        name: Stretch("text", start, stop) for name, start, stop in zip(NAMES, [0, *ends], ends, strict=False)
    }
    return found | {name: Stretch(name, 0, len(arrays[name])) for name in NAMES if name in arrays}


def bounds(length: int, split: Sequence[float]) -> list[int]:
    """Where parts of `length` end: rounded down, but for what is only the error of a fraction in binary."""
    sums = [math.fsum(split[: count + 1]) for count in range(len(split))]
    return [length if total > 1 - 1e-9 else int(length * total + 1e-6) for total in sums]


# --- lines ------------------------------------------------------------------------------------------------------------


class Lines(Sequence[Array]):
    """Sequences of symbols that are cut out of one text when they are asked for.

    Attributes:
        lengths: (lines,).
    """

    def __init__(self, text: Array, starts: Array, lengths: Array) -> None:
        self.text = np.asarray(text)  # a memory map's own slices are slow
        self.starts = starts
        self.lengths = lengths

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, place: int) -> Array: ...
    @overload
    def __getitem__(self, place: slice) -> Lines: ...
    def __getitem__(self, place: int | slice) -> Array | Lines:
        if isinstance(place, slice):
            return Lines(self.text, self.starts[place], self.lengths[place])
        return self.text[self.starts[place] : self.starts[place] + self.lengths[place]]


@dataclass(frozen=True)
class LinePlaces:
    """Some lines of one of the encoded texts.

    Attributes:
        text: which.
        starts: (lines,): of the boundary before each.
        lengths: (lines,): one boundary counted.
    """

    text: str
    starts: Array
    lengths: Array

    def __len__(self) -> int:
        return len(self.starts)

    def of(self, arrays: Mapping[str, Array]) -> tuple[Lines, Lines]:
        """Inputs, each a boundary and a line, and targets, each a line and a boundary."""
        text = arrays[self.text]
        return Lines(text, self.starts, self.lengths), Lines(text, self.starts + 1, self.lengths)

    def counts(self, arrays: Mapping[str, Array], size: int) -> Array:
        """How often each of `size` symbols is to be predicted in them."""
        return _count(self._targets(arrays[self.text]), size)

    def _targets(self, text: Array) -> Iterator[Array]:
        group = np.cumsum(self.lengths) // PIECE
        for start, stop in _runs(group):
            starts, lengths = self.starts[start:stop] + 1, self.lengths[start:stop]
            before = np.cumsum(lengths) - lengths
            yield np.asarray(text)[np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))]


def _runs(group: Array) -> Iterator[tuple[int, int]]:
    """Where equal numbers stand side by side."""
    edges = np.flatnonzero(np.diff(group)) + 1
    ends = [0, *edges.tolist(), len(group)]
    return pairwise(ends)


def lines_of(text: str, array: Array, boundary: int) -> tuple[LinePlaces, int]:
    """All lines of an encoded text that have a symbol, and how many have none."""
    offsets = range(0, len(array), PIECE)
    found = [
        np.flatnonzero(piece == boundary) + offset
        for offset, piece in zip(offsets, pieces_of(array), strict=True)
    ]
    places = np.concatenate(found)
    lengths = np.diff(places)
    filled = lengths > 1
    return LinePlaces(text, places[:-1][filled], lengths[filled]), int((~filled).sum())


def divided(lines: LinePlaces, split: Sequence[float], seed: int) -> dict[str, LinePlaces]:
    """Lines parted by seed, each part in its old order.

    Every part that has a fraction gets a line; where there are too few for that, all are for training.
    """
    count, wanted = len(lines), sum(part > 0 for part in split)
    ends = bounds(count, split) if count >= wanted else [count] * len(split)
    if count >= wanted:
        before = 0
        for place, part in enumerate(split):
            later = sum(fraction > 0 for fraction in split[place + 1 :])
            before = ends[place] = before if part <= 0 else min(max(ends[place], before + 1), count - later)
    order = np.random.default_rng((seed, SPLIT_PURPOSE)).permutation(count)
    found = {}
    for name, start, stop in zip(NAMES, [0, *ends], ends, strict=False):
        chosen = np.sort(order[start:stop])
        found[name] = LinePlaces(lines.text, lines.starts[chosen], lines.lengths[chosen])
    return found


def _count(pieces: Iterator[Array], size: int) -> Array:
    counts = np.zeros(size, np.int64)
    for piece in pieces:
        counts += np.bincount(piece, minlength=size)
    return counts
