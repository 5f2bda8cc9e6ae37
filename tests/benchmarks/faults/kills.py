"""SIGKILL at random moments, mostly during saves.

Every resume must work, repeat no step after the last complete checkpoint, and end in the same bytes as the
uninterrupted run.
"""

from __future__ import annotations

import mmap
import random
import shutil
import signal
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial as partial_call
from pathlib import Path
from typing import Any
from unittest.mock import patch

from seqtool.settings.experiment import Settings
from seqtool.storage import model_directory
from seqtool.storage.plain_files import strict_json
from seqtool.storage.verified_directory import DirectoryFormat, write_verified
from seqtool.training import checkpoints
from tests.benchmarks.faults.common import (
    BUG,
    counter,
    differences,
    exit_code,
    exit_code_if_ended,
    fork,
    kill_after,
    leftover_files,
    newest_step,
    uninterrupted_run,
)
from tests.support.small_runs import char_run, run, tagger_run

STEPS = 20
EVERY_STEP = 1e-9  # minutes between checkpoints
MAKERS: dict[str, Callable[..., Settings]] = {"char": char_run, "tagger": tagger_run}


@dataclass
class KillReport:
    """Numbers of kills and of runs, and the promises that were broken.

    Attributes:
        steps_lost: the largest number of steps after a complete checkpoint that a resumed run had to repeat.
    """

    kills: int = 0
    during_a_save: int = 0
    before_a_checkpoint: int = 0
    steps_lost: int = 0
    runs: int = 0
    unequal: int = 0
    failed: int = 0
    littered: int = 0

    @property
    def passed(self) -> bool:
        """Return whether all promises were kept."""
        return not (self.steps_lost or self.unequal or self.failed or self.littered)


def kill_runs(count: int, folder: Path, seed: int = 1) -> KillReport:
    """Kill and resume runs until `count` kills were made or a run has failed."""
    draw, report = random.Random(seed), KillReport()
    with counter(count, "kills") as advance:
        while report.kills < count and not report.failed:
            for name, make in MAKERS.items():
                place = folder / name
                place.mkdir(parents=True, exist_ok=True)
                settings = make(place, max_steps=STEPS, eval_every=6, checkpoint_minutes=EVERY_STEP)
                _kill_one_run(settings, place, draw, report, count, advance)
    return report


def _kill_one_run(
    settings: Settings,
    place: Path,
    draw: random.Random,
    report: KillReport,
    count: int,
    advance: Callable[[], None],
) -> None:
    """Kill and resume one run repeatedly until it finishes."""
    expected, root = uninterrupted_run(settings, place / "whole"), place / "killed"
    partial = root / f"{settings.name}.partial"
    shutil.rmtree(root, ignore_errors=True)
    status = SharedStatus()
    while True:
        status.write(-1, False)
        child = fork(partial_call(_run_with_status, settings, root, status))
        code = _kill_at_random(child, status, draw) if report.kills < count else exit_code(child)
        if code != -signal.SIGKILL:
            break
        report.kills += 1
        advance()
        last, saving = status.read()
        report.during_a_save += saving
        step = newest_step(partial)
        report.before_a_checkpoint += step < 0
        report.steps_lost = max(report.steps_lost, last - step)
    report.runs += 1
    report.failed += code in (BUG, 1, 2)
    report.unequal += code == 0 and bool(differences(root / settings.name, expected))
    report.littered += code == 0 and bool(leftover_files(root))


def _kill_at_random(child: int, status: SharedStatus, draw: random.Random) -> int:
    """Kill a child after a random number of steps, half of the times during a save; return its exit code."""
    first, steps, in_a_save = None, draw.randint(0, STEPS // 2), draw.random() < 0.5
    while (code := exit_code_if_ended(child)) is None:
        step, saving = status.read()
        first = step if first is None and step >= 0 else first
        if first is not None and step >= first + steps and (saving or not in_a_save):
            return kill_after(child, draw.uniform(0, 0.004 if in_a_save else 0.1))
        time.sleep(0.0002)
    return code


class SharedStatus:
    """Status of a run in memory that is shared with the process that kills it.

    It contains the step of the last complete checkpoint, and whether the run is saving at the moment.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 16)

    def write(self, step: int, saving: bool) -> None:
        """Write the step and whether the run is saving."""
        self._memory[:] = struct.pack("qq", step, saving)

    def read(self) -> tuple[int, bool]:
        """Return the step and whether the run is saving."""
        step, saving = struct.unpack("qq", self._memory[:])
        return step, bool(saving)


def _run_with_status(settings: Settings, root: Path, status: SharedStatus) -> None:
    """Start or resume a run that keeps a status up to date."""

    def write(
        folder: Path, form: DirectoryFormat, contents: Mapping[str, bytes], facts: Mapping[str, Any]
    ) -> None:
        step = status.read()[0]
        status.write(step, True)
        write_verified(folder, form, contents, facts)
        if form.noun == "checkpoint":
            step = strict_json(contents["state.json"])["numbers"]["progress"]["step"]
        status.write(step, False)

    with (
        patch.object(model_directory, "write_verified", write),
        patch.object(checkpoints, "write_verified", write),
    ):
        run(settings, root, resume=True)
