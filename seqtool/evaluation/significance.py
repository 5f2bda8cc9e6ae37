"""How far scores can be trusted: bootstrap intervals and paired tests over sentences.

Sentences are the unit that is drawn, since the tokens of one are not independent. References: Efron and Tibshirani 1993
(percentile bootstrap), Noreen 1989 and Yeh 2000 (approximate randomisation).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from seqtool.types import Array

_CELLS = 1 << 21  # how many numbers are drawn at a time: bounds memory, not the result


def bootstrap_interval(
    numerators: ArrayLike, denominators: ArrayLike, seed: int, samples: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of `sum(numerators) / sum(denominators)`, for instance of token accuracy.

    Args:
        numerators, denominators: (sentences,), for instance right tokens and tokens.
        seed: equal seeds draw equal samples.
        samples: how many samples are drawn.
        level: the share of the samples' scores that lies within.

    Returns:
        The lower and the upper bound; (0.0, 1.0) where there are no sentences.
    """
    return _bootstrap(np.column_stack([numerators, denominators]), _ratio, seed, samples, level)


def bootstrap_f1(
    counts: ArrayLike, seed: int, samples: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of F1 for counts (sentences, 3): hits, predicted and gold spans of each sentence."""
    return _bootstrap(np.asarray(counts).reshape(-1, 3), _f1, seed, samples, level)


def paired_test(a: ArrayLike, b: ArrayLike, seed: int, samples: int = 10_000) -> float:
    """Two-sided p-value of the difference between two systems on the same sentences, by approximate randomisation.

    The labels of the two systems are swapped at random, sentence by sentence: the p-value is the share of swaps
    (the observed assignment counted in) whose difference is at least as large as the observed one.

    Args:
        a, b: (sentences,) right tokens of each sentence, compared by their sums (both have the same tokens, so that is
            accuracy); or (sentences, 3) hits, predicted and gold spans, compared by F1.
        seed: equal seeds give equal values.
        samples: how many swaps are drawn.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"{first.shape[0]} and {second.shape[0]} sentences cannot be paired")
    score, columns = (_f1, 3) if first.ndim == 2 else (_sum, 1)
    first, second = first.reshape(-1, columns), second.reshape(-1, columns)
    whole, other = first.sum(0), second.sum(0)
    moved = (second - first)[(first != second).any(1)]  # swapping equal sentences changes nothing
    observed = abs(score(whole) - score(other))
    if not len(moved):
        return 1.0
    generator = np.random.default_rng(seed)
    reached = 0
    for drawn in _portions(samples, len(moved)):
        swaps = generator.integers(0, 2, (drawn, len(moved)), np.int8).astype(np.float64) @ moved
        differences = np.abs(score(whole + swaps) - score(other - swaps))
        reached += int((differences >= observed - 1e-12).sum())
    return (reached + 1) / (samples + 1)


def _bootstrap(
    counts: Array, score: Callable[[Array], Array], seed: int, samples: int, level: float
) -> tuple[float, float]:
    if not len(counts):
        return 0.0, 1.0
    generator = np.random.default_rng(seed)
    scores = [
        score(counts[generator.integers(0, len(counts), (drawn, len(counts)))].sum(1, dtype=np.float64))
        for drawn in _portions(samples, len(counts))
    ]
    low, high = np.quantile(np.concatenate(scores), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _portions(samples: int, width: int) -> list[int]:
    """Split `samples` rows of `width` numbers into portions that fit in memory."""
    rows = max(1, _CELLS // width)
    return [min(rows, samples - done) for done in range(0, samples, rows)]


def _sum(totals: Array) -> Array:
    return totals[..., 0]


def _ratio(totals: Array) -> Array:
    return totals[..., 0] / np.maximum(totals[..., 1], 1e-12)


def _f1(totals: Array) -> Array:
    both = totals[..., 1] + totals[..., 2]
    quotient: Array = 2 * totals[..., 0] / np.maximum(both, 1e-12)
    return quotient
