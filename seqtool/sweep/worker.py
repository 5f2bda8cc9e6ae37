"""Worker of a sweep: a process that trains one trial after another until none is left.

Workers share only the database of the study. One command, several commands or several machines may start the
workers of a sweep.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from seqtool.config.load import parse_settings
from seqtool.errors import Problem, SeqtoolError, Stopped
from seqtool.processes import ParentWatch, wake
from seqtool.settings.experiment import Settings
from seqtool.storage.find_model import PARTIAL
from seqtool.storage.lock import is_locked
from seqtool.storage.ownership import RUN_CONTENTS, delete_own
from seqtool.sweep.database import open_storage, study_errors
from seqtool.sweep.queue import (
    ATTEMPT,
    HOST,
    REASON,
    SLOT,
    DeadWorkers,
    has_ended,
    is_last_attempt,
    next_state,
    requeue,
    run_name,
    stored_trial,
    trials_by_slot,
)
from seqtool.sweep.study import Plan, Values, join_study, quiet_optuna, suggest_values
from seqtool.tasks.interface import definition
from seqtool.training.listeners import Listener, Row
from seqtool.training.run import TrainOptions, train

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from optuna import Study
    from optuna.trial import FrozenTrial, Trial

ReportError: TypeAlias = Callable[[Sequence[Problem]], None]
LOCK_POLL = 0.2  # seconds
UNPRUNED_TRIALS = 4  # trials that must be finished before a trial can be pruned


@dataclass(frozen=True)
class SweepJob:
    """Description of a sweep that is sent to the worker processes.

    Attributes:
        config: path of the config, for messages and relative paths.
        text: content of the config.
        overrides: `KEY=VALUE` settings of the command line.
        name: name of the sweep.
        root: directory of all runs.
        storage: URL of the study's database.
        plan: plan of the study.
        prune: whether trials that are worse than the median are stopped early.
        heartbeat: seconds between two heartbeats of a running trial.
        threads: number of threads of a trial, unless its settings contain one.
    """

    config: str
    text: str
    overrides: tuple[str, ...]
    name: str
    root: Path
    storage: str
    plan: Plan
    prune: bool
    heartbeat: float
    threads: int

    @property
    def folder(self) -> Path:
        """Directory of the trials' runs."""
        return self.root / self.name

    def settings(self, values: Mapping[str, str]) -> Settings:
        """Return the settings of a trial.

        Args:
            values: values of the trial as YAML texts, by key.

        Raises:
            ConfigError: the values contradict each other.
        """
        overrides = [*self.overrides, *(f"{key}={text}" for key, text in values.items())]
        folder = Path(self.config).parent
        return parse_settings(self.text, name=self.config, folder=folder, overrides=overrides).settings


class TrialHeld(SeqtoolError):
    """Trial whose run is locked by a paused worker; it is in the queue again."""


@contextmanager
def running_workers(job: SweepJob, count: int, report_error: ReportError) -> Iterator[list[BaseProcess]]:
    """Start worker processes; at the end of the block, stop those that still run and wait for all."""
    context, watch = get_context("spawn"), ParentWatch()
    workers: list[BaseProcess] = [
        context.Process(target=_worker_process, args=(watch, job, number, report_error), daemon=False)
        for number in range(count)
    ]
    for worker in workers:
        worker.start()
    try:
        yield workers
    finally:
        watch.end_workers()
        for worker in workers:
            wake(worker)
        for worker in workers:
            worker.join()


def killed_workers(workers: Sequence[BaseProcess]) -> list[BaseProcess]:
    """Return the workers that a signal has ended."""
    return [worker for worker in workers if (worker.exitcode or 0) < 0]


def _worker_process(watch: ParentWatch, job: SweepJob, number: int, report_error: ReportError) -> None:
    """Run a worker that saves its trial and ends when its parent ends; entry point of its process."""
    watch.start(lambda: os.kill(os.getpid(), signal.SIGTERM))
    code: object = 0
    try:
        run_worker(job, number, report_error)
    except SystemExit as end:
        code = end.code
    os._exit(code if isinstance(code, int) else 1)  # without the seconds that unloading large libraries takes


def run_worker(job: SweepJob, number: int, report_error: ReportError) -> None:
    """Train trials until none is left.

    Args:
        job: description of the sweep.
        number: number of the worker in its command. It seeds the sampler.
        report_error: called with the problems of an error that ends the worker.

    Raises:
        SystemExit: an error or a stop signal ends the worker; the exit code is that of the error or signal.
    """
    with suppress(OSError):
        os.setsid()  # only the parent process receives Ctrl-C; it then asks its workers to stop
    try:
        with quiet_optuna(), study_errors(job.storage, content=False):
            _run_trials(job, number)
    except SeqtoolError as error:
        report_error(error.problems)
        raise SystemExit(error.exit_code) from None
    except Stopped as stop:
        raise SystemExit(128 + stop.signal_number) from None


def _run_trials(job: SweepJob, number: int) -> None:
    import optuna

    storage = open_storage(job.storage, job.heartbeat, patient=True)
    with study_errors(job.storage):
        study, dead_workers = join_study(storage, job.name, number), DeadWorkers(storage, job.heartbeat)
    study.pruner = (
        optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED_TRIALS)
        if job.prune
        else optuna.pruners.NopPruner()
    )
    while True:
        with study_errors(job.storage):
            state = next_state(study)
        if state is None:
            return
        if state == "WAITING":
            _run_trial(study, _Attempt(job))
        else:  # the worker of a running trial may die, so that the trial must be run again
            time.sleep(min(1.0, job.heartbeat))
            with study_errors(job.storage):
                dead_workers.fail_trials(study)


def _run_trial(study: Study, attempt: _Attempt) -> None:
    """Run a trial of the queue. If another worker took it over during a pause of this one, abandon it."""
    from optuna.exceptions import UpdateFinishedTrialError

    try:
        study.optimize(attempt, n_trials=1, catch=(SeqtoolError,))
    except Exception as error:
        # The study stores neither rows nor the result of an attempt that it has recorded as failed. Any other
        # error of the attempt itself is raised again.
        own = error is attempt.error and not isinstance(error, UpdateFinishedTrialError)
        if own or not attempt.ended():
            raise


class _Attempt:
    """One attempt at a trial.

    Attributes:
        error: error that ended the attempt.
    """

    def __init__(self, job: SweepJob) -> None:
        self._job = job
        self._trial: Trial | None = None
        self.error: BaseException | None = None

    def __call__(self, trial: Trial) -> float:
        """Train the trial and return its score. Optuna calls this method."""
        self._trial = trial
        try:
            score = _objective(self._job, trial)
            if math.isnan(score):
                raise SeqtoolError("the score is not a number")
            return score
        except BaseException as error:
            self.error = error
            self._record_reason(trial, error)
            raise

    @staticmethod
    def _record_reason(trial: Trial, error: BaseException) -> None:
        """Store the reason of a failure. A trial without a reason was interrupted, and is trained again."""
        from optuna.exceptions import StorageInternalError, TrialPruned
        from sqlalchemy.exc import SQLAlchemyError

        interruptions = (Stopped, TrialHeld, TrialPruned, StorageInternalError, SQLAlchemyError)
        if not isinstance(error, interruptions) and not has_ended(trial):
            reason = error.summary if isinstance(error, SeqtoolError) else str(error)
            trial.set_user_attr(REASON, reason or type(error).__name__)

    def ended(self) -> bool:
        """Return whether the study has recorded the end of this attempt."""
        return self._trial is not None and has_ended(self._trial)


def _objective(job: SweepJob, trial: Trial) -> float:
    """Train one trial and return its score.

    Raises:
        TrialPruned: the trial is worse than the median of the others at the same row, another worker took
            the last trial, or this attempt was put into the queue twice.
        SeqtoolError: the trial cannot be trained or diverges.
        Stopped: a stop signal was received; the trial is back in the queue.
    """
    import optuna

    if not is_last_attempt(trial):
        raise optuna.TrialPruned
    trial.set_user_attr(HOST, socket.gethostname())
    values = suggest_values(trial, job.plan)
    trial.set_user_attr("values", values)
    # A trial with the values of a completed trial is not trained; it gets the score of that trial.
    equal = next(
        (other for other in trials_by_slot(trial.study).values() if _has_values(other, values)), None
    )
    if equal is not None and equal.value is not None:
        trial.set_user_attr("run", equal.user_attrs.get("run", ""))
        trial.set_user_attr(HOST, equal.user_attrs.get(HOST, ""))
        return equal.value
    try:
        _wait_for_lock(job, trial)
        return _train(job, trial, values)
    except (Stopped, TrialHeld):
        if not has_ended(trial):  # else another worker has put it into the queue
            requeue(trial.study, stored_trial(trial))
        raise


def _wait_for_lock(job: SweepJob, trial: Trial) -> None:
    """Wait until the run of a trial that was taken over from a paused worker is no longer locked.

    Raises:
        TrialHeld: if other trials can be trained meanwhile.
    """
    folder = job.folder / (run_name(trial.user_attrs[SLOT]) + PARTIAL)
    while is_locked(folder):
        if _has_waiting_trial(job, trial.study):
            raise TrialHeld("a paused worker holds this trial", place=str(folder))
        time.sleep(LOCK_POLL)


def _has_waiting_trial(job: SweepJob, study: Study) -> bool:
    """Return whether a trial is waiting whose run is not locked."""
    return any(
        trial.state.name == "WAITING" and not is_locked(job.folder / (run_name(slot) + PARTIAL))
        for slot, trial in trials_by_slot(study).items()
    )


def _has_values(other: FrozenTrial, values: Values) -> bool:
    return other.state.name == "COMPLETE" and other.user_attrs.get("values") == values


def _train(job: SweepJob, trial: Trial, values: Values) -> float:
    import optuna

    settings = job.settings(values)
    threads = settings.training.threads or job.threads
    name = run_name(trial.user_attrs[SLOT])
    settings = replace(settings, name=name, training=replace(settings.training, threads=threads))
    again = bool(trial.user_attrs.get(ATTEMPT))
    options = TrainOptions(job.folder, overwrite=not again, resume=again, keep_checkpoint=False)
    try:
        result = train(settings, options, [TrialListener(trial, settings.task)])
    except optuna.TrialPruned:
        with suppress(OSError):
            delete_own(job.folder / (name + PARTIAL), RUN_CONTENTS)
        raise
    trial.set_user_attr("run", str(result.run))
    return definition(settings.task).trial_score(result.row.scores)


class TrialListener(Listener):
    """Report every row to the study, and stop a trial that the pruner rejects."""

    def __init__(self, trial: Trial, task: str) -> None:
        self._trial, self._task = trial, definition(task)
        self._rows = 0

    def row(self, row: Row) -> None:
        """Report the score of a row of the main part.

        Raises:
            TrialPruned: the pruner rejects the trial.
        """
        import optuna

        if row.part not in ("", self._task.name):
            return
        self._rows += 1
        self._trial.report(self._task.trial_score(row.event.scores), self._rows)
        if not row.event.last and self._trial.should_prune():
            raise optuna.TrialPruned
