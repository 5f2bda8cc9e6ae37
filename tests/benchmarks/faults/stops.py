"""Stops of a run at every poll: before each step and inside each evaluation.

Every resumed run must end in the same bytes as the uninterrupted one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from seqtool.errors import Stopped
from seqtool.settings.experiment import Settings
from tests.benchmarks.faults.common import counter, differences, leftover_files, newest_step
from tests.support.small_runs import StopAt, char_run, count_polls, run, stopping, tagger_run

MAKERS: dict[str, Callable[..., Settings]] = {"char": char_run, "tagger": tagger_run}


@dataclass
class StopReport:
    """Number of stops, the steps after which runs were stopped, and descriptions of unequal results."""

    stops: int = 0
    steps: set[int] = field(default_factory=set)
    unequal: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Return whether all results were equal."""
        return not self.unequal


def stop_runs(
    folder: Path, steps: int = 60, every: int = 1, tasks: tuple[str, ...] = ("char", "tagger")
) -> dict[str, StopReport]:
    """Stop a run of each task at every poll, or at every `every`-th one, and resume it."""
    return {name: _stop_at_each_poll(MAKERS[name], folder / name, steps, every) for name in tasks}


def _stop_at_each_poll(make: Callable[..., Settings], folder: Path, steps: int, every: int) -> StopReport:
    folder.mkdir(parents=True)
    settings, report = make(folder, max_steps=steps, eval_every=7), StopReport()
    polls = count_polls(settings, folder / "whole")
    with counter(polls, "stops") as advance:
        for poll in range(1, polls + 1, every):
            root = folder / "cut"
            shutil.rmtree(root, ignore_errors=True)
            try:
                with stopping(StopAt(poll)):
                    run(settings, root)
                report.unequal.append(f"poll {poll}: did not stop")
                continue
            except Stopped:
                pass
            step = newest_step(root / f"{settings.name}.partial")
            run(settings, root, resume=True)
            report.stops += 1
            report.steps.add(step)
            unequal = differences(root / settings.name, folder / "whole" / settings.name)
            problems = [*unequal, *leftover_files(root)]
            report.unequal += [f"after step {step}: {', '.join(problems)}"] if problems else []
            advance()
    return report
