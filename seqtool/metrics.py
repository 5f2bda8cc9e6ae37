"""How good predictions are: counters that add up with `+`, so that batches and files can be counted apart.

A counter holds counts alone and works out the scores when asked; scores are fractions from 0 to 1, and one over nothing
is None. How far a score can be trusted is worked out in `significance`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from seqtool.evaluation.significance import bootstrap_f1, bootstrap_interval, paired_test
from seqtool.settings import Scheme
from seqtool.spans import Span, spans_of
from seqtool.types import Array

__all__ = [
    "HitCounts",
    "LossCount",
    "SpanCounts",
    "TaggingCounts",
    "Tally",
    "bootstrap_f1",
    "bootstrap_interval",
    "paired_test",
    "token_accuracy",
]


@dataclass(frozen=True)
class LossCount:
    """A loss summed over symbols or tokens, in nats."""

    total: float = 0.0
    count: int = 0

    def __add__(self, other: LossCount) -> LossCount:
        return LossCount(self.total + other.total, self.count + other.count)

    @property
    def mean(self) -> float | None:
        """Nats for each symbol or token."""
        return self.total / self.count if self.count else None

    @property
    def bits(self) -> float | None:
        """Bits for each symbol or token."""
        return None if self.mean is None else self.mean / math.log(2)

    @property
    def perplexity(self) -> float | None:
        """The exponential of the mean; None as well where that is too large for a number."""
        return None if self.mean is None or self.mean > 700 else math.exp(self.mean)


@dataclass(frozen=True)
class Tally:
    """How many of how many are right."""

    right: int = 0
    total: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.right + other.right, self.total + other.total)

    @property
    def accuracy(self) -> float | None:
        """The share that is right."""
        return self.right / self.total if self.total else None


def token_accuracy(gold: Array, predicted: Array, inside: Array | None = None) -> Tally:
    """Count right labels in arrays of label numbers of one shape.

    Args:
        gold, predicted: label numbers.
        inside: which places are tokens. By default those with a gold label of 0 or more, which leaves out padding, but
            tokens too whose gold label the model does not have.
    """
    inside = gold >= 0 if inside is None else inside
    return Tally(int(((gold == predicted) & inside & (gold >= 0)).sum()), int(inside.sum()))


@dataclass(frozen=True)
class HitCounts:
    """What was predicted, what there is, and how many of these meet: precision, recall and F1."""

    hits: int = 0
    predicted: int = 0
    gold: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(self.hits + other.hits, self.predicted + other.predicted, self.gold + other.gold)

    @property
    def precision(self) -> float:
        """The share of the predicted that is right; 0 where nothing is predicted, as conlleval has it."""
        return self.hits / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of the gold that is found; 0 where there is none."""
        return self.hits / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 0 where both are."""
        both = self.predicted + self.gold
        return 2 * self.hits / both if both else 0.0

    def to_json(self) -> dict[str, Any]:
        """Scores and counts."""
        scores = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {**scores, "support": self.gold, "predicted": self.predicted, "hits": self.hits}


class SpanCounts(HitCounts):
    """Spans counted as conlleval does: a hit has the same tokens and the same type."""

    @classmethod
    def of(
        cls, gold: Sequence[str], predicted: Sequence[str], strict: bool = False, scheme: Scheme = "iob2"
    ) -> SpanCounts:
        """Count the spans of one sentence; `strict` and `scheme` as for `spans.spans_of`."""
        wanted, found = spans_of(gold, strict, scheme), spans_of(predicted, strict, scheme)
        return cls(len(set(wanted).intersection(found)), len(found), len(wanted))


@dataclass
class SpanTable:
    """Span counts of each type."""

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
        """All types together (micro-average)."""
        return sum(self.types.values(), SpanCounts())

    def to_json(self) -> dict[str, Any]:
        """Overall scores, and those of each type in the order of their names."""
        return {
            **self.overall.to_json(),
            "types": {name: self.types[name].to_json() for name in sorted(self.types)},
        }


@dataclass
class TaggingCounts:
    """Everything that an evaluation of a tagger counts.

    Attributes:
        scheme: of both label sequences; with `none` no spans are counted.
        pairs: how often each (gold, predicted) pair of labels occurs.
        known, unknown: tokens whose form the training data had or did not have, where this was said.
        sentences: a sentence is right when all its labels are.
        spans, strict_spans: by conlleval's reading, and well-formed spans alone.
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
            gold, predicted: a label for each token.
            known: whether the training data had the token's form.

        Raises:
            ValueError: the lengths differ.
        """
        right = [wanted == found for wanted, found in zip(gold, predicted, strict=True)]
        if known is not None:
            among_known = sum(hit for hit, seen in zip(right, known, strict=True) if seen)
            seen_tokens = sum(map(bool, known))
            self.known += Tally(among_known, seen_tokens)
            self.unknown += Tally(sum(right) - among_known, len(right) - seen_tokens)
        self.pairs.update(zip(gold, predicted, strict=True))
        self.sentences += Tally(int(all(right)), 1)
        if self.scheme != "none":
            self.spans.add(spans_of(gold), spans_of(predicted))
            self.strict_spans.add(spans_of(gold, True, self.scheme), spans_of(predicted, True, self.scheme))

    def __add__(self, other: TaggingCounts) -> TaggingCounts:
        if self.scheme != other.scheme:
            raise ValueError(f"counts of labels in {self.scheme} and in {other.scheme} do not add up")
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
        """All tokens."""
        return Tally(
            sum(count for (gold, found), count in self.pairs.items() if gold == found), self.pairs.total()
        )

    def labels(self) -> dict[str, HitCounts]:
        """Counts of each label that occurs as gold or predicted, the most frequent gold label first."""
        gold: Counter[str] = Counter()
        predicted: Counter[str] = Counter()
        for (wanted, found), count in self.pairs.items():
            gold[wanted] += count
            predicted[found] += count
        names = sorted(gold.keys() | predicted.keys(), key=lambda name: (-gold[name], name))
        return {name: HitCounts(self.pairs[name, name], predicted[name], gold[name]) for name in names}

    def confusions(self, limit: int | None = None) -> list[tuple[str, str, int]]:
        """Pairs of different labels as (gold, predicted, count), the most frequent first."""
        wrong = [(gold, found, count) for (gold, found), count in self.pairs.items() if gold != found]
        return sorted(wrong, key=lambda entry: (-entry[2], entry[0], entry[1]))[:limit]

    def to_json(self, confusions: int | None = 50) -> dict[str, Any]:
        """All scores; `spans` and `spans_strict` are null for labels that mark no spans.

        Args:
            confusions: how many of the largest confusions to list; None: all.
        """
        marked = self.scheme != "none"
        return {
            "tokens": self.tokens.total,
            "accuracy": self.tokens.accuracy,
            "sentences": self.sentences.total,
            "sentence_accuracy": self.sentences.accuracy,
            "known": {"tokens": self.known.total, "accuracy": self.known.accuracy},
            "unknown": {"tokens": self.unknown.total, "accuracy": self.unknown.accuracy},
            "labels": {name: counts.to_json() for name, counts in self.labels().items()},
            "confusions": [
                {"gold": gold, "predicted": found, "count": count}
                for gold, found, count in self.confusions(confusions)
            ],
            "spans": self.spans.to_json() if marked else None,
            "spans_strict": self.strict_spans.to_json() if marked else None,
        }
