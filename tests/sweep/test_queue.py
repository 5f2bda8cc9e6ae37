"""Queue of trials: processes that are killed at any moment, or that add the same attempt at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from seqtool.errors import SeqtoolError
from seqtool.sweep import queue, study
from seqtool.sweep.database import open_storage, study_errors
from seqtool.sweep.queue import (
    DeadWorkers,
    is_last_attempt,
    next_state,
    requeue,
    stored_trial,
    trials_by_slot,
)
from seqtool.sweep.space import Dimension
from seqtool.sweep.study import Plan, open_study, quiet_optuna

optuna = pytest.importorskip("optuna")
FAIL = optuna.trial.TrialState.FAIL
PLAN = Plan({}, (Dimension("training.lr", ("1", "2", "3")),), "grid", 3, 1, maximize=False)
SLOTS = [0, 1, 2]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(queue, "FILL_PAUSE", 0.0)
    monkeypatch.setattr(study, "PLAN_TIMEOUT", -1.0)
    with quiet_optuna():
        yield


def opened(storage: Any = None, plan: Plan = PLAN) -> Any:
    return open_study(storage or optuna.storages.InMemoryStorage(), "a", plan)


def numbers(found: Any) -> dict[int, int]:
    """Return the number of entries of the queue by slot."""
    trials = found.get_trials(deepcopy=False)
    return {slot: sum(trial.user_attrs["slot"] == slot for trial in trials) for slot in SLOTS}


def end_all_but_first(found: Any) -> Any:
    """Return the trial of the first slot, which runs, after the end of the others."""
    first, *others = (found.ask() for _ in SLOTS)
    for trial in others:
        found.tell(trial, 1.0)
    return first


# --- attempts -----------------------------------------------------------------------------------------------


def test_trial_whose_worker_was_killed_before_it_was_requeued_waits_again() -> None:
    found = opened()
    trial = end_all_but_first(found)
    values = stored_trial(trial).system_attrs["fixed_params"]
    found.tell(trial, state=FAIL)  # and the process that would requeue it is killed here
    assert next_state(found) == "WAITING"
    again = trials_by_slot(found)[0]
    assert again.state.name == "WAITING" and again.user_attrs == {"slot": 0, "again": 1}
    assert again.system_attrs["fixed_params"] == values


def test_trial_whose_worker_was_killed_after_it_was_requeued_waits_once() -> None:
    found = opened()
    trial = end_all_but_first(found)
    requeue(found, stored_trial(trial))  # and the process is killed before it stores the end
    assert next_state(found) == "WAITING"
    found.tell(trial, state=FAIL)  # by the search for dead workers, which requeues it, too
    requeue(found, stored_trial(trial))
    assert next_state(found) == "WAITING"
    assert numbers(found) == {0: 2, 1: 1, 2: 1}


def test_trial_that_failed_for_a_reason_is_not_trained_again() -> None:
    found = opened()
    trial = end_all_but_first(found)
    trial.set_user_attr("reason", "diverged")
    found.tell(trial, state=FAIL)
    assert next_state(found) is None
    assert numbers(found) == {0: 1, 1: 1, 2: 1}


def test_attempt_that_two_processes_added_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = opened()
    trial = end_all_but_first(found)
    found.tell(trial, state=FAIL)
    both = [stored_trial(trial), stored_trial(trial)]
    with monkeypatch.context() as patch:  # the second process has not seen the attempt of the first one
        patch.setattr(queue, "trials_by_slot", lambda _: {0: both[0]})
        for stale in both:
            requeue(found, stale)
    attempts = [found.ask() for _ in both]
    assert numbers(found)[0] == 3
    assert list(map(is_last_attempt, attempts)) == [True, False]
    found.tell(attempts[0], 2.0)
    assert trials_by_slot(found)[0].value == 2.0
    assert next_state(found) is None


# --- filling ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_queue_of_a_killed_command_is_completed(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, enqueue, left = optuna.storages.InMemoryStorage(), optuna.Study.enqueue_trial, [kept]

    def killed(self: Any, values: Mapping[str, object], **options: Any) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        enqueue(self, values, **options)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "enqueue_trial", killed)
        with pytest.raises(KeyboardInterrupt):
            opened(storage)
    found = opened(storage)
    assert numbers(found) == {0: 1, 1: 1, 2: 1}
    points = [trial.system_attrs["fixed_params"] for trial in trials_by_slot(found).values()]
    assert points == [{"training.lr": value} for value in ("1", "2", "3")]


def test_study_of_a_command_that_was_killed_before_it_stored_the_plan_is_used() -> None:
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(study_name="a", storage=storage, direction="minimize")
    assert list(trials_by_slot(opened(storage))) == SLOTS


def test_joining_command_completes_the_queue_of_the_larger_stored_plan() -> None:
    storage = optuna.storages.InMemoryStorage()
    made = optuna.create_study(study_name="a", storage=storage, direction="minimize")
    made.set_user_attr("plan", PLAN.to_json())
    smaller = Plan(PLAN.base, PLAN.space, "grid", 1, 1, maximize=False)
    assert list(trials_by_slot(opened(storage, smaller))) == SLOTS


# --- dead workers -------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")
def test_trial_of_a_worker_that_was_killed_before_its_first_heartbeat_waits_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, now, beats = open_storage(f"sqlite:///{tmp_path / 'a.db'}", 1), [0.0], list[int]()
    found = opened(storage)
    trial, record = end_all_but_first(found), storage.record_heartbeat
    monkeypatch.setattr("seqtool.sweep.queue.time.monotonic", lambda: now[0])

    def record_and_count(number: int) -> None:
        beats.append(number)
        record(number)

    monkeypatch.setattr(storage, "record_heartbeat", record_and_count)
    search = DeadWorkers(storage, 1)
    for seconds in (0, 6, 8, 9, 20):
        now[0] = seconds
        search.fail_trials(found)
    assert beats == [trial._trial_id]  # once, and later than the last heartbeat of any other dead trial
    assert next_state(found) == "RUNNING"
    storage.grace_period = -1
    search.fail_trials(found)
    assert next_state(found) == "WAITING" and numbers(found)[0] == 2


def test_database_with_wrong_content_is_one_error(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path / 'a.db'}", 1)
    opened(storage).set_user_attr("plan", ["not", "a", "plan"])
    with pytest.raises(SeqtoolError, match="the database of the sweep cannot be used"), study_errors("a.db"):
        opened(storage)
