"""Division of batches and of evaluation data among the processes (ranks) that train together.

Every rank computes the order of the whole batch. No communication is needed, and all ranks make the same
number of steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqtool.types import Array


@dataclass(frozen=True)
class Shard:
    """Share of one rank.

    Attributes:
        rank: number of this rank, from 0.
        size: number of ranks.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main_process(self) -> bool:
        """True for the rank that writes and prints."""
        return self.rank == 0

    def contiguous(self, count: int) -> range:
        """Return this rank's contiguous range of `count` items; lengths differ by at most 1 between ranks."""
        return range(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def balanced(self, count: int) -> Array:
        """Return this rank's indices of `count` items, sorted by size, so that all ranks get similar totals.

        Items go to the ranks in alternating direction: 0 1 2 2 1 0 0 1 2 …
        """
        indices = np.arange(count)
        turn, position = np.divmod(indices, self.size)
        own: Array = np.where(turn % 2, self.size - 1 - position, position) == self.rank
        return indices[own]

    def columns(self, width: int) -> Columns:
        """Return this rank's columns of a batch of `width` sequences, the longest first."""
        indices = self.balanced(width)
        return Columns(indices if len(indices) else np.zeros(1, np.int64), width, idle=not len(indices))


WHOLE = Shard()


@dataclass(frozen=True)
class Columns:
    """Sequences of a batch that a rank computes.

    Attributes:
        indices: columns of the whole batch (own,).
        width: sequences of the whole batch.
        idle: True if there are more ranks than sequences and this rank has none. It then computes the first
            sequence, so that its steps match those of the other ranks, but its loss counts 0.
    """

    indices: Array
    width: int
    idle: bool = False

    @property
    def is_whole(self) -> bool:
        """True if these are all columns of the batch."""
        return len(self.indices) == self.width and not self.idle
