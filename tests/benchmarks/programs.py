"""Python programs as whole processes, with their output and their times."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).parent.parent.parent


class Finished(NamedTuple):
    """A finished process.

    Attributes:
        out: standard output.
        seconds: time by the clock.
        busy: processor time in seconds.
    """

    out: str
    seconds: float
    busy: float


def run_python(*arguments: str | Path, folder: Path, **variables: str) -> Finished:
    """Run Python with this checkout of seqtool in a folder, which also receives the runs.

    Args:
        arguments: a script or a module, and its arguments.
        folder: the current directory of the process.
        variables: further environment variables.

    Raises:
        subprocess.CalledProcessError: the process failed.
    """
    places = {"PYTHONPATH": str(PROJECT), "SEQTOOL_RUNS": str(folder / "runs")}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=os.environ | places | variables,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Finished(done.stdout, seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
