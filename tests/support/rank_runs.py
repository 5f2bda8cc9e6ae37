"""Small runs of one process and of several ranks: their losses, scores and final states, for comparison."""

from __future__ import annotations

import json
import math
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqtool.data.sharding import Shard
from seqtool.errors import Diverged, SeqtoolError
from seqtool.models.weights import weight_arrays
from seqtool.settings.data import TaggerData
from seqtool.settings.experiment import CharSettings, TaggerSettings
from seqtool.settings.model import CharModel, Feature, TaggerModel
from seqtool.settings.training import Training
from seqtool.training.engine.events import RowEvent
from seqtool.training.engine.ranks import ALONE, Launch, Ranks
from tests.support.small_tasks import lines_task, random_sentences, tagging_task, text_task, trainer

CHAR = CharModel(
    hidden_size=24, num_layers=2, embedding_dim=8, dropout=0.2, weight_dropout=0.1, state_reset=0.2
)
TRAINING = Training(
    max_steps=50, batch_size=6, window=16, lr=0.003, clip_norm=0.5, ema=0.9, weight_decay=0.01
)
FEATURES = (
    Feature(name="form", dim=8),
    Feature(name="vectors", dim=4, path="x"),
    Feature(name="char_cnn", dim=4),
)
TAGGER = TaggerModel(
    hidden_size=12,
    projection=10,
    features=FEATURES,
    dropout=0.2,
    initial_state="random",
    word_replacement=2.0,
    word_dropout=0.2,
)


def char(model: CharModel = CHAR, **training: Any) -> CharSettings:
    return CharSettings(model=model, training=replace(TRAINING, **training))


def tagger(decoder: Any, **training: Any) -> TaggerSettings:
    return TaggerSettings(
        data=TaggerData(train=("x",)),
        model=replace(TAGGER, decoder=decoder),
        training=replace(TRAINING, **training),
    )


def spans(settings: TaggerSettings, ranks: Ranks) -> Any:
    return tagging_task(
        settings, random_sentences(45, spans=True), random_sentences(9, 1, spans=True), "iob2", ranks
    )


RUNS: dict[str, Callable[[Ranks], Any]] = {
    "text": lambda ranks: text_task(char(), train=2000, val=900, ranks=ranks),
    "text, unequal numbers of streams": lambda ranks: text_task(
        char(batch_size=5, eval_every=20), train=1000, ranks=ranks
    ),
    "text, learned initial state, accumulated batches": lambda ranks: text_task(
        char(replace(CHAR, initial_state="learned", cell="gru"), accumulate=2),
        train=2000,
        val=None,
        ranks=ranks,
    ),
    "lines": lambda ranks: lines_task(char(replace(CHAR, initial_state="random"), batch_size=7), ranks=ranks),
    "lines with conditions": lambda ranks: lines_task(
        char(replace(CHAR, condition_dim=5)), ranks=ranks, conditions=3
    ),
    "tagger, crf": lambda ranks: spans(tagger("crf", batch_size=4), ranks),
    "tagger, batches by words, some of one sentence": lambda ranks: spans(
        tagger("viterbi", batch_words=20, optimizer="sgd"), ranks
    ),
}


def outcome(task: Any, ranks: Ranks) -> dict[str, Any]:
    """Train, and return the results that all ranks and a single process must agree on."""
    losses, rows = [], []
    for event in trainer(task).run():
        if isinstance(event, RowEvent):
            rows.append([event.step, event.train_loss, *event.scores.values()])
        else:
            losses.append(event.loss)
    carried = {name: tensor.flatten().tolist() for name, tensor in task.carried_state().items()}
    weights = float(sum(np.abs(array).sum() for array in weight_arrays(task.network).values()))
    return {
        "losses": losses,
        "rows": rows,
        "carried": carried,
        "weights": weights,
        "same_bits": _have_same_bits(task, ranks),
    }


def _have_same_bits(task: Any, ranks: Ranks) -> bool:
    """Return whether the weights of all ranks are equal in every bit."""
    own = b"".join(array.tobytes() for array in weight_arrays(task.network).values())
    return not ranks.any(ranks.broadcast(own) != own)


def run_single_process() -> dict[str, Any]:
    """Return the results of all runs in this process."""
    return {name: outcome(make(ALONE), ALONE) for name, make in RUNS.items()}


def run_rank(rank: int, size: int, port: int, path: str) -> None:
    """Write the results of all runs of one rank to a file."""
    with joined_group(rank, size, port) as ranks:
        results = {name: outcome(make(ranks), ranks) for name, make in RUNS.items()}
    Path(path).with_suffix(f".{rank}").write_text(json.dumps(results))


@contextmanager
def joined_group(rank: int, size: int, port: int) -> Iterator[Ranks]:
    """Join the process group on a port of this machine, with one thread."""
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    from seqtool.training.engine.distributed import process_group

    with process_group(Launch(Shard(rank, size), Shard(rank, size)), torch.device("cpu")) as ranks:
        yield ranks


# --- runs that end early -----------------------------------------------------------------------------------


SHORT = Training(max_steps=40, batch_size=4, window=16, eval_every=4)
ENDINGS = {
    "patience": replace(SHORT, lr=0.03, patience=2),
    "max_minutes": replace(SHORT, max_minutes=10.0),
    "diverged": SHORT,
}


def ending(name: str, ranks: Ranks, *, has_fault: bool) -> dict[str, Any]:
    """Train, and return the reason for the end and the last step.

    - `patience`: the validation text is a training text in reverse, so its loss grows with every row. The
      differences between rows are much larger than the rounding errors that depend on the number of ranks.
    - `max_minutes`: the clock of the process with the fault gains an hour after the sixth step.
    - `diverged`: the loss of the process with the fault is NaN in the sixth step.

    Args:
        has_fault: whether this process has the fault.
    """
    settings = CharSettings(model=CHAR, training=ENDINGS[name])
    task: Any = text_task(settings, ranks=ranks, reverse_val=name == "patience")
    training = trainer(task)
    if name == "diverged" and has_fault:
        loss = task.loss
        task.loss = lambda batch, index, draw: loss(batch, index, draw) * (math.nan if draw == 5 else 1)
    try:
        for event in training.run():
            if name == "max_minutes" and has_fault and event.step == 6:
                training._started -= 3600
    except Diverged as error:
        return {"ended": str(error), "step": training.state.step}
    return {"ended": training.end_reason, "step": training.state.step}


def write_rank_endings(rank: int, size: int, port: int, path: str) -> None:
    """Write the ends of all runs of one rank to a file; the last rank has the faults."""
    with joined_group(rank, size, port) as ranks:
        endings = {name: ending(name, ranks, has_fault=rank == size - 1) for name in ENDINGS}
    Path(path).with_suffix(f".{rank}").write_text(json.dumps(endings))


def write_error_of_the_last_rank(rank: int, size: int, port: int, path: str) -> None:
    """Let the last rank fail between two steps, and write the error that each rank ends with to a file."""
    try:
        with joined_group(rank, size, port) as ranks:
            ranks.any(False)
            if rank == size - 1:
                raise ValueError("no room\nfor this")
            ranks.any(False)
    except (SeqtoolError, ValueError) as error:
        Path(path).with_suffix(f".{rank}").write_text(json.dumps(str(error).splitlines()))


def free_port() -> int:
    """Return the number of a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_ranks(size: int, path: Path, work: Callable[..., None] = run_rank) -> list[BaseProcess]:
    """Start several ranks. They are forked from one server process, so torch is imported only once."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.support.rank_runs", "seqtool.training.engine.distributed"])
    port = free_port()
    processes: list[BaseProcess] = [
        context.Process(target=work, args=(rank, size, port, str(path))) for rank in range(size)
    ]
    for process in processes:
        process.start()
    return processes


def run_ranks(size: int, path: Path, work: Callable[..., None] = run_rank) -> list[Any]:
    """Run several ranks to their end, and return what each of them wrote."""
    processes = start_ranks(size, path, work)
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0] * size
    return [json.loads(path.with_suffix(f".{rank}").read_text()) for rank in range(size)]
