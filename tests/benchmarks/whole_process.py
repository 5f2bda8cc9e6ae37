"""Times of whole processes, compared in pairs: `python tests/benchmarks/whole_process.py`.

Each pair is seqtool and a peer with the same work, measured in alternation in one run. The result is the
median of the ratios, since absolute times change with the machine and its load.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
SEQTOOL = [sys.executable, "-m", "seqtool"]
BARE_TYPER = """
import typer
app = typer.Typer(no_args_is_help=True)
{commands}
app(prog_name="bare")
"""


@dataclass(frozen=True)
class Pair:
    """Two commands and the promised ratio of their times."""

    name: str
    ours: list[str]
    peer: list[str]
    promised: float


def bare_typer(folder: Path, commands: int) -> Path:
    """Write a Typer application with this number of commands that do nothing."""
    path = folder / "bare.py"
    body = "\n".join(
        f'@app.command("command-{i}")\n'
        f"def command{i}(text: str, number: int = 1, flag: bool = False) -> None: ..."
        for i in range(commands)
    )
    path.write_text(BARE_TYPER.format(commands=body))
    return path


def seconds(command: list[str], cwd: Path) -> float:
    """Return the wall-clock time of one run of a command; its output is discarded."""
    start = time.perf_counter()
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Measure all pairs."""
    from seqtool.cli.main import COMMANDS

    os.environ["PYTHONPATH"] = str(PROJECT)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has bytecode
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = bare_typer(folder, len(COMMANDS))
        peers = HERE / "peers"
        pairs = [
            Pair(
                "--help / bare Typer --help", [*SEQTOOL, "--help"], [sys.executable, str(bare), "--help"], 1.3
            ),
            Pair(
                "--version / bare Typer --help",
                [*SEQTOOL, "--version"],
                [sys.executable, str(bare), "--help"],
                1.3,
            ),
            Pair(
                "train-char hihell / notebook",
                [*SEQTOOL, "train-char", str(PROJECT / "configs/hihell.yaml")],
                [sys.executable, str(peers / "notebook_char.py")],
                1.0,
            ),
            Pair(
                "train-tagger toy / notebook",
                [*SEQTOOL, "train-tagger", str(PROJECT / "configs/toy_tagger.yaml")],
                [sys.executable, str(peers / "notebook_tagger.py")],
                1.0,
            ),
        ]
        machine = f"{platform.machine()}, {os.cpu_count()} cores"
        print(f"{machine}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}")
        for pair in pairs:
            runs = [(seconds(pair.ours, folder), seconds(pair.peer, folder)) for _ in range(8)][1:]
            ratio = statistics.median(ours / peer for ours, peer in runs)
            ours, peer = (statistics.median(column) for column in zip(*runs, strict=True))
            verdict = "ok" if ratio <= pair.promised else "TOO SLOW"
            times = f"{ours:6.3f} s / {peer:6.3f} s = {ratio:5.3f}"
            print(f"{pair.name:<32} {times}  (promised <= {pair.promised})  {verdict}")
        print(
            f"peak memory of a child: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MB"
        )


if __name__ == "__main__":
    main()
