"""What one of several processes (ranks) that train together has of each batch, and of what is evaluated.

Every rank works out the whole batch's order, so that no rank need be told, and all make the same number of steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqtool.types import Array


@dataclass(frozen=True)
class Shard:
    """The share of rank number `rank` (from 0) of `size`."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this rank is the one that writes and prints."""
        return self.rank == 0

    def stretch(self, count: int) -> range:
        """A contiguous share of `count` things; no two ranks' shares differ by more than one."""
        return range(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def dealt(self, count: int) -> Array:
        """Places dealt out to and fro (0 1 2 2 1 0 …): of things sorted by size, all ranks get about as much."""
        places = np.arange(count)
        turn, seat = np.divmod(places, self.size)
        mine: Array = np.where(turn % 2, self.size - 1 - seat, seat) == self.rank
        return places[mine]

    def columns(self, width: int) -> Columns:
        """The share of a batch of `width` sequences, the longest first."""
        places = self.dealt(width)
        return Columns(places if len(places) else np.zeros(1, np.int64), width, idle=not len(places))


WHOLE = Shard()


@dataclass(frozen=True)
class Columns:
    """The sequences of a batch that a rank works on.

    Attributes:
        places: (own,): columns of the whole batch.
        width: sequences of the whole batch.
        idle: there are more ranks than sequences: the first sequence is worked on, and counts nothing.
    """

    places: Array
    width: int
    idle: bool = False

    @property
    def whole(self) -> bool:
        """Whether these are all of the batch."""
        return len(self.places) == self.width and not self.idle
