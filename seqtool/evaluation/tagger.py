"""Scores of a tagger on labeled sentences, with bootstrap intervals and paired tests between two taggers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seqtool.data.tagging.split import Sentence
from seqtool.evaluation.label_columns import ColumnScores
from seqtool.inference.tagger import TaggerModel
from seqtool.metrics import SpanCounts, TaggingCounts
from seqtool.progress import tell_progress
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
        columns: scores of all labels of a tagger that predicts several; the other scores are of the first.
    """

    counts: TaggingCounts
    correct: Array
    lengths: Array
    span_hits: Array
    worst: tuple[WorstSentence, ...]
    unknown_labels: dict[str, int]
    columns: ColumnScores | None = None

    @property
    def marks_spans(self) -> bool:
        """True if the labels mark spans, so that span F1 is the main score."""
        return self.counts.scheme != "none"

    def main_scores(self) -> dict[str, float]:
        """Return the token accuracy, span F1 if the labels mark spans, and accuracies of further labels."""
        scores = {"accuracy": self.counts.tokens.accuracy or 0.0}
        scores |= {"f1": self.counts.spans.overall.f1} if self.marks_spans else {}
        return scores | (self.columns.accuracies() if self.columns else {})

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
        if self.columns is not None:
            value["columns"] = {name: tally.to_json() for name, tally in self.columns.tallies.items()}
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

    A tagger that predicts several labels is compared on the first one, if some sentences have no others.

    Args:
        strict: count only well-formed spans, like the strict mode of seqeval; otherwise count like conlleval.
    """
    counts = TaggingCounts(model.scheme)
    correct: list[int] = []
    spans: list[tuple[int, int, int]] = []
    worst: list[WorstSentence] = []
    unknown_labels: Counter[str] = Counter()
    model_labels = set(model.output_labels())
    has_all = all(len(sentence.further) + 1 == len(model.columns) for sentence in sentences)
    columns = ColumnScores(model.columns) if model.columns and has_all else None
    for sentence, (predicted, *further) in tag_sentences(model, sentences):
        known = [model.known(token) for token in sentence.tokens]
        counts.add(sentence.labels, predicted, known)
        if columns is not None:
            columns.add(sentence, [predicted, *further], known)
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
        columns,
    )


def _most_wrong(sentences: list[WorstSentence]) -> list[WorstSentence]:
    return sorted(sentences, key=lambda one: (-one.wrong, len(one.tokens)))[:WORST]


def tag_sentences(
    model: TaggerModel, sentences: Sequence[Sentence]
) -> Iterator[tuple[Sentence, list[list[str]]]]:
    """Yield each sentence with the labels of the model, for each column one per token."""
    for start in range(0, len(sentences), BATCH):
        tell_progress("tagging sentences", start, len(sentences))
        batch = sentences[start : start + BATCH]
        yield from zip(batch, model.tag_columns([sentence.tokens for sentence in batch]), strict=True)


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

    def to_json(self) -> dict[str, object]:
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


_BATCH = 1 << 21  # numbers that are drawn at a time: bounds memory, does not change the result


def bootstrap_interval(
    numerators: ArrayLike, denominators: ArrayLike, seed: int, samples: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Return a percentile interval of `sum(numerators) / sum(denominators)`, for example of token accuracy.

    Args:
        numerators, denominators: (sentences,), for example correct tokens and tokens.
        seed: equal seeds draw equal samples.
        samples: number of samples.
        level: share of the sampled scores inside the interval.

    Returns:
        The lower and the upper bound; (0.0, 1.0) without sentences.
    """
    return _bootstrap(np.column_stack([numerators, denominators]), _ratio, seed, samples, level)


def bootstrap_f1(
    counts: ArrayLike, seed: int, samples: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Return a percentile interval of F1.

    Args:
        counts: correct, predicted and gold spans of each sentence, (sentences, 3).
        seed, samples, level: see `bootstrap_interval`.
    """
    return _bootstrap(np.asarray(counts).reshape(-1, 3), _f1, seed, samples, level)


def paired_test(a: ArrayLike, b: ArrayLike, seed: int, samples: int = 10_000) -> float:
    """Return the two-sided p-value of the difference of two systems on the same sentences.

    The test is approximate randomization.     The labels of the two systems are exchanged at random, sentence
    by sentence. The p-value is the share of these exchanges, including the original assignment, whose
    difference is at least as large as the original one.

    Args:
        a, b: (sentences,) correct tokens of each sentence, compared by their sums (both systems have the same
            tokens, so this compares accuracy); or (sentences, 3) correct, predicted and gold spans, compared
            by F1.
        seed: equal seeds give equal values.
        samples: number of random exchanges.

    Raises:
        ValueError: the systems have different numbers of sentences.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"{first.shape[0]} and {second.shape[0]} sentences cannot be paired")
    score, columns = (_f1, 3) if first.ndim == 2 else (_sum, 1)
    first, second = first.reshape(-1, columns), second.reshape(-1, columns)
    first_total, second_total = first.sum(0), second.sum(0)
    changes = (second - first)[(first != second).any(1)]  # exchanging equal sentences changes nothing
    observed = abs(score(first_total) - score(second_total))
    if not len(changes):
        return 1.0
    generator = np.random.default_rng(seed)
    at_least_observed = 0
    for count in _batches(samples, len(changes)):
        exchanged = generator.integers(0, 2, (count, len(changes)), np.int8).astype(np.float64) @ changes
        differences = np.abs(score(first_total + exchanged) - score(second_total - exchanged))
        at_least_observed += int((differences >= observed - 1e-12).sum())
    return (at_least_observed + 1) / (samples + 1)


def _bootstrap(
    counts: Array, score: Callable[[Array], Array], seed: int, samples: int, level: float
) -> tuple[float, float]:
    if not len(counts):
        return 0.0, 1.0
    generator = np.random.default_rng(seed)
    scores = [
        score(counts[generator.integers(0, len(counts), (count, len(counts)))].sum(1, dtype=np.float64))
        for count in _batches(samples, len(counts))
    ]
    low, high = np.quantile(np.concatenate(scores), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _batches(samples: int, width: int) -> list[int]:
    """Return sizes of batches of rows; a batch of rows of `width` numbers fits in memory."""
    rows = max(1, _BATCH // width)
    return [min(rows, samples - done) for done in range(0, samples, rows)]


def _sum(totals: Array) -> Array:
    return totals[..., 0]


def _ratio(totals: Array) -> Array:
    return totals[..., 0] / np.maximum(totals[..., 1], 1e-12)


def _f1(totals: Array) -> Array:
    spans = totals[..., 1] + totals[..., 2]
    quotient: Array = 2 * totals[..., 0] / np.maximum(spans, 1e-12)
    return quotient
