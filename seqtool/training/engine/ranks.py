"""Processes (ranks) that train one network together: torchrun's environment, and the interface of a rank.

`Ranks` is a process that trains alone. `distributed.py` contains several ranks; it is imported only if
torchrun has started them. This module imports no torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqtool.data.sharding import WHOLE, Columns, Shard
from seqtool.errors import SeqtoolError
from seqtool.threads import available_cores

if TYPE_CHECKING:
    from torch import Tensor, nn

MOST_THREADS = 4  # the small matrices of a recurrent step gain nothing from more threads
TORCHRUN_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


# --- start of a process -------------------------------------------------------------------------------------


def default_threads(processes: int = 1) -> int:
    """Return the number of threads for each of several processes that share this machine's cores."""
    return max(1, min(MOST_THREADS, available_cores() // processes))


@dataclass(frozen=True)
class Launch:
    """Position of this process among the ranks that train together.

    Attributes:
        shard: rank of this process, and number of ranks.
        local: rank of this process on its machine, and number of ranks there.
        restarts: number of times that torchrun on this machine has restarted its ranks after one failed.
        restartable: whether torchrun started this process. It may do so again when a machine comes or goes,
            and does not count that as a restart.
    """

    shard: Shard = WHOLE
    local: Shard = WHOLE
    restarts: int = 0
    restartable: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Launch:
        """Read torchrun's environment variables; without them, the process trains alone.

        Raises:
            SeqtoolError: the variables contradict each other.
        """
        if not all(environment.get(name) for name in TORCHRUN_VARIABLES):
            return cls()
        try:
            rank, size = int(environment["RANK"]), int(environment["WORLD_SIZE"])
            local = Shard(
                int(environment.get("LOCAL_RANK", rank)), int(environment.get("LOCAL_WORLD_SIZE", size))
            )
            restarts = int(environment.get("TORCHELASTIC_RESTART_COUNT", 0))
        except ValueError:
            rank, size, local, restarts = -1, 0, WHOLE, 0
        if not (0 <= rank < size and 0 <= local.rank < local.size):
            values = ", ".join(f"{name}={environment[name]}" for name in TORCHRUN_VARIABLES[:2])
            raise SeqtoolError(
                f"torchrun's environment variables do not describe a rank: {values}",
                hint="start with torchrun, or unset these variables",
            )
        return cls(Shard(rank, size), local, restarts, bool(environment.get("TORCHELASTIC_RUN_ID")))


# --- work of a rank -----------------------------------------------------------------------------------------


class Ranks:
    """A process that trains alone, and the interface of several ranks.

    All ranks call the same method at the same point of the same step, and all receive the same result.

    Attributes:
        shard: rank of this process, and number of ranks.
        local: rank of this process on its machine, and number of ranks there.
    """

    shard: Shard = WHOLE
    local: Shard = WHOLE

    @property
    def is_main_process(self) -> bool:
        """True for the rank that writes and prints."""
        return self.shard.is_main_process

    def any(self, flag: bool) -> bool:
        """Return whether the flag is true on any rank."""
        return flag

    def sums(self, *values: float) -> tuple[float, ...]:
        """Add up each value over the ranks, in double precision; whole numbers stay whole."""
        return values

    def add_gradients(self, weights: Iterable[nn.Parameter], loss: Tensor) -> Tensor:  # noqa: ARG002 - for several ranks
        """Add up the gradient of each weight over the ranks, in place, and return the loss of all ranks."""
        return loss

    def broadcast_tensors(self, tensors: Iterable[Tensor]) -> None:
        """Copy the tensors of rank 0 to all ranks, in place."""

    def gather(self, tensor: Tensor, columns: Columns) -> Tensor:  # noqa: ARG002 - for several ranks
        """Join each rank's tensor (own sequences, …) to one for the whole batch (batch, …)."""
        return tensor

    def broadcast(self, data: bytes | None) -> bytes | None:
        """Return the data of rank 0; the argument of other ranks is not used."""
        return data

    def gather_bytes(self, data: bytes) -> list[bytes]:
        """Return the data of each rank, on all ranks; the data are not empty."""
        return [data]


ALONE = Ranks()


def select_columns(tensor: Tensor, columns: Columns | None, dim: int = 0) -> Tensor:
    """Select a rank's sequences from a tensor for the whole batch.

    Args:
        tensor: one entry per sequence of the whole batch in dimension `dim`.
        columns: the rank's sequences; None selects all.
        dim: dimension of the sequences.
    """
    if columns is None or columns.is_whole:
        return tensor
    import torch

    return tensor.index_select(dim, torch.from_numpy(columns.indices).to(tensor.device))
