"""Time and memory of the preparation of data: `python -m tests.benchmarks.encoding [--megabytes 1000]`.

An artificial UTF-8 text of that size (four scripts, characters of one to three bytes) is written to a
temporary directory. `seqtool train-char` encodes it and trains a small model for a few steps; the peak memory
of the process is measured. Then this process encodes the text again: it hashes the text, reads it twice and
writes the result. If SEQTOOL_DATA names a directory with `ud_english_ewt`, that treebank and its vocabulary
are loaded, too.
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
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from seqtool.data.tagging.corpus import load_tagged_corpus
from seqtool.data.tagging.word_encoder import WordEncoder
from seqtool.data.text.encode import TextCache, encode_files
from seqtool.data.text.reader import TextRules
from seqtool.settings.data import TaggerData
from seqtool.settings.model import RICH_FEATURES, TaggerModel

MEGABYTE = 10**6
PROMISED_RATE, PROMISED_MEMORY = 30, 1000  # MB per second, MB
PROMISED_CORPUS, PROMISED_VOCABULARY = 3, 25  # seconds, milliseconds
LETTERS = (
    "etaoinshrdlucmfwypvbgkjqxzETAOINS0123456789.,;'-äöüßéèñç"
    "абвгдежзийклмнопрстαβγδεζηθικλμ的一是不了人我在有他"
)
CONFIG = """\
task: char
name: large
data: {{text: {text}, split: [0.9999, 0.0001]}}
model: {{cell: lstm, hidden_size: 32, embedding_dim: 16}}
training: {{max_steps: 50, batch_size: 16, window: 64, threads: 1}}
"""


def write_text(path: Path, size: int) -> None:
    """Write lines of random words, at least `size` bytes; earlier letters of LETTERS are more frequent."""
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
    """Encode a text into an empty cache, and print the rate."""
    with tempfile.TemporaryDirectory(dir=text.parent) as folder:
        wall, busy = time.perf_counter(), time.process_time()
        encoded = encode_files({"text": [text]}, TextRules(), None, TextCache(Path(folder))).text
        wall, busy = time.perf_counter() - wall, time.process_time() - busy
    size = text.stat().st_size / MEGABYTE
    content = f"{len(encoded.arrays['text']):,} characters, {len(encoded.symbols)} different"
    print(f"encoding {size:,.0f} MB, {content}")
    print(f"  wall-clock time        {wall:6.1f} s  {size / wall:6.1f} MB/s  (promised >= {PROMISED_RATE})")
    print(f"  processor time         {busy:6.1f} s  {size / busy:6.1f} MB/s", flush=True)


def peak_memory(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command in a directory; return its peak memory in MB and its seconds."""
    started = time.perf_counter()
    with (folder / "output.txt").open("w") as output:
        child = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit((folder / "output.txt").read_text())
    return usage.ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    ) / MEGABYTE, time.perf_counter() - started


def train(text: Path) -> None:
    """Train on a text, and print the peak memory."""
    folder = text.parent
    (folder / "large.yaml").write_text(CONFIG.format(text=text.name))
    memory, duration = peak_memory([sys.executable, "-m", "seqtool", "train-char", "large.yaml"], folder)
    print(f"seqtool train-char, whole process, {duration:.1f} s")
    print(f"  peak memory            {memory:6.0f} MB (promised <= {PROMISED_MEMORY})")


def load_treebank(folder: Path) -> None:
    """Load the English Web Treebank and its stored vocabulary, and print the processor time of each."""
    files: dict[str, Any] = {
        part: (str(folder / f"en_ewt-ud-{part}.conllu"),) for part in ("train", "dev", "test")
    }
    started = time.process_time()
    corpus = load_tagged_corpus(TaggerData(**files), TaggerModel(), 1)
    seconds = time.process_time() - started
    counts = Counter(token for sentence in corpus.train for token in sentence.tokens)
    stored = WordEncoder.build(RICH_FEATURES, counts).to_json()
    started = time.process_time()
    WordEncoder.from_json(RICH_FEATURES, stored, "nfc")
    vocabulary = time.process_time() - started
    print("loading EWT")
    print(f"  processor time         {seconds:6.2f} s (promised <= {PROMISED_CORPUS})")
    print(
        f"  vocabulary             {vocabulary * 1000:6.1f} ms (promised <= {PROMISED_VOCABULARY})",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--megabytes", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        text = Path(name) / "text.txt"
        if shutil.disk_usage(name).free < 4 * options.megabytes * MEGABYTE:
            parser.exit(
                2, f"error: {name} has no room for four times {options.megabytes:,} MB (set TMPDIR)\n"
            )
        versions = f"Python {platform.python_version()}, numpy {np.__version__}"
        print(f"{platform.machine()}, {versions}, {time.strftime('%Y-%m-%d')}")
        write_text(text, options.megabytes * MEGABYTE)
        train(text)
        encode(text)
    if "SEQTOOL_DATA" in os.environ:
        load_treebank(Path(os.environ["SEQTOOL_DATA"]) / "ud_english_ewt")


if __name__ == "__main__":
    main()
