"""A run of 60 steps stopped wherever it asks: before each step, and inside each evaluation; each time the same bytes at the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from seqtool.errors import Stopped
from seqtool.settings import Settings
from tests.benchmarks.faults.common import differences, litter, newest_step, telling
from tests.support.small_runs import StopAt, char_run, polls, run, stopping, tagger_run

MAKERS: dict[str, Callable[..., Settings]] = {"char": char_run, "tagger": tagger_run}


@dataclass
class Stops:
    """What came of it: polls at which a run was stopped, the steps after which that was, and the unequal ends."""

    stops: int = 0
    steps: set[int] = field(default_factory=set)
    unequal: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether all is as promised."""
        return not self.unequal


def stop_runs(
    folder: Path, steps: int = 60, every: int = 1, tasks: tuple[str, ...] = ("char", "tagger")
) -> dict[str, Stops]:
    """Stop at each poll (or each of `every`) and go on."""
    return {name: _stop_each(MAKERS[name], folder / name, steps, every) for name in tasks}


def _stop_each(make: Callable[..., Settings], folder: Path, steps: int, every: int) -> Stops:
    folder.mkdir(parents=True)
    settings, found = make(folder, max_steps=steps, eval_every=7), Stops()
    asked = polls(settings, folder / "whole")
    with telling(asked, "stops") as one:
        for poll in range(1, asked + 1, every):
            root = folder / "cut"
            shutil.rmtree(root, ignore_errors=True)
            try:
                with stopping(StopAt(poll)):
                    run(settings, root)
                found.unequal.append(f"poll {poll}: did not stop")
                continue
            except Stopped:
                pass
            step = newest_step(root / f"{settings.name}.partial")
            run(settings, root, resume=True)
            found.stops += 1
            found.steps.add(step)
            wrong = [*differences(root / settings.name, folder / "whole" / settings.name), *litter(root)]
            found.unequal += [f"after step {step}: {', '.join(wrong)}"] if wrong else []
            one()
    return found
