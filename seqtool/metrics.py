"""Scores of predictions: counters of losses, correct labels and spans.

A counter holds only counts and computes its scores on demand. Counters are added with `+`, so batches and
files can be counted separately. Scores are fractions from 0 to 1; a score without any items is None.
Confidence intervals and significance tests are in `evaluation.tagger`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from seqtool.settings.values import Scheme
from seqtool.spans import Span, spans_of
from seqtool.types import Array, Json

MAX_EXPONENT = 700  # the exponential of a larger number overflows


@dataclass(frozen=True)
class LossCount:
    """A loss summed over symbols or tokens, in nats."""

    total: float = 0.0
    count: int = 0

    def __add__(self, other: LossCount) -> LossCount:
        return LossCount(self.total + other.total, self.count + other.count)

    @property
    def mean(self) -> float | None:
        """Mean loss in nats per symbol or token."""
        return self.total / self.count if self.count else None

    @property
    def bits(self) -> float | None:
        """Mean loss in bits per symbol or token."""
        return None if self.mean is None else self.mean / math.log(2)

    @property
    def perplexity(self) -> float | None:
        """Exponential of the mean loss; None also if it is too large for a float."""
        return None if self.mean is None or self.mean > MAX_EXPONENT else math.exp(self.mean)


@dataclass(frozen=True)
class Tally:
    """Number of correct items (`right`) out of a total."""

    right: int = 0
    total: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.right + other.right, self.total + other.total)

    @property
    def accuracy(self) -> float | None:
        """Fraction of the items that is correct."""
        return self.right / self.total if self.total else None


def token_accuracy(gold: Array, predicted: Array, is_token: Array | None = None) -> Tally:
    """Count the correct labels in arrays of label numbers.

    Args:
        gold, predicted: label numbers, of the same shape.
        is_token: marks the elements that are tokens, in the same shape. By default these are the elements
            whose gold label is 0 or more. That excludes padding, but also tokens whose gold label the model
            does not know.
    """
    is_token = gold >= 0 if is_token is None else is_token
    return Tally(int(((gold == predicted) & is_token & (gold >= 0)).sum()), int(is_token.sum()))


@dataclass(frozen=True)
class HitCounts:
    """Counts behind precision, recall and F1.

    Attributes:
        hits: items that are both predicted and gold.
        predicted: predicted items.
        gold: gold items.
    """

    hits: int = 0
    predicted: int = 0
    gold: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(self.hits + other.hits, self.predicted + other.predicted, self.gold + other.gold)

    @property
    def precision(self) -> float:
        """Fraction of the predicted items that is correct; 0 if nothing is predicted, as in conlleval."""
        return self.hits / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Fraction of the gold items that is predicted; 0 if there are none."""
        return self.hits / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 if both are 0."""
        items = self.predicted + self.gold
        return 2 * self.hits / items if items else 0.0

    def to_json(self) -> dict[str, float]:
        """Return the scores and the counts."""
        scores = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {**scores, "support": self.gold, "predicted": self.predicted, "hits": self.hits}


class SpanCounts(HitCounts):
    """Span counts, defined as in conlleval: a hit has the same tokens and the same type as a gold span."""

    @classmethod
    def of(
        cls, gold: Sequence[str], predicted: Sequence[str], strict: bool = False, scheme: Scheme = "iob2"
    ) -> SpanCounts:
        """Count the spans of one sentence; `strict` and `scheme` have the meaning of `spans.spans_of`."""
        gold_spans, predicted_spans = spans_of(gold, strict, scheme), spans_of(predicted, strict, scheme)
        hits = len(set(gold_spans).intersection(predicted_spans))
        return cls(hits, len(predicted_spans), len(gold_spans))


@dataclass
class SpanTable:
    """Span counts per span type."""

    types: dict[str, SpanCounts] = field(default_factory=dict)

    def add(self, gold: Sequence[Span], predicted: Sequence[Span]) -> None:
        """Count one sentence."""
        hits = set(gold).intersection(predicted)
        for spans, count in ((hits, (1, 0, 0)), (predicted, (0, 1, 0)), (gold, (0, 0, 1))):
            for span in spans:
                self.types[span.type] = self.types.get(span.type, SpanCounts()) + SpanCounts(*count)

    def __add__(self, other: SpanTable) -> SpanTable:
        names = self.types.keys() | other.types.keys()
        return SpanTable(
            {name: self.types.get(name, SpanCounts()) + other.types.get(name, SpanCounts()) for name in names}
        )

    @property
    def overall(self) -> SpanCounts:
        """Counts of all types together (micro-average)."""
        return sum(self.types.values(), SpanCounts())

    def to_json(self) -> Json:
        """Return the overall scores and the scores of each type, sorted by type name."""
        return {
            **self.overall.to_json(),
            "types": {name: self.types[name].to_json() for name in sorted(self.types)},
        }


@dataclass
class TaggingCounts:
    """All counts of a tagger evaluation.

    Attributes:
        scheme: span scheme of gold and predicted labels; with `none`, no spans are counted.
        pairs: number of occurrences of each (gold, predicted) pair of labels.
        known, unknown: tokens whose form occurs, or does not occur, in the training data; only of sentences
            for which the caller gives this information.
        sentences: a sentence is correct if all its labels are.
        spans: spans as conlleval reads them.
        strict_spans: well-formed spans only.
    """

    scheme: Scheme = "none"
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    known: Tally = Tally()
    unknown: Tally = Tally()
    sentences: Tally = Tally()
    spans: SpanTable = field(default_factory=SpanTable)
    strict_spans: SpanTable = field(default_factory=SpanTable)

    def add(self, gold: Sequence[str], predicted: Sequence[str], known: Sequence[bool] | None = None) -> None:
        """Count one sentence.

        Args:
            gold, predicted: one label per token.
            known: for each token, True if its form occurs in the training data.

        Raises:
            ValueError: the lengths differ.
        """
        correct = [label == other for label, other in zip(gold, predicted, strict=True)]
        if known is not None:
            known_correct = sum(hit for hit, is_known in zip(correct, known, strict=True) if is_known)
            known_total = sum(map(bool, known))
            self.known += Tally(known_correct, known_total)
            self.unknown += Tally(sum(correct) - known_correct, len(correct) - known_total)
        self.pairs.update(zip(gold, predicted, strict=True))
        self.sentences += Tally(int(all(correct)), 1)
        if self.scheme != "none":
            self.spans.add(spans_of(gold), spans_of(predicted))
            self.strict_spans.add(spans_of(gold, True, self.scheme), spans_of(predicted, True, self.scheme))

    def __add__(self, other: TaggingCounts) -> TaggingCounts:
        if self.scheme != other.scheme:
            raise ValueError(
                f"counts of scheme {self.scheme} cannot be added to counts of scheme {other.scheme}"
            )
        return TaggingCounts(
            self.scheme,
            self.pairs + other.pairs,
            self.known + other.known,
            self.unknown + other.unknown,
            self.sentences + other.sentences,
            self.spans + other.spans,
            self.strict_spans + other.strict_spans,
        )

    @property
    def tokens(self) -> Tally:
        """Correct tokens out of all tokens."""
        correct = sum(count for (gold, predicted), count in self.pairs.items() if gold == predicted)
        return Tally(correct, self.pairs.total())

    def labels(self) -> dict[str, HitCounts]:
        """Count each label that occurs as gold or predicted, the most frequent gold label first."""
        gold: Counter[str] = Counter()
        predicted: Counter[str] = Counter()
        for (gold_label, predicted_label), count in self.pairs.items():
            gold[gold_label] += count
            predicted[predicted_label] += count
        names = sorted(gold.keys() | predicted.keys(), key=lambda name: (-gold[name], name))
        return {name: HitCounts(self.pairs[name, name], predicted[name], gold[name]) for name in names}

    def confusions(self, limit: int | None = None) -> list[tuple[str, str, int]]:
        """List the pairs of different labels as (gold, predicted, count), the most frequent first."""
        wrong = [
            (gold, predicted, count) for (gold, predicted), count in self.pairs.items() if gold != predicted
        ]
        return sorted(wrong, key=lambda entry: (-entry[2], entry[0], entry[1]))[:limit]

    def to_json(self, confusions: int | None = 50) -> Json:
        """Return all scores; `spans` and `spans_strict` are null for labels that mark no spans.

        Args:
            confusions: number of the most frequent confusions to list; None lists all.
        """
        has_spans = self.scheme != "none"
        return {
            "tokens": self.tokens.total,
            "accuracy": self.tokens.accuracy,
            "sentences": self.sentences.total,
            "sentence_accuracy": self.sentences.accuracy,
            "known": {"tokens": self.known.total, "accuracy": self.known.accuracy},
            "unknown": {"tokens": self.unknown.total, "accuracy": self.unknown.accuracy},
            "labels": {name: counts.to_json() for name, counts in self.labels().items()},
            "confusions": [
                {"gold": gold, "predicted": predicted, "count": count}
                for gold, predicted, count in self.confusions(confusions)
            ],
            "spans": self.spans.to_json() if has_spans else None,
            "spans_strict": self.strict_spans.to_json() if has_spans else None,
        }
