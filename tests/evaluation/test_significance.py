"""Tests of confidence intervals and paired tests: agreement with theory and with exact values."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from seqtool.evaluation.tagger import bootstrap_f1, bootstrap_interval, paired_test
from seqtool.types import Array


def test_interval_of_a_fraction_matches_theory() -> None:
    """For sentences of one token, the bootstrap distribution of a fraction is binomial."""
    right = np.repeat([1, 0], [800, 200])
    low, high = bootstrap_interval(right, np.ones(1000), seed=1, samples=20_000)
    spread = 1.96 * math.sqrt(0.8 * 0.2 / 1000)
    assert math.isclose(low, 0.8 - spread, abs_tol=0.0015) and math.isclose(
        high, 0.8 + spread, abs_tol=0.0015
    )


def test_intervals_cover_the_true_value_at_their_level() -> None:
    generator = np.random.default_rng(3)
    covered = 0
    for trial in range(200):
        tokens = generator.integers(1, 30, 300)
        # Sentences differ in difficulty; the mean is 0.9.
        right = generator.binomial(tokens, generator.beta(9, 1, 300))
        low, high = bootstrap_interval(right, tokens, seed=trial, samples=300)
        covered += low <= 0.9 <= high
    assert 180 <= covered <= 198


def test_interval_of_f1_contains_f1_and_depends_only_on_the_seed() -> None:
    generator = np.random.default_rng(0)
    gold, predicted = generator.integers(0, 4, 500), generator.integers(0, 4, 500)
    counts = np.column_stack([np.minimum(gold, predicted), predicted, gold])
    low, high = bootstrap_f1(counts, seed=1)
    f1 = 2 * counts[:, 0].sum() / counts[:, 1:].sum()
    assert low < f1 < high < low + 0.1
    assert (low, high) == bootstrap_f1(counts, seed=1) != bootstrap_f1(counts, seed=2)


def test_intervals_without_sentences_and_without_variance() -> None:
    assert bootstrap_interval([], [], seed=1) == bootstrap_f1([], seed=1) == (0.0, 1.0)
    assert bootstrap_interval([3, 4], [3, 4], seed=1) == (1.0, 1.0)
    assert bootstrap_f1([[0, 0, 0]] * 3, seed=1) == (0.0, 0.0)


@pytest.mark.parametrize("spans", [False, True])
def test_paired_test_estimates_the_exact_p_value(spans: bool) -> None:
    generator = np.random.default_rng(5)
    shape = (9, 3) if spans else (9,)
    a, b = generator.integers(0, 6, shape), generator.integers(0, 6, shape)
    if spans:  # hits are at most predicted and at most gold; gold is the same for both
        a[:, 2] = b[:, 2]
        a[:, 0], b[:, 0] = a.min(1), b.min(1)

    def difference(swapped: Array) -> float:
        keep = swapped[:, None] if spans else swapped
        first, second = np.where(keep, b, a).sum(0), np.where(keep, a, b).sum(0)
        if spans:
            return abs(float(2 * first[0] / (first[1] + first[2]) - 2 * second[0] / (second[1] + second[2])))
        return abs(float(first - second))

    observed = difference(np.zeros(9, bool))
    exact = np.mean(
        [difference(np.array(swapped)) >= observed - 1e-12 for swapped in product([False, True], repeat=9)]
    )
    assert math.isclose(paired_test(a, b, seed=1, samples=20_000), exact, abs_tol=0.015)
    assert paired_test(a, b, seed=1) == paired_test(a, b, seed=1)
    assert math.isclose(paired_test(a, b, seed=1), paired_test(b, a, seed=1), abs_tol=0.03)


def test_paired_test_is_1_for_equal_systems_and_minimal_for_very_different_ones() -> None:
    right = np.arange(100) % 7
    assert paired_test(right, right, seed=1) == 1.0
    assert paired_test(right, right + 1, seed=1, samples=999) == 0.001
    assert paired_test([], [], seed=1) == 1.0
    with pytest.raises(ValueError, match="cannot be paired"):
        paired_test([1], [1, 2], seed=1)


def test_p_values_are_uniform_for_equal_systems() -> None:
    generator = np.random.default_rng(11)
    values = [
        paired_test(generator.integers(0, 10, 60), generator.integers(0, 10, 60), seed=trial, samples=200)
        for trial in range(300)
    ]
    assert 0.02 <= np.mean(np.array(values) <= 0.05) <= 0.09
    assert 0.4 <= np.mean(np.array(values) <= 0.5) <= 0.6
