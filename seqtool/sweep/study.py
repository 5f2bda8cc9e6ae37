"""Study of a sweep: its plan and its trials in the database of Optuna.

All trials of a study are put into the queue when the study is created. Trials of a grid or a random search
have their values from the start; TPE chooses them when a worker takes the trial. The database gives a waiting
trial to one worker only. When a worker dies, its trial has no more heartbeats; another worker puts it into
the queue again and resumes it from its last checkpoint.
"""

from __future__ import annotations

import itertools
import json
import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from seqtool.errors import ConfigError, SeqtoolError
from seqtool.sweep.queue import (
    SLOT,
    fill_queue,
    wait_for_others,
)
from seqtool.sweep.space import Dimension, Number, number_text
from seqtool.types import Json

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import Trial

Sampler = Literal["tpe", "random", "grid"]
Values = dict[str, str]  # YAML texts by key
Point: TypeAlias = "dict[str, str | Number]"  # values by key, as the queue stores them
PLAN_TIMEOUT = 10  # seconds in which the process that creates a study must store its plan
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


def open_study(storage: BaseStorage, name: str, plan: Plan) -> Study:
    """Create a study or open the existing one, and add the trials that its queue lacks.

    The plan is stored before the queue is filled, so that another process can continue after a kill.

    Raises:
        SeqtoolError: if the existing study has another plan.
    """
    import optuna

    stored, trials = None, plan.trials
    try:
        study = optuna.create_study(
            study_name=name, storage=storage, direction="maximize" if plan.maximize else "minimize"
        )
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(study_name=name, storage=storage)
        stored = _stored_plan(study, plan)
    if stored is not None:
        trials = max(trials, int(stored["trials"]))
        wait_for_others(study, int(stored["trials"]))
    if stored is None or trials > stored["trials"]:
        study.set_user_attr("plan", plan.to_json())
    fill_queue(study, _points(replace(plan, trials=trials)), trials)
    return study


def join_study(storage: BaseStorage, name: str, seed: int) -> Study:
    """Open an existing study for a worker."""
    import optuna

    sampler = optuna.samplers.RandomSampler(seed=seed)
    return optuna.load_study(study_name=name, storage=storage, sampler=sampler)


def _stored_plan(study: Study, plan: Plan) -> Json | None:
    """Return the plan of an existing study; None if its creator ended before it stored one.

    Raises:
        SeqtoolError: if the study has another plan.
    """
    deadline = time.monotonic() + PLAN_TIMEOUT
    while "plan" not in study.user_attrs:
        if time.monotonic() > deadline:
            return None
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
    return stored


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
        seed = (plan.seed * 1_000_003 + int(trial.user_attrs[SLOT])) % 2**32
        trial.study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    return {dimension.key: _suggest(trial, dimension) for dimension in plan.space}


def _suggest(trial: Trial, dimension: Dimension) -> str:
    if dimension.choices:
        return trial.suggest_categorical(dimension.key, dimension.choices)
    low, high, step, log = dimension.low, dimension.high, dimension.step, dimension.log
    if isinstance(low, int):
        return str(trial.suggest_int(dimension.key, low, int(high), step=int(step or 1), log=log))
    return number_text(trial.suggest_float(dimension.key, low, high, step=step, log=log))
