"""Study of a sweep: its plan and its queue of trials in the database of Optuna.

All trials of a study are put into the queue when the study is created. Each has a number, its slot. Trials
of a grid or a random search have their values from the start; TPE chooses them when a worker takes the
trial. The database gives a waiting trial to one worker only. When a worker dies, its trial has no more
heartbeats; another worker puts it into the queue again and resumes it from its last checkpoint.
"""

from __future__ import annotations

import itertools
import json
import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from seqtool.errors import ConfigError, SeqtoolError
from seqtool.sweep.space import Dimension, Number, number_text
from seqtool.types import Json

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, Trial

Sampler = Literal["tpe", "random", "grid"]
Values = dict[str, str]  # YAML texts by key
Point: TypeAlias = "dict[str, str | Number]"  # values by key, as the queue stores them
MISSED_HEARTBEATS = 6  # heartbeats that a trial may miss before another worker takes it
OPEN_ATTEMPTS = 5
OPEN_DELAY = 0.3  # seconds between two attempts
FILL_TIMEOUT = 60  # seconds in which the process that creates a study must fill its queue
LARGEST_GRID = 100_000
DEFAULT_TRIALS = 20
# Parts of a plan that must be equal in all command lines of a study, and their names in messages.
FIXED_PARTS = {
    "space": "space",
    "sampler": "--sampler",
    "seed": "seed",
    "base": "settings",
    "maximise": "score",
}


@dataclass(frozen=True)
class Plan:
    """Plan of a study, equal in all command lines that work on it, except for the number of trials.

    Attributes:
        base: settings that all trials share, with the hashes of files in place of their paths.
        space: searched keys with their values.
        sampler: method that chooses the values.
        trials: number of trials.
        seed: of the sampler.
        maximize: whether a higher score is better.
    """

    base: Mapping[str, object]
    space: tuple[Dimension, ...]
    sampler: Sampler
    trials: int
    seed: int
    maximize: bool

    def to_json(self) -> Json:
        """Return the object that the database stores."""
        value = asdict(self)
        value["maximise"] = value.pop("maximize")  # spelling of stored studies
        plain: Json = json.loads(json.dumps(value))
        return plain


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Disable log lines and warnings of Optuna inside the block.

    Raises:
        SeqtoolError: if Optuna is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        message = "a sweep needs optuna, which is not installed"
        raise SeqtoolError(message, hint="pip install 'seqtool[sweep]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


# --- opening ------------------------------------------------------------------------------------------------


def open_storage(url: str, heartbeat: float) -> BaseStorage:
    """Open a database of studies, and create its tables if they do not exist.

    Args:
        url: database URL of SQLAlchemy.
        heartbeat: seconds between two heartbeats of a running trial.

    Raises:
        SeqtoolError: if the database cannot be opened.
    """
    from sqlalchemy.exc import SQLAlchemyError

    interval = max(1, math.ceil(heartbeat))
    try:
        for _ in range(OPEN_ATTEMPTS - 1):
            with suppress(SQLAlchemyError, RuntimeError):  # another process may be creating the tables
                return _storage(url, interval)
            time.sleep(OPEN_DELAY)
        return _storage(url, interval)
    except (SQLAlchemyError, ImportError, ValueError, RuntimeError, OSError) as error:
        message = f"the storage cannot be opened: {str(error).splitlines()[0][:200]}"
        hint = "give a URL for SQLAlchemy, such as sqlite:///sweep.db or postgresql://user@host/name"
        raise SeqtoolError(message, place="--storage", hint=hint) from error


def _storage(url: str, interval: int) -> BaseStorage:
    import optuna

    return optuna.storages.RDBStorage(
        url,
        engine_kwargs={"connect_args": {"timeout": 100}} if url.startswith("sqlite") else {},
        heartbeat_interval=interval,
        grace_period=MISSED_HEARTBEATS * interval,
        heartbeat_stale_trial_callback=requeue,
    )


def open_study(storage: BaseStorage, name: str, plan: Plan) -> Study:
    """Create a study and fill its queue, or open the existing one and add the trials that it lacks.

    Raises:
        SeqtoolError: if the existing study has another plan.
    """
    import optuna

    try:
        study = optuna.create_study(
            study_name=name, storage=storage, direction="maximize" if plan.maximize else "minimize"
        )
        queued = 0
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(study_name=name, storage=storage)
        queued = _queued_trials(study, plan)
    if plan.trials > queued:
        _fill_queue(study, plan, queued)
    return study


def join_study(storage: BaseStorage, name: str, seed: int) -> Study:
    """Open an existing study for a worker."""
    import optuna

    sampler = optuna.samplers.RandomSampler(seed=seed)
    return optuna.load_study(study_name=name, storage=storage, sampler=sampler)


def _queued_trials(study: Study, plan: Plan) -> int:
    """Return the number of trials in the queue of an existing study, after its creator has filled it.

    Raises:
        SeqtoolError: if the study has another plan, or if its creator ended before it filled the queue.
    """
    deadline = time.monotonic() + FILL_TIMEOUT
    while "plan" not in study.user_attrs:
        if time.monotonic() > deadline:
            message = "the command that created this sweep ended before it planned its trials"
            raise SeqtoolError(message, place=study.study_name, hint="replace the sweep with --overwrite")
        time.sleep(0.2)
    stored: Json = study.user_attrs["plan"]
    wanted = plan.to_json()
    for part, option in FIXED_PARTS.items():
        if stored.get(part) != wanted[part]:
            raise SeqtoolError(
                f"the sweep of this name has another {option.removeprefix('--')}",
                place=option,
                hint="give the sweep another --name, or replace it with --overwrite",
            )
    return int(stored["trials"])


def _fill_queue(study: Study, plan: Plan, first: int) -> None:
    points = itertools.islice(_points(plan), first, None)
    for slot in range(first, plan.trials):
        study.enqueue_trial(next(points, {}), user_attrs={"slot": slot})
    study.set_user_attr("plan", plan.to_json())


# --- values of trials ---------------------------------------------------------------------------------------


def make_plan(
    base: Mapping[str, object],
    space: tuple[Dimension, ...],
    sampler: Sampler,
    trials: int | None,
    seed: int,
    *,
    maximize: bool,
) -> Plan:
    """Make the plan of a study.

    The number of trials is at most the number of points of the space. A grid has a trial for each point by
    default.

    Raises:
        ConfigError: if the number of points of a grid is not finite or too large.
    """
    if sampler == "grid":
        _check_grid(space)
    points = math.prod(len(dimension.grid) or LARGEST_GRID for dimension in space)
    if sampler == "grid" and (trials or points) > LARGEST_GRID:
        hint = "give --trials, or use --sampler random or tpe"
        raise ConfigError(f"the grid has {points:,} points", place="--sampler grid", hint=hint)
    wanted = trials or (points if sampler == "grid" else DEFAULT_TRIALS)
    return Plan(base, space, sampler, min(wanted, points), seed, maximize)


def _check_grid(space: Sequence[Dimension]) -> None:
    for dimension in space:
        if not dimension.grid:
            message = f"a grid needs steps, the range of {dimension.key} has none"
            hint = f"give {dimension.key} a step or choices, or use --sampler random"
            raise ConfigError(message, place="--sampler grid", hint=hint)


def _points(plan: Plan) -> Iterator[Point]:
    """Yield the different points of a grid or a random search in the order of their trials; none for TPE."""
    if plan.sampler == "grid":
        for texts in itertools.product(*(dimension.grid for dimension in plan.space)):
            yield _point(plan.space, texts)
    elif plan.sampler == "random":
        generator, drawn = np.random.default_rng(plan.seed), set[tuple[str, ...]]()
        for _ in range(100 * plan.trials):
            point = tuple(_draw(dimension, generator) for dimension in plan.space)
            if point not in drawn:
                drawn.add(point)
                yield _point(plan.space, point)


def _point(space: Sequence[Dimension], texts: Sequence[str]) -> Point:
    pairs = zip(space, texts, strict=True)
    return {
        dimension.key: text if dimension.choices else type(dimension.low)(float(text))
        for dimension, text in pairs
    }


def _draw(dimension: Dimension, generator: np.random.Generator) -> str:
    if dimension.grid:
        return dimension.grid[int(generator.integers(len(dimension.grid)))]
    low, high = (math.log(end) if dimension.log else end for end in (dimension.low, dimension.high))
    value = float(generator.uniform(low, high))
    value = math.exp(value) if dimension.log else value
    if isinstance(dimension.low, int):
        return number_text(round(value))
    return number_text(min(max(value, dimension.low), dimension.high))


def suggest_values(trial: Trial, plan: Plan) -> Values:
    """Return the values of a trial: those of its slot in the queue, or those that TPE chooses."""
    import optuna

    if plan.sampler == "tpe":  # seeded by the slot, so that two workers do not begin with the same values
        seed = (plan.seed * 1_000_003 + int(trial.user_attrs["slot"])) % 2**32
        trial.study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    return {dimension.key: _suggest(trial, dimension) for dimension in plan.space}


def _suggest(trial: Trial, dimension: Dimension) -> str:
    if dimension.choices:
        return trial.suggest_categorical(dimension.key, dimension.choices)
    low, high, step, log = dimension.low, dimension.high, dimension.step, dimension.log
    if isinstance(low, int):
        return str(trial.suggest_int(dimension.key, low, int(high), step=int(step or 1), log=log))
    return number_text(trial.suggest_float(dimension.key, low, high, step=step, log=log))


# --- the queue ----------------------------------------------------------------------------------------------


def requeue(study: Study, trial: FrozenTrial) -> None:
    """Put an interrupted trial into the queue again, with the same slot and the same values."""
    import optuna

    study.add_trial(
        optuna.create_trial(
            state=optuna.trial.TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={**trial.user_attrs, "again": trial.user_attrs.get("again", 0) + 1},
            system_attrs={
                name: value for name, value in trial.system_attrs.items() if name == "fixed_params"
            },
        )
    )


def stored_trial(trial: Trial) -> FrozenTrial:
    """Return the present state of a trial in the database."""
    return trial.study.get_trials(deepcopy=False)[trial.number]


def has_ended(trial: Trial) -> bool:
    """Return whether the study has recorded the end of a trial, for example because its worker was paused."""
    return stored_trial(trial).state.is_finished()


def trials_by_slot(study: Study) -> dict[int, FrozenTrial]:
    """Return the trials in the order of their slots; of a requeued trial, the last attempt."""
    trials = {}
    for trial in study.get_trials(deepcopy=False):
        if "slot" in trial.user_attrs:
            trials[int(trial.user_attrs["slot"])] = trial
    return dict(sorted(trials.items()))
