"""The way of a GPU, walked on a CPU: measurements that are read late, weights in one buffer, a limit on the norm without a look at it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from seqtool.errors import Diverged
from seqtool.models.recurrent import Direction, flatten_parameters
from seqtool.models.weights import copy_to_device, join_in_one_buffer
from seqtool.settings import Cell, CharModel, CharSettings, RecurrentModel, Training
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
def test_measurements_read_late_make_the_same_rows(name: str) -> None:
    found = []
    for deferred in (False, True):
        made = trainer(TASKS[name]())
        made.step_metrics = StepMetrics(CPU, deferred=deferred)
        found.append([report for report in made.run() if isinstance(report, RowEvent)])
    for now, late in zip(*found, strict=True):
        assert (now.step, now.epoch, now.best, now.last) == (late.step, late.epoch, late.best, late.last)
        assert [late.train_loss, late.grad_norm, *late.scores.values()] == pytest.approx(
            [now.train_loss, now.grad_norm, *now.scores.values()], rel=1e-5
        )


def test_a_loss_that_is_not_finite_is_found_at_the_next_look_and_its_step_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = trainer(
        text_task(replace(SETTINGS, training=replace(SETTINGS.training, accumulate=1, eval_every=None)))
    )
    made.step_metrics = StepMetrics(CPU, deferred=True)
    monkeypatch.setattr("seqtool.training.engine.step_metrics.READ_EVERY", math.inf)
    real = made.task.loss
    monkeypatch.setattr(
        made.task,
        "loss",
        lambda batch, index, draw: real(batch, index, draw) * (math.nan if draw == 4 else 1),
    )
    steps = 0
    with pytest.raises(Diverged, match="no longer finite at step 5"):
        for report in made.run():
            assert not isinstance(report, RowEvent)  # nothing is kept of it
            steps += 1
    assert steps > 5


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "rmsprop", "adagrad"])
@pytest.mark.parametrize("hidden_size", [6, 60], ids=["plain", "fused"])
def test_from_a_broken_step_on_no_update_changes_a_weight(
    optimizer: Any, hidden_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = replace(SETTINGS.training, accumulate=1, eval_every=None, optimizer=optimizer, momentum=0.5)
    made = trainer(
        text_task(
            replace(SETTINGS, model=replace(SETTINGS.model, hidden_size=hidden_size), training=training)
        )
    )
    made.step_metrics = StepMetrics(CPU, deferred=True)
    monkeypatch.setattr("seqtool.training.engine.step_metrics.READ_EVERY", math.inf)
    real, weights = made.task.loss, []
    monkeypatch.setattr(
        made.task,
        "loss",
        lambda batch, index, draw: real(batch, index, draw) * (math.inf if draw == 4 else 1),
    )
    with pytest.raises(Diverged, match=r"no longer finite at step 5 \(epoch 1, batch 5\)"):
        for _ in made.run():
            weights.append([weight.detach().clone() for weight in made.trained.values()])
    assert len(weights) > 5
    for now, before in zip(made.trained.values(), weights[3], strict=True):
        assert torch.equal(now, before)
    assert not torch.equal(weights[2][0], weights[3][0])


def test_nothing_is_read_between_two_looks() -> None:
    readings = StepMetrics(CPU, deferred=True)
    assert readings.read() is None
    for step in (1, 2, 3):
        readings.add(torch.tensor(float(step)), torch.tensor(0.5), step)
    found = readings.read()
    assert found is not None and (found.loss_sum, found.loss, found.norm, found.not_finite) == (
        6.0,
        3.0,
        0.5,
        0,
    )
    assert readings.read() is None and not readings.is_due


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_weights_in_one_buffer_say_and_learn_the_same(cell: Cell) -> None:
    torch.manual_seed(1)
    plain = Direction(RecurrentModel(cell=cell, hidden_size=5), 3)
    flat = Direction(RecurrentModel(cell=cell, hidden_size=5), 3)
    flat.load_state_dict(plain.state_dict())
    buffer = join_in_one_buffer([flat.weight_ih, flat.weight_hh, flat.bias_ih, flat.bias_hh])
    x, state = torch.randn(7, 2, 3), tuple(torch.zeros(2, 5) for _ in range(2 if cell == "lstm" else 1))
    for _ in range(3):
        outputs = []
        for made in (plain, flat):
            made.zero_grad()
            y, _ = made(x, state)
            y.square().sum().backward()
            outputs.append(y)
            with torch.no_grad():
                for weight in made.parameters():
                    assert weight.grad is not None
                    weight.sub_(0.1 * weight.grad)
        assert torch.equal(*outputs)
    assert torch.equal(buffer, torch.cat([weight.detach().flatten() for weight in plain.parameters()]))
    assert {weight.untyped_storage().data_ptr() for weight in flat.parameters()} == {
        buffer.untyped_storage().data_ptr()
    }


def test_on_a_cpu_nothing_is_moved_and_nothing_laid_out_anew() -> None:
    tensor = torch.ones(3)
    assert copy_to_device(tensor, CPU) is tensor
    made = Direction(RecurrentModel(hidden_size=4), 3)
    before = [weight.data_ptr() for weight in made.parameters()]
    assert [weight.data_ptr() for weight in flatten_parameters(made).parameters()] == before
