"""Kills of a sweep at each write to the database of its study; no trial may be lost.

The process that plans a study, trains its trials, is stopped, or takes the trials of a dead worker over is
killed before each commit to the database. Another process then finishes the sweep.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from seqtool.config.dump import dump_settings
from seqtool.errors import Stopped
from seqtool.sweep import queue, worker
from seqtool.sweep.database import open_storage
from seqtool.sweep.queue import trials_by_slot
from seqtool.sweep.space import Dimension
from seqtool.sweep.study import Plan, join_study, open_study, quiet_optuna
from seqtool.sweep.worker import SweepJob
from tests.benchmarks.faults.common import counter, exit_code, fork, leftover_files
from tests.support.small_runs import StopAt, char_run, stopping

RATES = ("0.01", "0.02")
HEARTBEAT = 0.001  # seconds; Optuna uses one second
Action = Callable[[SweepJob], None]


@dataclass
class TrialReport:
    """Number of kills, and descriptions of what was lost."""

    kills: int = 0
    lost: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Return whether nothing was lost."""
        return not self.lost


def kill_sweeps(folder: Path, every: int = 1, first: int = 1, actions: Sequence[str] = ()) -> TrialReport:
    """Kill the named actions of a sweep, or all, before every `every`-th commit from the `first` on."""
    report, whole = TrialReport(), _make_job(folder, "whole")
    _open(whole)  # before any fork, so that no child has to import what this needs
    assert exit_code(fork(lambda: _finish(whole))) == 0
    expected = _scores(whole)
    with counter(150 // every, "kills") as advance:
        for name in actions or ACTIONS:
            before, action = ACTIONS[name]
            place, number = folder / name, first
            job = _make_job(place, "start")
            assert exit_code(fork(lambda job=job, before=before: before(job))) == 0  # type: ignore[misc]
            while True:
                killed = _make_job(place, "killed")
                shutil.rmtree(killed.root, ignore_errors=True)
                if job.root.exists():
                    shutil.copytree(job.root, killed.root)
                code = exit_code(fork(lambda: _killed_at(number, action, killed)))  # noqa: B023 - forks now
                if code == 0:
                    break
                report.kills += 1
                wrong = _what_is_lost(killed, expected) if code == -signal.SIGKILL else f"exit code {code}"
                if wrong:
                    report.lost.append(f"{name}, commit {number}: {wrong}")
                number += every
                advance()
    return report


def _make_job(folder: Path, name: str) -> SweepJob:
    folder.mkdir(parents=True, exist_ok=True)
    settings = replace(char_run(folder, max_steps=6, eval_every=3), name="small")
    config, root = folder / "small.yaml", folder / name
    config.write_text(dump_settings(settings, folder))
    plan = Plan({}, (Dimension("training.lr", RATES),), "grid", len(RATES), 1, maximize=False)
    storage, text = f"sqlite:///{root}/small/sweep.db", config.read_text()
    return SweepJob(
        str(config), text, (), "small", root, storage, plan, prune=False, heartbeat=HEARTBEAT, threads=1
    )


# --- actions ------------------------------------------------------------------------------------------------


def _open(job: SweepJob) -> None:
    job.folder.mkdir(parents=True, exist_ok=True)
    with quiet_optuna():
        open_study(open_storage(job.storage, job.heartbeat), job.name, job.plan)


def _work(job: SweepJob) -> None:
    with suppress(SystemExit):
        worker.run_worker(job, 0, lambda _: None)


def _be_stopped(job: SweepJob) -> None:
    with stopping(StopAt(5)), suppress(Stopped):
        _work(job)


def _leave_running_trial(job: SweepJob) -> None:
    """Leave a trial that is running in the database, as a killed worker does."""
    _open(job)
    assert exit_code(fork(lambda: _killed_in_training(job))) == -signal.SIGKILL


def _killed_in_training(job: SweepJob) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with patch.object(worker.TrialListener, "row", die):
        _work(job)


def _take_over(job: SweepJob) -> None:
    with _stale_at_once():
        _work(job)


def _finish(job: SweepJob) -> None:
    """Finish a sweep, however it was left."""
    with patch.object(queue, "FILL_PAUSE", 0.05):
        _open(job)
    _take_over(job)


@contextmanager
def _stale_at_once() -> Iterator[None]:
    """Let a trial of another process that has a heartbeat count as one of a dead worker."""
    from optuna.storages import RDBStorage
    from optuna.storages._rdb import models
    from optuna.trial import TrialState

    def stale(self: Any, _: int) -> list[int]:
        with self.scoped_session() as session:
            running = session.query(models.TrialModel).filter(models.TrialModel.state == TrialState.RUNNING)
            return [trial.trial_id for trial in running if trial.heartbeats]

    with patch.object(RDBStorage, "_get_stale_trial_ids", stale):
        yield


ACTIONS: dict[str, tuple[Action, Action]] = {  # what is there before, and what is killed
    "plan": (lambda _: None, _open),
    "train": (_open, _work),
    "stop": (_open, _be_stopped),
    "take over": (_leave_running_trial, _take_over),
}


# --- kills --------------------------------------------------------------------------------------------------


def _killed_at(number: int, action: Action, job: SweepJob) -> None:
    """Perform an action, and kill this process before the commit of a number that writes."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    writes, commits = set[int](), [0]

    @event.listens_for(Engine, "before_cursor_execute")
    def _(connection: Any, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.lstrip().startswith(("INSERT", "UPDATE", "DELETE")):
            writes.add(id(connection))

    @event.listens_for(Engine, "commit")
    def _(connection: Any) -> None:
        if id(connection) in writes:
            writes.discard(id(connection))
            commits[0] += 1
            if commits[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)

    action(job)


def _scores(job: SweepJob) -> dict[int, tuple[str, float | None]]:
    study = join_study(open_storage(job.storage, job.heartbeat), job.name, 0)
    return {slot: (trial.state.name, trial.value) for slot, trial in trials_by_slot(study).items()}


def _what_is_lost(job: SweepJob, expected: dict[int, tuple[str, float | None]]) -> str:
    """Finish a sweep; return how its result differs from the expected one, or nothing."""
    code = exit_code(fork(lambda: _finish(job)))
    if code:
        return f"exit code {code} of the process that finishes it"
    found = _scores(job)
    if found != expected:
        return f"trials {found}, not {expected}"
    runs = sorted(path.name for path in job.folder.glob("trial-*"))
    if runs != [f"trial-{slot:03d}" for slot in expected]:
        return f"runs {runs}"
    left = leftover_files(job.folder)
    return f"left {left}" if left else ""
