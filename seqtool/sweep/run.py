"""A search over settings: workers that train trials of one study, and the command that starts them and watches.

Each worker is a process of its own and only meets the others in the study's storage, so that workers of one command line, of
several, and of several machines are all the same.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from seqtool.config import ReadConfig, dump_settings, parse_settings, read_settings
from seqtool.errors import ConfigError, SeqtoolError, Stopped
from seqtool.reports.console import print_problems
from seqtool.reports.sweep import Summary, SweepScreen, TrialRow
from seqtool.reports.training import TrainingScreen
from seqtool.settings import Settings
from seqtool.storage.atomic import write_file
from seqtool.storage.find_model import PARTIAL
from seqtool.sweep.space import Dimension, read_space
from seqtool.sweep.study import (
    Plan,
    Sampler,
    join_study,
    open_storage,
    open_study,
    places,
    planned,
    put_back,
    quiet_optuna,
    suggested,
)
from seqtool.tasks.prepare import Prepared, prepare
from seqtool.training.engine.events import RowEvent
from seqtool.training.engine.torchrun import usual_threads
from seqtool.training.provenance import experiment
from seqtool.training.run import CACHE, TrainOptions, train
from seqtool.training.signals import StopFlag, stop_signals

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from optuna import Study
    from optuna.trial import FrozenTrial, Trial

LOOK_EVERY = 0.5  # seconds between two looks at the study
BEST = "best.yaml"
DATABASE = "sweep.db"


@dataclass(frozen=True)
class SweepOptions:
    """What a command line wants of a sweep, beside config and space."""

    root: Path
    trials: int | None = None
    sampler: Sampler = "tpe"
    prune: bool = True
    workers: int = 1
    storage: str | None = None
    sign_every: float = 10.0
    overwrite: bool = False


@dataclass(frozen=True)
class Work:
    """All that a worker needs to know; it travels to another process."""

    config: str
    text: str
    overrides: tuple[str, ...]
    name: str
    root: Path
    storage: str
    plan: Plan
    prune: bool
    sign_every: float
    threads: int

    @property
    def folder(self) -> Path:
        """Where the trials' runs lie."""
        return self.root / self.name

    def settings(self, values: Mapping[str, str]) -> Settings:
        """The settings of a trial.

        Raises:
            ConfigError: if its values do not go together.
        """
        given = [*self.overrides, *(f"{key}={text}" for key, text in values.items())]
        return parse_settings(
            self.text, name=self.config, folder=Path(self.config).parent, overrides=given
        ).settings


# --- the command ------------------------------------------------------------------------------------------------------


def sweep(
    config: Path, space: Path, overrides: Sequence[str], options: SweepOptions, screen: SweepScreen
) -> Summary:
    """Open or join a study, train its trials, and tell the best.

    Raises:
        SeqtoolError: a mistake in config or space, data without validation, or no trial that succeeded.
        Stopped: after a stop signal; the same command line goes on.
    """
    lay_over = partial(_laid_over, config, tuple(overrides))
    read = lay_over(())
    dimensions = read_space(space, lay_over)
    work = _work(config, tuple(overrides), read, dimensions, options)
    with quiet_optuna(), stop_signals() as stop:
        if options.overwrite:
            _forget(work)
        work.folder.mkdir(parents=True, exist_ok=True)
        study = open_study(open_storage(work.storage, work.sign_every), work.name, work.plan)
        screen.begin(
            work.name,
            shown(work.storage),
            [dimension.key for dimension in dimensions],
            _metric(read.settings),
        )
        try:
            with _workers(work, options.workers) as workers:
                _watch(study, workers, screen, stop)
        finally:
            screen.close()
        if stop.signal_number is not None:
            raise Stopped(stop.signal_number, "stopped; the same command goes on with this sweep")
        return _finished(study, work, screen)


def _laid_over(config: Path, overrides: tuple[str, ...], more: Sequence[str]) -> ReadConfig:
    return read_settings(config, [*overrides, *more])


def _work(
    config: Path,
    overrides: tuple[str, ...],
    read: ReadConfig,
    dimensions: tuple[Dimension, ...],
    options: SweepOptions,
) -> Work:
    read.check_trainable()
    settings = read.settings
    prepared = prepare(settings, options.root / CACHE)
    _check_validation(prepared)
    base = experiment(prepared)
    for key in (dimension.key for dimension in dimensions):
        section, _, name = key.partition(".")
        base.get(section, {}).pop(name, None) if name else base.pop(section, None)
    maximise = settings.task == "tagger"
    plan = planned(base, dimensions, options.sampler, options.trials, settings.seed, maximise)
    storage = options.storage or f"sqlite:///{(options.root / settings.name / DATABASE).absolute()}"
    threads = usual_threads(options.workers)
    name, root = settings.name, options.root
    return Work(
        str(config),
        read.text,
        overrides,
        name,
        root,
        storage,
        plan,
        options.prune,
        options.sign_every,
        threads,
    )


def _check_validation(prepared: Prepared) -> None:
    """Raise ConfigError where there is nothing to compare trials by."""
    corpus = prepared.corpus
    held_out = getattr(corpus, "dev", None) or getattr(corpus, "val", None)
    if held_out is None or len(held_out) < (2 if prepared.config["kind"] == "text" else 1):
        hint = (
            "give data.dev or data.split"
            if prepared.config["task"] == "tagger"
            else "give data.val or data.split"
        )
        raise ConfigError(
            "a sweep compares trials on validation data, and there are none", place="data", hint=hint
        )


def shown(storage: str) -> str:
    """A database URL without its password."""
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", storage)


def _metric(settings: Settings) -> str:
    return "loss" if settings.task == "char" else "accuracy or F1"


def _forget(work: Work) -> None:
    """Start anew: no study and no trials of this name."""
    import optuna

    with suppress(KeyError, SeqtoolError):
        if not work.storage.startswith("sqlite") or Path(work.storage.removeprefix("sqlite:///")).exists():
            optuna.delete_study(study_name=work.name, storage=open_storage(work.storage, work.sign_every))
    for entry in work.folder.glob("trial-*"):
        shutil.rmtree(entry)
    (work.folder / BEST).unlink(missing_ok=True)


@contextmanager
def _workers(work: Work, count: int) -> Iterator[list[BaseProcess]]:
    """Worker processes; on leaving, those that still work are asked to stop, and waited for."""
    context = get_context("spawn")
    workers: list[BaseProcess] = [
        context.Process(target=run_worker, args=(work, number), daemon=False) for number in range(count)
    ]
    for worker in workers:
        worker.start()
    try:
        yield workers
    finally:
        for worker in workers:
            if worker.is_alive():
                worker.terminate()
        for worker in workers:
            worker.join()


def _watch(study: Study, workers: list[BaseProcess], screen: SweepScreen, stop: StopFlag) -> None:
    """Show the trials until no worker is left."""
    while True:
        working = any(worker.is_alive() for worker in workers)
        screen.show([_row(place, trial) for place, trial in places(study).items()])
        if not working or stop():
            return
        time.sleep(LOOK_EVERY)


def _row(place: int, trial: FrozenTrial) -> TrialRow:
    """A trial as the table shows it."""
    steps = trial.intermediate_values
    value = trial.value if trial.value is not None else (steps[max(steps)] if steps else None)
    state = {"COMPLETE": "done", "FAIL": "failed"}.get(trial.state.name, trial.state.name.lower())
    duration = trial.duration.total_seconds() if trial.duration else None
    reason, run = str(trial.user_attrs.get("reason", "")), str(trial.user_attrs.get("run", ""))
    values = {name: str(value) for name, value in trial.user_attrs.get("values", {}).items()}
    return TrialRow(place, state, value, values, len(steps), duration, reason, run)


def _finished(study: Study, work: Work, screen: SweepScreen) -> Summary:
    """Write the best config, and sum up.

    Raises:
        SeqtoolError: if no trial succeeded, or workers died before the end.
    """
    rows = [_row(place, trial) for place, trial in places(study).items()]
    left = sum(row.state in ("waiting", "running") for row in rows)
    if left:
        raise SeqtoolError(
            f"the workers ended before {left} of {len(rows)} trials were done",
            hint="look above; the same command goes on",
        )
    done = [row for row in rows if row.state == "done" and row.value is not None]
    if not done:
        reason = next((row.reason for row in rows if row.reason), "all were pruned")
        raise SeqtoolError(
            f"no trial succeeded: {reason}", hint="look at the space: its values may not suit the config"
        )
    best = (max if work.plan.maximise else min)(done, key=lambda row: row.value or 0.0)
    settings = replace(work.settings(best.values), name=f"{work.name}-best")
    write_file(work.folder / BEST, dump_settings(settings, work.folder).encode())
    summary = Summary(work.name, shown(work.storage), rows, best, str(work.folder / BEST), _importance(study))
    screen.end(summary)
    return summary


def _importance(study: Study) -> dict[str, float]:
    """How much of the scores' differences each key accounts for, the most important first; empty after too few trials."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    try:
        return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    except (ValueError, RuntimeError, ZeroDivisionError):
        return {}


# --- a worker ---------------------------------------------------------------------------------------------------------


def run_worker(work: Work, number: int) -> None:
    """What a worker process does: one trial after the other, until none is left to wait for."""
    import os

    with suppress(OSError):
        os.setsid()  # Ctrl-C is the parent's; it asks its workers to stop
    try:
        with quiet_optuna():
            _work_on(work, number)
    except SeqtoolError as error:
        print_problems(error.problems)
        raise SystemExit(error.exit_code) from None
    except Stopped as stop:
        raise SystemExit(128 + stop.signal_number) from None


def _work_on(work: Work, number: int) -> None:
    import optuna

    study = join_study(open_storage(work.storage, work.sign_every), work.name, number)
    study.pruner = (
        optuna.pruners.MedianPruner(n_startup_trials=4) if work.prune else optuna.pruners.NopPruner()
    )
    while True:
        states = {trial.state.name for trial in places(study).values()}
        if "WAITING" in states:
            study.optimize(partial(_objective, work), n_trials=1, catch=(SeqtoolError,))
        elif "RUNNING" in states:  # another worker's, which may die yet
            time.sleep(min(1.0, work.sign_every))
            optuna.storages.fail_stale_trials(study)
        else:
            return


def _objective(work: Work, trial: Trial) -> float:
    """Train one trial; its score.

    Raises:
        TrialPruned: if it is worse than what others had reached by then, or if another worker was faster to take the last place.
        SeqtoolError: if it cannot be trained or diverges; noted as its reason.
        Stopped: after the trial has been put back.
    """
    import optuna

    if "slot" not in trial.user_attrs:
        raise optuna.TrialPruned
    values = suggested(trial, work.plan)
    trial.set_user_attr("values", values)
    known = next((other for other in places(trial.study).values() if _same(other, values)), None)
    if known is not None and known.value is not None:
        trial.set_user_attr("run", known.user_attrs.get("run", ""))
        return known.value
    try:
        return _trained(work, trial, values)
    except SeqtoolError as error:
        trial.set_user_attr("reason", str(error))
        raise
    except Stopped:
        put_back(trial.study, trial.study.get_trials(deepcopy=False)[trial.number])
        raise


def _same(other: FrozenTrial, values: dict[str, str]) -> bool:
    return other.state.name == "COMPLETE" and other.user_attrs.get("values") == values


def _trained(work: Work, trial: Trial, values: dict[str, str]) -> float:
    import optuna

    settings = work.settings(values)
    threads = settings.training.threads or work.threads
    name = f"trial-{trial.user_attrs['slot']:03d}"
    settings = replace(settings, name=name, training=replace(settings.training, threads=threads))
    again = bool(trial.user_attrs.get("again"))
    options = TrainOptions(work.folder, overwrite=not again, resume=again, on_row=_hearing(trial))
    try:
        result = train(settings, options, TrainingScreen(quiet=True, as_json=True))
    except optuna.TrialPruned:
        shutil.rmtree(work.folder / (name + PARTIAL), ignore_errors=True)
        raise
    trial.set_user_attr("run", str(result.run))
    return score(result.row)


def score(row: RowEvent) -> float:
    """What trials are compared by: span F1, accuracy or, for characters, the loss."""
    if "val_bits_per_char" in row.scores:
        return row.scores["val_loss"]
    return row.scores.get("val_f1", row.scores["val_accuracy"])


def _hearing(trial: Trial) -> Callable[[RowEvent], None]:
    """Tell the study of every row, and end the run where it is no longer worth its time."""
    import optuna

    rows = 0

    def hear(row: RowEvent) -> None:
        nonlocal rows
        rows += 1
        trial.report(score(row), rows)
        if not row.last and trial.should_prune():
            raise optuna.TrialPruned

    return hear
