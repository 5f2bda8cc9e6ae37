"""Characters per second of one process and of several ranks on one machine.

    python -m tests.benchmarks.ranks

The global batch is the same each time: 32 streams of 100 symbols, LSTM 512. Each rank has one thread. The
peer is one process with as many threads as there are ranks, as on a laptop without torchrun.
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

from seqtool.models.character import build_character_network
from seqtool.settings.experiment import CharSettings
from seqtool.settings.model import CharModel
from seqtool.settings.training import Training
from seqtool.tasks.character_training import CharacterTask
from seqtool.training.engine.events import StepEvent
from seqtool.training.engine.ranks import ALONE, Ranks
from seqtool.training.engine.trainer import Trainer
from tests.support.rank_runs import joined_group, start_ranks

MODEL = CharModel(hidden_size=512, embedding_dim=96, dropout=0.25, state_reset=0.05)
SYMBOLS, WARM_UP, STEPS = 65, 3, 15


def rate(ranks: Ranks, threads: int, batch: int = 32) -> float:
    """Return the characters per second of all ranks together."""
    torch.set_num_threads(threads)
    training = Training(max_steps=WARM_UP + STEPS, batch_size=batch, window=100, clip_norm=1.0, device="cpu")
    settings = CharSettings(model=MODEL, training=training)
    text = np.random.default_rng(0).integers(0, SYMBOLS, 500_000).astype(np.uint8)
    corpus: Any = SimpleNamespace(kind="text", train=text, val=None)
    task = CharacterTask(
        build_character_network(settings, SYMBOLS), corpus, settings, torch.device("cpu"), ranks
    )
    started = 0.0
    for event in Trainer(task, replace(training)).run():
        if isinstance(event, StepEvent) and event.step == WARM_UP:
            started = time.perf_counter()
    return STEPS * batch * 100 / (time.perf_counter() - started)


def write_rate(rank: int, size: int, port: int, path: str) -> None:
    """Measure in one of several ranks; the first rank writes the result to a file."""
    with joined_group(rank, size, port) as ranks:
        measured = rate(ranks, 1)
    if rank == 0:
        Path(path).write_text(str(measured))


def rate_of_ranks(size: int) -> float:
    """Start several ranks, and return their characters per second together."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rate"
        for process in start_ranks(size, path, write_rate):
            process.join()
        return float(path.read_text())


def main() -> None:
    """Measure one thread, several threads and several ranks in alternation."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    print(f"{machine}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}")
    for _ in range(options.rounds):
        one, threads, ranks = rate(ALONE, 1), rate(ALONE, options.ranks), rate_of_ranks(options.ranks)
        print(
            f"1 thread {one:8,.0f}   {options.ranks} threads {threads:8,.0f} ({threads / one:.2f} x)",
            end="   ",
        )
        ratios = f"{ranks / one:.2f} x, {ranks / threads:.2f} of threads"
        print(f"{options.ranks} ranks {ranks:8,.0f} ({ratios}) chars/s", flush=True)


if __name__ == "__main__":
    main()
