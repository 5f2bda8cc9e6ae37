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
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks.programs import PROJECT, run_python

PEER = Path(__file__).parent / "peers/character_gpt.py"
BLOCK = "64"


def ours(text: Path, seed: int, folder: Path) -> dict[str, float]:
    """Train the config; return the losses in nats per character and the seconds."""
    config = PROJECT / "configs/shakespeare.yaml"
    options = ("--quiet", "--overwrite", "--seed", str(seed), "--set", f"data.text={text}")
    seconds = run_python("-m", "seqtool", "train-char", config, *options, folder=folder).seconds
    scores: dict[str, Any] = json.loads((folder / "runs/shakespeare/evaluation.json").read_text())["val"]
    return {"carried": scores["carried"]["nats"], "blocks": scores["blocks"][BLOCK], "seconds": seconds}


def peer(text: Path, seed: int, folder: Path) -> dict[str, float]:
    """Train the peer; return its loss in nats per character and the seconds."""
    done = run_python(PEER, text, str(seed), folder=folder)
    return {"blocks": json.loads(done.out.splitlines()[-1])["nats"], "seconds": done.seconds}


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
