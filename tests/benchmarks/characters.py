"""Time of a training step of a character model: `python -m tests.benchmarks.characters [--device cuda]`.

Each shape is trained by seqtool's trainer and by a bare `nn.LSTM` loop of the same sizes (embedding, LSTM,
linear layer, AdamW, clipping), in alternation. The result is the median of the ratios, since absolute times
change with the machine and its load. With `--threads 1`, processor time is measured, because other processes
disturb it least.

The rate of the machine is that of large matrix products in float32 (on a GPU in bfloat16), measured in the
same alternation. A step right after a product is 7 % slower in both loops, so each loop makes one step that
is not measured first. Freed memory is kept in both loops (`training.device`); `--plain-memory` shows a script
without that.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from seqtool.models import character as networks
from seqtool.models.character import build_character_network
from seqtool.settings.experiment import CharSettings
from seqtool.settings.model import CharModel
from seqtool.settings.training import Training
from seqtool.tasks import character_training as tasks
from seqtool.tasks.character_training import CharacterTask
from seqtool.training.engine import rng as randomness
from seqtool.training.engine.device import keep_freed_memory
from seqtool.training.engine.events import StepEvent
from seqtool.training.engine.trainer import Trainer

SYMBOLS = 65
# Hidden size, layers, embedding, streams, window, dropout of the shipped configs. Short runs have no dropout.
CPU_SHAPES = [
    (256, 1, 64, 16, 64, 0.0),
    (320, 1, 64, 16, 64, 0.0),
    (384, 1, 96, 32, 96, 0.0),
    (512, 1, 96, 32, 128, 0.25),
]
GPU_SHAPES = [(256, 1, 64, 16, 64, 0.0), (512, 1, 96, 32, 128, 0.25), (1840, 3, 400, 128, 200, 0.1)]
Shape = tuple[int, int, int, int, int, float]
PROMISED_RATIO, PROMISED_SHARE = 1.05, 0.55


def operations(shape: Shape) -> int:
    """Return the floating-point operations of the matrix products in a step, forward and backward."""
    hidden, layers, embedding, streams, window, _ = shape
    weights = 4 * hidden * (hidden + embedding) + (layers - 1) * 8 * hidden * hidden + SYMBOLS * hidden
    return 6 * weights * streams * window


class Ours:
    """The trainer, one step per call: masks, state resets, carried state, clipping, fused AdamW, events."""

    def __init__(self, shape: Shape, device: torch.device) -> None:
        hidden, layers, embedding, streams, window, dropout = shape
        model = CharModel(
            hidden_size=hidden, num_layers=layers, embedding_dim=embedding, dropout=dropout, state_reset=0.05
        )
        precision: Any = "bfloat16" if device.type == "cuda" else "float32"
        training = Training(
            max_steps=10**6,
            batch_size=streams,
            window=window,
            clip_norm=1.0,
            precision=precision,
            eval_every=10**6,
        )
        settings = CharSettings(model=model, training=training)
        text = np.random.default_rng(0).integers(0, SYMBOLS, 64 * streams * window + 1).astype(np.uint8)
        corpus: Any = SimpleNamespace(kind="text", train=text, val=text[:100])
        self.trainer = Trainer(
            CharacterTask(build_character_network(settings, SYMBOLS), corpus, settings, device), training
        )
        self.events = self.trainer.run()

    def step(self) -> None:
        """One update."""
        assert isinstance(next(self.events), StepEvent)


class Bare:
    """The same network as a plain PyTorch loop."""

    def __init__(self, shape: Shape, device: torch.device) -> None:
        hidden, layers, embedding, self.streams, self.window, _ = shape
        self.device = device
        self.parts = nn.ModuleList(
            [nn.Embedding(SYMBOLS, embedding), nn.LSTM(embedding, hidden, layers), nn.Linear(hidden, SYMBOLS)]
        )
        self.parts.to(device)
        self.optimizer = torch.optim.AdamW(self.parts.parameters(), fused=True)
        self.text = torch.randint(0, SYMBOLS, (self.window + 1, self.streams), device=device)
        self.state: Any = None

    def step(self) -> None:
        """One update."""
        embedding, lstm, output = self.parts
        self.optimizer.zero_grad()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            y, state = lstm(embedding(self.text[:-1]), self.state)
            loss = functional.cross_entropy(output(y).flatten(0, 1), self.text[1:].flatten())
        self.state = tuple(part.detach() for part in state)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parts.parameters(), 1.0)
        self.optimizer.step()
        loss.item()


def matrix_rate(device: torch.device) -> Callable[[], None]:
    """Return a function that multiplies two matrices in `2 * MATRIX ** 3` operations."""
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    left, right = (torch.randn(MATRIX, MATRIX, device=device, dtype=kind) for _ in range(2))
    return lambda: (left @ right, None)[1]


MATRIX = 1024


def clock() -> float:
    """Return processor seconds with one thread, else wall-clock seconds."""
    return (
        time.process_time()
        if torch.get_num_threads() == 1 and not torch.cuda.is_available()
        else time.perf_counter()
    )


def seconds(work: Callable[[], None], device: torch.device, times: int = 1) -> float:
    """Return the mean seconds of a call."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = clock()
    for _ in range(times):
        work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (clock() - start) / times


@contextmanager
def parts_timed(trainer: Trainer) -> Iterator[dict[str, float]]:
    """Measure the parts of seqtool's steps inside the block; yield their seconds by name."""
    spent: dict[str, float] = defaultdict(float)

    def timed(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            start = clock()
            try:
                return work(*arguments, **named)
            finally:
                spent[name] += clock() - start

        return run

    network: Any = trainer.task.network
    entering = trainer.task._state_before  # type: ignore[attr-defined]
    with (
        mock.patch.object(trainer.task, "batch", timed("slicing windows", trainer.task.batch)),
        mock.patch.object(tasks, "stack_masks", timed("drawing masks", randomness.stack_masks)),
        mock.patch.object(trainer.task, "_state_before", timed("resetting states", entering)),
        mock.patch.object(
            network.encoder, "forward", timed("recurrent layers, forward", network.encoder.forward)
        ),
        mock.patch.object(network, "scores", timed("output layer, forward", network.scores)),
        mock.patch.object(
            networks, "summed_cross_entropy", timed("cross-entropy, forward", networks.summed_cross_entropy)
        ),
        mock.patch.object(torch.Tensor, "backward", timed("backward, whole", torch.Tensor.backward)),
        mock.patch.object(trainer, "_gradient_norm", timed("gradient norm", trainer._gradient_norm)),
        mock.patch.object(trainer, "_clip", timed("clipping", trainer._clip)),
        mock.patch.object(trainer, "_update_weights", timed("optimizer", trainer._update_weights)),
    ):
        yield spent


def compare(shape: Shape, device: torch.device, rounds: int) -> None:
    """Print the ratio of seqtool's step to the bare one, and its share of the rate of the machine."""
    ours, bare, product = Ours(shape, device), Bare(shape, device), matrix_rate(device)
    for work in (ours.step, bare.step, product):
        seconds(work, device, 3)
    steps, products = (1, 8) if device.type == "cpu" else (5, 50)
    runs = []
    for _ in range(rounds):
        product_time = seconds(product, device, products)
        ours.step()
        bare.step()
        runs.append((seconds(ours.step, device, steps), seconds(bare.step, device, steps), product_time))
    ratio = statistics.median(mine / peer for mine, peer, _ in runs)
    share = statistics.median(
        operations(shape) / mine / (2 * MATRIX**3 / product_time) for mine, _, product_time in runs
    )
    best_share = (
        operations(shape) / min(run[0] for run in runs) / (2 * MATRIX**3 / min(run[2] for run in runs))
    )
    mine, peer, product_time = (statistics.median(column) for column in zip(*runs, strict=True))
    hidden, layers, embedding, streams, window, dropout = shape
    symbols = streams * window
    batch = f"{streams} streams, window {window}"
    print(f"LSTM {layers} x {hidden}, embedding {embedding}, {batch}, dropout {dropout:g}")
    times = f"{mine * 1e3:8.1f} ms / {peer * 1e3:8.1f} ms = {ratio:.3f}"
    print(f"  seqtool / bare loop    {times}  (promised <= {PROMISED_RATIO})")
    print(f"  symbols per second      {symbols / mine:10,.0f} / {symbols / peer:10,.0f}")
    rates = f"{operations(shape) / mine / 1e9:,.0f} of {2 * MATRIX**3 / product_time / 1e9:,.0f} GFLOP/s"
    shares = f"{share:.3f} median, {best_share:.3f} fastest: {rates}"
    print(f"  share of matrix rate   {shares}  (promised >= {PROMISED_SHARE})")
    print_parts(ours, device)


def print_parts(ours: Ours, device: torch.device, steps: int = 10) -> None:
    """Print the time of each part of a step; on a GPU, the host's time without waits for the GPU."""
    ours.step()
    with parts_timed(ours.trainer) as spent:
        whole = seconds(ours.step, device, steps)
    parts = {name: part / steps for name, part in spent.items()}
    for name, part in {**parts, "other": whole - sum(parts.values())}.items():
        print(f"    {name:<28} {part * 1e3:8.2f} ms  {part / whole:6.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument(
        "--plain-memory", action="store_true", help="let the C library return freed memory at every step"
    )
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.exit(2, "error: this machine has no CUDA device that torch can use\n")
    torch.set_num_threads(options.threads)
    if not options.plain_memory:
        keep_freed_memory()
    where = (
        torch.cuda.get_device_name()
        if device.type == "cuda"
        else f"{platform.machine()}, {options.threads} threads"
    )
    print(
        f"{where}, Python {platform.python_version()}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}"
    )
    for shape in GPU_SHAPES if device.type == "cuda" else CPU_SHAPES:
        compare(shape, device, options.rounds)


if __name__ == "__main__":
    main()
