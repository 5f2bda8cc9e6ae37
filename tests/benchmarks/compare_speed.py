"""Processor time of two checkouts: `python -m tests.benchmarks.compare_speed OLD NEW [--pairs 11]`.

`--threads 2` compares the training steps by the clock instead, without the start of the process.

Each command runs once in each checkout before the next pair begins, so that a drift of the machine's speed
meets both. The median of the ratios new / old is what a restructuring must keep near 1. Real data come from
`$SEQTOOL_DATA`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

DATA = Path(os.environ.get("SEQTOOL_DATA", "data"))
EWT = DATA / "ud_english_ewt"
SHAKESPEARE = DATA / "tinyshakespeare/input.txt"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Case:
    """A command to measure.

    Attributes:
        name: row of the table.
        arguments: of seqtool; `{checkout}` is replaced by the checkout, `{threads}` by a number.
        repeat: runs of the command in one measurement, for short commands.
    """

    name: str
    arguments: tuple[str, ...]
    repeat: int = 1


def training(config: str, steps: int, *settings: str) -> tuple[str, ...]:
    """Return the arguments that train a number of steps without validation rows in between."""
    given = (
        f"training.max_steps={steps}",
        f"training.eval_every={steps}",
        f"training.warmup_steps={steps // 10}",
        "training.threads={threads}",
        *settings,
    )
    command = "train-char" if "shakespeare" in config else "train-tagger"
    overrides = (part for item in given for part in ("--set", item))
    return (
        command,
        f"{{checkout}}/configs/{config}",
        "--overwrite",
        "--quiet",
        "--device",
        "cpu",
        *overrides,
    )


CASES = (
    Case("--help", ("--help",), 5),
    Case("--version", ("--version",), 5),
    Case("tag one sentence, cold", ("tag", "--model", "ewt", "The dog ate the apple"), 5),
    Case("sample 10 symbols, cold", ("sample", "--model", "shakespeare", "--length", "10"), 5),
    Case("train-char hihell", ("train-char", "{checkout}/configs/hihell.yaml", "--overwrite", "--quiet")),
    Case(
        "train-tagger toy_tagger",
        ("train-tagger", "{checkout}/configs/toy_tagger.yaml", "--overwrite", "--quiet"),
    ),
    Case("tag EWT dev, raw text", ("tag", "--model", "ewt", "--file", "dev.txt")),
    Case("sample 5,000 symbols", ("sample", "--model", "shakespeare", "--length", "5000")),
    Case(
        "train 150 steps of ewt.yaml",
        training(
            "ewt.yaml",
            150,
            f"data.train={EWT}/en_ewt-ud-train.conllu",
            "data.dev=[]",
            "data.test=[]",
        ),
    ),
    Case(
        "train 150 steps of shakespeare.yaml",
        training("shakespeare.yaml", 150, f"data.text={SHAKESPEARE}"),
    ),
)


def filled(arguments: tuple[str, ...], checkout: Path, threads: int) -> tuple[str, ...]:
    """Replace `{checkout}` and `{threads}` in the arguments of a command."""
    return tuple(argument.format(checkout=checkout, threads=threads) for argument in arguments)


def run(checkout: Path, case: Case, folder: Path, threads: int = 1) -> None:
    """Run a command in a checkout.

    Raises:
        RuntimeError: the command failed.
    """
    arguments = filled(case.arguments, checkout, threads)
    environment = {**os.environ, **(ONE_THREAD if threads == 1 else {}), "PYTHONPATH": str(checkout)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has bytecode
    for _ in range(case.repeat):
        command = [sys.executable, "-m", "seqtool", *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace"))


def cpu_seconds(checkout: Path, case: Case, folder: Path) -> float:
    """Run a command and return the CPU seconds of its processes."""
    before = os.times()
    run(checkout, case, folder)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def clock_seconds(checkout: Path, case: Case, folder: Path, threads: int) -> float:
    """Train with several threads and return the time of the steps by the clock."""
    run(checkout, case, folder, threads)
    newest = max(folder.glob("runs/*/metrics.jsonl"), key=lambda path: path.stat().st_mtime)
    return float(json.loads(newest.read_text(encoding="utf-8").splitlines()[-1])["seconds"])


def prepare(checkout: Path, folder: Path) -> None:
    """Train the models that the commands use, and write the text that they tag."""
    for case in CASES:
        if case.name.startswith("train 150"):
            cpu_seconds(checkout, case, folder)
    lines = (EWT / "en_ewt-ud-dev.conllu").read_text(encoding="utf-8").splitlines()
    texts = [line.removeprefix("# text = ") for line in lines if line.startswith("# text = ")]
    (folder / "dev.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")


def measure(old: Path, new: Path, pairs: int, threads: int) -> None:
    """Print the median seconds of both checkouts and the median of the ratios."""
    table = Table("command", "old s", "new s", "median new / old", "least", "most", title=f"{pairs} pairs")
    with tempfile.TemporaryDirectory() as name:
        folders = {}
        for label, checkout in (("old", old), ("new", new)):
            folders[label] = Path(name) / label
            folders[label].mkdir()
            if threads == 1:
                prepare(checkout, folders[label])

        def seconds(checkout: Path, case: Case, label: str) -> float:
            if threads == 1:
                return cpu_seconds(checkout, case, folders[label])
            return clock_seconds(checkout, case, folders[label], threads)

        for case in CASES:
            if threads > 1 and not case.name.startswith("train 150"):
                continue
            rows = [(seconds(old, case, "old"), seconds(new, case, "new")) for _ in range(pairs)]
            ratios = [after / before for before, after in rows]
            medians = (statistics.median(side) for side in zip(*rows, strict=True))
            numbers = [*medians, statistics.median(ratios), min(ratios), max(ratios)]
            table.add_row(case.name, *(f"{number:.3f}" for number in numbers))
    Console(width=120).print(table)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--pairs", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1, help="of the training steps")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        old, new = (
            copy_of(path, Path(name) / label) for path, label in ((options.old, "a"), (options.new, "b"))
        )
        measure(old, new, options.pairs, options.threads)


def copy_of(checkout: Path, folder: Path) -> Path:
    """Copy what a run needs, so that changes to the checkout do not disturb the measurement."""
    for part in ("seqtool", "configs", "data"):
        shutil.copytree(checkout / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


if __name__ == "__main__":
    main()
