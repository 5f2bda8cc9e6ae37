"""Characters per second of one process and of several ranks on one machine: `python -m tests.benchmarks.ranks`.

The same global batch each time (32 streams of 100 symbols, LSTM 512), one thread a rank; and one process with as many threads as
there are ranks, which is what a laptop does without torchrun.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from seqtool.data.sharding import Shard
from seqtool.models.character import build_character_network
from seqtool.settings import CharModel, CharSettings, Training
from seqtool.tasks.character_training import CharacterTask
from seqtool.training.engine.events import StepEvent
from seqtool.training.engine.ranks import ALONE, Launch, Ranks
from seqtool.training.engine.trainer import Trainer
from tests.support.rank_runs import start_ranks

MODEL = CharModel(hidden_size=512, embedding_dim=96, dropout=0.25, state_reset=0.05)
SYMBOLS, WARM_UP, STEPS = 65, 3, 15


def rate(ranks: Ranks, threads: int, batch: int = 32) -> float:
    """Characters per second of all ranks together."""
    torch.set_num_threads(threads)
    training = Training(max_steps=WARM_UP + STEPS, batch_size=batch, window=100, clip_norm=1.0, device="cpu")
    settings = CharSettings(model=MODEL, training=training)
    text = np.random.default_rng(0).integers(0, SYMBOLS, 500_000).astype(np.uint8)
    corpus: Any = SimpleNamespace(kind="text", train=text, val=None)
    task = CharacterTask(
        build_character_network(settings, SYMBOLS), corpus, settings, torch.device("cpu"), ranks
    )
    began = 0.0
    for report in Trainer(task, replace(training)).run():
        if isinstance(report, StepEvent) and report.step == WARM_UP:
            began = time.perf_counter()
    return STEPS * batch * 100 / (time.perf_counter() - began)


def as_rank(rank: int, size: int, port: int, path: str) -> None:
    """What each of several ranks does."""
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    from seqtool.training.engine.distributed import process_group

    with process_group(Launch(Shard(rank, size), Shard(rank, size)), torch.device("cpu")) as ranks:
        found = rate(ranks, 1)
    if rank == 0:
        Path(path).write_text(str(found))


def together(size: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rate"
        for process in start_ranks(size, path, as_rank):
            process.join()
        return float(path.read_text())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}"
    )
    for _ in range(given.rounds):
        one, threads, ranks = rate(ALONE, 1), rate(ALONE, given.ranks), together(given.ranks)
        print(
            f"1 thread {one:8,.0f}   {given.ranks} threads {threads:8,.0f} ({threads / one:.2f} x)", end="   "
        )
        print(
            f"{given.ranks} ranks {ranks:8,.0f} ({ranks / one:.2f} x, {ranks / threads:.2f} of threads) chars/s",
            flush=True,
        )


if __name__ == "__main__":
    main()
