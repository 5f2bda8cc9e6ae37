"""Time of inspecting a model: the report of a run, and the ranking of the units of an LSTM of 512 units.

    python tests/benchmarks/inspection.py --run runs/ewt

The report is a whole process; its peer is a process that only imports the libraries for drawing. The ranking
reads 100,000 characters; its peer is an LSTM of torch of the same size that reads the same streams and ranks
nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(PROJECT))

from seqtool.inspection.unit_ranking import rank_units, state_arrays, symbol_pattern  # noqa: E402
from seqtool.settings.model import CharModel  # noqa: E402
from tests.support.random_models import character_model  # noqa: E402

LENGTH, HIDDEN, EMBEDDING, STREAMS = 100_000, 512, 96, 32
SYMBOLS = "\n ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.,;:!?-'"


def best(work: Callable[[], object], times: int = 3) -> float:
    """Return the least seconds of several calls."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def process(*command: str) -> Callable[[], object]:
    """Return a function that runs Python with these arguments."""
    return lambda: subprocess.run([sys.executable, *command], check=True, capture_output=True, cwd=PROJECT)


def reports(run: Path) -> None:
    """Measure the report of a run."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        seconds = best(process("-m", "seqtool", "report", str(run.absolute()), "--out", str(page)))
        size = page.stat().st_size
    peer = best(process("-c", "import jinja2, numpy, typer, matplotlib.figure"))
    promise = f"(promised <= 5 s; {size / 1e3:,.0f} kB)"
    times = f"{seconds:6.2f} s / {peer:5.2f} s = {seconds / peer:5.2f}"
    print(f"report {run.name:<12} / bare imports      {times}  {promise}")


def ranking() -> None:
    """Measure the ranking of units."""
    import torch

    text = "".join(np.random.default_rng(1).choice(list(SYMBOLS), LENGTH))
    model = character_model(CharModel(hidden_size=HIDDEN, embedding_dim=EMBEDDING), SYMBOLS, scale=0.05)
    target = {"line-position": symbol_pattern(model, "line-position", text)}
    seconds = best(lambda: rank_units(model, text, target, state_arrays(model)))
    lstm = torch.nn.LSTM(EMBEDDING, HIDDEN)
    x = torch.randn(LENGTH // STREAMS, STREAMS, EMBEDDING)
    with torch.inference_mode():
        peer = best(lambda: lstm(x))
    times = f"{seconds:6.2f} s / {peer:5.2f} s = {seconds / peer:5.2f}"
    print(f"ranking, LSTM {HIDDEN}   / torch, reading    {times}  (promised <= 20 s)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, help="a finished run of configs/ewt.yaml")
    options = parser.parse_args()
    if options.run is not None:
        reports(options.run)
    ranking()
