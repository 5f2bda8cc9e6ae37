"""Metrics that stay on the device until they are read, as on a GPU, tested on a CPU."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from seqtool.errors import Diverged
from seqtool.settings.experiment import CharSettings
from seqtool.settings.model import CharModel
from seqtool.settings.training import Training
from seqtool.training.engine.events import RowEvent
from seqtool.training.engine.step_metrics import StepMetrics
from tests.support.small_tasks import CPU, lines_task, text_task, trainer

SETTINGS = CharSettings(
    model=CharModel(hidden_size=6, embedding_dim=3, dropout=0.2),
    training=Training(epochs=4, batch_size=4, window=9, clip_norm=0.2, eval_every=7, accumulate=2),
)
TASKS: dict[str, Callable[[], Any]] = {
    "text": lambda: text_task(SETTINGS),
    "without validation": lambda: text_task(
        replace(SETTINGS, training=replace(SETTINGS.training, eval_every=None, print_every=2)), val=None
    ),
    "lines": lambda: lines_task(SETTINGS),
}


@pytest.mark.parametrize("name", TASKS)
def test_deferred_metrics_give_the_same_rows(name: str) -> None:
    rows = []
    for deferred in (False, True):
        trained = trainer(TASKS[name]())
        trained.step_metrics = StepMetrics(CPU, deferred=deferred)
        rows.append([event for event in trained.run() if isinstance(event, RowEvent)])
    for direct, late in zip(*rows, strict=True):
        assert (direct.step, direct.epoch, direct.best, direct.last) == (
            late.step,
            late.epoch,
            late.best,
            late.last,
        )
        assert [late.train_loss, late.grad_norm, *late.scores.values()] == pytest.approx(
            [direct.train_loss, direct.grad_norm, *direct.scores.values()], rel=1e-5
        )


def test_deferred_metrics_name_the_step_whose_loss_is_not_finite(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained = trainer(
        text_task(replace(SETTINGS, training=replace(SETTINGS.training, accumulate=1, eval_every=None)))
    )
    trained.step_metrics = StepMetrics(CPU, deferred=True)
    monkeypatch.setattr("seqtool.training.engine.step_metrics.READ_EVERY", math.inf)
    real = trained.task.loss
    monkeypatch.setattr(
        trained.task,
        "loss",
        lambda batch, index, draw: real(batch, index, draw) * (math.nan if draw == 4 else 1),
    )
    steps = 0
    with pytest.raises(Diverged, match="no longer finite at step 5"):
        for event in trained.run():
            assert not isinstance(event, RowEvent)  # the step leads to no row
            steps += 1
    assert steps > 5


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "rmsprop", "adagrad"])
@pytest.mark.parametrize("hidden_size", [6, 60], ids=["plain", "fused"])
def test_no_update_changes_a_weight_after_a_step_that_is_not_finite(
    optimizer: Any, hidden_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = replace(SETTINGS.training, accumulate=1, eval_every=None, optimizer=optimizer, momentum=0.5)
    trained = trainer(
        text_task(
            replace(SETTINGS, model=replace(SETTINGS.model, hidden_size=hidden_size), training=training)
        )
    )
    trained.step_metrics = StepMetrics(CPU, deferred=True)
    monkeypatch.setattr("seqtool.training.engine.step_metrics.READ_EVERY", math.inf)
    real, weights = trained.task.loss, []
    monkeypatch.setattr(
        trained.task,
        "loss",
        lambda batch, index, draw: real(batch, index, draw) * (math.inf if draw == 4 else 1),
    )
    with pytest.raises(Diverged, match=r"no longer finite at step 5 \(epoch 1, batch 5\)"):
        for _ in trained.run():
            weights.append([weight.detach().clone() for weight in trained.trained.values()])
    assert len(weights) > 5
    for now, before in zip(trained.trained.values(), weights[3], strict=True):
        assert torch.equal(now, before)
    assert not torch.equal(weights[2][0], weights[3][0])


def test_deferred_metrics_are_summed_until_they_are_read() -> None:
    metrics = StepMetrics(CPU, deferred=True)
    assert metrics.read() is None
    for step in (1, 2, 3):
        metrics.add(torch.tensor(float(step)), torch.tensor(0.5), step)
    sums = metrics.read()
    assert sums is not None and (sums.loss_sum, sums.loss, sums.norm, sums.not_finite) == (
        6.0,
        3.0,
        0.5,
        0,
    )
    assert metrics.read() is None and not metrics.is_due
