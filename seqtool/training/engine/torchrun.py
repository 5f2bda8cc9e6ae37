"""How this process was started: alone, or as one of several by torchrun, which says so in the environment. No torch here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from seqtool.data.sharding import WHOLE, Shard
from seqtool.errors import SeqtoolError

MOST_THREADS = 4  # beyond these, the small matrices of a recurrent step gain nothing
NAMES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usual_threads(processes: int = 1) -> int:
    """Threads for each of several processes that share this machine's cores."""
    return max(1, min(MOST_THREADS, available_cores() // processes))


@dataclass(frozen=True)
class Launch:
    """This process's place among those that train together.

    Attributes:
        share: its rank, and how many there are.
        local: its number among those on this machine, and how many these are.
        restarts: how often torchrun has started all of them again.
    """

    shard: Shard = WHOLE
    local: Shard = WHOLE
    restarts: int = 0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Launch:
        """What torchrun says; alone where it says nothing.

        Raises:
            SeqtoolError: if what it says makes no sense.
        """
        if not all(environment.get(name) for name in NAMES):
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
            found = ", ".join(f"{name}={environment[name]}" for name in NAMES[:2])
            raise SeqtoolError(
                f"the environment names no place among several ranks: {found}",
                hint="start with torchrun, or unset these variables",
            )
        return cls(Shard(rank, size), local, restarts)
