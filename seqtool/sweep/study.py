"""The study of a sweep: what is kept of it in Optuna's storage, and how its trials are handed out.

All trials of a study are put into the storage when it is made, as places in a queue: those of a grid or a random search with
their values, those of TPE without. A worker takes a waiting one, which the storage gives to one worker only. A worker that
dies stops giving signs of life; its trial is then put back into the queue, and goes on from its last checkpoint.
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
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from seqtool.errors import ConfigError, SeqtoolError
from seqtool.sweep.space import Dimension, number_text

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial, Trial

Sampler = Literal["tpe", "random", "grid"]
Values = dict[str, str]
SIGNS_MISSED = 6  # signs of life a trial may miss before another worker takes it over
TRIES = 5  # at opening a storage
MADE_WITHIN = 60  # seconds that the maker of a study has to fill its queue
LARGEST_GRID = 100_000
USUAL_TRIALS = 20


@dataclass(frozen=True)
class Plan:
    """What a study is about; all command lines that work on it must say the same, but for the number of trials.

    Attributes:
        base: the settings that trials have in common.
        maximise: whether a higher score is better.
    """

    base: dict[str, Any]
    space: tuple[Dimension, ...]
    sampler: Sampler
    trials: int
    seed: int
    maximise: bool

    def to_json(self) -> dict[str, Any]:
        """As the storage keeps it."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """No log lines and no notes on experimental parts.

    Raises:
        SeqtoolError: if Optuna is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise SeqtoolError(
            "a sweep needs optuna, which is not installed", hint="pip install 'seqtool[sweep]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


# --- opening ----------------------------------------------------------------------------------------------------------


def open_storage(url: str, sign_every: float) -> Any:
    """The storage behind a URL.

    Raises:
        SeqtoolError: if it cannot be reached.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        for _ in range(TRIES - 1):
            with suppress(
                SQLAlchemyError, RuntimeError
            ):  # another process is making the tables in this very moment
                return _storage(url, max(1, math.ceil(sign_every)))
            time.sleep(0.3)
        return _storage(url, max(1, math.ceil(sign_every)))
    except (SQLAlchemyError, ImportError, ValueError, RuntimeError, OSError) as error:
        hint = "give a database URL as SQLAlchemy takes it, such as sqlite:///sweep.db or postgresql://user@host/name"
        raise SeqtoolError(
            f"the storage cannot be opened: {str(error).splitlines()[0][:200]}", place="--storage", hint=hint
        ) from error


def _storage(url: str, sign_every: int) -> Any:
    import optuna

    return optuna.storages.RDBStorage(
        url,
        engine_kwargs={"connect_args": {"timeout": 100}} if url.startswith("sqlite") else {},
        heartbeat_interval=sign_every,
        grace_period=SIGNS_MISSED * sign_every,
        heartbeat_stale_trial_callback=put_back,
    )


def open_study(storage: Any, name: str, plan: Plan) -> Study:
    """A new study with its queue filled, or the one that is there, with places added where more trials are wanted.

    Raises:
        SeqtoolError: if the one that is there has another plan.
    """
    import optuna

    try:
        study = optuna.create_study(
            study_name=name, storage=storage, direction="maximize" if plan.maximise else "minimize"
        )
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(study_name=name, storage=storage)
        known = _known_plan(study)
        _check_same(known, plan.to_json())
        if plan.trials > known["trials"]:
            _fill(study, plan, known["trials"])
        return study
    _fill(study, plan, 0)
    return study


def join_study(storage: Any, name: str, seed: int) -> Study:
    """A study that has been opened, for a worker."""
    import optuna

    return optuna.load_study(
        study_name=name, storage=storage, sampler=optuna.samplers.RandomSampler(seed=seed)
    )


def _known_plan(study: Study) -> dict[str, Any]:
    deadline = time.monotonic() + MADE_WITHIN
    while "plan" not in study.user_attrs:
        if time.monotonic() > deadline:
            raise SeqtoolError(
                "the sweep was left before it had begun",
                place=study.study_name,
                hint="start anew with --overwrite",
            )
        time.sleep(0.2)
    known: dict[str, Any] = study.user_attrs["plan"]
    return known


def _check_same(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for part, what in (
        ("space", "space"),
        ("sampler", "--sampler"),
        ("seed", "seed"),
        ("base", "settings"),
        ("maximise", "score"),
    ):
        if known.get(part) != wanted[part]:
            raise SeqtoolError(
                f"the sweep of this name has another {what.removeprefix('--')}",
                place=what,
                hint="give the sweep another --name, or start it anew with --overwrite",
            )


def _fill(study: Study, plan: Plan, first: int) -> None:
    points = itertools.islice(_points(plan), first, None)
    for slot in range(first, plan.trials):
        study.enqueue_trial(next(points, {}), user_attrs={"slot": slot})
    study.set_user_attr("plan", plan.to_json())


# --- which values -----------------------------------------------------------------------------------------------------


def planned(
    base: dict[str, Any],
    space: tuple[Dimension, ...],
    sampler: Sampler,
    trials: int | None,
    seed: int,
    maximise: bool,
) -> Plan:
    """A plan; never with more trials than the space has points, and of a grid with just as many unless fewer are wanted.

    Raises:
        ConfigError: if a grid has no end.
    """
    if sampler == "grid":
        for dimension in space:
            if not dimension.grid:
                hint = f"give {dimension.key} a step or choices, or use --sampler random"
                raise ConfigError(
                    f"a grid needs steps, the range of {dimension.key} has none",
                    place="--sampler grid",
                    hint=hint,
                )
    points = math.prod(len(dimension.grid) or LARGEST_GRID for dimension in space)
    if sampler == "grid" and (trials or points) > LARGEST_GRID:
        raise ConfigError(
            f"the grid has {points:,} points",
            place="--sampler grid",
            hint="give --trials, or use --sampler random or tpe",
        )
    wanted = trials or (points if sampler == "grid" else USUAL_TRIALS)
    return Plan(base, space, sampler, min(wanted, points), seed, maximise)


def _points(plan: Plan) -> Iterator[dict[str, Any]]:
    """The values of every trial of a grid or a random search, none of them twice; of TPE none."""
    if plan.sampler == "grid":
        yield from (
            _point(plan.space, texts)
            for texts in itertools.product(*(dimension.grid for dimension in plan.space))
        )
    elif plan.sampler == "random":
        draw, seen = np.random.default_rng(plan.seed), set[tuple[str, ...]]()
        for _ in range(100 * plan.trials):
            texts = tuple(_drawn(dimension, draw) for dimension in plan.space)
            if texts not in seen:
                seen.add(texts)
                yield _point(plan.space, texts)


def _point(space: Sequence[Dimension], texts: Sequence[str]) -> dict[str, Any]:
    pairs = zip(space, texts, strict=True)
    return {
        dimension.key: text if dimension.choices else type(dimension.low)(float(text))
        for dimension, text in pairs
    }


def _drawn(dimension: Dimension, draw: np.random.Generator) -> str:
    if dimension.grid:
        return dimension.grid[int(draw.integers(len(dimension.grid)))]
    low, high = (math.log(end) if dimension.log else end for end in (dimension.low, dimension.high))
    value = float(draw.uniform(low, high))
    value = math.exp(value) if dimension.log else value
    return number_text(
        round(value) if isinstance(dimension.low, int) else min(max(value, dimension.low), dimension.high)
    )


def suggested(trial: Trial, plan: Plan) -> Values:
    """The values of a trial as YAML texts by key: those of its place in the queue, or TPE's."""
    import optuna

    if plan.sampler == "tpe":  # seeded by the place, so that two workers do not make the same first guesses
        seed = (plan.seed * 1_000_003 + int(trial.user_attrs["slot"])) % 2**32
        trial.study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    return {dimension.key: _suggested(trial, dimension) for dimension in plan.space}


def _suggested(trial: Trial, dimension: Dimension) -> str:
    if dimension.choices:
        return trial.suggest_categorical(dimension.key, dimension.choices)
    low, high, step, log = dimension.low, dimension.high, dimension.step, dimension.log
    if isinstance(low, int):
        return str(trial.suggest_int(dimension.key, low, int(high), step=int(step or 1), log=log))
    return number_text(trial.suggest_float(dimension.key, low, high, step=step, log=log))


# --- the queue --------------------------------------------------------------------------------------------------------


def put_back(study: Study, trial: FrozenTrial) -> None:
    """Let another worker take a trial that was not finished; it keeps its place and its values."""
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


def places(study: Study) -> dict[int, FrozenTrial]:
    """The trials of the queue by their place: of one that was put back, the last try."""
    found = {}
    for trial in study.get_trials(deepcopy=False):
        if "slot" in trial.user_attrs:
            found[int(trial.user_attrs["slot"])] = trial
    return dict(sorted(found.items()))
