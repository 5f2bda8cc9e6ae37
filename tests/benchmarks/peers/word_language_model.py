"""Word language model by the recipe of PyTorch's example `word_language_model`, as a plain torch script.

Two LSTM layers of one width, embedding tied to the output layer, uniform initial weights, plain SGD from a high
learning rate that is divided by 4 after an epoch without a better development loss, gradient clipping at 0.25,
windows of 35 words, 20 streams. The time limit stops the training; the model with the best development loss is
scored. Usage:

    python -m tests.benchmarks.peers.word_language_model FOLDER --width 200 --lr 20 --minutes 10

FOLDER has `train.txt`, `dev.txt` and `test.txt`: words between white space, a line end is the word <eos>. The last
line of the output is a JSON object.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

STREAMS, EVALUATED_STREAMS, WINDOW, CLIP = 20, 10, 35, 0.25
DROPOUT = {200: 0.2, 650: 0.5}  # of the recipe's small and its larger network
State = tuple[Tensor, Tensor]


def words_of(path: Path) -> list[str]:
    """Return the words of a file, with <eos> after each line."""
    with path.open(encoding="utf-8") as lines:
        return [word for line in lines for word in (*line.split(), "<eos>")]


def streams(numbers: list[int], count: int) -> Tensor:
    """Return a text as parallel streams (time, streams); the rest is left out."""
    length = len(numbers) // count
    return torch.tensor(numbers[: length * count]).view(count, length).t().contiguous()


class Network(nn.Module):
    """Embedding, dropout, LSTM with dropout between its layers, dropout, and the embedding again as output."""

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        dropout = DROPOUT.get(width, 0.5)
        self.drop = nn.Dropout(dropout)
        self.embedding = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, width, 2, dropout=dropout)
        self.bias = nn.Parameter(torch.zeros(words))
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)

    def forward(self, words: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Return scores (time * streams, words) and the state after the last word."""
        y, state = self.lstm(self.drop(self.embedding(words)), state)
        return functional.linear(self.drop(y).flatten(0, 1), self.embedding.weight, self.bias), state


@torch.no_grad()
def mean_loss(network: Network, text: Tensor) -> float:
    """Return the mean nats per word, with carried state; the first word of each stream is not predicted."""
    network.eval()
    total, count, state = 0.0, 0, None
    for start in range(0, len(text) - 1, WINDOW):
        targets = text[start + 1 : start + 1 + WINDOW]
        scores, state = network(text[start : start + len(targets)], state)
        total += functional.cross_entropy(scores, targets.flatten(), reduction="sum").item()
        count += targets.numel()
    network.train()
    return total / count


class Run:
    """One training run until the time limit."""

    def __init__(self, folder: Path, width: int, lr: float, seed: int, per_epoch: int) -> None:
        torch.manual_seed(seed)
        texts = {name: words_of(folder / f"{name}.txt") for name in ("train", "dev", "test")}
        numbers: dict[str, int] = {}
        for text in texts.values():
            for word in text:
                numbers.setdefault(word, len(numbers))
        encoded = {name: [numbers[word] for word in text] for name, text in texts.items()}
        self.train = streams(encoded["train"], STREAMS)
        self.dev = streams(encoded["dev"], EVALUATED_STREAMS)
        self.test = streams(encoded["test"], 1)  # one pass, so that every word but the first is scored
        self.network = Network(len(numbers), width)
        self.lr = lr
        self.interval = max(1, len(range(0, len(self.train) - 1, WINDOW)) // per_epoch)
        self.best, self.best_weights, self.steps = math.inf, copy.deepcopy(self.network.state_dict()), 0

    def until(self, deadline: float) -> None:
        """Train until a time of the monotonic clock; the last development score is part of the time."""
        state: State | None = None
        start, scoring = 0, 0.0
        while time.monotonic() + scoring < deadline:
            if start >= len(self.train) - 1:
                start, state = 0, None
            targets = self.train[start + 1 : start + 1 + WINDOW]
            state = None if state is None else (state[0].detach(), state[1].detach())
            scores, state = self.network(self.train[start : start + len(targets)], state)
            self.network.zero_grad()
            functional.cross_entropy(scores, targets.flatten()).backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
            with torch.no_grad():
                for parameter in self.network.parameters():
                    if parameter.grad is not None:
                        parameter.add_(parameter.grad, alpha=-self.lr)
            start, self.steps = start + WINDOW, self.steps + 1
            if self.steps % self.interval == 0:
                scoring = self.score()
        self.score()

    def score(self) -> float:
        """Score the development text, keep the best weights, else lower the rate; return the seconds taken."""
        began = time.monotonic()
        loss = mean_loss(self.network, self.dev)
        print(f"step {self.steps}  lr {self.lr:g}  dev perplexity {math.exp(min(loss, 50)):.2f}", flush=True)
        if loss < self.best:
            self.best, self.best_weights = loss, copy.deepcopy(self.network.state_dict())
        else:
            self.lr /= 4
        return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--width", type=int, default=200, help="of embedding and layers: 200 or 650")
    parser.add_argument("--lr", type=float, default=20.0)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--per-epoch", type=int, default=1, help="development scores per epoch; the recipe has 1")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    began = time.monotonic()
    run = Run(options.folder, options.width, options.lr, options.seed, options.per_epoch)
    run.until(began + 60 * options.minutes)
    seconds = time.monotonic() - began
    run.network.load_state_dict(run.best_weights)
    loss = mean_loss(run.network, run.test)
    print(
        json.dumps(
            {
                "width": options.width,
                "lr": options.lr,
                "steps": run.steps,
                "seconds": round(seconds, 1),
                "dev_perplexity": math.exp(min(run.best, 50)),
                "test_perplexity": math.exp(min(loss, 50)),
                "test_words": run.test.numel() - 1,
            }
        )
    )


if __name__ == "__main__":
    main()
