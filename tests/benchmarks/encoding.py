"""What a large text costs before it is trained on: `python -m tests.benchmarks.encoding [--megabytes 1000]`.

A made-up UTF-8 text of that size (four scripts, characters of one to three bytes) is written to a temporary folder. A small
model is trained on it for a few steps with `seqtool train-char`, encoding included; what counts there is the most memory that
the process ever held. Then it is encoded once more, here: hashing, two streaming passes and writing, timed by the clock and by
the processor.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from seqtool.data.text.encode import TextCache, encode_files
from seqtool.data.text.reader import TextForm

MEGABYTE = 10**6
PROMISED_RATE, PROMISED_MEMORY = 30, 1000  # MB a second, MB
LETTERS = "etaoinshrdlucmfwypvbgkjqxzETAOINS0123456789.,;'-äöüßéèñçабвгдежзийклмнопрстαβγδεζηθικλμ的一是不了人我在有他"
CONFIG = """\
task: char
name: large
data: {{text: {text}, split: [0.9999, 0.0001]}}
model: {{cell: lstm, hidden_size: 32, embedding_dim: 16}}
training: {{max_steps: 50, batch_size: 16, window: 64, threads: 1}}
"""


def write_text(path: Path, size: int) -> None:
    """Lines of words of random letters, at least `size` bytes; letters are the rarer the later they stand in the list."""
    draw = np.random.default_rng(1)
    weights = 1 / np.arange(1, len(LETTERS) + 1)
    words = [
        "".join(draw.choice(list(LETTERS), draw.integers(1, 10), p=weights / weights.sum()))
        for _ in range(20_000)
    ]
    with path.open("wb") as file:
        while file.tell() < size:
            chosen = draw.integers(len(words), size=100_000)
            piece = "".join(
                words[word] + ("\n" if place % 12 == 0 else " ") for place, word in enumerate(chosen.tolist())
            )
            file.write(piece.encode())


def encode(text: Path) -> None:
    """Encode a text into a fresh cache, and print how fast that was."""
    with tempfile.TemporaryDirectory(dir=text.parent) as folder:
        wall, busy = time.perf_counter(), time.process_time()
        encoded = encode_files({"text": [text]}, TextForm(), None, TextCache(Path(folder))).text
        wall, busy = time.perf_counter() - wall, time.process_time() - busy
    size = text.stat().st_size / MEGABYTE
    print(
        f"encoding {size:,.0f} MB, {len(encoded.arrays['text']):,} characters, {len(encoded.symbols)} different"
    )
    print(f"  by the clock           {wall:6.1f} s  {size / wall:6.1f} MB/s  (promised >= {PROMISED_RATE})")
    print(f"  by the processor       {busy:6.1f} s  {size / busy:6.1f} MB/s", flush=True)


def peak_memory(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command in a folder; MB that it held at most, and its seconds."""
    started = time.perf_counter()
    with (folder / "said.txt").open("w") as said:
        child = subprocess.Popen(command, cwd=folder, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit((folder / "said.txt").read_text())
    return usage.ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    ) / MEGABYTE, time.perf_counter() - started


def train(text: Path) -> None:
    """Train on a text, and print the most memory that this took."""
    folder = text.parent
    (folder / "large.yaml").write_text(CONFIG.format(text=text.name))
    memory, took = peak_memory([sys.executable, "-m", "seqtool", "train-char", "large.yaml"], folder)
    print(f"seqtool train-char, whole process, {took:.1f} s")
    print(f"  most memory held       {memory:6.0f} MB (promised <= {PROMISED_MEMORY})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--megabytes", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        text = Path(name) / "text.txt"
        if shutil.disk_usage(name).free < 4 * given.megabytes * MEGABYTE:
            parser.exit(2, f"error: {name} has no room for four times {given.megabytes:,} MB (set TMPDIR)\n")
        print(
            f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, {time.strftime('%Y-%m-%d')}"
        )
        write_text(text, given.megabytes * MEGABYTE)
        train(text)
        encode(text)


if __name__ == "__main__":
    main()
