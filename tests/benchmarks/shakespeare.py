"""Training of `shakespeare.yaml` and of nanoGPT's recipe for a CPU: `python -m tests.benchmarks.shakespeare`.

Both are trained one after the other on the same text, as whole processes with two threads: seqtool by the
config, its evaluation included, and the peer (`peers/character_gpt.py`). Both score the last tenth of the
text in blocks of 64 characters, and seqtool also in one pass with carried state. `--seeds` repeats both.
`SEQTOOL_DATA` is the folder that contains `tinyshakespeare/`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import torch

PROJECT = Path(__file__).parent.parent.parent
PEER = Path(__file__).parent / "peers/character_gpt.py"
BLOCK = "64"


def output(*arguments: str | Path, folder: Path) -> tuple[str, float]:
    """Run a Python program; return its output and its seconds by the clock."""
    variables = {"PYTHONPATH": str(PROJECT), "SEQTOOL_RUNS": str(folder / "runs")}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout, time.monotonic() - began


def ours(text: Path, seed: int, folder: Path) -> dict[str, float]:
    """Train the config; return the losses in nats per character and the seconds."""
    config = PROJECT / "configs/shakespeare.yaml"
    options = ("--quiet", "--overwrite", "--seed", str(seed), "--set", f"data.text={text}")
    _, seconds = output("-m", "seqtool", "train-char", config, *options, folder=folder)
    scores: dict[str, Any] = json.loads((folder / "runs/shakespeare/evaluation.json").read_text())["val"]
    return {"carried": scores["carried"]["nats"], "blocks": scores["blocks"][BLOCK], "seconds": seconds}


def peer(text: Path, seed: int, folder: Path) -> dict[str, float]:
    """Train the peer; return its loss in nats per character and the seconds."""
    shown, seconds = output(PEER, text, str(seed), folder=folder)
    return {"blocks": json.loads(shown.splitlines()[-1])["nats"], "seconds": seconds}


def row(name: str, runs: list[dict[str, float]]) -> str:
    """Return the means of the runs, and the seconds of each."""
    shown = [
        f"{measure} {statistics.mean(run[measure] for run in runs):.3f}"
        for measure in ("carried", "blocks")
        if measure in runs[0]
    ]
    seconds = [run["seconds"] for run in runs]
    each = " ".join(f"{one:.0f}" for one in seconds)
    return f"{name:<18} {', '.join(shown):<32} {statistics.mean(seconds):.1f} s ({each})"


def main() -> None:
    """Train both and print their losses and times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    options = parser.parse_args()
    text = (Path(os.environ["SEQTOOL_DATA"]) / "tinyshakespeare/input.txt").resolve()
    python = f"Python {platform.python_version()}, torch {torch.__version__}"
    print(f"{platform.machine()}, {os.cpu_count()} cores, {python}, {date.today()}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        both = [(ours(text, seed, folder), peer(text, seed, folder)) for seed in options.seeds]
    print(row("seqtool", [own for own, _ in both]))
    print(row("nanoGPT's recipe", [other for _, other in both]))
    for measure in ("blocks", "seconds"):
        ratio = statistics.mean(own[measure] / other[measure] for own, other in both)
        print(f"{measure + ', ratio':<18} {ratio:.3f}")


if __name__ == "__main__":
    main()
