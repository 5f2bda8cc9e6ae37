"""Importance of the settings of a sweep: their share in the differences between scores, with an interval."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

LEAST_TRIALS = 10  # finished trials; the shares of fewer are chance
RESAMPLES = 40
TAIL = 0.05  # share of the resamples on each side of the interval


class Importance(NamedTuple):
    """Share of a setting in the differences between scores.

    Attributes:
        share: from 0 to 1; the shares of all settings sum to 1.
        low, high: bounds of the 90 % interval over resampled trials (bootstrap, Efron 1979).
    """

    share: float
    low: float
    high: float


def importance_of(study: Study) -> dict[str, Importance]:
    """Return the importance of each key, the largest first; empty for fewer than `LEAST_TRIALS` trials."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(trials) < LEAST_TRIALS:
        return {}
    shares = _shares(study, trials)
    draw = random.Random(0)
    samples = [_shares(study, draw.choices(trials, k=len(trials))) for _ in range(RESAMPLES)]
    samples = [sample for sample in samples if sample.keys() == shares.keys()]
    return {key: Importance(share, *_interval(key, share, samples)) for key, share in shares.items()}


def _shares(study: Study, trials: list[FrozenTrial]) -> Mapping[str, float]:
    """Return the shares of the keys in some trials, the largest first; empty if they cannot be computed."""
    from optuna import create_study
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    sample = create_study(direction=study.direction)
    sample.add_trials(trials)
    try:
        return get_param_importances(sample, evaluator=PedAnovaImportanceEvaluator())
    except (ValueError, RuntimeError, ZeroDivisionError):
        return {}


def _interval(key: str, share: float, samples: list[Mapping[str, float]]) -> tuple[float, float]:
    values = sorted([*(sample[key] for sample in samples), share])
    cut = int(TAIL * len(values))
    return values[cut], values[-1 - cut]
