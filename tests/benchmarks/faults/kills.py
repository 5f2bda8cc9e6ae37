"""SIGKILL at random moments, during saves above all: every resume works, loses one step at most, and ends in the same bytes."""

from __future__ import annotations

import mmap
import random
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from seqtool.jobs.checkpoints import Checkpoint, Checkpoints
from seqtool.settings import Settings
from tests.benchmarks.faults.common import BUG, differences, fork, killed_after, litter, newest_step, telling, whole
from tests.small_runs import char_run, run, tagger_run

STEPS = 20
OFTEN = 1e-9  # minutes: a checkpoint after every step
MAKERS: dict[str, Callable[..., Settings]] = {"char": char_run, "tagger": tagger_run}


@dataclass
class Kills:
    """What came of it."""

    kills: int = 0
    during_a_save: int = 0
    before_a_checkpoint: int = 0
    steps_lost: int = 0  # at most, of those whose save had ended
    runs: int = 0
    unequal: int = 0
    failed: int = 0
    littered: int = 0

    @property
    def good(self) -> bool:
        """Whether all is as promised."""
        return not (self.steps_lost or self.unequal or self.failed or self.littered)


def kill_runs(count: int, folder: Path, seed: int = 1) -> Kills:
    """Kill and resume until `count` kills have struck."""
    draw, found = random.Random(seed), Kills()
    with telling(count, "kills") as one:
        while found.kills < count:
            for name, make in MAKERS.items():
                place = folder / name
                place.mkdir(parents=True, exist_ok=True)
                settings = make(place, max_steps=STEPS, eval_every=6, checkpoint_minutes=OFTEN)
                _one_run(settings, place, draw, found, count, one)
    return found


def _one_run(settings: Settings, place: Path, draw: random.Random, found: Kills, count: int, one: Callable[[], None]) -> None:
    """Kill one run again and again until it gets to its end."""
    expected, root = whole(settings, place / "whole"), place / "killed"
    shutil.rmtree(root, ignore_errors=True)
    saved = mmap.mmap(-1, 8)
    while True:
        saved[:] = struct.pack("q", -1)
        patience = draw.uniform(0.05, 1.5) if found.kills < count else 60
        code = killed_after(fork(lambda: _run(settings, root, saved)), patience)
        if code != -9:
            break
        found.kills += 1
        one()
        partial = root / f"{settings.name}.partial"
        found.during_a_save += any(path.name.endswith((".new", ".old", ".tmp")) for path in partial.rglob("*"))
        (last,) = struct.unpack("q", saved[:])
        step = newest_step(partial)
        found.before_a_checkpoint += step < 0
        found.steps_lost = max(found.steps_lost, last - step)
    found.runs += 1
    found.failed += code in (BUG, 1, 2)
    found.unequal += code == 0 and bool(differences(root / settings.name, expected))
    found.littered += code == 0 and bool(litter(root))


def _run(settings: Settings, root: Path, saved: mmap.mmap) -> None:
    """A run that notes each step whose checkpoint stands."""
    real = Checkpoints.save

    def save(self: Checkpoints, checkpoint: Checkpoint) -> None:
        real(self, checkpoint)
        saved[:] = struct.pack("q", checkpoint.numbers["progress"]["step"])

    with patch.object(Checkpoints, "save", save):
        run(settings, root, resume=True)
