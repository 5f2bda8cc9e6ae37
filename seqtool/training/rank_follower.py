"""Several processes (ranks) that train one run under torchrun.

Rank 0 does everything that a single process would do. The other ranks, the followers, read the data, train
their shard and evaluate their shard; they write and print nothing. Rank 0 sends them, in this order: the
states to start from; after every event whether a checkpoint is written; and the same once more at the end of
each part, because a stop can come as late as in the final evaluation.
"""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqtool.errors import SeqtoolError, Stopped
from seqtool.settings.experiment import Settings
from seqtool.storage.find_model import PARTIAL
from seqtool.storage.run_directory import RunDirectory
from seqtool.storage.verified_directory import canonical_json
from seqtool.tasks.build import build_task, prepare_run, require_torch
from seqtool.tasks.parts import PreparedRun
from seqtool.training.engine.rank_meeting import Note, Terms, check_notes
from seqtool.training.engine.ranks import ALONE, Launch, Ranks
from seqtool.training.provenance import experiment, flat, versions
from seqtool.training.session import stop_signals
from seqtool.types import Arrays, Json

if TYPE_CHECKING:
    from seqtool.training.engine.trainer import Trainer

MAY_DIFFER_BETWEEN_RANKS = frozenset({"training.threads", "training.rank_timeout"})
LAST_WORDS = 30.0  # seconds in which a rank with an error tries to send it to the others
NO_RUN = b"-"  # rank 0 does not train this run


def is_restart(launch: Launch, run: Path, *, overwrite: bool) -> bool:
    """Return whether torchrun has started this run before, so that it resumes from its last checkpoint.

    A machine that joins or leaves makes torchrun start the ranks again without counting that. Under torchrun,
    a checkpoint of an unfinished run therefore counts as well.

    Args:
        launch: position of this process among the ranks.
        run: final directory of the run, or of the runs of several seeds.
        overwrite: whether the command replaces a run of this name.
    """
    if launch.restarts or overwrite or not launch.restartable:
        return launch.restarts > 0
    seeds = [RunDirectory(run, path.stem) for path in run.glob(f"seed-*{PARTIAL}")]
    return any(one.has_checkpoint() for one in [RunDirectory(run.parent, run.name), *seeds])


@contextmanager
def process_ranks(settings: Settings, launch: Launch, terms: Terms) -> Iterator[Ranks]:
    """Connect the ranks that train together during the block; a single process does not load torch.

    Args:
        settings: settings of the run.
        launch: position of this process among the ranks.
        terms: what must be equal on all ranks, besides versions, settings and data.

    Raises:
        SeqtoolError: the ranks cannot connect.
    """
    if launch.shard.size == 1:
        yield ALONE
        return
    require_torch()
    from seqtool.training.engine.device import choose_device
    from seqtool.training.engine.distributed import process_group

    timeout = settings.training.rank_timeout
    with errors_before_connection(launch):
        device = choose_device(settings.training.device, launch.local)
    with process_group(launch, device, {**versions(), **terms}, timeout) as ranks:
        yield ranks


@contextmanager
def errors_before_connection(launch: Launch) -> Iterator[None]:
    """Send the other ranks, which wait for this one, an error inside the block."""
    try:
        yield
    except SeqtoolError as error:
        if launch.shard.size > 1:
            with suppress(ImportError):
                from seqtool.training.engine.distributed import send_error

                send_error(launch, error, LAST_WORDS)
        raise


def prepare_together(ranks: Ranks, work: Callable[[], PreparedRun]) -> PreparedRun:
    """Prepare the data on one rank of each machine, then on the others, which use its cache.

    Raises:
        SeqtoolError: the settings or the data of the ranks differ; on all ranks.
    """
    first = work() if ranks.local.rank == 0 else None
    ranks.any(False)
    prepared = work() if first is None else first
    _check_agreement(ranks, prepared)
    return prepared


def _check_agreement(ranks: Ranks, prepared: PreparedRun) -> None:
    """Check that all ranks train the same run. They exchange a digest, and what it contains if it differs."""
    terms = {
        key: value for key, value in flat(experiment(prepared)).items() if key not in MAY_DIFFER_BETWEEN_RANKS
    }
    content = canonical_json(terms)
    digests = ranks.gather_bytes(hashlib.sha256(content).digest())
    if len(set(digests)) > 1:
        notes = [Note.of_this_rank(terms)]
        everyone = ranks.gather_bytes(json.dumps([notes[0].host, terms]).encode())
        check_notes([Note(*json.loads(text)) for text in everyone])


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


def receive_states(ranks: Ranks, count: int) -> list[SharedState]:
    """Receive the states of this many trainers from rank 0; empty if nothing is left to train."""
    from safetensors.numpy import load

    states = []
    for _ in range(count):
        received = ranks.broadcast(None)
        if received is None or received == NO_RUN:
            return []
        size = int.from_bytes(received[:8], "little")
        states.append(SharedState(json.loads(received[8 : 8 + size]), load(received[8 + size :])))
    return states


# --- a follower ---------------------------------------------------------------------------------------------


def run_follower(settings: Settings, cache: Path, ranks: Ranks) -> None:
    """Train this rank's shard of each part of a run.

    Raises:
        Stopped: on all ranks together.
        Diverged: on all ranks together.
        SeqtoolError: rank 0 is gone.
    """
    from seqtool.training.engine.trainer import Trainer

    with stop_signals() as stop:
        with stop.interrupting():
            prepared = prepare_together(ranks, lambda: prepare_run(settings, cache))
            states = receive_states(ranks, len(prepared.parts))
            if not states:
                return
            trainers = [
                Trainer(build_task(part, ranks).task, part.settings.training, stop)
                for part in prepared.parts.values()
            ]
        for trainer, state in zip(trainers, states, strict=True):
            if state.numbers:
                trainer.load_state(state.tensors, state.numbers)
        for trainer in trainers:
            for _ in trainer.run():
                _contribute_state(trainer, ranks)
            _contribute_state(trainer, ranks)
            if trainer.end_reason == "stop":
                raise Stopped(stop.signal_number or signal.SIGTERM)


def _contribute_state(trainer: Trainer, ranks: Ranks) -> None:
    """Take part in a checkpoint, if rank 0 writes one: its tensors are gathered from all ranks."""
    if ranks.any(False):
        trainer.state_arrays()
