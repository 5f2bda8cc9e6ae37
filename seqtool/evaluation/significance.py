"""Reliability of scores: bootstrap intervals and paired tests over sentences.

Sentences are drawn, not tokens, since the tokens of one sentence are not independent. Sources: Efron and
Tibshirani (1993) for the percentile bootstrap, Noreen (1989) and Yeh (2000) for approximate randomization.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from seqtool.types import Array

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
