"""Several processes at one run, as torchrun starts them: the first does all that one alone would do, the others follow.

A follower reads the data, trains its share and evaluates its share; it writes nothing and says nothing. What the first has to
tell it comes in this order: what to begin from, whether a state is wanted (after every report), and the same once more at the
end, since a stop may come as late as in the last evaluation.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from seqtool.errors import Stopped
from seqtool.settings import Settings
from seqtool.tasks.network import build_task, require_torch
from seqtool.tasks.prepare import prepare
from seqtool.training.engine.ranks import ALONE, Ranks
from seqtool.training.engine.torchrun import Launch
from seqtool.training.signals import stop_signals

if TYPE_CHECKING:
    from seqtool.training.engine.trainer import Trainer

T = TypeVar("T")
NEVER = b"-"  # the first rank does not train this run
Arrays = Mapping[str, Any]


@contextmanager
def ranks_of(settings: Settings, launch: Launch) -> Iterator[Ranks]:
    """The ranks that train together, met for the block; torch is loaded where there are several.

    Raises:
        SeqtoolError: if they cannot meet.
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
    """Work that leaves something in a cache: first by one process of each machine, then by the others, which find it there."""
    made = [work()] if ranks.local.rank == 0 else []
    ranks.any(False)
    return made[0] if made else work()


# --- what a run begins from -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SharedState:
    """A trainer's state, as a checkpoint holds it; empty for a run from its first step."""

    numbers: Mapping[str, Any]
    tensors: Arrays


def broadcast_state(ranks: Ranks, numbers: Mapping[str, Any], tensors: Arrays) -> None:
    """The first rank's word to the others."""
    if ranks.shard.size == 1:
        return
    from safetensors.numpy import save

    head = json.dumps(numbers).encode()
    ranks.broadcast(len(head).to_bytes(8, "little") + head + save(dict(tensors)))


def broadcast_no_run(ranks: Ranks) -> None:
    """The first rank's word to the others where there is nothing left to train."""
    if ranks.shard.size > 1:
        ranks.broadcast(NEVER)


def receive_state(ranks: Ranks) -> SharedState | None:
    """The first rank's word; None if it does not train."""
    from safetensors.numpy import load

    said = ranks.broadcast(None)
    if said is None or said == NEVER:
        return None
    size = int.from_bytes(said[:8], "little")
    return SharedState(json.loads(said[8 : 8 + size]), load(said[8 + size :]))


# --- a follower -------------------------------------------------------------------------------------------------------


def follow(settings: Settings, cache: Path, ranks: Ranks) -> None:
    """Train this rank's share of a run.

    Raises:
        Stopped: with all the others.
        Diverged: with all the others.
        SeqtoolError: if the first rank has gone.
    """
    from seqtool.training.engine.trainer import Trainer

    with stop_signals() as stop:
        with stop.interrupting():
            prepared = first_rank_first(ranks, lambda: prepare(settings, cache))
            beginning = receive_state(ranks)
            if beginning is None:
                return
            trainer = Trainer(build_task(prepared, ranks).task, prepared.settings.training, stop)
        if beginning.numbers:
            trainer.load_state(beginning.tensors, beginning.numbers)
        for _ in trainer.run():
            _give_state(trainer, ranks)
        _give_state(trainer, ranks)
        if trainer.ended == "stop":
            raise Stopped(stop.signal_number or signal.SIGTERM)


def _give_state(trainer: Trainer, ranks: Ranks) -> None:
    """Take part in the making of a checkpoint, if the first rank makes one."""
    if ranks.any(False):
        trainer.state_arrays()
