"""Parts of an encoded text for training, validation and test: ranges of running text, or sets of lines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias, overload

import numpy as np

from seqtool.data.text.encode import PIECE, pieces_of
from seqtool.errors import pluralize
from seqtool.types import Array, Arrays

NAMES = ("train", "val", "test")
SPLIT_PURPOSE = 0x11E5  # separates the draw of lines from all other uses of the seed


# --- running text -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TextRange:
    """Contiguous part of an encoded text.

    Attributes:
        text: name of the encoded text.
        start, stop: the range, in symbols.
    """

    text: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def is_usable(self) -> bool:
        """True if there is a symbol to predict, that is one after another symbol."""
        return len(self) >= 2

    @property
    def size(self) -> str:
        """Number of symbols, for a note."""
        return pluralize(len(self), "symbol")

    def data(self, arrays: Arrays) -> Array:
        """Return the symbol numbers (length,)."""
        return arrays[self.text][self.start : self.stop]

    def counts(self, arrays: Arrays, size: int) -> Array:
        """Return the occurrences of each of `size` symbols."""
        return _count(pieces_of(self.data(arrays)), size)


def split_text(arrays: Arrays, split: Sequence[float]) -> dict[str, TextRange]:
    """Divide running text by fractions; val and test may instead be texts of their own files."""
    whole = len(arrays["text"])
    ends = [whole] if "val" in arrays else split_ends(whole, split[:2] if "test" in arrays else split)
    parts = {
        name: TextRange("text", start, stop)
        for name, start, stop in zip(NAMES, [0, *ends], ends, strict=False)
    }
    return parts | {name: TextRange(name, 0, len(arrays[name])) for name in NAMES if name in arrays}


def split_ends(length: int, split: Sequence[float]) -> list[int]:
    """Return the end of each part, rounded down.

    Decimal fractions are inexact in binary. An end that misses a whole number by no more than this error is
    rounded up.
    """
    sums = [math.fsum(split[: count + 1]) for count in range(len(split))]
    return [length if total > 1 - 1e-9 else int(length * total + 1e-6) for total in sums]


# --- lines --------------------------------------------------------------------------------------------------


class TextSlices(Sequence[Array]):
    """Sequences of symbols, each sliced out of one text when it is accessed.

    Attributes:
        lengths: length of each sequence (lines,).
    """

    def __init__(self, text: Array, starts: Array, lengths: Array) -> None:
        self.text = np.asarray(text)  # slicing a memory map itself is slow
        self.starts = starts
        self.lengths = lengths

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> Array: ...
    @overload
    def __getitem__(self, index: slice) -> TextSlices: ...
    def __getitem__(self, index: int | slice) -> Array | TextSlices:
        if isinstance(index, slice):
            return TextSlices(self.text, self.starts[index], self.lengths[index])
        return self.text[self.starts[index] : self.starts[index] + self.lengths[index]]


@dataclass(frozen=True)
class Sequences:
    """Input and target sequences.

    Attributes:
        inputs: symbol numbers of each sequence (length,).
        targets: symbol to predict at each position, of the same lengths.
        conditions: condition number of each sequence (sequences,); None if they have no conditions.
    """

    inputs: Sequence[Array]
    targets: Sequence[Array]
    conditions: Array | None = None

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class LineSet:
    """Lines of an encoded text that starts with the boundary and has one after every line.

    Attributes:
        text: name of the encoded text.
        starts: position of the boundary before each line (lines,).
        lengths: symbols of each line, one boundary included (lines,).
        conditions: condition number of each line (lines,); None if lines have no conditions.
    """

    text: str
    starts: Array
    lengths: Array
    conditions: Array | None = None

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def is_usable(self) -> bool:
        """True if there is a line."""
        return len(self) >= 1

    @property
    def size(self) -> str:
        """Numbers of lines and of symbols, for a note."""
        symbols = pluralize(int(self.lengths.sum()), "symbol")
        return f"{pluralize(len(self), 'line')}, {symbols} with the line ends"

    def data(self, arrays: Arrays) -> Sequences:
        """Return the lines: an input has the boundary before the line, its target the boundary after it."""
        text = arrays[self.text]
        return Sequences(
            TextSlices(text, self.starts, self.lengths),
            TextSlices(text, self.starts + 1, self.lengths),
            self.conditions,
        )

    def chosen(self, lines: Array) -> LineSet:
        """Return some of the lines, by their numbers (lines,)."""
        conditions = None if self.conditions is None else self.conditions[lines]
        return LineSet(self.text, self.starts[lines], self.lengths[lines], conditions)

    def counts(self, arrays: Arrays, size: int) -> Array:
        """Return the occurrences of each of `size` symbols in the targets."""
        return _count(self._targets(arrays[self.text]), size)

    def _targets(self, text: Array) -> Iterator[Array]:
        """Yield the symbols of all targets, in groups of lines with about `PIECE` symbols."""
        group = np.cumsum(self.lengths) // PIECE
        for start, stop in _runs(group):
            starts, lengths = self.starts[start:stop] + 1, self.lengths[start:stop]
            before = np.cumsum(lengths) - lengths
            yield np.asarray(text)[np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))]


def _runs(group: Array) -> Iterator[tuple[int, int]]:
    """Return start and stop of each run of equal numbers."""
    edges = np.flatnonzero(np.diff(group)) + 1
    return pairwise([0, *edges.tolist(), len(group)])


def find_lines(
    text: str, array: Array, boundary: int, conditions: Array | None = None
) -> tuple[LineSet, int]:
    """Return all lines of an encoded text that are not empty, and the number of empty lines.

    Args:
        conditions: condition number of each line (lines,), empty ones included.
    """
    offsets = range(0, len(array), PIECE)
    boundaries = np.concatenate(
        [
            np.flatnonzero(piece == boundary) + offset
            for offset, piece in zip(offsets, pieces_of(array), strict=True)
        ]
    )
    lengths = np.diff(boundaries)
    filled = lengths > 1
    lines = LineSet(text, boundaries[:-1], lengths, conditions)
    return lines.chosen(np.flatnonzero(filled)), int((~filled).sum())


def distinct_lines(lines: LineSet, array: Array) -> LineSet:
    """Return the first of equal lines; lines of different conditions differ."""
    seen: set[tuple[int, bytes]] = set()
    kept = []
    conditions = np.zeros(len(lines), np.int64) if lines.conditions is None else lines.conditions
    rows = zip(lines.starts.tolist(), lines.lengths.tolist(), conditions.tolist(), strict=True)
    for number, (start, length, condition) in enumerate(rows):
        line = condition, np.asarray(array[start + 1 : start + length]).tobytes()
        if line not in seen:
            seen.add(line)
            kept.append(number)
    return lines.chosen(np.array(kept, np.int64))


def split_lines(lines: LineSet, split: Sequence[float], seed: int) -> dict[str, LineSet]:
    """Divide lines at random into parts, each of which keeps the order of the file.

    Every part with a fraction above 0 gets at least one line. If there are too few lines for that, all are
    for training. Lines of each condition are divided by themselves, so that their shares are alike in all
    parts.
    """
    order = np.random.default_rng((seed, SPLIT_PURPOSE)).permutation(len(lines))
    conditions = np.zeros(len(lines), np.int64) if lines.conditions is None else lines.conditions
    chosen: dict[str, list[Array]] = {name: [] for name in NAMES[: len(split)]}
    for condition in np.unique(conditions):
        own = order[conditions[order] == condition]
        ends = _line_ends(len(own), split)
        for name, start, stop in zip(NAMES, [0, *ends], ends, strict=False):
            chosen[name].append(own[start:stop])
    return {
        name: lines.chosen(np.sort(np.concatenate([order[:0], *numbers]))) for name, numbers in chosen.items()
    }


def _line_ends(count: int, split: Sequence[float]) -> list[int]:
    """Return the end of each part of `count` lines."""
    if count < sum(part > 0 for part in split):
        return [count] * len(split)
    ends = split_ends(count, split)
    before = 0
    for index, part in enumerate(split):
        later = sum(fraction > 0 for fraction in split[index + 1 :])
        before = ends[index] = before if part <= 0 else min(max(ends[index], before + 1), count - later)
    return ends


def _count(pieces: Iterator[Array], size: int) -> Array:
    counts = np.zeros(size, np.int64)
    for piece in pieces:
        counts += np.bincount(piece, minlength=size)
    return counts


Part: TypeAlias = TextRange | LineSet
Parts: TypeAlias = Mapping[str, Part]
