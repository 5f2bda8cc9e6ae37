"""Run the acceptance of cluster use: `python -m tests.benchmarks.cluster [PART...] [--small]`."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.benchmarks.cluster.database import restarted_server
from tests.benchmarks.cluster.nodes import differing_nodes, killed_nodes, lost_endpoint, two_nodes
from tests.benchmarks.cluster.slurm import requeued_job
from tests.benchmarks.cluster.tables import all_engines

PARTS = ("differ", "killed", "elastic", "endpoint", "slurm", "database", "tables")


def run_part(part: str, folder: Path, *, small: bool) -> None:
    """Run one part in an empty directory."""
    if part == "database":
        restarted_server(folder, 4 if small else 20, 10 if small else 40)
    elif part == "slurm":
        requeued_job(folder)
    elif part == "tables":
        all_engines(folder, 2_000 if small else 20_000)
    else:
        with two_nodes():
            if part == "differ":
                differing_nodes(folder)
            elif part == "endpoint":
                lost_endpoint(folder, 3_000)
            else:
                nnodes = "2" if part == "killed" else "1:2"
                killed_nodes(folder, 3 if small else 10, nnodes, 6_000 if small else 12_000)


def main() -> None:
    """Run the parts that the command line names, all by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--small", action="store_true", help="fewer kills, trials and rows")
    options = parser.parse_args()
    for part in options.parts or PARTS:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            run_part(part, Path(folder), small=options.small)
        print(f"{part}: passed in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
