"""Sweep command: open or join a study, start its workers, follow its trials, and write the best config."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from seqtool.config.dump import dump_settings
from seqtool.config.load import ReadConfig, read_settings
from seqtool.errors import ConfigError, Problem, SeqtoolError, Stopped, WorkerEnded
from seqtool.processes import cause_of_end
from seqtool.storage.atomic import make_directory, write_file
from seqtool.storage.ownership import check_not_input, check_plain
from seqtool.sweep.database import (
    BEST,
    default_storage,
    delete_sweep,
    open_storage,
    study_errors,
)
from seqtool.sweep.database_url import without_password
from seqtool.sweep.importance import Importance, importance_of
from seqtool.sweep.queue import HOST, REASON, is_interrupted, trials_by_slot
from seqtool.sweep.space import Dimension, read_space
from seqtool.sweep.study import Sampler, make_plan, open_study, quiet_optuna
from seqtool.sweep.worker import SweepJob, killed_workers, running_workers
from seqtool.tasks.build import prepare_run
from seqtool.tasks.interface import Prepared, definition
from seqtool.training.engine.ranks import default_threads
from seqtool.training.provenance import experiment
from seqtool.training.run import CACHE
from seqtool.training.session import StopFlag, stop_signals
from seqtool.types import Json

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from optuna import Study
    from optuna.trial import FrozenTrial

ENDED = ("done", "pruned", "failed")  # states of trials that have ended


@dataclass(frozen=True)
class TrialRow:
    """State of one trial.

    Attributes:
        place: number of the trial.
        state: waiting, running, done, pruned or failed.
        value: score of the trial, or of its latest evaluation while it runs.
        values: searched settings as YAML texts by key.
        rows: number of evaluations so far.
        seconds: duration of an ended trial.
        reason: error of a failed trial.
        run: run directory of the trial.
        host: name of the machine that trains or has trained the trial.
    """

    place: int
    state: str
    value: float | None
    values: Mapping[str, str]
    rows: int = 0
    seconds: float | None = None
    reason: str = ""
    run: str = ""
    host: str = ""

    @classmethod
    def from_trial(cls, place: int, trial: FrozenTrial) -> TrialRow:
        """Convert a trial of Optuna."""
        evaluations, attributes = trial.intermediate_values, trial.user_attrs
        value = trial.value
        if value is None and evaluations:
            value = evaluations[max(evaluations)]
        state = {"COMPLETE": "done", "FAIL": "failed"}.get(trial.state.name, trial.state.name.lower())
        return cls(
            place,
            "waiting" if is_interrupted(trial) else state,
            value,
            {name: str(text) for name, text in attributes.get("values", {}).items()},
            len(evaluations),
            trial.duration.total_seconds() if trial.duration else None,
            str(attributes.get(REASON, "")),
            str(attributes.get("run", "")),
            str(attributes.get(HOST, "")),
        )


@dataclass(frozen=True)
class Summary:
    """Result of a finished sweep.

    Attributes:
        name: name of the sweep.
        storage: URL of the study's database, without its password.
        rows: all trials.
        best: trial with the best score.
        config: path of the config that has the best trial's settings.
        importance: share of each key in the differences between scores, the most important first; empty for
            few trials.
    """

    name: str
    storage: str
    rows: Sequence[TrialRow]
    best: TrialRow
    config: str
    importance: Mapping[str, Importance]

    def to_json(self) -> Json:
        """Return the object that `--json` prints."""
        return {
            "name": self.name,
            "storage": self.storage,
            "counts": {state: sum(row.state == state for row in self.rows) for state in ENDED},
            "best": {**asdict(self.best), "config": self.config},
            "importance": {key: one.share for key, one in self.importance.items()},
            "importance_interval_90": {key: [one.low, one.high] for key, one in self.importance.items()},
            "trials": [asdict(row) for row in self.rows],
        }


class SweepListener(Protocol):
    """Receiver of the events of a sweep, such as the table on a terminal."""

    def begin(self, name: str, storage: str, keys: list[str], metric: str) -> None:
        """Receive the start of a sweep: its name, database, searched keys, and the name of the score."""

    def show(self, rows: Sequence[TrialRow]) -> None:
        """Receive the present state of all trials."""

    def close(self) -> None:
        """Receive the end of the workers, finished or stopped."""

    def end(self, summary: Summary) -> None:
        """Receive the result."""

    @staticmethod
    def worker_killed(cause: str) -> None:
        """Receive the cause of the end of a worker, while others continue."""

    @staticmethod
    def database_waits() -> None:
        """Receive that the database server does not answer, and that the sweep waits for it."""

    @staticmethod
    def database_kept(path: Path) -> None:
        """Receive the new name of a damaged database, which `--overwrite` does not delete."""

    @staticmethod
    def worker_failed(problems: Sequence[Problem]) -> None:
        """Receive the error that ends a worker; called in the process of that worker."""


POLL_INTERVAL = 0.5  # seconds between two queries of the study


@dataclass(frozen=True)
class SweepOptions:
    """Options of the command line other than config and space.

    Attributes:
        root: directory of all runs.
        trials: number of trials; None for the default of the sampler.
        sampler: method that chooses the values.
        prune: whether trials that are worse than the median are ended.
        workers: worker processes that this command starts.
        storage: URL of the study's database; None for an SQLite file in the sweep's directory.
        heartbeat: seconds between two heartbeats of a running trial.
        overwrite: whether an earlier sweep of this name is deleted.
    """

    root: Path
    trials: int | None = None
    sampler: Sampler = "tpe"
    prune: bool = True
    workers: int = 1
    storage: str | None = None
    heartbeat: float = 10.0
    overwrite: bool = False


def sweep(
    config: Path, space: Path, overrides: Sequence[str], options: SweepOptions, listener: SweepListener
) -> Summary:
    """Open or join a study, train its trials, and return the summary.

    Args:
        config: YAML file of the settings that all trials share.
        space: YAML file of the values to search.
        overrides: options `key=value` of the command line.

    Raises:
        SeqtoolError: for a mistake in config or space, data without validation, or if no trial succeeded.
        Stopped: after a stop signal; the same command line resumes the sweep.
    """
    read_with = partial(_read_config, config, tuple(overrides))
    read = read_with(())
    dimensions = read_space(space, read_with)
    job = _make_job(config, tuple(overrides), read, dimensions, options)
    check_not_input(job.folder / BEST, [config, space], "give the sweep another --name")
    check_plain(job.folder / BEST)
    with quiet_optuna(), stop_signals() as stop:
        if options.overwrite:
            delete_sweep(job.folder, job.name, job.storage, job.heartbeat, listener.database_kept)
        make_directory(job.folder)
        with study_errors(job.storage):
            storage = open_storage(job.storage, job.heartbeat, listener.database_waits)
            study = open_study(storage, job.name, job.plan)
        keys = [dimension.key for dimension in dimensions]
        listener.begin(
            job.name, without_password(job.storage), keys, definition(read.settings.task).objective.name
        )
        try:
            with running_workers(job, options.workers, listener.worker_failed) as workers:
                _follow(study, job, workers, listener, stop)
        finally:
            listener.close()
        if stop.signal_number is not None:
            raise Stopped(stop.signal_number, "stopped; the same command resumes this sweep")
        summary = _finish(study, job, workers)
        listener.end(summary)
        return summary


def _read_config(config: Path, overrides: tuple[str, ...], more: Sequence[str]) -> ReadConfig:
    return read_settings(config, [*overrides, *more])


def _make_job(
    config: Path,
    overrides: tuple[str, ...],
    read: ReadConfig,
    dimensions: tuple[Dimension, ...],
    options: SweepOptions,
) -> SweepJob:
    read.check_trainable()
    settings = read.settings
    prepared = prepare_run(settings, options.root / CACHE)
    _check_validation(prepared.main)
    shared = experiment(prepared)
    for dimension in dimensions:
        *sections, name = dimension.key.split(".")
        values = shared
        for section in sections:
            values = values.get(section) or {}
        values.pop(name, None)
    maximize = definition(settings.task).objective.maximize
    plan = make_plan(shared, dimensions, options.sampler, options.trials, settings.seed, maximize=maximize)
    return SweepJob(
        config=str(config),
        text=read.text,
        overrides=overrides,
        name=settings.name,
        root=options.root,
        storage=options.storage or default_storage(options.root / settings.name),
        plan=plan,
        prune=options.prune,
        heartbeat=options.heartbeat,
        threads=default_threads(options.workers),
    )


def _check_validation(prepared: Prepared) -> None:
    """Check that there are validation data.

    Raises:
        ConfigError: there are none.
    """
    task = definition(prepared.settings.task)
    if not task.has_validation(prepared):
        message = "a sweep compares trials on validation data, and there are none"
        raise ConfigError(message, place="data", hint=task.objective.hint)


def _follow(
    study: Study, job: SweepJob, workers: list[BaseProcess], listener: SweepListener, stop: StopFlag
) -> None:
    """Send the state of the trials to the listener until all workers have ended or a stop signal arrives."""
    reported: set[int | None] = set()
    while True:
        running = any(worker.is_alive() for worker in workers)
        listener.show(_rows(study, job))
        if not running or stop():
            return
        for worker in killed_workers(workers):
            if worker.pid not in reported:
                listener.worker_killed(cause_of_end(worker.exitcode))
                reported.add(worker.pid)
        time.sleep(POLL_INTERVAL)


def _rows(study: Study, job: SweepJob) -> list[TrialRow]:
    with study_errors(job.storage):
        return [TrialRow.from_trial(slot, trial) for slot, trial in trials_by_slot(study).items()]


def _finish(study: Study, job: SweepJob, workers: list[BaseProcess]) -> Summary:
    """Write the config of the best trial and return the summary.

    Raises:
        WorkerEnded: if the last workers were killed before all trials were done.
        SeqtoolError: if no trial succeeded, or if the workers ended before all trials did.
    """
    rows = _rows(study, job)
    unfinished = sum(row.state in ("waiting", "running") for row in rows)
    if unfinished and (killed := killed_workers(workers)):
        cause = f"a worker {cause_of_end(killed[-1].exitcode)}"
        left = f"{unfinished} of {len(rows)} trials are left"
        raise WorkerEnded(f"{cause}, and {left}; the same command resumes the sweep")
    if unfinished:
        raise SeqtoolError(
            f"the workers ended before {unfinished} of {len(rows)} trials were done",
            hint="see the errors above; the same command resumes the sweep",
        )
    done = [row for row in rows if row.state == "done" and row.value is not None]
    if not done:
        reason = next((row.reason for row in rows if row.reason), "all were pruned")
        hint = "check the space: its values may not suit the config"
        raise SeqtoolError(f"no trial succeeded: {reason}", hint=hint)
    best = (max if job.plan.maximize else min)(done, key=lambda row: row.value or 0.0)
    path = job.folder / BEST
    settings = replace(job.settings(best.values), name=f"{job.name}-best")
    write_file(path, dump_settings(settings, job.folder).encode())
    return Summary(job.name, without_password(job.storage), rows, best, str(path), importance_of(study))
