"""A run that is interrupted and goes on ends in the same bytes as one that was left alone, from whichever step."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seqtool.errors import ModelError
from seqtool.models.weights import weight_arrays
from seqtool.settings import (
    CharModel,
    CharSettings,
    Feature,
    TaggerData,
    TaggerModel,
    TaggerSettings,
    Training,
)
from seqtool.training.engine.events import Event, RowEvent, StepEvent
from seqtool.training.engine.trainer import Trainer
from tests.support.small_tasks import (
    hihell_task,
    lines_task,
    never,
    random_sentences,
    tagging_task,
    text_task,
    toy_task,
    trainer,
)

CHAR = CharModel(
    hidden_size=5,
    num_layers=2,
    embedding_dim=3,
    dropout=0.3,
    weight_dropout=0.2,
    state_reset=0.3,
    initial_state="random",
)
HARD = Training(
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
    return CharSettings(model=CHAR, training=replace(HARD, **training))


def tagger(**training: Any) -> TaggerSettings:
    return TaggerSettings(
        data=TaggerData(train=("x",)), model=TAGGER, training=replace(HARD, batch_size=6, **training)
    )


def spans(settings: TaggerSettings) -> Any:
    return tagging_task(
        settings, random_sentences(40, spans=True), random_sentences(9, 1, spans=True), "iob2"
    )


TASKS: dict[str, Callable[[], Any]] = {
    "text": lambda: text_task(char(), train=250),
    "text, evaluated in mid-epoch": lambda: text_task(char(eval_every=3, optimizer="rmsprop"), train=250),
    "text without validation": lambda: text_task(char(ema=0.0, optimizer="adagrad"), train=250, val=None),
    "text, plateau, batches added up": lambda: text_task(
        char(schedule="plateau", decay_steps=1, eval_every=2, accumulate=2), train=500
    ),
    "lines": lambda: lines_task(char()),
    "lines without validation": lambda: lines_task(char(print_every=2, eval_every=None), val=False),
    "pairs": hihell_task,
    "tagger": lambda: spans(tagger()),
    "tagger, by words": lambda: spans(tagger(batch_words=30, eval_every=2, optimizer="sgd", momentum=0.9)),
    "toy tagger": lambda: toy_task(epochs=8, print_every=3),
}


def told(report: Event) -> Event:
    """A report without what the clock says."""
    return replace(report, seconds=0.0, rate=0.0) if isinstance(report, RowEvent) else report


def through_a_file(made: Trainer) -> tuple[dict[str, Any], dict[str, Any]]:
    """A state as it comes back from a checkpoint: new memory, and numbers through JSON."""
    return {name: array.copy() for name, array in made.state_arrays().items()}, json.loads(
        json.dumps(made.state_json(), allow_nan=False)
    )


def assert_same_state(a: Trainer, b: Trainer) -> None:
    ours, theirs = a.state_arrays(), b.state_arrays()
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name].tobytes() == theirs[name].tobytes(), name
    assert {**a.state.to_json(), "seconds": 0, "row_seconds": 0} == {
        **b.state.to_json(),
        "seconds": 0,
        "row_seconds": 0,
    }
    assert (a.schedule.factor, a.schedule.waited) == (b.schedule.factor, b.schedule.waited)


@pytest.mark.parametrize("name", TASKS)
def test_a_run_goes_on_from_every_step_as_if_it_had_not_stopped(name: str) -> None:
    whole = trainer(TASKS[name]())
    states, reports = [through_a_file(whole)], []
    for report in whole.run():
        reports.append(told(report))
        if isinstance(report, StepEvent):
            states.append(through_a_file(whole))
    after_step = [0, *(place + 1 for place, report in enumerate(reports) if isinstance(report, StepEvent))]
    assert len(states) > 5
    for place, (weights, numbers) in zip(after_step, states, strict=True):
        resumed = trainer(TASKS[name]())
        resumed.load_state(weights, numbers)
        rest = [told(report) for report in resumed.run()]
        assert rest == reports[place:]
        assert resumed.end_reason == whole.end_reason
        assert_same_state(resumed, whole)
    for key, array in weight_arrays(resumed.task.network).items():
        assert array.tobytes() == weight_arrays(whole.task.network)[key].tobytes()


@pytest.mark.parametrize("name", TASKS)
def test_a_stop_asked_for_at_any_poll_loses_nothing(name: str) -> None:
    polls = 0

    def count() -> bool:
        nonlocal polls
        polls += 1
        return False

    whole = trainer(TASKS[name](), count)
    expected = [told(report) for report in whole.run()]
    for stopped_at in range(1, polls + 1, 3):
        left = stopped_at

        def stop() -> bool:
            nonlocal left
            left -= 1
            return left == 0

        first = trainer(TASKS[name](), stop)
        reports = [told(report) for report in first.run()]
        assert first.end_reason == "stop"
        second = trainer(TASKS[name]())
        second.load_state(*through_a_file(first))
        assert [*reports, *(told(report) for report in second.run())] == expected
        assert_same_state(second, whole)


def test_a_state_taken_inside_an_evaluated_row_holds_the_trained_weights() -> None:
    make = TASKS["text"]
    whole = trainer(make())
    reports, states = [], []
    for report in whole.run():
        reports.append(told(report))
        if isinstance(report, RowEvent):
            states.append((len(reports), through_a_file(whole)))
            averaged = weight_arrays(whole.task.network)
            assert any(
                not np.array_equal(averaged[name], states[-1][1][0][f"weight/{name}"]) for name in averaged
            )
    for place, state in states:
        resumed = trainer(make())
        resumed.load_state(*state)
        assert [told(report) for report in resumed.run()] == reports[place:]
        assert_same_state(resumed, whole)


def test_no_state_is_given_between_gradient_and_update() -> None:
    made = trainer(hihell_task())
    for report in made.run():
        assert made.can_save is isinstance(report, StepEvent)
        if isinstance(report, RowEvent):
            with pytest.raises(RuntimeError, match="between"):
                made.state_arrays()
            with pytest.raises(RuntimeError, match="between"):
                made.state_json()


def test_a_finished_run_does_not_go_on_but_a_longer_one_does() -> None:
    short = trainer(lines_task(char(schedule="constant", epochs=2)))
    list(short.run())
    state = through_a_file(short)
    again = trainer(lines_task(char(schedule="constant", epochs=2)))
    again.load_state(*state)
    assert list(again.run()) == [] and again.end_reason == "epochs"
    longer = trainer(lines_task(char(schedule="constant", epochs=3)))
    longer.load_state(*state)
    rest = [told(report) for report in longer.run() if isinstance(report, StepEvent)]
    straight = trainer(lines_task(char(schedule="constant", epochs=3)))
    assert rest == [told(report) for report in straight.run() if isinstance(report, StepEvent)][-len(rest) :]
    assert_same_state(longer, straight)


def test_equal_seeds_give_equal_bytes() -> None:
    first, second = (trainer(TASKS["tagger"]()) for _ in range(2))
    assert [told(report) for report in first.run()] == [told(report) for report in second.run()]
    assert_same_state(first, second)


DAMAGES: dict[str, Callable[[dict[str, Any], dict[str, Any]], Any]] = {
    "a weight is missing": lambda weights, _: weights.pop("weight/output.bias"),
    "a weight has another shape": lambda weights, _: weights.update(
        {"weight/output.bias": np.zeros(3, np.float32)}
    ),
    "a weight has another type": lambda weights, _: weights.update(
        {"weight/output.bias": weights["weight/output.bias"].astype(int)}
    ),
    "a stranger": lambda weights, _: weights.update({"other/output.bias": np.zeros(3, np.float32)}),
    "a part of a stranger": lambda weights, _: weights.update(
        {"optimizer/nobody/step": np.zeros((), np.float32)}
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
    "a step that is no number": lambda _, numbers: numbers["progress"].update(step="1"),
    "a step that is true": lambda _, numbers: numbers["progress"].update(step=True),
    "a loss that is no number": lambda _, numbers: numbers["progress"].update(loss_sum=float("nan")),
    "a number too many": lambda _, numbers: numbers["progress"].update(more=1),
    "a factor of 0": lambda _, numbers: numbers["schedule"].update(factor=0.0),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_state_that_does_not_fit_is_refused(damage: str) -> None:
    made = trainer(TASKS["text"]())
    next(made.run())
    weights, numbers = through_a_file(made)
    DAMAGES[damage](weights, numbers)
    with pytest.raises(ModelError):
        trainer(TASKS["text"](), never).load_state(weights, numbers)
