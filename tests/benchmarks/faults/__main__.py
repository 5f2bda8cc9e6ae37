"""Inflict one kind of fault many times: `python -m tests.benchmarks.faults kills 300`.

The exit code is 1 if seqtool breaks a promise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

FAULTS = {
    "kills": (300, "SIGKILLs of character and tagger runs"),
    "stops": (60, "steps of a run that is stopped at every poll"),
    "signals": (100, "SIGINTs and SIGTERMs during configs/ewt.yaml"),
    "failures": (1, "interval between the writes, fsyncs and renames that fail"),
    "writes": (200, "crashes of the computer during training; and all crashes during small saves"),
    "disk": (40, "file size limits"),
    "tags": (1000, "calls of tag while the model is being saved"),
    "flips": (10_000, "damaged files of models and checkpoints"),
    "lifetime": (215, "signals to the process of each command alone"),
    "streams": (180, "commands with a full or closed stdout or stderr"),
    "workers": (300, "SIGKILLs of workers of tag and sweep, and of training; a third as many pauses"),
    "trials": (
        1,
        "interval between the writes to the database of a sweep before which it is killed",
    ),
    "ownership": (1, "interval between the output paths that are tried"),
    "damages": (1000, "damaged files under runs/, each read by every command"),
}


def main() -> int:
    """Inflict one kind of fault and print the outcome."""
    faults = "\n".join(f"  {name:10}{count:6}  {counted}" for name, (count, counted) in FAULTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.faults",
        description=f"{__doc__}\nfaults, their default counts, and what is counted:\n{faults}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("fault", choices=FAULTS, metavar="FAULT", help="a name of the list above")
    parser.add_argument("count", type=int, nargs="?", metavar="COUNT", help="default: that of the list above")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    count = options.count or FAULTS[options.fault][0]
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="seqtool-faults-") as folder:
        passed = _inflict(options.fault, count, Path(folder), options.seed)
    print(f"{'as promised' if passed else 'NOT AS PROMISED'}; {time.monotonic() - started:.0f} s")
    return 0 if passed else 1


def _inflict(fault: str, count: int, folder: Path, seed: int) -> bool:
    import torch  # noqa: F401 - imported before any fork, so that no child has to import it

    if fault == "kills":
        from tests.benchmarks.faults.kills import kill_runs

        return _print_report(kill_runs(count, folder, seed))
    if fault == "stops":
        from tests.benchmarks.faults.stops import stop_runs

        return all(_print_report(report, name) for name, report in stop_runs(folder, count).items())
    if fault == "writes":
        from tests.benchmarks.faults.lost_writes import lose_writes, lose_writes_of_training

        training = lose_writes_of_training(count, folder, seed)
        return _print_report(training, "training:") & _print_report(lose_writes(seed=seed), "saves:")
    if fault == "failures":
        from tests.benchmarks.faults.failures import fail_writes

        return _print_report(fail_writes(folder, count))
    if fault == "disk":
        from tests.benchmarks.faults.failures import fill_disk

        return _print_report(fill_disk(folder, range(0, 20_000, 20_000 // count)))
    if fault == "tags":
        from tests.benchmarks.faults.readers import tag_while_saving

        return _print_report(tag_while_saving(count, folder))
    if fault == "flips":
        from tests.benchmarks.faults.flips import flip_bytes

        return _print_report(flip_bytes(count, folder, seed))
    if fault == "lifetime":
        from tests.benchmarks.faults.lifetime import signal_commands

        return _print_report(signal_commands(count, folder, seed))
    if fault == "streams":
        from tests.benchmarks.faults.streams import fail_streams

        return _print_report(fail_streams(count, folder))
    if fault == "workers":
        from tests.benchmarks.faults.workers import Faults, disturb_workers

        return _print_report(disturb_workers(Faults.share(count), Faults.share(count // 3), folder, seed))
    if fault == "trials":
        from tests.benchmarks.faults.trials import kill_sweeps

        return _print_report(kill_sweeps(folder, count))
    if fault == "ownership":
        from tests.benchmarks.faults.ownership import walk_outputs

        return _print_report(walk_outputs(folder, count))
    if fault == "damages":
        from tests.benchmarks.faults.damages import damage_runs

        return _print_report(damage_runs(count, folder, seed))
    from tests.benchmarks.faults.signals import send_signals

    signals = send_signals(count, folder, seed=seed)
    delays = sorted(signals.seconds)
    median, longest = delays[len(delays) // 2], delays[-1]
    print(f"{signals.in_time} of {count} within 2 s; median {median:.2f} s, longest {longest:.2f} s")
    return _print_report(signals)


def _print_report(report: object, name: str = "") -> bool:
    """Print the fields of a report; return whether all promises were kept."""
    fields = {
        key: sorted(value) if isinstance(value, set) else value
        for key, value in vars(report).items()
        if key != "seconds"
    }
    print(name, ", ".join(f"{key}: {value}" for key, value in fields.items()))
    return bool(report.passed)  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
