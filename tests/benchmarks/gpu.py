"""Training on a GPU compared with a bare cuDNN loop: `python tests/benchmarks/gpu.py`.

The peer is a loop that a person would write by hand: `nn.LSTM` with its flattened weights, random symbols
that are already on the GPU, fused AdamW, clipping, and no synchronization with the device. seqtool's trainer
also reads streams from memory and moves them to the GPU, draws locked dropout on the CPU, carries the state,
and checks norm, progress and limits. Both are measured in alternation; the result is the ratio. The share of
the chip's rate counts matrix products only: 6 operations per weight and symbol.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from seqtool.models.character import build_character_network
from seqtool.settings.experiment import CharSettings
from seqtool.settings.model import CharModel
from seqtool.settings.training import Training
from seqtool.tasks.character_training import CharacterTask
from seqtool.training.engine.events import StepEvent
from seqtool.training.engine.trainer import Trainer

SYMBOLS, EMBEDDING, BATCH, WINDOW = 96, 128, 128, 256
PEAKS = {
    "H100": (494e12, 989e12),
    "H200": (494e12, 989e12),
    "A100": (156e12, 312e12),
}  # operations per second in TF32, which cuDNN uses for float32, and in bfloat16, from the data sheets
PROMISED = 0.95


def ours(hidden: int, precision: Any, steps: int, device: torch.device) -> float:
    """Return the characters per second of seqtool's trainer."""
    training = Training(
        max_steps=steps + 20, batch_size=BATCH, window=WINDOW, clip_norm=1.0, precision=precision
    )
    model = CharModel(hidden_size=hidden, embedding_dim=EMBEDDING, dropout=0.2, state_reset=0.05)
    settings = CharSettings(model=model, training=training)
    text = np.random.default_rng(0).integers(0, SYMBOLS, 20_000_000).astype(np.uint8)
    corpus: Any = SimpleNamespace(kind="text", train=text, val=None)
    trainer = Trainer(
        CharacterTask(build_character_network(settings, SYMBOLS), corpus, settings, device), training
    )
    started = 0.0
    for event in trainer.run():
        if isinstance(event, StepEvent) and event.step == 20:
            torch.cuda.synchronize()
            started = time.perf_counter()
    torch.cuda.synchronize()
    return steps * BATCH * WINDOW / (time.perf_counter() - started)


class Bare(nn.Module):
    """Network with embedding, LSTM and output layer."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(SYMBOLS, EMBEDDING)
        self.lstm = nn.LSTM(EMBEDDING, hidden)
        self.output = nn.Linear(hidden, SYMBOLS)

    def forward(self, symbols: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        y, state = self.lstm(self.embedding(symbols), state)
        return self.output(y), state


def bare(hidden: int, precision: str, steps: int, device: torch.device) -> float:
    """Return the characters per second of the bare loop."""
    network = Bare(hidden).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.003, fused=True)
    symbols = torch.randint(SYMBOLS, (WINDOW + 1, BATCH), device=device)
    state: Any = None
    started = 0.0
    for step in range(steps + 20):
        if step == 20:
            torch.cuda.synchronize()
            started = time.perf_counter()
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bfloat16"):
            logits, state = network(symbols[:-1], state)
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), symbols[1:].flatten())
        state = tuple(part.detach() for part in state)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    torch.cuda.synchronize()
    return steps * BATCH * WINDOW / (time.perf_counter() - started)


def operations(hidden: int) -> int:
    """Return the operations of the matrix products per character, forward and backward."""
    weights = 4 * hidden * (EMBEDDING + hidden) + hidden * SYMBOLS
    return 6 * weights


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048])
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("torch finds no GPU, so nothing was measured")
    device, name = torch.device("cuda"), torch.cuda.get_device_name()
    peaks = next((peak for chip, peak in PEAKS.items() if chip in name), None)
    print(f"{name}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}; batch {BATCH}, window {WINDOW}")
    loops: tuple[Callable[[int, Any, int, torch.device], float], ...] = (ours, bare)
    for place, precision in enumerate(("float32", "bfloat16")):
        for hidden in options.sizes:
            runs = [
                [loop(hidden, precision, options.steps, device) for loop in loops]
                for _ in range(options.rounds)
            ]
            ratio = statistics.median(first / second for first, second in runs)
            mine, peer = (statistics.median(column) for column in zip(*runs, strict=True))
            share = f"{mine * operations(hidden) / peaks[place]:6.1%} of the chip's rate" if peaks else ""
            verdict = "ok" if ratio >= PROMISED else "TOO SLOW"
            rates = f"{mine:>12,.0f} / {peer:>12,.0f} chars/s = {ratio:5.3f}"
            print(f"{precision:<9} LSTM {hidden:<5} {rates}  {verdict}  {share}", flush=True)


if __name__ == "__main__":
    main()
