"""SIGKILL at random moments, during saves above all: every resume works, loses one step at most, and ends in the same bytes."""

from __future__ import annotations

import mmap
import random
import shutil
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial as partial_call
from pathlib import Path
from typing import Any
from unittest.mock import patch

from seqtool.settings import Settings
from seqtool.storage import model_directory as bundle
from seqtool.storage.verified_directory import DirectoryFormat, strict_json, write_verified
from seqtool.training import checkpoints
from tests.benchmarks.faults.common import (
    BUG,
    differences,
    ended,
    fork,
    killed_after,
    litter,
    newest_step,
    still_running,
    telling,
    whole,
)
from tests.support.small_runs import char_run, run, tagger_run

STEPS = 20
OFTEN = 1e-9  # minutes: a checkpoint after every step
MAKERS: dict[str, Callable[..., Settings]] = {"char": char_run, "tagger": tagger_run}


@dataclass
class Kills:
    """What came of it."""

    kills: int = 0
    during_a_save: int = 0
    before_a_checkpoint: int = 0
    steps_lost: int = 0  # the most that a resumed run had to make again, of steps whose checkpoint stood
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


def _one_run(
    settings: Settings, place: Path, draw: random.Random, found: Kills, count: int, one: Callable[[], None]
) -> None:
    """Kill one run again and again until it gets to its end."""
    expected, root = whole(settings, place / "whole"), place / "killed"
    partial = root / f"{settings.name}.partial"
    shutil.rmtree(root, ignore_errors=True)
    notes = Notes()
    while True:
        notes.clear()
        child = fork(partial_call(_run, settings, root, notes))
        code = _killed(child, notes, draw) if found.kills < count else ended(child)
        if code != -9:
            break
        found.kills += 1
        one()
        last, saving = notes.read()
        found.during_a_save += saving
        step = newest_step(partial)
        found.before_a_checkpoint += step < 0
        found.steps_lost = max(found.steps_lost, last - step)
    found.runs += 1
    found.failed += code in (BUG, 1, 2)
    found.unequal += code == 0 and bool(differences(root / settings.name, expected))
    found.littered += code == 0 and bool(litter(root))


def _killed(child: int, notes: Notes, draw: random.Random) -> int:
    """Kill a child some steps further on: between or in the middle of what it does, every other time while it saves."""
    first, steps, in_a_save = None, draw.randint(0, STEPS // 2), draw.random() < 0.5
    while (code := still_running(child)) is None:
        step, saving = notes.read()
        first = step if first is None and step >= 0 else first
        if first is not None and step >= first + steps and (saving or not in_a_save):
            return killed_after(child, draw.uniform(0, 0.004 if in_a_save else 0.1))
        time.sleep(0.0002)
    return code


class Notes:
    """What a run notes for the process that will kill it: the last step whose checkpoint stands, and whether it saves at the moment."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 16)

    def clear(self) -> None:
        """Before a run."""
        self.write(-1, False)

    def write(self, step: int, saving: bool) -> None:
        """Note both."""
        self._memory[:] = struct.pack("qq", step, saving)

    def read(self) -> tuple[int, bool]:
        """Both."""
        step, saving = struct.unpack("qq", self._memory[:])
        return step, bool(saving)


def _run(settings: Settings, root: Path, notes: Notes) -> None:
    """A run that notes what it does."""
    real = write_verified

    def write(
        folder: Path, form: DirectoryFormat, contents: Mapping[str, bytes], facts: Mapping[str, Any]
    ) -> None:
        step = notes.read()[0]
        notes.write(step, True)
        real(folder, form, contents, facts)
        if form.noun == "checkpoint":
            step = strict_json(contents["state.json"])["numbers"]["progress"]["step"]
        notes.write(step, False)

    with patch.object(bundle, "write_verified", write), patch.object(checkpoints, "write_verified", write):
        run(settings, root, resume=True)
