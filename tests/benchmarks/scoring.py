"""Scoring of a long text, compared with training on it: `python -m tests.benchmarks.scoring`.

SEQTOOL_DATA names the directory that contains `war_and_peace`, 3.2 million symbols. The network is that of
`configs/shakespeare.yaml`, LSTM 320. Training reads the text once, with the batch of the config; the time of
a run of few steps is subtracted, so that start and saving do not count. `score --file` is a whole process.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path

from tests.support.shell import SEQTOOL, environment

PROJECT = Path(__file__).parent.parent.parent
TEXT = Path(os.environ.get("SEQTOOL_DATA", "data")).resolve() / "war_and_peace/war_and_peace.txt"
BATCH, WINDOW, FEW = 16, 64, 50
PROMISED = 2.0


def seconds(folder: Path, *arguments: str) -> tuple[float, str]:
    """Run seqtool, and return its time by the clock and its output."""
    start = time.perf_counter()
    done = subprocess.run(
        [*SEQTOOL, *arguments], cwd=folder, env=environment(), check=True, text=True, stdout=subprocess.PIPE
    )
    return time.perf_counter() - start, done.stdout


def train(folder: Path, steps: int) -> float:
    """Return the time of a training run of a number of steps."""
    settings = (
        f"data.text={TEXT}",
        "data.split=[1.0, 0.0]",
        f"training.max_steps={steps}",
        "training.eval_every=null",
        "training.warmup_steps=10",
        f"training.batch_size={BATCH}",
        f"training.window={WINDOW}",
        "name=text",
    )
    given = [part for setting in settings for part in ("--set", setting)]
    config = str(PROJECT / "configs/shakespeare.yaml")
    return seconds(folder, "train-char", config, "--overwrite", "--quiet", *given)[0]


def main() -> None:
    """Print both times and their ratio."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    symbols = len(TEXT.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few = train(folder, FEW)
        steps = symbols // (BATCH * WINDOW)
        once = (train(folder, FEW + steps) - few) * symbols / (steps * BATCH * WINDOW)
        score, out = seconds(folder, "score", "-m", "text", "--file", str(TEXT), "--json")
        protocol = json.loads(out.splitlines()[0])["protocol"]
    print(f"training reads {symbols:,} symbols once: {once:.1f} s")
    print(f"score --file ({protocol}): {score:.1f} s, ratio {score / once:.2f} (promised: {PROMISED})")


if __name__ == "__main__":
    main()
