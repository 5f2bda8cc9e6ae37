"""Evaluations: what they measure, by other means, and that they leave training as it was."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from seqtool.metrics import TaggingCounts
from seqtool.models.character import CharacterNetwork, build_character_network
from seqtool.models.tagger import WordInput
from seqtool.models.weights import weight_arrays
from seqtool.settings import (
    CharModel,
    CharSettings,
    Feature,
    Scheme,
    TaggerData,
    TaggerModel,
    TaggerSettings,
    Training,
)
from seqtool.spans import convert
from seqtool.tasks.tagger_training import TaggingTask
from seqtool.training.engine import validation as protocols
from seqtool.training.engine.events import RowEvent
from seqtool.training.engine.task import StopEvaluation
from seqtool.training.engine.validation import blocks_loss, carried_loss, sequences_loss
from tests.support.small_tasks import (
    CPU,
    TOY,
    TOY_SENTENCES,
    lines_task,
    never,
    random_sentences,
    random_text,
    sentence,
    tagging_task,
    text_task,
    trainer,
)

CELLS = ["rnn", "lstm", "gru"]


def network(cell: Any = "lstm", start: Any = "zeros") -> CharacterNetwork:
    model = CharModel(cell=cell, hidden_size=12, embedding_dim=6, initial_state=start)
    made = build_character_network(CharSettings(model=model), 7)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(1.5)
    return made.eval()


def losses_of(made: CharacterNetwork, text: Any) -> list[float]:
    """Nats of each symbol but the first, one after the other in one pass."""
    ids = torch.from_numpy(text.astype(np.int64))
    with torch.no_grad():
        logits, _ = made(ids[:-1, None], made.encoder.initial_state(1))
    return functional.cross_entropy(logits[:, 0], ids[1:], reduction="none").double().tolist()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("start", ["zeros", "random", "learned"])
def test_the_carried_protocol_equals_a_single_pass(cell: str, start: str) -> None:
    made, text = network(cell, start), random_text(9000, 7)
    widths: set[int] = set()
    made.register_forward_pre_hook(lambda _, given: widths.add(given[0].shape[1]))
    with torch.no_grad():
        found = carried_loss(made, text, CPU, never)
        single = carried_loss(made, text, CPU, never, streams=1)
    expected = losses_of(made, text)
    assert found.count == single.count == 8999
    assert single.total / 8999 == pytest.approx(sum(expected) / 8999, abs=1e-5)
    assert found.total / 8999 == pytest.approx(sum(expected) / 8999, abs=1e-3)
    assert widths == {1, 8}


@pytest.mark.parametrize("length", [2, 3, 100, 1023, 2049, 2050, 5000])
def test_the_carried_protocol_scores_every_symbol_once_whatever_the_length(length: int) -> None:
    made, text = network(), random_text(length, 7)
    with torch.no_grad():
        found = carried_loss(made, text, CPU, never)
    assert found.count == length - 1
    assert found.total / (length - 1) == pytest.approx(sum(losses_of(made, text)) / (length - 1), abs=1e-3)


def test_warming_up_is_what_makes_the_streams_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    made, text = network(), random_text(9000, 7)
    with torch.no_grad():
        warmed = carried_loss(made, text, CPU, never, streams=100)
        monkeypatch.setattr(protocols, "WARM_UP", 1)
        cold = carried_loss(made, text, CPU, never, streams=100)
    whole = sum(losses_of(made, text))
    assert abs(warmed.total - whole) < 0.1 * abs(cold.total - whole)


@pytest.mark.parametrize(
    ("length", "block"), [(500, 64), (129, 64), (65, 64), (20, 64), (2, 5), (90, 1), (9000, 16)]
)
def test_blocks_start_from_the_initial_state(length: int, block: int) -> None:
    made, text = network("gru", "learned"), random_text(length, 7)
    with torch.no_grad():
        found = blocks_loss(made, text, block, CPU, never)
    expected = [
        loss
        for start in range(0, length - 1, block)
        for loss in losses_of(made, text[start : start + block + 1])
    ]
    assert found.count == len(expected) == length - 1
    assert found.total == pytest.approx(sum(expected), rel=1e-5)


@pytest.mark.parametrize("portion", [1, 7, 1 << 14])
def test_results_do_not_depend_on_how_much_is_read_at_a_time(
    portion: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, text = network(), random_text(700, 7)
    cut = np.random.default_rng(0).integers(0, 12, 30).cumsum()
    inputs = [part.astype(np.int64) for part in np.split(text, cut)]
    targets = [np.roll(part, 1) for part in inputs]
    with torch.no_grad():
        expected = blocks_loss(made, text, 50, CPU, never), *sequences_loss(made, inputs, targets, CPU, never)
        monkeypatch.setattr(protocols, "_SYMBOLS_AT_ONCE", portion)
        found = blocks_loss(made, text, 50, CPU, never), *sequences_loss(made, inputs, targets, CPU, never)
    assert [part.count for part in found[:2]] == [part.count for part in expected[:2]] == [699, 700]
    assert [part.total for part in found[:2]] == pytest.approx(
        [part.total for part in expected[:2]], rel=1e-5
    )
    assert found[2] == expected[2]


def test_sequences_are_scored_one_by_one() -> None:
    made = network()
    draw = np.random.default_rng(0)
    inputs = [draw.integers(0, 7, length) for length in (5, 0, 1, 9, 9, 2)]
    targets = [draw.integers(0, 7, len(part)) for part in inputs]
    with torch.no_grad():
        found, right = sequences_loss(made, inputs, targets, CPU, never)
    total, hits = 0.0, 0
    for given, wanted in zip(inputs, targets, strict=True):
        if len(given):
            with torch.no_grad():
                logits, _ = made(torch.from_numpy(given)[:, None], made.encoder.initial_state(1))
            total += functional.cross_entropy(logits[:, 0], torch.from_numpy(wanted), reduction="sum").item()
            hits += int((logits[:, 0].argmax(1).numpy() == wanted).sum())
    assert found.count == right.total == 26 and right.right == hits
    assert found.total == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize(
    ("given", "block"), [(None, 10), (25, 25)], ids=["as long as the window", "eval_block"]
)
def test_a_character_rows_scores(given: int | None, block: int) -> None:
    task = text_task(
        CharSettings(
            model=CharModel(hidden_size=8), training=Training(epochs=1, window=10, eval_block=given)
        ),
        val=800,
    )
    scores = task.evaluate(never)
    task.network.eval()
    text: Any = task.corpus.val
    assert scores["val_loss"] == pytest.approx(sum(losses_of(task.network, text)) / 799, abs=1e-4)
    blocks = sum(
        sum(losses_of(task.network, text[start : start + block + 1])) for start in range(0, 799, block)
    )
    assert scores["val_loss_blocks"] == pytest.approx(blocks / 799, abs=1e-4)
    assert scores["val_bits_per_char"] == pytest.approx(scores["val_loss"] / math.log(2))


@pytest.mark.parametrize("val", [0, 1])
def test_too_little_to_validate_on_is_no_validation(val: int) -> None:
    task = text_task(CharSettings(model=CharModel(hidden_size=3), training=Training(epochs=1)), val=val)
    assert not task.has_validation
    assert next(type(report) for report in trainer(task).run()) is RowEvent


# --- taggers ----------------------------------------------------------------------------------------------------------

TRAIN = [sentence(*pair) for pair in TOY_SENTENCES]
FEATURES = (
    Feature(name="form", dim=6),
    Feature(name="suffix", length=1, dim=3),
    Feature(name="char_cnn", dim=5, width=3),
)


def tagger(decoder: Any = "softmax", scheme: Scheme = "none", **training: Any) -> TaggingTask:
    model = TaggerModel(features=FEATURES, hidden_size=6, projection=8, decoder=decoder, dropout=0.3)
    settings = TaggerSettings(
        data=TaggerData(train=("x",)),
        model=model,
        training=Training(**{"epochs": 2, "batch_size": 8, **training}),
    )
    spans = scheme != "none"
    dev = [*random_sentences(30, 5, spans=spans), sentence("W1 new W2", "O B-new O" if spans else "A NEW B")]
    return tagging_task(settings, random_sentences(60, spans=spans), dev, scheme)


def test_words_are_hidden_in_training_and_never_in_evaluation() -> None:
    task, plain = (
        tagging_task(replace(TOY, model=replace(TOY.model, word_dropout=dropout)), TRAIN, TRAIN)
        for dropout in (0.999999, 0.0)
    )
    task.loss(task.batch(0, 0)[0], 0, 0).backward()  # type: ignore[no-untyped-call]
    assert all(
        not parameter.grad.any()
        for parameter in task.network.features.parameters()
        if parameter.grad is not None
    )
    assert task.evaluate(never) == plain.evaluate(never)


def alone(task: TaggingTask, tokens: tuple[str, ...]) -> torch.Tensor:
    """Scores (time, labels) of one sentence by itself."""
    encoded: Any = task.corpus.encoder.encode(list(tokens))
    places = torch.arange(len(tokens)).unsqueeze(1)
    given = WordInput(
        torch.from_numpy(encoded.ids[:, None]),
        torch.from_numpy(encoded.characters),
        torch.from_numpy(encoded.lengths),
        places,
    )
    with torch.no_grad():
        scores: torch.Tensor = task.network(
            given, torch.tensor([len(tokens)]), task.network.encoder.initial_state(1)
        )
    return scores[:, 0]


@pytest.mark.parametrize(
    ("decoder", "scheme"), [("softmax", "none"), ("softmax", "iob2"), ("viterbi", "iob2"), ("crf", "iob1")]
)
def test_a_taggers_scores_are_those_of_its_sentences_one_by_one(decoder: str, scheme: Scheme) -> None:
    task = tagger(decoder, scheme)
    list(trainer(task).run())
    scores = task.evaluate(never)
    task.network.eval()
    counts, known, total = TaggingCounts(scheme), 0, 0.0
    for given in task.corpus.dev:
        emitted = alone(task, given.tokens)
        found = task._decode(emitted.numpy()[:, None], np.array([len(emitted)]))[:, 0]
        inner = [task.corpus.labels[number] for number in found]
        counts.add(list(given.labels), inner if scheme == "none" else convert(inner, "bioes", scheme))
        gold = [task._label_numbers.get(label, -1) for label in task.corpus.inner_labels(given)]
        known += sum(label >= 0 for label in gold)
        if decoder != "crf":
            total += functional.cross_entropy(
                emitted, torch.tensor(gold), reduction="sum", ignore_index=-1
            ).item()
    if decoder != "crf":
        assert scores["val_loss"] == pytest.approx(total / known, rel=1e-5)
    if scheme == "none":
        assert scores["val_accuracy"] == pytest.approx(counts.tokens.accuracy) and "val_f1" not in scores
    else:
        assert scores["val_f1"] == pytest.approx(counts.spans.overall.f1)
        assert task.quality(1.0, scores) == scores["val_f1"]


def test_a_label_that_training_does_not_have_counts_as_wrong() -> None:
    task = tagger()
    scores = task.evaluate(never)
    tokens = sum(len(given.tokens) for given in task.corpus.dev)
    task.network.eval()
    right = 0
    for given in task.corpus.dev:
        best = [task.corpus.labels[int(number)] for number in alone(task, given.tokens).argmax(1)]
        right += sum(a == b for a, b in zip(best, given.labels, strict=True))
    assert scores["val_accuracy"] == pytest.approx(right / tokens)


def test_validation_is_neither_weighted_nor_smoothed() -> None:
    plain, other = tagger(), tagger(class_weights={"A": 9.0}, label_smoothing=0.5)
    assert plain.evaluate(never) == other.evaluate(never)
    batch, _ = plain.batch(0, 0)
    assert plain.loss(batch, 0, 0).item() != other.loss(batch, 0, 0).item()


def test_weights_and_smoothing_follow_their_formula() -> None:
    task = tagger(class_weights={"A": 3.0}, label_smoothing=0.2)
    batch, _ = task.batch(0, 0)
    scores = {}

    def keep(module: Any, inputs: Any, output: torch.Tensor) -> None:  # noqa: ARG001 - the form of a hook
        scores["logits"] = output

    with_hook: Any = task.network.register_forward_hook(keep)
    found = task.loss(batch, 0, 0).item()
    with_hook.remove()
    log = torch.log_softmax(scores["logits"], 2).detach().double()
    counts = np.bincount(
        [task._label_numbers[label] for given in task.corpus.train for label in given.labels], minlength=3
    )
    raw = np.array([3.0 if label == "A" else 1.0 for label in task.corpus.labels])
    weights = raw * counts.sum() / (raw * counts).sum()
    expected = 0.0
    for time, column in zip(*np.nonzero(batch.labels >= 0), strict=True):
        label, row = batch.labels[time, column], log[time, column].numpy()
        expected -= 0.8 * weights[label] * row[label] + 0.2 / 3 * (weights * row).sum()
    assert found == pytest.approx(expected, rel=1e-5)


# --- evaluation and training ------------------------------------------------------------------------------------------

CHAR = CharSettings(
    model=CharModel(hidden_size=6, dropout=0.3, state_reset=0.2),
    training=Training(epochs=2, batch_size=5, window=8, ema=0.9),
)
MAKERS: dict[str, Any] = {
    "text": lambda: text_task(CHAR),
    "lines": lambda: lines_task(replace(CHAR, model=replace(CHAR.model, state_reset=0.0))),
    "tagger": lambda: tagger("crf", "iob2", ema=0.9),
}


@pytest.mark.parametrize("name", MAKERS)
def test_evaluating_after_every_step_changes_nothing(name: str) -> None:
    plain, watched = trainer(MAKERS[name]()), trainer(MAKERS[name]())
    list(plain.run())
    generator_state = torch.get_rng_state()
    for _ in watched.run():
        mode = watched.task.network.training
        assert mode
        first, again = (watched.task.evaluate(never) for _ in range(2))
        assert first == again and watched.task.network.training is mode and torch.is_grad_enabled()
    assert torch.equal(generator_state, torch.get_rng_state())
    ours, theirs = plain.state_arrays(), watched.state_arrays()
    assert all(ours[key].tobytes() == theirs[key].tobytes() for key in theirs)


@pytest.mark.parametrize("name", MAKERS)
def test_an_evaluation_can_be_left_and_leaves_everything_as_it_was(name: str) -> None:
    made = trainer(MAKERS[name]())
    next(made.run())
    before = made.state_arrays()
    with pytest.raises(StopEvaluation):
        made.task.evaluate(lambda: True)
    assert made.task.network.training and torch.is_grad_enabled()
    assert all(array.tobytes() == before[key].tobytes() for key, array in made.state_arrays().items())


@pytest.mark.parametrize("name", MAKERS)
def test_rows_show_averaged_weights_and_training_goes_on_with_its_own(name: str) -> None:
    made = trainer(MAKERS[name]())
    assert made.average is not None
    for report in made.run():
        shown = weight_arrays(made.task.network)
        held = made.average.averages if isinstance(report, RowEvent) else made.average.trained
        for key, tensor in zip(made.trained, held, strict=True):
            assert np.array_equal(shown[key], tensor.numpy())
        if isinstance(report, RowEvent):
            assert report.scores == made.task.evaluate(never)
