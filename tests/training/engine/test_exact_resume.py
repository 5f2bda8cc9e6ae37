"""A run that is interrupted at any step and resumed ends with the same bytes as an uninterrupted run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seqtool.errors import ModelError
from seqtool.models.weights import weight_arrays
from seqtool.settings.data import TaggerData
from seqtool.settings.experiment import CharSettings, TaggerSettings
from seqtool.settings.model import Feature, TaggerModel
from seqtool.settings.training import Training
from seqtool.training.engine.events import Event, RowEvent, StepEvent
from seqtool.training.engine.trainer import Trainer
from tests.support.small_tasks import (
    STATEFUL,
    hihell_task,
    lines_task,
    never,
    random_sentences,
    tagging_task,
    text_task,
    toy_task,
    trainer,
)

TRAINING = Training(
    epochs=3,
    batch_size=5,
    window=9,
    lr=0.01,
    schedule="cosine",
    warmup_steps=4,
    clip_norm=0.3,
    ema=0.8,
    patience=50,
    weight_decay=0.1,
)
FEATURES = (
    Feature(name="form", dim=4),
    Feature(name="vectors", dim=3, path="x", frozen=True),
    Feature(name="char_cnn", dim=4),
)
TAGGER = TaggerModel(
    hidden_size=4, projection=5, features=FEATURES, dropout=0.3, decoder="crf", initial_state="learned"
)


def char(**training: Any) -> CharSettings:
    return CharSettings(model=STATEFUL, training=replace(TRAINING, **training))


def tagger(**training: Any) -> TaggerSettings:
    return TaggerSettings(
        data=TaggerData(train=("x",)), model=TAGGER, training=replace(TRAINING, batch_size=6, **training)
    )


def spans(settings: TaggerSettings) -> Any:
    return tagging_task(
        settings, random_sentences(40, spans=True), random_sentences(9, 1, spans=True), "iob2"
    )


TASKS: dict[str, Callable[[], Any]] = {
    "text": lambda: text_task(char(), train=250),
    "text, evaluated within epochs": lambda: text_task(char(eval_every=3, optimizer="rmsprop"), train=250),
    "text without validation": lambda: text_task(char(ema=0.0, optimizer="adagrad"), train=250, val=None),
    "text, plateau, accumulated batches": lambda: text_task(
        char(schedule="plateau", decay_steps=1, eval_every=2, accumulate=2), train=500
    ),
    "lines": lambda: lines_task(char()),
    "lines without validation": lambda: lines_task(char(print_every=2, eval_every=None), val=False),
    "pairs": hihell_task,
    "tagger": lambda: spans(tagger()),
    "tagger, batches by words": lambda: spans(
        tagger(batch_words=30, eval_every=2, optimizer="sgd", momentum=0.9)
    ),
    "toy tagger": lambda: toy_task(epochs=8, print_every=3),
}


def timeless(event: Event) -> Event:
    """Return an event without its times."""
    return replace(event, seconds=0.0, rate=0.0) if isinstance(event, RowEvent) else event


def stored_state(trained: Trainer) -> tuple[dict[str, Any], dict[str, Any]]:
    """Copy a state as a checkpoint does: arrays to new memory, numbers through JSON."""
    return {name: array.copy() for name, array in trained.state_arrays().items()}, json.loads(
        json.dumps(trained.state_json(), allow_nan=False)
    )


def assert_same_state(first: Trainer, second: Trainer) -> None:
    arrays, others = first.state_arrays(), second.state_arrays()
    assert arrays.keys() == others.keys()
    for name in arrays:
        assert arrays[name].tobytes() == others[name].tobytes(), name
    assert {**first.state.to_json(), "seconds": 0, "row_seconds": 0} == {
        **second.state.to_json(),
        "seconds": 0,
        "row_seconds": 0,
    }
    assert (first.schedule.factor, first.schedule.waited) == (second.schedule.factor, second.schedule.waited)


@pytest.mark.parametrize("name", TASKS)
def test_run_resumes_exactly_from_every_step(name: str) -> None:
    uninterrupted = trainer(TASKS[name]())
    states, events = [stored_state(uninterrupted)], []
    for event in uninterrupted.run():
        events.append(timeless(event))
        if isinstance(event, StepEvent):
            states.append(stored_state(uninterrupted))
    after_step = [0, *(index + 1 for index, event in enumerate(events) if isinstance(event, StepEvent))]
    assert len(states) > 5
    for index, (weights, numbers) in zip(after_step, states, strict=True):
        resumed = trainer(TASKS[name]())
        resumed.load_state(weights, numbers)
        rest = [timeless(event) for event in resumed.run()]
        assert rest == events[index:]
        assert resumed.end_reason == uninterrupted.end_reason
        assert_same_state(resumed, uninterrupted)
    for key, array in weight_arrays(resumed.task.network).items():
        assert array.tobytes() == weight_arrays(uninterrupted.task.network)[key].tobytes()


@pytest.mark.parametrize("name", TASKS)
def test_run_stopped_at_any_check_resumes_exactly(name: str) -> None:
    checks = 0

    def count() -> bool:
        nonlocal checks
        checks += 1
        return False

    uninterrupted = trainer(TASKS[name](), count)
    expected = [timeless(event) for event in uninterrupted.run()]
    for stopped_at in range(1, checks + 1, 3):
        left = stopped_at

        def stop() -> bool:
            nonlocal left
            left -= 1
            return left == 0

        first = trainer(TASKS[name](), stop)
        events = [timeless(event) for event in first.run()]
        assert first.end_reason == "stop"
        second = trainer(TASKS[name]())
        second.load_state(*stored_state(first))
        assert [*events, *(timeless(event) for event in second.run())] == expected
        assert_same_state(second, uninterrupted)


def test_state_saved_in_a_row_contains_the_trained_weights() -> None:
    make = TASKS["text"]
    uninterrupted = trainer(make())
    events, states = [], []
    for event in uninterrupted.run():
        events.append(timeless(event))
        if isinstance(event, RowEvent):
            states.append((len(events), stored_state(uninterrupted)))
            averaged = weight_arrays(uninterrupted.task.network)
            assert any(
                not np.array_equal(averaged[name], states[-1][1][0][f"weight/{name}"]) for name in averaged
            )
    for index, state in states:
        resumed = trainer(make())
        resumed.load_state(*state)
        assert [timeless(event) for event in resumed.run()] == events[index:]
        assert_same_state(resumed, uninterrupted)


def test_state_cannot_be_saved_between_gradient_and_update() -> None:
    trained = trainer(hihell_task())
    for event in trained.run():
        assert trained.can_save is isinstance(event, StepEvent)
        if isinstance(event, RowEvent):
            with pytest.raises(RuntimeError, match="between"):
                trained.state_arrays()
            with pytest.raises(RuntimeError, match="between"):
                trained.state_json()


def test_finished_run_continues_only_with_a_higher_limit() -> None:
    short = trainer(lines_task(char(schedule="constant", epochs=2)))
    list(short.run())
    state = stored_state(short)
    again = trainer(lines_task(char(schedule="constant", epochs=2)))
    again.load_state(*state)
    assert list(again.run()) == [] and again.end_reason == "epochs"
    longer = trainer(lines_task(char(schedule="constant", epochs=3)))
    longer.load_state(*state)
    rest = [timeless(event) for event in longer.run() if isinstance(event, StepEvent)]
    straight = trainer(lines_task(char(schedule="constant", epochs=3)))
    assert rest == [timeless(event) for event in straight.run() if isinstance(event, StepEvent)][-len(rest) :]
    assert_same_state(longer, straight)


def test_equal_seeds_give_equal_bytes() -> None:
    first, second = (trainer(TASKS["tagger"]()) for _ in range(2))
    assert [timeless(event) for event in first.run()] == [timeless(event) for event in second.run()]
    assert_same_state(first, second)


DAMAGES: dict[str, Callable[[dict[str, Any], dict[str, Any]], Any]] = {
    "a weight is missing": lambda weights, _: weights.pop("weight/output.bias"),
    "a weight has another shape": lambda weights, _: weights.update(
        {"weight/output.bias": np.zeros(3, np.float32)}
    ),
    "a weight has another type": lambda weights, _: weights.update(
        {"weight/output.bias": weights["weight/output.bias"].astype(int)}
    ),
    "an unknown kind of array": lambda weights, _: weights.update(
        {"other/output.bias": np.zeros(3, np.float32)}
    ),
    "a part of an unknown weight": lambda weights, _: weights.update(
        {"optimizer/unknown/step": np.zeros((), np.float32)}
    ),
    "a part of another shape": lambda weights, _: weights.update(
        {"optimizer/output.bias/exp_avg": np.zeros(2, np.float32)}
    ),
    "no averages": lambda weights, _: [
        weights.pop(name) for name in list(weights) if name.startswith("average/")
    ],
    "a carried state of another shape": lambda weights, _: weights.update(
        {"carried/0.0": np.zeros((1, 2), np.float32)}
    ),
    "a carried state of more layers": lambda weights, _: weights.update(
        {"carried/7.0": np.zeros((5, 5), np.float32)}
    ),
    "no progress": lambda _, numbers: numbers.pop("progress"),
    "no schedule": lambda _, numbers: numbers.pop("schedule"),
    "a negative step": lambda _, numbers: numbers["progress"].update(step=-1),
    "an impossible step": lambda _, numbers: numbers["progress"].update(step=10**30),
    "an impossible wait": lambda _, numbers: numbers["schedule"].update(waited=10**30),
    "a step that is a string": lambda _, numbers: numbers["progress"].update(step="1"),
    "a step that is a bool": lambda _, numbers: numbers["progress"].update(step=True),
    "a loss that is NaN": lambda _, numbers: numbers["progress"].update(loss_sum=float("nan")),
    "an unknown number": lambda _, numbers: numbers["progress"].update(more=1),
    "a factor of 0": lambda _, numbers: numbers["schedule"].update(factor=0.0),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_state_that_does_not_fit_is_refused(damage: str) -> None:
    trained = trainer(TASKS["text"]())
    next(trained.run())
    weights, numbers = stored_state(trained)
    DAMAGES[damage](weights, numbers)
    with pytest.raises(ModelError):
        trainer(TASKS["text"](), never).load_state(weights, numbers)
