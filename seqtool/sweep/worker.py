"""Worker of a sweep: a process that trains one trial after another until none is left.

Workers share only the database of the study. One command, several commands or several machines may start the
workers of a sweep.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seqtool.config.load import parse_settings
from seqtool.errors import Problem, SeqtoolError, Stopped
from seqtool.settings import Settings
from seqtool.storage.find_model import PARTIAL
from seqtool.sweep.study import (
    Plan,
    Values,
    join_study,
    open_storage,
    quiet_optuna,
    requeue,
    suggest_values,
    trials_by_slot,
)
from seqtool.tasks.interface import definition
from seqtool.training.listeners import Listener, Row
from seqtool.training.run import TrainOptions, train

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial, Trial

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


def run_worker(job: SweepJob, number: int, report_error: Callable[[Sequence[Problem]], None]) -> None:
    """Train trials until none is left. This function is the entry point of a worker process.

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
        with quiet_optuna():
            _run_trials(job, number)
    except SeqtoolError as error:
        report_error(error.problems)
        raise SystemExit(error.exit_code) from None
    except Stopped as stop:
        raise SystemExit(128 + stop.signal_number) from None


def _run_trials(job: SweepJob, number: int) -> None:
    import optuna

    study = join_study(open_storage(job.storage, job.heartbeat), job.name, number)
    study.pruner = (
        optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED_TRIALS)
        if job.prune
        else optuna.pruners.NopPruner()
    )
    while (state := _next_state(study)) is not None:
        if state == "WAITING":
            study.optimize(partial(_objective, job), n_trials=1, catch=(SeqtoolError,))
        else:  # wait for the running trials: if a worker dies, its trial must be repeated
            time.sleep(min(1.0, job.heartbeat))
            optuna.storages.fail_stale_trials(study)


def _next_state(study: Study) -> str | None:
    """Return `WAITING` if a trial is waiting, else `RUNNING` if one is running, else None."""
    states = {trial.state.name for trial in trials_by_slot(study).values()}
    return next((state for state in ("WAITING", "RUNNING") if state in states), None)


def _objective(job: SweepJob, trial: Trial) -> float:
    """Train one trial and return its score.

    Raises:
        TrialPruned: the trial is worse than the median of the others at the same row, or another worker took
            the last trial.
        SeqtoolError: the trial cannot be trained or diverges; the study stores the reason.
        Stopped: a stop signal was received; the trial is back in the queue.
    """
    import optuna

    if "slot" not in trial.user_attrs:
        raise optuna.TrialPruned
    values = suggest_values(trial, job.plan)
    trial.set_user_attr("values", values)
    # A trial with the values of a completed trial is not trained; it gets the score of that trial.
    equal = next(
        (other for other in trials_by_slot(trial.study).values() if _has_values(other, values)), None
    )
    if equal is not None and equal.value is not None:
        trial.set_user_attr("run", equal.user_attrs.get("run", ""))
        return equal.value
    try:
        return _train(job, trial, values)
    except SeqtoolError as error:
        trial.set_user_attr("reason", str(error))
        raise
    except Stopped:
        requeue(trial.study, trial.study.get_trials(deepcopy=False)[trial.number])
        raise


def _has_values(other: FrozenTrial, values: Values) -> bool:
    return other.state.name == "COMPLETE" and other.user_attrs.get("values") == values


def _train(job: SweepJob, trial: Trial, values: Values) -> float:
    import optuna

    settings = job.settings(values)
    threads = settings.training.threads or job.threads
    name = f"trial-{trial.user_attrs['slot']:03d}"
    settings = replace(settings, name=name, training=replace(settings.training, threads=threads))
    again = bool(trial.user_attrs.get("again"))
    options = TrainOptions(job.folder, overwrite=not again, resume=again, keep_checkpoint=False)
    try:
        result = train(settings, options, [TrialListener(trial, settings.task)])
    except optuna.TrialPruned:
        shutil.rmtree(job.folder / (name + PARTIAL), ignore_errors=True)
        raise
    trial.set_user_attr("run", str(result.run))
    return definition(settings.task).trial_score(result.row.scores)


class TrialListener(Listener):
    """Report every row to the study, and stop a trial that the pruner rejects."""

    def __init__(self, trial: Trial, task: str) -> None:
        self._trial, self._task = trial, definition(task)
        self._rows = 0

    def row(self, row: Row) -> None:
        """Report the score of a row.

        Raises:
            TrialPruned: the pruner rejects the trial.
        """
        import optuna

        self._rows += 1
        self._trial.report(self._task.trial_score(row.event.scores), self._rows)
        if not row.event.last and self._trial.should_prune():
            raise optuna.TrialPruned
