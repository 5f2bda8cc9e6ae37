"""The training loop: times of rows, ends of runs, effect of a step on the weights, divergence."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from seqtool.errors import Diverged, ExitCode
from seqtool.models.weights import weight_arrays
from seqtool.settings.experiment import CharSettings
from seqtool.settings.model import CharModel
from seqtool.settings.training import Training
from seqtool.training.engine.events import Event, RowEvent, StepEvent
from seqtool.training.engine.task import StopEvaluation
from seqtool.training.engine.trainer import Trainer
from tests.support.small_tasks import HIHELL, hihell_task, lines_task, text_task, trainer

MODEL = CharModel(hidden_size=5, embedding_dim=3)


def settings(**training: Any) -> CharSettings:
    arguments = {"batch_size": 5, "window": 9, "lr": 0.01, **training}
    return CharSettings(model=MODEL, training=Training(**arguments))


def text(**training: Any) -> Trainer:
    return trainer(text_task(settings(**training), train=250))  # 5 steps per epoch


def without_validation(**training: Any) -> Trainer:
    return trainer(text_task(settings(**training), train=250, val=None))


def rows(trained: Trainer) -> list[tuple[int, int]]:
    return [(event.step, event.epoch) for event in trained.run() if isinstance(event, RowEvent)]


def steps(events: list[Event]) -> list[StepEvent]:
    return [event for event in events if isinstance(event, StepEvent)]


@pytest.mark.parametrize(
    ("training", "expected", "end_reason"),
    [
        ({"epochs": 3}, [(5, 1), (10, 2), (15, 3)], "epochs"),
        ({"epochs": 2, "eval_every": 3}, [(3, 1), (6, 2), (9, 2), (10, 2)], "epochs"),
        ({"max_steps": 7}, [(5, 1), (7, 2)], "max_steps"),
        ({"max_steps": 7, "epochs": 1}, [(5, 1)], "epochs"),
        ({"max_steps": 5, "epochs": 1}, [(5, 1)], "max_steps"),
        ({"epochs": 2, "accumulate": 2}, [(3, 1), (6, 2)], "epochs"),
        (
            {"epochs": 3, "print_every": 2},
            [(5, 1), (10, 2), (15, 3)],
            "epochs",
        ),  # print_every concerns runs without validation only
        ({"max_steps": 2, "eval_every": 50}, [(2, 1)], "max_steps"),
    ],
)
def test_rows_with_validation_come_after_epochs_or_eval_every_steps(
    training: dict[str, Any], expected: list[tuple[int, int]], end_reason: str
) -> None:
    trained = text(**training)
    assert rows(trained) == expected
    assert trained.end_reason == end_reason


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({"epochs": 3}, [(5, 1), (10, 2), (15, 3)]),
        ({"epochs": 5, "print_every": 2}, [(10, 2), (20, 4), (25, 5)]),
        ({"max_steps": 7}, [(5, 1), (7, 2)]),
        ({"epochs": 2, "eval_every": 4}, [(4, 1), (8, 2), (10, 2)]),
    ],
)
def test_rows_without_validation_come_at_printed_epochs_or_eval_every_steps(
    training: dict[str, Any], expected: list[tuple[int, int]]
) -> None:
    assert rows(without_validation(**training)) == expected


@pytest.mark.parametrize("make", [text, without_validation])
def test_run_ends_with_a_row_when_its_time_is_over(make: Any) -> None:
    trained = make(max_minutes=1e-9, epochs=100)
    events = list(trained.run())
    assert trained.end_reason == "max_minutes"
    assert len(steps(events)) <= 1
    trained = make(max_minutes=0.002, epochs=100_000)
    events = list(trained.run())
    row_events = [event for event in events if isinstance(event, RowEvent)]
    assert (
        row_events[-1].last
        and row_events[-1].step == steps(events)[-1].step
        and trained.end_reason == "max_minutes"
    )
    assert not any(row.last for row in row_events[:-1])


def test_patience_counts_rows_without_improvement() -> None:
    trained = text(epochs=50, patience=3, lr=1e-9)
    task: Any = trained.task
    losses = iter([3.0, 2.0, 2.5, 2.0, 2.0, 1.0])
    task.evaluate = lambda _: {"val_loss": next(losses)}
    row_events = [event for event in trained.run() if isinstance(event, RowEvent)]
    assert [row.best for row in row_events] == [True, True, False, False, False]
    assert [row.last for row in row_events] == [False] * 4 + [True]
    assert trained.end_reason == "patience"


def test_row_without_validation_shows_the_weights_before_the_update() -> None:
    trained = without_validation(epochs=2)
    weights = [weight_arrays(trained.task.network)]
    for event in trained.run():
        now = weight_arrays(trained.task.network)
        same = all(np.array_equal(now[name], weights[-1][name]) for name in now)
        assert same is isinstance(event, RowEvent)
        weights.append(now)


def test_training_loss_is_a_mean_over_symbols() -> None:
    trained = trainer(lines_task(settings(epochs=1, batch_size=7)))
    events = list(trained.run())
    total = sum(event.loss * event.items for event in steps(events))
    items = sum(event.items for event in steps(events))
    row = next(event for event in events if isinstance(event, RowEvent))
    assert row.train_loss == pytest.approx(total / items, rel=1e-12)
    sequences: Any = trained.task.corpus.train  # type: ignore[attr-defined]
    assert items == sum(map(len, sequences.inputs))


def test_training_loss_covers_the_steps_since_the_previous_row() -> None:
    events = list(text(epochs=2, eval_every=2).run())
    since: list[StepEvent] = []
    for event in events:
        if isinstance(event, StepEvent):
            since.append(event)
        else:
            mean = sum(step.loss * step.items for step in since) / sum(step.items for step in since)
            assert event.train_loss == pytest.approx(mean, rel=1e-12)
            since = []


def test_accumulated_batches_equal_one_large_batch() -> None:
    once, twice = (
        trainer(lines_task(settings(epochs=1, shuffle=False, lr=0.1, **batches)))
        for batches in LARGE_AND_HALVES
    )
    first, second = (
        next(event for event in trained.run() if isinstance(event, StepEvent)) for trained in (once, twice)
    )
    assert first.items == second.items and first.loss == pytest.approx(second.loss, rel=1e-6)
    assert first.grad_norm == pytest.approx(second.grad_norm, rel=1e-5)
    for a, b in zip(
        weight_arrays(once.task.network).values(), weight_arrays(twice.task.network).values(), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


LARGE_AND_HALVES: list[dict[str, Any]] = [
    {"batch_size": 10, "optimizer": "sgd"},
    {"batch_size": 5, "accumulate": 2, "optimizer": "sgd"},
]


def test_accumulated_batches_have_separate_draws() -> None:
    trained = trainer(
        lines_task(
            CharSettings(
                model=replace(MODEL, dropout=0.5), training=settings(epochs=1, accumulate=3).training
            )
        )
    )
    draws = []
    task: Any = trained.task
    inner = task.loss

    def loss(batch: Any, index: int, draw: int) -> Any:
        draws.append(draw)
        return inner(batch, index, draw)

    task.loss = loss
    list(trained.run())
    assert draws == list(range(trained.task.batches(0)))


@pytest.mark.parametrize("clip", [1e-3, 0.1, 1e3])
def test_clipping_scales_the_whole_gradient(clip: float) -> None:
    plain, clipped = (
        trainer(hihell_with(clip_norm=norm, optimizer="sgd", lr=1.0, max_steps=1)) for norm in (None, clip)
    )
    before = weight_arrays(plain.task.network)
    norms = [steps(list(trained.run()))[0].grad_norm for trained in (plain, clipped)]
    assert norms[0] == norms[1]
    moved, less = (
        {name: before[name] - after for name, after in weight_arrays(trained.task.network).items()}
        for trained in (plain, clipped)
    )
    length = math.sqrt(sum(float(np.square(move).sum()) for move in less.values()))
    assert length == pytest.approx(min(clip, norms[0]), rel=1e-3)
    for name in moved:
        np.testing.assert_allclose(less[name], moved[name] * min(1, clip / norms[0]), rtol=1e-3, atol=1e-6)


def hihell_with(**training: Any) -> Any:
    return hihell_task(replace(HIHELL, training=replace(HIHELL.training, **training)))


@pytest.mark.parametrize(("subject", "value"), [("loss", "nan"), ("loss", "inf"), ("gradient", "nan")])
def test_step_that_is_not_finite_is_named_and_changes_no_weight(subject: str, value: str) -> None:
    trained = text(epochs=3)
    task: Any = trained.task
    inner, bad = task.loss, float(value)

    def broken(batch: Any, index: int, draw: int) -> torch.Tensor:
        loss: torch.Tensor = inner(batch, index, draw)
        if draw < 6:
            return loss
        if subject == "loss":
            return loss * bad
        return loss + NanGradient.apply(task.network.output.bias)  # type: ignore[no-untyped-call, no-any-return]

    task.loss = broken
    before: dict[str, Any] = {}
    with pytest.raises(
        Diverged, match=rf"the {subject} is no longer finite at step 7 \(epoch 2, batch 2\)"
    ) as raised:
        for _ in trained.run():
            before = weight_arrays(task.network)
    assert raised.value.exit_code == ExitCode.DIVERGED and raised.value.problems[0].hint
    assert all(np.array_equal(array, before[name]) for name, array in weight_arrays(task.network).items())


class NanGradient(torch.autograd.Function):
    """Return 0, with NaN as gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.shape = x.shape
        return x.new_zeros(())

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient.new_full(ctx.shape, math.nan)


def test_validation_loss_that_is_not_finite_is_reported() -> None:
    trained = text(epochs=2)
    task: Any = trained.task
    task.evaluate = lambda _: {"val_loss": math.nan}
    with pytest.raises(Diverged, match="validation loss is no longer finite after step 5"):
        list(trained.run())


def test_too_large_learning_rate_is_reported_as_divergence() -> None:
    diverging = CharSettings(
        model=CharModel(cell="rnn", nonlinearity="relu", hidden_size=20),
        training=Training(epochs=50, lr=1e8, optimizer="sgd", batch_size=5, window=30),
    )
    with pytest.raises(Diverged):
        list(trainer(text_task(diverging)).run())


def test_row_is_still_due_after_an_interrupted_evaluation() -> None:
    trained = text(epochs=2, ema=0.9)
    task: Any = trained.task
    inner = task.evaluate

    def interrupted(should_stop: Any) -> dict[str, float]:
        inner(should_stop)
        raise StopEvaluation

    task.evaluate = interrupted
    events = list(trained.run())
    assert trained.end_reason == "stop" and trained.can_save and trained.state.row_due
    assert len(steps(events)) == 5 == len(events)


def test_events_contain_position_learning_rate_and_time() -> None:
    events = list(
        text(epochs=2, lr=0.5, warmup_steps=4, schedule="step", decay_steps=6, decay_factor=0.1).run()
    )
    done = steps(events)
    assert [(step.step, step.epoch, step.position, step.batches, step.total_steps) for step in done] == [
        (number, 1 + (number > 5), (number - 1) % 5 + 1, 5, 10) for number in range(1, 11)
    ]
    assert [step.lr for step in done] == pytest.approx(
        [0.125, 0.25, 0.375, 0.5, 0.5, 0.5, 0.05, 0.05, 0.05, 0.05]
    )
    assert [row.lr for row in events if isinstance(row, RowEvent)] == pytest.approx([0.5, 0.05])
    assert all(step.items == 45 and step.grad_norm > 0 for step in done)
    row_events = [row for row in events if isinstance(row, RowEvent)]
    assert 0 < row_events[0].seconds < row_events[1].seconds and all(row.rate > 0 for row in row_events)


def test_plateau_schedule_lowers_the_rate_of_the_trainer() -> None:
    trained = text(epochs=6, schedule="plateau", decay_steps=2, decay_factor=0.5, lr=0.25)
    task: Any = trained.task
    losses = iter([3.0, 3.0, 3.0, 2.0, 2.0, 2.0])
    task.evaluate = lambda _: {"val_loss": next(losses)}
    rates = [row.lr for row in trained.run() if isinstance(row, RowEvent)]
    assert rates == [0.25, 0.25, 0.25, 0.125, 0.125, 0.125]
    assert trained.schedule.rate(99) == 0.0625
