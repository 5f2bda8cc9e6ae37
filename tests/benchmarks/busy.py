"""Commands on a busy machine: `python -m tests.benchmarks.busy [--steps 150] [--pairs 5]`.

Each command runs alternately on the quiet machine and beside one endless loop per core. A fair share of the
cores makes it twice as slow. A command of training runs with few and with many steps, and the difference of
the times is that of the additional steps, so that start and evaluation do not count. Real data come from
`$SEQTOOL_DATA`; the models that tag and score are those of the package.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from seqtool.threads import NUMBERS, WAITING_ON_LINUX
from seqtool.training.engine.ranks import default_threads
from tests.benchmarks.compare_speed import EWT, SHAKESPEARE, filled, training

PROJECT = Path(__file__).parent.parent.parent

FEW = 20  # steps of the shorter run
THREADS = {*NUMBERS, *WAITING_ON_LINUX}
BUSY = "while True: pass"
PROMISED = 3.0  # times the quiet time


@dataclass(frozen=True)
class Case:
    """A command: with few steps, if it trains, and as it is measured."""

    name: str
    whole: tuple[str, ...]
    start: tuple[str, ...] | None = None


def cases(steps: int, folder: Path) -> list[Case]:
    """Return the commands to measure, and write the texts that they read."""
    lines = (EWT / "en_ewt-ud-dev.conllu").read_text(encoding="utf-8").splitlines()
    texts = [line.removeprefix("# text = ") for line in lines if line.startswith("# text = ")]
    (folder / "raw.txt").write_text("\n".join(texts * 2) + "\n", encoding="utf-8")
    (folder / "plays.txt").write_text(SHAKESPEARE.read_text(encoding="utf-8")[-100_000:], encoding="utf-8")
    tagger = (f"data.train={EWT}/en_ewt-ud-train.conllu", "data.dev=[]", "data.test=[]")
    text = (f"data.text={SHAKESPEARE}",)

    def trained(config: str, settings: tuple[str, ...]) -> Case:
        whole, start = (
            filled(training(config, count, *settings), PROJECT, default_threads())
            for count in (FEW + steps, FEW)
        )
        return Case(f"train {steps} steps of {config}", whole, start)

    return [
        trained("shakespeare.yaml", text),
        trained("ewt.yaml", tagger),
        Case("tag raw text", ("tag", "-m", "english", "--input-format", "text", "--file", "raw.txt")),
        Case("score", ("score", "-m", "shakespeare", "--file", "plays.txt")),
    ]


@contextmanager
def busy_cores() -> Iterator[None]:
    """Keep one endless loop per core running."""
    loops = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def seconds(case: Case, folder: Path) -> float:
    """Return the wall-clock time of a command without its start.

    Raises:
        RuntimeError: the command failed.
    """

    def clock(arguments: tuple[str, ...]) -> float:
        environment = {name: value for name, value in os.environ.items() if name not in THREADS}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has bytecode
        environment["PYTHONPATH"] = str(PROJECT)
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "seqtool", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace"))
        return time.perf_counter() - start

    return clock(case.whole) - (clock(case.start) if case.start else 0.0)


def main() -> None:
    """Print the quiet and the busy time of each command, and the median of their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    table = Table(
        "command", "quiet s", "busy s", "median ratio", f"<= {PROMISED:g}", title=f"{options.pairs} pairs"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case in cases(options.steps, folder):
            rows = []
            for _ in range(options.pairs):
                quiet = seconds(case, folder)
                with busy_cores():
                    rows.append((quiet, seconds(case, folder)))
            ratio = statistics.median(busy / quiet for quiet, busy in rows)
            quiet, busy = (statistics.median(side) for side in zip(*rows, strict=True))
            verdict = "ok" if ratio <= PROMISED else "MISSED"
            table.add_row(case.name, f"{quiet:.2f}", f"{busy:.2f}", f"{ratio:.2f}", verdict)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
