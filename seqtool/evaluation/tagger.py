"""Scores of a tagger on labeled sentences: the full report, and a paired test of two taggers.

The labels come from `inference` only, so the score at the end of training and the score of `evaluate` are the
same number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seqtool.data.tagging.sentences import Sentence
from seqtool.evaluation.significance import bootstrap_f1, bootstrap_interval, paired_test
from seqtool.inference.tagger import TaggerModel
from seqtool.metrics import SpanCounts, TaggingCounts
from seqtool.types import Array, Json

BATCH = 1000  # sentences that are tagged together
WORST = 10  # sentences in the list of worst sentences
SEED = 20  # of the bootstrap and of the paired test: equal files and models give equal numbers


class WorstSentence(NamedTuple):
    """A sentence with many wrong labels."""

    place: str
    tokens: tuple[str, ...]
    gold: tuple[str, ...]
    predicted: tuple[str, ...]
    wrong: int


@dataclass(frozen=True)
class TaggerEvaluation:
    """Comparison of a tagger's labels with the gold labels.

    Attributes:
        counts: all counts that are sums over sentences.
        correct: correct tokens of each sentence, (sentences,).
        lengths: tokens of each sentence, (sentences,).
        span_hits: correct, predicted and gold spans of each sentence, (sentences, 3); strict spans if these
            were requested.
        worst: the sentences with the most wrong labels.
        unknown_labels: frequencies of gold labels that the model does not have.
    """

    counts: TaggingCounts
    correct: Array
    lengths: Array
    span_hits: Array
    worst: tuple[WorstSentence, ...]
    unknown_labels: dict[str, int]

    @property
    def marks_spans(self) -> bool:
        """True if the labels mark spans, so that span F1 is the main score."""
        return self.counts.scheme != "none"

    def main_scores(self) -> dict[str, float]:
        """Return the token accuracy, and the span F1 if the labels mark spans."""
        scores = {"accuracy": self.counts.tokens.accuracy or 0.0}
        return scores | ({"f1": self.counts.spans.overall.f1} if self.marks_spans else {})

    def test_scores(self) -> dict[str, float]:
        """Return the main scores under the names that a manifest gives them for test data."""
        return {f"test_{name}": value for name, value in self.main_scores().items()}

    def accuracy_interval(self) -> tuple[float, float]:
        """Return the 95 % bootstrap interval of the token accuracy, over sentences."""
        return bootstrap_interval(self.correct, self.lengths, SEED)

    def f1_interval(self) -> tuple[float, float]:
        """Return the 95 % bootstrap interval of the span F1, over sentences."""
        return bootstrap_f1(self.span_hits, SEED)

    def to_json(self) -> Json:
        """Return the whole report."""
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
    """Tag sentences and compare the labels with the gold labels.

    Args:
        strict: count only well-formed spans, like the strict mode of seqeval; otherwise count like conlleval.
    """
    counts = TaggingCounts(model.scheme)
    correct: list[int] = []
    spans: list[tuple[int, int, int]] = []
    worst: list[WorstSentence] = []
    unknown_labels: Counter[str] = Counter()
    model_labels = set(model.output_labels())
    for sentence, predicted in tag_sentences(model, sentences):
        counts.add(sentence.labels, predicted, [model.known(token) for token in sentence.tokens])
        hits = sum(gold == label for gold, label in zip(sentence.labels, predicted, strict=True))
        correct.append(hits)
        if model.scheme != "none":
            span_counts = SpanCounts.of(sentence.labels, predicted, strict, model.scheme)
            spans.append((span_counts.hits, span_counts.predicted, span_counts.gold))
        unknown_labels.update(label for label in sentence.labels if label not in model_labels)
        if hits < len(predicted):
            wrong = len(predicted) - hits
            worst.append(
                WorstSentence(sentence.place, sentence.tokens, sentence.labels, tuple(predicted), wrong)
            )
            if len(worst) > 20 * WORST:  # bounds the memory
                worst = _most_wrong(worst)
    return TaggerEvaluation(
        counts,
        np.array(correct, np.int64),
        np.array([len(sentence.tokens) for sentence in sentences], np.int64),
        np.array(spans, np.int64).reshape(-1, 3),
        tuple(_most_wrong(worst)),
        dict(unknown_labels),
    )


def _most_wrong(sentences: list[WorstSentence]) -> list[WorstSentence]:
    return sorted(sentences, key=lambda one: (-one.wrong, len(one.tokens)))[:WORST]


def tag_sentences(model: TaggerModel, sentences: Sequence[Sentence]) -> Iterator[tuple[Sentence, list[str]]]:
    """Yield each sentence with the labels of the model."""
    for start in range(0, len(sentences), BATCH):
        batch = sentences[start : start + BATCH]
        yield from zip(batch, model.tag([sentence.tokens for sentence in batch]), strict=True)


@dataclass(frozen=True)
class Comparison:
    """Comparison of two taggers on the same sentences.

    Attributes:
        score: `accuracy` or `f1`.
        first, second: the scores of the two taggers.
        p_value: two-sided, by approximate randomization over sentences.
    """

    score: str
    first: float
    second: float
    p_value: float

    def to_json(self) -> Json:
        """Return the comparison as `evaluate --json` prints it."""
        return {"score": self.score, "this": self.first, "against": self.second, "p_value": self.p_value}


def compare(first: TaggerEvaluation, second: TaggerEvaluation) -> Comparison:
    """Compare two evaluations on the same sentences by a paired test."""
    if first.marks_spans and second.marks_spans:
        p_value = paired_test(first.span_hits, second.span_hits, SEED)
        return Comparison("f1", first.counts.spans.overall.f1, second.counts.spans.overall.f1, p_value)
    p_value = paired_test(first.correct, second.correct, SEED)
    return Comparison(
        "accuracy", first.counts.tokens.accuracy or 0.0, second.counts.tokens.accuracy or 0.0, p_value
    )
