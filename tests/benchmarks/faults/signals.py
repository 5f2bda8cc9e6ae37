"""SIGINT and SIGTERM at random moments of runs of `configs/ewt.yaml`: time until they have saved and exited.

SEQTOOL_DATA names the directory that contains `ud_english_ewt`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.faults.common import counter, newest_step
from tests.support.shell import PROJECT, SEQTOOL, environment

LIMIT = 2.0  # seconds


@dataclass
class SignalReport:
    """Seconds from signals to exits, exit codes except 130 and 143, and the number of lost checkpoints."""

    seconds: list[float] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)
    lost: int = 0

    @property
    def in_time(self) -> int:
        """Count the exits within the limit."""
        return sum(value <= LIMIT for value in self.seconds)

    @property
    def passed(self) -> bool:
        """Return whether nothing was lost and 99 % of the exits were in time."""
        return not self.wrong and not self.lost and self.in_time >= 0.99 * len(self.seconds)


def send_signals(count: int, folder: Path, longest: float = 8.0, seed: int = 1) -> SignalReport:
    """Start or resume a run, and send a signal after a random time of up to `longest` seconds.

    A signal kills the process if seqtool has not yet installed its handlers. A shell reports that as 130 or
    143, too.
    """
    draw, report = random.Random(seed), SignalReport()
    data = Path(os.environ["SEQTOOL_DATA"]) / "ud_english_ewt"
    files = [f"--set=data.{part}={data / f'en_ewt-ud-{part}.conllu'}" for part in ("train", "dev", "test")]
    command = [*SEQTOOL, "train-tagger", str(PROJECT / "configs" / "ewt.yaml"), *files, "--resume"]
    with counter(count, "signals") as advance:
        while len(report.seconds) < count:
            step_before = newest_step(folder / "runs/ewt.partial")
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**environment(), "OMP_NUM_THREADS": "2"},
            )
            # The signal meets any phase: imports, data, network, training or evaluation.
            time.sleep(draw.uniform(0, longest))
            number = draw.choice((signal.SIGINT, signal.SIGTERM))
            if process.poll() is not None:
                continue
            sent = time.monotonic()
            process.send_signal(number)
            process.communicate()
            if process.returncode == 0:
                continue  # the run had finished before the signal arrived
            report.seconds.append(time.monotonic() - sent)
            report.wrong += [] if process.returncode in (128 + number, -number) else [process.returncode]
            report.lost += newest_step(folder / "runs/ewt.partial") < step_before
            advance()
    return report
