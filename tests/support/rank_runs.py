"""Runs of several ranks and of one process: their losses and scores, for comparison."""

from __future__ import annotations

import json
import math
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqtool.data.sharding import Shard
from seqtool.errors import Diverged
from seqtool.models.weights import weight_arrays
from seqtool.settings import (
    CharModel,
    CharSettings,
    Feature,
    TaggerData,
    TaggerModel,
    TaggerSettings,
    Training,
)
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
    "text, streams not divisible by the ranks": lambda ranks: text_task(
        char(batch_size=5, eval_every=20), train=1000, ranks=ranks
    ),
    "text, learned initial state, accumulated batches": lambda ranks: text_task(
        char(replace(CHAR, initial_state="learned", cell="gru"), accumulate=2),
        train=2000,
        val=None,
        ranks=ranks,
    ),
    "lines": lambda ranks: lines_task(char(replace(CHAR, initial_state="random"), batch_size=7), ranks=ranks),
    "tagger, crf": lambda ranks: spans(tagger("crf", batch_size=4), ranks),
    "tagger, by words, some batches of one sentence": lambda ranks: spans(
        tagger("viterbi", batch_words=20, optimizer="sgd"), ranks
    ),
}


def outcome(task: Any, ranks: Ranks) -> dict[str, Any]:
    """Train, and return everything in which all ranks and a single process must agree."""
    trained = trainer(task)
    losses, rows = [], []
    for event in trained.run():
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
        "digest": _digest(task, ranks),
    }


def _digest(task: Any, ranks: Ranks) -> bool:
    """Return whether all ranks have bit-identical weights."""
    own = b"".join(array.tobytes() for array in weight_arrays(task.network).values())
    return not ranks.any(ranks.broadcast(own) != own)


def run_alone() -> dict[str, Any]:
    return {name: outcome(make(ALONE), ALONE) for name, make in RUNS.items()}


def run_rank(rank: int, size: int, port: int, path: str) -> None:
    """Train all runs in one of several processes and write the outcomes to a file."""
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    from seqtool.training.engine.distributed import process_group

    with process_group(Launch(Shard(rank, size), Shard(rank, size)), torch.device("cpu")) as ranks:
        outcomes = {name: outcome(make(ranks), ranks) for name, make in RUNS.items()}
    Path(path).with_suffix(f".{rank}").write_text(json.dumps(outcomes))


# --- runs that end early ---------------------------------------------------------------------------------


SHORT = Training(max_steps=40, batch_size=4, window=16, eval_every=4)
ENDINGS = {
    "patience": replace(SHORT, lr=0.8, patience=2),
    "max_minutes": replace(SHORT, max_minutes=10.0),  # reached by the clock of one rank after six steps
    "diverged": SHORT,  # the loss of one rank is NaN in the sixth step
}


def ending(name: str, ranks: Ranks, *, odd: bool) -> dict[str, Any]:
    """Return the reason and the step at which a run ended.

    Args:
        odd: whether the clock or the loss of this process is manipulated.
    """
    task = text_task(CharSettings(model=CHAR, training=ENDINGS[name]), ranks=ranks)
    trained = trainer(task)
    if name == "diverged" and odd:
        right = task.loss
        task.loss = lambda batch, index, draw: right(batch, index, draw) * (math.nan if draw == 5 else 1)  # type: ignore[method-assign]
    try:
        for event in trained.run():
            if name == "max_minutes" and odd and event.step == 6:
                trained._started -= 3600
    except Diverged as error:
        return {"ended": str(error), "step": trained.state.step}
    return {"ended": trained.end_reason, "step": trained.state.step}


def end_rank(rank: int, size: int, port: int, path: str) -> None:
    """Train the runs that end early in one of several processes; the last rank is manipulated."""
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    from seqtool.training.engine.distributed import process_group

    with process_group(Launch(Shard(rank, size), Shard(rank, size)), torch.device("cpu")) as ranks:
        outcomes = {name: ending(name, ranks, odd=rank == size - 1) for name in ENDINGS}
    Path(path).with_suffix(f".{rank}").write_text(json.dumps(outcomes))


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def start_ranks(size: int, path: Path, work: Callable[..., None] = run_rank) -> list[BaseProcess]:
    """Start several ranks, forked from one server that has imported torch."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.support.rank_runs", "seqtool.training.engine.distributed"])
    port = free_port()
    processes: list[BaseProcess] = [
        context.Process(target=work, args=(rank, size, port, str(path))) for rank in range(size)
    ]
    for process in processes:
        process.start()
    return processes


def run_together(size: int, path: Path, work: Callable[..., None] = run_rank) -> list[dict[str, Any]]:
    """Run several ranks and return the outcome of each."""
    processes = start_ranks(size, path, work)
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0] * size
    return [json.loads(path.with_suffix(f".{rank}").read_text()) for rank in range(size)]
