"""Importance of settings: no shares of few trials, and intervals that contain the share."""

from __future__ import annotations

import pytest

from seqtool.reports.sweep import _importance_text
from seqtool.sweep.importance import LEAST_TRIALS, importance_of
from seqtool.sweep.run import Summary, TrialRow

optuna = pytest.importorskip("optuna")


def study_of(count: int) -> object:
    """Return a study in which only the key `lr` matters."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.RandomSampler(seed=1))

    def objective(trial: object) -> float:
        rate = trial.suggest_float("lr", 0.0, 1.0)  # type: ignore[attr-defined]
        trial.suggest_float("dropout", 0.0, 1.0)  # type: ignore[attr-defined]
        return float((rate - 0.3) ** 2)

    study.optimize(objective, n_trials=count)
    return study


def summary_of(count: int) -> Summary:
    rows = [TrialRow(place, "done", 0.5, {}) for place in range(count)]
    return Summary("s", "", rows, rows[0], "best.yaml", importance_of(study_of(count)))  # type: ignore[arg-type]


def test_few_trials_have_no_importance() -> None:
    summary = summary_of(LEAST_TRIALS - 1)
    assert summary.importance == {} and summary.to_json()["importance"] == {}
    assert _importance_text(summary) == "not shown; it needs 10 finished trials, and there are 9"


def test_importance_has_an_interval() -> None:
    summary = summary_of(40)
    assert list(summary.importance) == ["lr", "dropout"]
    assert sum(one.share for one in summary.importance.values()) == pytest.approx(1)
    for one in summary.importance.values():
        assert 0 <= one.low <= one.share <= one.high <= 1 and one.low < one.high
    assert summary.importance["lr"].low > summary.importance["dropout"].high
    value = summary.to_json()
    assert value["importance_interval_90"]["lr"] == list(summary.importance["lr"][1:])
    text = _importance_text(summary)
    assert text.startswith("lr ") and " to " in text and "%)" in text
