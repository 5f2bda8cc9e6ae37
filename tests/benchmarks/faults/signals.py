"""SIGINT and SIGTERM at random moments of real runs on `configs/ewt.yaml`: how long until they have saved and left.

Needs the treebank: SEQTOOL_DATA names the folder that holds `ud_english_ewt`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.faults.common import newest_step, telling
from tests.support.shell import PROJECT, SEQTOOL, environment

LIMIT = 2.0  # seconds


@dataclass
class Signals:
    """What came of it: seconds from signal to exit, and the exits that were not 130 or 143."""

    seconds: list[float] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)
    lost: int = 0

    @property
    def in_time(self) -> int:
        """How many left within the limit."""
        return sum(value <= LIMIT for value in self.seconds)

    @property
    def good(self) -> bool:
        """Whether all is as promised."""
        return not self.wrong and not self.lost and self.in_time >= 0.99 * len(self.seconds)


def send_signals(count: int, folder: Path, longest: float = 8.0, seed: int = 1) -> Signals:
    """Start (or go on with) a run, let it work for up to `longest` seconds, and send a signal.

    Before seqtool has taken the signals over, they end the process as they end any: a shell says 130 and 143 of that, too.
    """
    draw, found = random.Random(seed), Signals()
    data = Path(os.environ["SEQTOOL_DATA"]) / "ud_english_ewt"
    files = [f"--set=data.{part}={data / f'en_ewt-ud-{part}.conllu'}" for part in ("train", "dev", "test")]
    command = [*SEQTOOL, "train-tagger", str(PROJECT / "configs" / "ewt.yaml"), *files, "--resume"]
    with telling(count, "signals") as one:
        while len(found.seconds) < count:
            began = newest_step(folder / "runs/ewt.partial")
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**environment(), "OMP_NUM_THREADS": "2"},
            )
            time.sleep(
                draw.uniform(0, longest)
            )  # from the very start: imports, data, network, training, evaluation
            number = draw.choice((signal.SIGINT, signal.SIGTERM))
            if process.poll() is not None:
                continue
            sent = time.monotonic()
            process.send_signal(number)
            process.communicate()
            if process.returncode == 0:
                continue  # it was on its last word
            found.seconds.append(time.monotonic() - sent)
            found.wrong += [] if process.returncode in (128 + number, -number) else [process.returncode]
            found.lost += newest_step(folder / "runs/ewt.partial") < began
            one()
    return found
