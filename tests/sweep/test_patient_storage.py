"""A database server that does not answer: calls are repeated, and no trial is lost or trained twice."""

from __future__ import annotations

import itertools
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seqtool.reports.sweep import SweepScreen
from seqtool.sweep.queue import trials_by_slot
from seqtool.sweep.space import Dimension
from seqtool.sweep.study import join_study, open_study, quiet_optuna
from seqtool.sweep.worker import run_worker
from tests.sweep.test_sweep import folder, make_job, plan

optuna = pytest.importorskip("optuna")
from sqlalchemy.exc import OperationalError, ProgrammingError  # noqa: E402 - installed with optuna
from sqlalchemy.orm import Session  # noqa: E402

from seqtool.sweep.patient_storage import (  # noqa: E402
    LONGEST_DELAY,
    PatientStorage,
    is_lost_connection,
    is_starting,
    repeated,
)

__all__ = ["folder"]
LOST = OperationalError("select 1", None, Exception("server closed the connection"))


def failing(times: int, error: Exception = LOST) -> Callable[[], str]:
    numbers = itertools.count()

    def call() -> str:
        if next(numbers) < times:
            raise error
        return "result"

    return call


@pytest.mark.parametrize("times", [0, 1, 6])
def test_call_is_repeated_until_the_server_answers(times: int) -> None:
    waits, delays = list[None](), list[float]()
    assert repeated(failing(times), 60, lambda: waits.append(None), sleep=delays.append) == "result"
    assert len(delays) == times and len(waits) == min(times, 1)  # one line, however long it takes
    assert delays == sorted(delays) and all(delay <= LONGEST_DELAY for delay in delays)


def test_other_errors_and_the_end_of_the_patience_are_raised() -> None:
    wrong = ProgrammingError("select", None, Exception("no such table"))
    with pytest.raises(ProgrammingError):
        repeated(failing(1, wrong), 60, lambda: None, sleep=lambda _: None)
    with pytest.raises(OperationalError):
        repeated(failing(1), 0.0, lambda: None, sleep=lambda _: None)


def test_lost_connection_is_found_behind_the_error_of_optuna() -> None:
    error = optuna.exceptions.StorageInternalError("commit failed")
    assert not is_lost_connection(error)
    error.__cause__ = LOST
    assert is_lost_connection(error)


@pytest.mark.parametrize("seed", [2])
def test_lost_answers_neither_lose_nor_repeat_a_trial(
    seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One commit in five fails, half of these after the database has carried it out."""
    draw, commit = random.Random(seed), Session.commit

    def unreliable(self: Any) -> None:
        number = draw.random()
        if number >= 0.1:
            commit(self)
        if not 0.1 <= number <= 0.9:
            raise OperationalError("commit", None, Exception("server closed the connection"))

    rates = tuple(f"0.0{number}" for number in range(1, 7))
    job = make_job(folder, plan(space=(Dimension("training.lr", rates),), sampler="grid", trials=6))
    job = replace(job, prune=False)
    heartbeats = {"heartbeat_interval": 1, "grace_period": 6}

    def storage(url: str, *_: object) -> PatientStorage:
        return PatientStorage(url, lambda: None, **heartbeats)

    monkeypatch.setattr(os, "setsid", lambda: None)
    monkeypatch.setattr("seqtool.sweep.database._storage", storage)
    monkeypatch.setattr("seqtool.sweep.patient_storage.FIRST_DELAY", 0.0)
    with quiet_optuna():
        open_study(storage(job.storage), job.name, job.plan)
        monkeypatch.setattr(Session, "commit", unreliable)
        run_worker(job, 0, SweepScreen.worker_failed)
        monkeypatch.setattr(Session, "commit", commit)
        study = join_study(storage(job.storage), job.name, 0)
    last = trials_by_slot(study)
    assert [trial.state.name for trial in last.values()] == ["COMPLETE"] * 6
    done = Counter(trial.user_attrs["slot"] for trial in study.get_trials() if trial.state.name == "COMPLETE")
    assert done == Counter(range(6))
    assert {trial.user_attrs["host"] for trial in last.values()} == {os.uname().nodename}
    assert "Traceback" not in capsys.readouterr().err


def test_server_that_starts_is_waited_for() -> None:
    starting = OperationalError("", None, Exception("FATAL:  the database system is starting up"))
    assert is_starting(starting) and not is_starting(LOST)
    call = failing(2, starting)
    assert repeated(call, 60, lambda: None, sleep=lambda _: None, waits_for=is_starting) == "result"
    with pytest.raises(OperationalError):
        repeated(failing(1), 60, lambda: None, sleep=lambda _: None, waits_for=is_starting)
