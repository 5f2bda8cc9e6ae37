"""Queue of the trials of a study. A process that is killed at any moment loses no trial.

Each trial of the plan has a number, its slot. An interrupted trial gets another attempt: an entry of the
database with the same slot, the same values, and a higher attempt number. Every step can be repeated: two
processes may add the same attempt, and the one that was stored first counts. A trial that failed has a
reason, which is stored before its state. Without a reason it was interrupted, and any process adds the next
attempt.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, Trial

SLOT = "slot"  # attributes of a trial in the database
ATTEMPT = "again"
REASON = "reason"
HOST = "host"  # name of the machine that trains the trial
MISSED_HEARTBEATS = 6  # heartbeats that a trial may miss before another worker takes it
FILL_PAUSE = 1.0  # seconds without a new trial after which the process that fills the queue counts as dead


def fill_queue(study: Study, points: Iterator[Mapping[str, object]], count: int) -> None:
    """Put the trials of the slots below `count` into the queue that are not in it.

    Args:
        points: values of the slots by key. A slot without values gets them from the sampler.
    """
    queued = trials_by_slot(study)
    for slot in range(count):
        point = next(points, {})
        if slot not in queued:
            study.enqueue_trial(dict(point), user_attrs={SLOT: slot})


def wait_for_others(study: Study, count: int) -> None:
    """Wait while another process fills the queue, until it has `count` trials or gets no more of them."""
    before = -1
    while before < (queued := len(trials_by_slot(study))) < count:
        before = queued
        time.sleep(FILL_PAUSE)


def trials_by_slot(study: Study) -> dict[int, FrozenTrial]:
    """Return the trials in the order of their slots; of a trial with several attempts, the last one."""
    last: dict[int, FrozenTrial] = {}
    for trial in study.get_trials(deepcopy=False):
        if SLOT in trial.user_attrs:
            before = last.setdefault(int(trial.user_attrs[SLOT]), trial)
            if _attempt(trial) > _attempt(before):
                last[int(trial.user_attrs[SLOT])] = trial
    return dict(sorted(last.items()))


def run_name(slot: int) -> str:
    """Return the name of the run of a trial."""
    return f"trial-{slot:03d}"


def _attempt(trial: FrozenTrial) -> int:
    return int(trial.user_attrs.get(ATTEMPT, 0))


def is_last_attempt(trial: Trial) -> bool:
    """Return whether an attempt is the last one of its slot. The queue may contain an attempt twice."""
    slot = trial.user_attrs.get(SLOT)
    return slot is not None and trials_by_slot(trial.study)[int(slot)].number == trial.number


def requeue(study: Study, trial: FrozenTrial) -> None:
    """Put an interrupted trial into the queue, unless its next attempt is known.

    The new attempt has the same slot and the same values.
    """
    import optuna

    last = trials_by_slot(study).get(int(trial.user_attrs.get(SLOT, -1)))
    if last is None or _attempt(last) > _attempt(trial):
        return
    study.add_trial(
        optuna.create_trial(
            state=optuna.trial.TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={**trial.user_attrs, ATTEMPT: _attempt(trial) + 1},
            system_attrs={
                name: value for name, value in trial.system_attrs.items() if name == "fixed_params"
            },
        )
    )


def is_interrupted(trial: FrozenTrial) -> bool:
    """Return whether an attempt has ended without a result and without a reason."""
    return trial.state.name == "FAIL" and REASON not in trial.user_attrs


def next_state(study: Study) -> str | None:
    """Put interrupted trials into the queue, and return what is left to do.

    Returns:
        `WAITING` if a trial is waiting, else `RUNNING` if one is running, else None.
    """
    trials = trials_by_slot(study).values()
    for trial in filter(is_interrupted, trials):
        requeue(study, trial)
    states = {"WAITING" if is_interrupted(trial) else trial.state.name for trial in trials}
    return next((state for state in ("WAITING", "RUNNING") if state in states), None)


def stored_trial(trial: Trial) -> FrozenTrial:
    """Return the present state of a trial in the database."""
    return trial.study.get_trials(deepcopy=False)[trial.number]


def has_ended(trial: Trial) -> bool:
    """Return whether the study has recorded the end of a trial, for example because its worker was paused."""
    return stored_trial(trial).state.is_finished()


class DeadWorkers:
    """Search for running trials whose worker is dead; one object for each worker that searches.

    Optuna ends a trial whose heartbeats have stopped, but not one whose worker was killed before its first
    heartbeat. Such a trial gets a heartbeat here after it was seen running for longer than all other dead
    trials are.
    """

    def __init__(self, storage: BaseStorage, heartbeat: float) -> None:
        self._storage = storage
        self._patience = (MISSED_HEARTBEATS + 1) * heartbeat
        self._first_seen: dict[int, float] = {}  # monotonic time by number of the trial in the database

    def fail_trials(self, study: Study) -> None:
        """Record the end of trials whose worker is dead, and put them into the queue."""
        import optuna

        optuna.storages.fail_stale_trials(study)
        now = time.monotonic()
        for trial in trials_by_slot(study).values():
            if trial.state.name == "RUNNING":
                number = trial._trial_id
                if now - self._first_seen.setdefault(number, now) > self._patience:
                    self._first_seen[number] = now + 1e9  # once
                    self._record_heartbeat(number)

    def _record_heartbeat(self, number: int) -> None:
        from optuna.storages import RDBStorage

        if isinstance(self._storage, RDBStorage):
            self._storage.record_heartbeat(number)
