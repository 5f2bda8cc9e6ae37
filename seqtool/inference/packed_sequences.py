"""Sequences of different lengths laid end to end step by step, so that no padding is stored or worked on.

The sequences of a batch stand longest first. Place `offsets[t] + b` belongs to step t of sequence b: the places of a step
lie together, and are the first `counts[t]` sequences.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seqtool.types import Array


@dataclass(frozen=True)
class Packing:
    """Where the steps of sequences lie.

    Attributes:
        lengths: (batch,), descending, none of them 0.
        offsets: first place of each step, and the number of places at the end: (steps + 1,).
    """

    lengths: Array
    offsets: Array

    @classmethod
    def of(cls, lengths: Array) -> Packing:
        """Args: lengths: (batch,), descending, none of them 0; at least one."""
        steps = np.arange(lengths[0])
        counts = len(lengths) - np.searchsorted(lengths[::-1], steps, side="right")
        return cls(lengths, np.concatenate([[0], np.cumsum(counts)]))

    @classmethod
    def equal(cls, steps: int, batch: int) -> Packing:
        """Sequences of one length: places are those of an array (steps, batch)."""
        return cls(np.full(batch, steps), np.arange(steps + 1) * batch)

    @property
    def total(self) -> int:
        """The number of places."""
        return int(self.offsets[-1])

    @property
    def batch(self) -> int:
        """The number of sequences."""
        return len(self.lengths)

    @cached_property
    def steps(self) -> Array:
        """The step of each place: (total,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @cached_property
    def columns(self) -> Array:
        """The sequence of each place: (total,)."""
        found: Array = np.arange(self.total) - self.offsets[self.steps]
        return found

    @cached_property
    def back(self) -> Array:
        """The place that each place changes with when every sequence is reversed: (total,)."""
        found: Array = self.offsets[self.lengths[self.columns] - 1 - self.steps] + self.columns
        return found

    def flat(self, starts: Array) -> Array:
        """Where each place lies when sequence b stands whole from `starts[b]` on: (total,)."""
        found: Array = starts[self.columns] + self.steps
        return found

    def blocks(self, rows: int) -> list[tuple[int, int]]:
        """Cut the steps into ranges of at most `rows` places, but at least one step."""
        found, first, last = [], 0, len(self.offsets) - 1
        while first < last:
            stop = int(np.searchsorted(self.offsets, self.offsets[first] + rows, side="right")) - 1
            stop = max(stop, first + 1)
            found.append((first, stop))
            first = stop
        return found
