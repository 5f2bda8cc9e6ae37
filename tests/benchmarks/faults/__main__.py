"""`python -m tests.benchmarks.faults kills 300`, and the like: each fault by itself, with its number; 1 if a promise is broken."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

FAULTS = {
    "kills": (300, "SIGKILLs of character and tagger runs"),
    "stops": (60, "steps of a run that is stopped wherever it asks"),
    "signals": (100, "SIGINTs and SIGTERMs on configs/ewt.yaml"),
    "writes": (1, "every how many-th write, fsync and rename fails"),
    "disk": (40, "sizes beyond which no file can grow"),
    "tags": (1000, "calls of tag while the model is being saved"),
    "flips": (10_000, "damaged files of models and checkpoints"),
}


def main() -> int:
    """Inflict one kind of fault and tell what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.faults", description=__doc__)
    parser.add_argument(
        "fault", choices=FAULTS, help="; ".join(f"{name}: {what}" for name, (_, what) in FAULTS.items())
    )
    parser.add_argument("count", type=int, nargs="?", help="how many (default: as promised)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    count = given.count or FAULTS[given.fault][0]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="seqtool-faults-") as folder:
        good = _inflict(given.fault, count, Path(folder), given.seed)
    print(f"{'as promised' if good else 'NOT AS PROMISED'}; {time.monotonic() - began:.0f} s")
    return 0 if good else 1


def _inflict(fault: str, count: int, folder: Path, seed: int) -> bool:
    import torch  # noqa: F401 - before any fork, so that no child has to

    if fault == "kills":
        from tests.benchmarks.faults.kills import kill_runs

        return _told(kill_runs(count, folder, seed))
    if fault == "stops":
        from tests.benchmarks.faults.stops import stop_runs

        return all(_told(one, name) for name, one in stop_runs(folder, count).items())
    if fault == "writes":
        from tests.benchmarks.faults.writes import fail_writes

        return _told(fail_writes(folder, count))
    if fault == "disk":
        from tests.benchmarks.faults.writes import fill_disk

        return _told(fill_disk(folder, range(0, 20_000, 20_000 // count)))
    if fault == "tags":
        from tests.benchmarks.faults.readers import tag_while_saving

        return _told(tag_while_saving(count, folder))
    if fault == "flips":
        from tests.benchmarks.faults.flips import flip_bytes

        return _told(flip_bytes(count, folder, seed))
    from tests.benchmarks.faults.signals import send_signals

    found_signals = send_signals(count, folder, seed=seed)
    ordered = sorted(found_signals.seconds)
    print(
        f"{found_signals.in_time} of {count} within 2 s; median {ordered[len(ordered) // 2]:.2f} s, longest {ordered[-1]:.2f} s"
    )
    return _told(found_signals)


def _told(found: object, name: str = "") -> bool:
    shown = {
        key: sorted(value) if isinstance(value, set) else value
        for key, value in vars(found).items()
        if key != "seconds"
    }
    print(name, ", ".join(f"{key}: {value}" for key, value in shown.items()))
    return bool(found.good)  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
