"""Several processes (ranks) that train one run under torchrun.

Rank 0 does everything that a single process would do. The other ranks, the followers, read the data, train
their shard and evaluate their shard; they write and print nothing. Rank 0 sends them, in this order: the
state to start from; after every event whether a checkpoint is written; and the same once more at the end,
because a stop can come as late as in the final evaluation.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from seqtool.errors import Stopped
from seqtool.settings import Settings
from seqtool.tasks.build import build_task, prepare, require_torch
from seqtool.training.engine.ranks import ALONE, Launch, Ranks
from seqtool.training.session import stop_signals
from seqtool.types import Arrays, Json

if TYPE_CHECKING:
    from seqtool.training.engine.trainer import Trainer

T = TypeVar("T")
NO_RUN = b"-"  # rank 0 does not train this run


@contextmanager
def process_ranks(settings: Settings, launch: Launch) -> Iterator[Ranks]:
    """Connect the ranks that train together during the block; a single process does not load torch.

    Raises:
        SeqtoolError: the ranks cannot connect.
    """
    if launch.shard.size == 1:
        yield ALONE
        return
    require_torch()
    from seqtool.training.engine.device import choose_device
    from seqtool.training.engine.distributed import process_group

    with process_group(launch, choose_device(settings.training.device, launch.local)) as ranks:
        yield ranks


def first_rank_first(ranks: Ranks, work: Callable[[], T]) -> T:
    """Do work that fills a cache on one rank of each machine, then on the others, which use the cache."""
    results = [work()] if ranks.local.rank == 0 else []
    ranks.any(False)
    return results[0] if results else work()


# --- the state to start from --------------------------------------------------------------------------------


@dataclass(frozen=True)
class SharedState:
    """A trainer's state, as a checkpoint stores it; empty for a run that starts at its first step."""

    numbers: Json
    tensors: Arrays


def broadcast_state(ranks: Ranks, numbers: Json, tensors: Arrays) -> None:
    """Send the state from rank 0 to the followers."""
    if ranks.shard.size == 1:
        return
    from safetensors.numpy import save

    head = json.dumps(numbers).encode()
    ranks.broadcast(len(head).to_bytes(8, "little") + head + save(dict(tensors)))


def broadcast_no_run(ranks: Ranks) -> None:
    """Inform the followers that nothing is left to train."""
    if ranks.shard.size > 1:
        ranks.broadcast(NO_RUN)


def receive_state(ranks: Ranks) -> SharedState | None:
    """Receive the state from rank 0; None if nothing is left to train."""
    from safetensors.numpy import load

    received = ranks.broadcast(None)
    if received is None or received == NO_RUN:
        return None
    size = int.from_bytes(received[:8], "little")
    return SharedState(json.loads(received[8 : 8 + size]), load(received[8 + size :]))


# --- a follower ---------------------------------------------------------------------------------------------


def run_follower(settings: Settings, cache: Path, ranks: Ranks) -> None:
    """Train this rank's shard of a run.

    Raises:
        Stopped: on all ranks together.
        Diverged: on all ranks together.
        SeqtoolError: rank 0 is gone.
    """
    from seqtool.training.engine.trainer import Trainer

    with stop_signals() as stop:
        with stop.interrupting():
            prepared = first_rank_first(ranks, lambda: prepare(settings, cache))
            shared = receive_state(ranks)
            if shared is None:
                return
            trainer = Trainer(build_task(prepared, ranks).task, prepared.settings.training, stop)
        if shared.numbers:
            trainer.load_state(shared.tensors, shared.numbers)
        for _ in trainer.run():
            _contribute_state(trainer, ranks)
        _contribute_state(trainer, ranks)
        if trainer.end_reason == "stop":
            raise Stopped(stop.signal_number or signal.SIGTERM)


def _contribute_state(trainer: Trainer, ranks: Ranks) -> None:
    """Take part in a checkpoint, if rank 0 writes one: its tensors are gathered from all ranks."""
    if ranks.any(False):
        trainer.state_arrays()
