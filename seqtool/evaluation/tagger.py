"""How good a tagger is on labelled sentences: the full report, how far it can be trusted, and where the gold itself looks wrong.

Works on the runtime alone, so that the score at the end of training and the one of `evaluate` are one and the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from seqtool.data.tagging.sentences import Sentence
from seqtool.evaluation.significance import bootstrap_f1, bootstrap_interval, paired_test
from seqtool.inference.tagger import TaggerModel
from seqtool.metrics import SpanCounts, TaggingCounts
from seqtool.spans import convert
from seqtool.types import Array

AT_A_TIME = 1000  # sentences that are tagged together
WORST = 10
SEED = 20  # of the bootstrap: equal files and models give equal intervals


class WorstSentence(NamedTuple):
    """A sentence with many wrong labels."""

    place: str
    tokens: tuple[str, ...]
    gold: tuple[str, ...]
    predicted: tuple[str, ...]
    wrong: int


@dataclass(frozen=True)
class TaggerEvaluation:
    """A tagger's labels held against the gold ones.

    Attributes:
        counts: everything that adds up.
        right: right tokens of each sentence, (sentences,).
        lengths: tokens of each sentence, (sentences,).
        span_hits: hits, predicted and gold spans of each sentence, (sentences, 3); by the reading that was asked for.
        worst: the sentences with the most wrong labels.
        unknown_labels: gold labels that the model does not have, with how often they stand there.
    """

    counts: TaggingCounts
    right: Array
    lengths: Array
    span_hits: Array
    worst: tuple[WorstSentence, ...]
    unknown_labels: dict[str, int]

    @property
    def marks_spans(self) -> bool:
        """Whether F1 over spans is the score that counts."""
        return self.counts.scheme != "none"

    def accuracy_interval(self) -> tuple[float, float]:
        """Bootstrap 95 % interval of the token accuracy, over sentences."""
        return bootstrap_interval(self.right, self.lengths, SEED)

    def f1_interval(self) -> tuple[float, float]:
        """Bootstrap 95 % interval of the span F1, over sentences."""
        return bootstrap_f1(self.span_hits, SEED)

    def to_json(self) -> dict[str, Any]:
        """The whole report."""
        value = self.counts.to_json(confusions=None)
        value["accuracy_interval_95"] = list(self.accuracy_interval())
        if self.marks_spans:
            value["f1_interval_95"] = list(self.f1_interval())
        value["unknown_labels"] = self.unknown_labels
        value["worst"] = [
            {
                "place": one.place,
                "wrong": one.wrong,
                "tokens": one.tokens,
                "gold": one.gold,
                "predicted": one.predicted,
            }
            for one in self.worst
        ]
        return value


def evaluate_tagger(
    model: TaggerModel, sentences: Sequence[Sentence], *, strict: bool = False
) -> TaggerEvaluation:
    """Tag sentences and count.

    Args:
        strict: count well-formed spans alone (as seqeval's strict mode) rather than read as conlleval does.
    """
    counts = TaggingCounts(model.scheme)
    right: list[int] = []
    spans: list[tuple[int, int, int]] = []
    worst: list[WorstSentence] = []
    unknown: dict[str, int] = {}
    have = set(model.outer_labels())
    for sentence, predicted in tagged(model, sentences):
        counts.add(sentence.labels, predicted, [model.known(token) for token in sentence.tokens])
        hits = sum(gold == found for gold, found in zip(sentence.labels, predicted, strict=True))
        right.append(hits)
        if model.scheme != "none":
            found = SpanCounts.of(sentence.labels, predicted, strict, model.scheme)
            spans.append((found.hits, found.predicted, found.gold))
        for label in sentence.labels:
            if label not in have:
                unknown[label] = unknown.get(label, 0) + 1
        if hits < len(predicted):
            worst.append(
                WorstSentence(
                    sentence.place, sentence.tokens, sentence.labels, tuple(predicted), len(predicted) - hits
                )
            )
            if len(worst) > 20 * WORST:
                worst = _worst(worst)
    return TaggerEvaluation(
        counts,
        np.array(right, np.int64),
        np.array([len(sentence.tokens) for sentence in sentences], np.int64),
        np.array(spans, np.int64).reshape(-1, 3),
        tuple(_worst(worst)),
        unknown,
    )


def _worst(sentences: list[WorstSentence]) -> list[WorstSentence]:
    return sorted(sentences, key=lambda one: (-one.wrong, len(one.tokens)))[:WORST]


def tagged(model: TaggerModel, sentences: Sequence[Sentence]) -> Iterator[tuple[Sentence, list[str]]]:
    """Each sentence with the model's labels."""
    for start in range(0, len(sentences), AT_A_TIME):
        part = sentences[start : start + AT_A_TIME]
        yield from zip(part, model.tag([sentence.tokens for sentence in part]), strict=True)


@dataclass(frozen=True)
class Comparison:
    """Two taggers on the same sentences.

    Attributes:
        score: `accuracy` or `f1`.
        first, second: their scores.
        p_value: two-sided, by approximate randomisation over sentences.
    """

    score: str
    first: float
    second: float
    p_value: float

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {"score": self.score, "this": self.first, "against": self.second, "p_value": self.p_value}


def compare(first: TaggerEvaluation, second: TaggerEvaluation) -> Comparison:
    """A paired test of two evaluations of the same sentences."""
    if first.marks_spans and second.marks_spans:
        p_value = paired_test(first.span_hits, second.span_hits, SEED)
        return Comparison("f1", first.counts.spans.overall.f1, second.counts.spans.overall.f1, p_value)
    p_value = paired_test(first.right, second.right, SEED)
    return Comparison(
        "accuracy", first.counts.tokens.accuracy or 0.0, second.counts.tokens.accuracy or 0.0, p_value
    )


class Suspect(NamedTuple):
    """A gold label that the model contradicts."""

    probability: float  # of the model's own label
    gold_probability: float
    sentence: int
    token: int
    form: str
    gold: str
    predicted: str


def suspects(model: TaggerModel, sentences: Sequence[Sentence]) -> list[Suspect]:
    """Gold labels that the model contradicts, the most certain contradiction first."""
    found: list[Suspect] = []
    numbers = {label: number for number, label in enumerate(model.labels)}
    for start in range(0, len(sentences), AT_A_TIME):
        part = sentences[start : start + AT_A_TIME]
        tokens = [sentence.tokens for sentence in part]
        answers = zip(part, model.tag_with_probabilities(tokens), model.probabilities(tokens), strict=True)
        for index, (sentence, (labels, chosen), table) in enumerate(answers, start):
            inner = (
                sentence.labels
                if model.scheme == "none"
                else convert(sentence.labels, model.scheme, model.inner_scheme)
            )
            for place, (gold, label) in enumerate(zip(sentence.labels, labels, strict=True)):
                if gold != label:
                    own = float(table[place, numbers[inner[place]]]) if inner[place] in numbers else 0.0
                    found.append(
                        Suspect(float(chosen[place]), own, index, place, sentence.tokens[place], gold, label)
                    )
    return sorted(found, key=lambda one: (-one.probability, one.gold_probability, one.sentence, one.token))
