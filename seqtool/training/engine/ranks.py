"""The processes (ranks) that train one network together, as the loop and the tasks see them; here, one alone.

Several are in `distributed.py`, which is loaded only where torchrun has started them; torch is not loaded here. Every method
is called by all ranks at the same place of the same step, and gives all of them the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from seqtool.data.sharding import WHOLE, Columns, Shard

if TYPE_CHECKING:
    from torch import Tensor, nn


class Ranks:
    """One process that trains alone: nothing to add up, nobody to agree with."""

    shard: Shard = WHOLE
    local: Shard = WHOLE  # this process among those on its machine

    @property
    def is_main_process(self) -> bool:
        """Whether this is the rank that writes and prints."""
        return self.shard.is_main_process

    def any(self, flag: bool) -> bool:
        """Whether any rank says yes."""
        return flag

    def sums(self, *values: float) -> tuple[float, ...]:
        """Each value added up over the ranks, in double precision; whole numbers stay whole."""
        return values

    def add_gradients(self, weights: Iterable[nn.Parameter], loss: Tensor) -> Tensor:  # noqa: ARG002 - the form for many
        """Add up every weight's gradient over the ranks, in place; the loss added up, too."""
        return loss

    def broadcast_tensors(self, tensors: Iterable[Tensor]) -> None:
        """Give all ranks the first one's tensors, in place."""

    def gather(self, tensor: Tensor, columns: Columns) -> Tensor:  # noqa: ARG002 - the form for many
        """A tensor (own sequences, …) of each rank as one for the whole batch."""
        return tensor

    def broadcast(self, data: bytes | None) -> bytes | None:
        """What the first rank says."""
        return data


ALONE = Ranks()


def own(tensor: Tensor, columns: Columns | None, dim: int = 0) -> Tensor:
    """The part of a draw for a whole batch that belongs to some of its columns."""
    if columns is None or columns.is_whole:
        return tensor
    import torch

    return tensor.index_select(dim, torch.from_numpy(columns.indices).to(tensor.device))
