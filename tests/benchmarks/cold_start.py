"""Cold start of the pretrained models, and two worker processes: `cold_start.py --spacy PYTHON --jobs MODEL`.

PYTHON is the interpreter of an environment with spaCy 3.8. Its pipeline splits sentences, tags, and finds
features and lemmas, as `english` does; it is trained for some hundred steps on EWT, which give it tables of
full size. Both programs start, load and analyze one sentence, in alternation; the result is the median of
the ratios.

`--jobs` measures `tag --jobs 2` relative to one process on a repeated test file, without the start.
SEQTOOL_DATA names the directory that contains `ud_english_ewt`.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
SEQTOOL = [sys.executable, "-m", "seqtool"]
SENTENCE = "The dog ate the apple"
PAIRS = 11
COPIES = 24  # of the test file, for the workers


def seconds(command: list[str]) -> float:
    """Return the wall-clock time of one run; its output is discarded."""
    places = {"PYTHONPATH": str(PROJECT)} if command[0] == sys.executable else {}
    start = time.perf_counter()
    subprocess.run(command, check=True, env=os.environ | places, capture_output=True)
    return time.perf_counter() - start


def compare_starts(python: str, model: str, train: Path, folder: Path) -> None:
    """Print the time of `tag` with `english` relative to spaCy, and the time of `sample`."""
    peer = [python, str(HERE / "peers/spacy_use.py")]
    model = model or str(folder / "pipeline")
    if not Path(model).exists():
        subprocess.run([*peer, "pipeline", str(train), model], check=True)
    ours, other = [*SEQTOOL, "tag", "-m", "english", SENTENCE], [*peer, "one", model]
    pairs = [(seconds(ours), seconds(other)) for _ in range(PAIRS + 1)][1:]
    tag, load = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(one / two for one, two in pairs)
    print(f"cold tag with english / spaCy pipeline: {tag:.3f} / {load:.3f} s = {ratio:.3f} (promised: 0.25)")
    prompt = [*SEQTOOL, "sample", "-m", "shakespeare", "--prompt", "ROMEO:"]
    print(f"cold sample: {statistics.median(seconds(prompt) for _ in range(PAIRS)):.3f} s (promised: 0.25)")


def compare_workers(model: str, test: Path, folder: Path) -> None:
    """Print how many times as fast two worker processes tag a file as one process does."""
    many = folder / "many.conllu"
    many.write_bytes(test.read_bytes() * COPIES)
    command = [*SEQTOOL, "tag", "-m", model, "--file"]

    def tagging(jobs: int) -> float:
        """Return the time of the large file without that of the small one, which pays for the start."""
        options = ["--jobs", str(jobs)]
        return seconds([*command, str(many), *options]) - seconds([*command, str(test), *options])

    pairs = [(tagging(1), tagging(2)) for _ in range(5)]
    one, two = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(alone / both for alone, both in pairs)
    print(f"{model}: one process {one:.2f} s, two {two:.2f} s: {ratio:.2f} times as fast (promised: 1.75)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spacy", metavar="PYTHON")
    parser.add_argument("--spacy-model", metavar="FOLDER", default="", help="trained if it does not exist")
    parser.add_argument("--jobs", metavar="MODEL", action="append", default=[], help="a tagger or `english`")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has bytecode
    treebank = Path(os.environ["SEQTOOL_DATA"]) / "ud_english_ewt"
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as name:
        if options.spacy:
            train = treebank / "en_ewt-ud-train.conllu"
            compare_starts(options.spacy, options.spacy_model, train, Path(name))
        for model in options.jobs:
            compare_workers(model, treebank / "en_ewt-ud-test.conllu", Path(name))


if __name__ == "__main__":
    main()
