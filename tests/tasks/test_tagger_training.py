"""Training and validation of a tagger: scores, losses, class weights and word replacement."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from seqtool.errors import ConfigError
from seqtool.metrics import TaggingCounts
from seqtool.models.tagger import WordInput
from seqtool.settings.data import TaggerData
from seqtool.settings.experiment import TaggerSettings
from seqtool.settings.model import Feature, TaggerModel
from seqtool.settings.training import Training
from seqtool.settings.values import Scheme
from seqtool.spans import convert
from seqtool.tasks.tagger_training import TaggingTask, class_weights
from seqtool.tasks.word_table import WordReplacement
from tests.support.small_tasks import (
    TOY,
    TOY_SENTENCES,
    never,
    random_sentences,
    sentence,
    tagging_task,
    trainer,
)

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


def test_word_dropout_hides_words_in_training_only() -> None:
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


def scores_of(task: TaggingTask, tokens: tuple[str, ...]) -> torch.Tensor:
    """Score one sentence without a batch (time, labels)."""
    encoded: Any = task.corpus.encoder.encode(list(tokens))
    positions = torch.arange(len(tokens)).unsqueeze(1)
    words = WordInput(
        torch.from_numpy(encoded.ids[:, None]),
        torch.from_numpy(encoded.characters),
        torch.from_numpy(encoded.lengths),
        positions,
    )
    with torch.no_grad():
        scores: torch.Tensor = task.network(
            words, torch.tensor([len(tokens)]), task.network.encoder.initial_state(1)
        )
    return scores[:, 0]


@pytest.mark.parametrize(
    ("decoder", "scheme"), [("softmax", "none"), ("softmax", "iob2"), ("viterbi", "iob2"), ("crf", "iob1")]
)
def test_evaluation_equals_the_scores_of_single_sentences(decoder: str, scheme: Scheme) -> None:
    task = tagger(decoder, scheme)
    list(trainer(task).run())
    scores = task.evaluate(never)
    task.network.eval()
    counts, known, total = TaggingCounts(scheme), 0, 0.0
    for example in task.corpus.dev:
        emitted = scores_of(task, example.tokens)
        predicted = task._decode(emitted.numpy()[:, None], np.array([len(emitted)]))[:, 0]
        inner = [task.corpus.labels[number] for number in predicted]
        counts.add(list(example.labels), inner if scheme == "none" else convert(inner, "bioes", scheme))
        gold = [task._label_numbers.get(label, -1) for label in task.corpus.inner_labels(example)]
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


def test_label_that_does_not_occur_in_training_counts_as_wrong() -> None:
    task = tagger()
    scores = task.evaluate(never)
    tokens = sum(len(example.tokens) for example in task.corpus.dev)
    task.network.eval()
    correct = 0
    for example in task.corpus.dev:
        best = [task.corpus.labels[int(number)] for number in scores_of(task, example.tokens).argmax(1)]
        correct += sum(a == b for a, b in zip(best, example.labels, strict=True))
    assert scores["val_accuracy"] == pytest.approx(correct / tokens)


def test_validation_is_neither_weighted_nor_smoothed() -> None:
    plain, other = tagger(), tagger(class_weights={"A": 9.0}, label_smoothing=0.5)
    assert plain.evaluate(never) == other.evaluate(never)
    batch, _ = plain.batch(0, 0)
    assert plain.loss(batch, 0, 0).item() != other.loss(batch, 0, 0).item()


def test_loss_with_class_weights_and_smoothing_follows_its_formula() -> None:
    task = tagger(class_weights={"A": 3.0}, label_smoothing=0.2)
    batch, _ = task.batch(0, 0)
    scores = {}

    def keep(module: Any, inputs: Any, output: torch.Tensor) -> None:  # noqa: ARG001 - arguments of a hook
        scores["logits"] = output

    with_hook: Any = task.network.register_forward_hook(keep)
    loss = task.loss(batch, 0, 0).item()
    with_hook.remove()
    log = torch.log_softmax(scores["logits"], 2).detach().double()
    counts = np.bincount(
        [task._label_numbers[label] for example in task.corpus.train for label in example.labels], minlength=3
    )
    raw = np.array([3.0 if label == "A" else 1.0 for label in task.corpus.labels])
    weights = raw * counts.sum() / (raw * counts).sum()
    expected = 0.0
    for time, column in zip(*np.nonzero(batch.labels >= 0), strict=True):
        label, row = batch.labels[time, column], log[time, column].numpy()
        expected -= 0.8 * weights[label] * row[label] + 0.2 / 3 * (weights * row).sum()
    assert loss == pytest.approx(expected, rel=1e-5)


# --- class weights ------------------------------------------------------------------------------------------


COUNTS = np.array([90, 8, 2, 0])
LABELS = ("O", "S-PER", "B-PER", "E-LOC")


def test_balanced_weights_are_inverse_roots_of_the_frequency() -> None:
    weights = class_weights("balanced", LABELS, COUNTS, True)
    assert weights is not None
    assert (weights * COUNTS).sum() == pytest.approx(COUNTS.sum())
    assert weights[1] / weights[0] == pytest.approx(math.sqrt(90 / 8)) and weights[2] / weights[
        1
    ] == pytest.approx(2)
    assert class_weights("none", LABELS, COUNTS, True) is None


@pytest.mark.parametrize(
    ("setting", "ratios"),
    [
        ({"O": 0.5}, [0.5, 1, 1, 1]),
        ({"PER": 3}, [1, 3, 3, 1]),
        ({"B-PER": 3}, [1, 3, 3, 1]),  # the inner scheme writes S- for a B- without I-
        ({"S-PER": 2, "B-PER": 3, "PER": 9}, [1, 2, 3, 1]),
        ({"I-LOC": 4, "O": 0}, [0, 1, 1, 4]),
    ],
)
def test_weights_are_named_by_the_labels_of_the_files(setting: dict[str, float], ratios: list[float]) -> None:
    weights = class_weights(setting, LABELS, COUNTS, True)
    assert weights is not None
    np.testing.assert_allclose(weights, np.array(ratios) * COUNTS.sum() / (np.array(ratios) * COUNTS).sum())


def test_labels_without_spans_are_named_literally() -> None:
    weights = class_weights({"-LRB-": 2}, ("NN", "-LRB-"), np.array([1, 1]), False)
    assert weights is not None and weights[1] / weights[0] == 2
    with pytest.raises(ConfigError, match="no label 'LRB-'"):
        class_weights({"LRB-": 2}, ("NN", "-LRB-"), np.array([1, 1]), False)


@pytest.mark.parametrize("setting", [{"ORG": 2}, dict.fromkeys(["O", "PER"], 0.0)])
def test_weights_that_leave_no_label_to_learn_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError) as raised:
        class_weights(setting, LABELS, COUNTS, True)
    assert raised.value.problems[0].place == "training.class_weights" and raised.value.problems[0].hint


# --- word replacement ---------------------------------------------------------------------------------------


def test_words_are_replaced_with_their_probability() -> None:
    features = (
        Feature(name="form", unknown=False),
        Feature(name="char_cnn"),
        Feature(name="lower"),
        Feature(name="suffix"),
        Feature(name="form"),
        Feature(name="vectors", path="x"),
    )
    replacement = WordReplacement(TaggerModel(features=features), 1)
    probabilities = np.tile(np.array([0.0, 0.2, 0.9, 1.0], np.float32), (4000, 1))
    mask = replacement.mask(probabilities, 3)
    assert mask.shape == (4000, 4, 5)
    assert not mask[:, :, [0, 2]].any()  # a feature without an unknown row, and affixes
    assert torch.equal(mask[:, :, 1], mask[:, :, 3]) and not torch.equal(mask[:, :, 1], mask[:, :, 4])
    for column in (1, 4):
        assert mask[:, :, column].double().mean(0).tolist() == pytest.approx([0, 0.2, 0.9, 1], abs=0.03)
    assert torch.equal(mask, replacement.mask(probabilities, 3)) and not torch.equal(
        mask, replacement.mask(probabilities, 4)
    )


def test_replacement_is_inactive_without_a_feature_to_replace() -> None:
    assert WordReplacement(TaggerModel(), 1).is_active
    assert not WordReplacement(TaggerModel(word_replacement=0), 1).is_active
    assert not WordReplacement(
        TaggerModel(features=(Feature(name="form", unknown=False), Feature(name="suffix"))), 1
    ).is_active
