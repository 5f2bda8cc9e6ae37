"""Tests of the choice of sentence ends, against all choices of small cases."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtool.data.tokenization.sentence_choice import LOWEST_PRICE, NEGLIGIBLE, choose_sentences

SCORES = st.lists(st.floats(-4.5, 6), min_size=1, max_size=9)  # less likely ends are not considered


def expected_right(probabilities: list[float], ends: tuple[int, ...]) -> float:
    """Return the expected number of right sentences; 0 if one of them is not considered."""
    right, start = 0.0, -1
    for end in ends:
        start_probability = probabilities[start] if start >= 0 else 1.0
        inside = np.prod([1 - probability for probability in probabilities[start + 1 : end]])
        unbroken = float(inside) * probabilities[end]
        if unbroken < NEGLIGIBLE and end > start + 1:
            return 0.0
        right += start_probability * unbroken
        start = end
    return right


def probabilities_of(scores: list[float]) -> list[float]:
    return [*(1 / (1 + np.exp(-score)) for score in np.array(scores[:-1], np.float32).tolist()), 1.0]


def all_choices(count: int) -> Iterator[tuple[int, ...]]:
    last = count - 1
    for size in range(count):
        for ends in combinations(range(last), size):
            yield *ends, last


def choose(scores: list[float]) -> list[int]:
    forced = np.zeros(len(scores), bool)
    forced[-1] = True
    return list(choose_sentences(np.array(scores, np.float32), forced))


@given(SCORES)
@settings(max_examples=300, deadline=None)
def test_no_other_choice_has_a_larger_expected_f1(scores: list[float]) -> None:
    chosen, likely = choose(scores), probabilities_of(scores)
    assert chosen[-1] == len(scores) - 1
    assert chosen == sorted(set(chosen))

    def half_f1(ends: tuple[int, ...]) -> float:
        return expected_right(likely, ends) / (len(ends) + sum(likely))

    best = max(map(half_f1, all_choices(len(scores))))
    if best >= LOWEST_PRICE:
        assert half_f1(tuple(chosen)) == pytest.approx(best, abs=1e-5)
    else:

        def gain(ends: tuple[int, ...]) -> float:
            return expected_right(likely, ends) - LOWEST_PRICE * len(ends)

        assert gain(tuple(chosen)) == pytest.approx(max(map(gain, all_choices(len(scores)))), abs=1e-5)


def test_a_paragraph_of_doubtful_ends_is_not_cut_into_many_sentences() -> None:
    assert choose([-0.8] * 12) == [11]  # the largest expected F1 has twelve, few of them right


@given(st.lists(SCORES, min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_a_paragraph_is_cut_like_alone(paragraphs: list[list[float]]) -> None:
    forced = np.concatenate([[False] * (len(paragraph) - 1) + [True] for paragraph in paragraphs])
    scores = np.concatenate([np.array(paragraph, np.float32) for paragraph in paragraphs])
    together = choose_sentences(scores, forced)
    alone, start = [], 0
    for paragraph in paragraphs:
        alone += [start + end for end in choose(paragraph)]
        start += len(paragraph)
    assert together.tolist() == alone


def test_certain_ends_are_chosen_and_certain_insides_are_not() -> None:
    assert choose([-20, 20, -20, -20, 20, -20]) == [1, 4, 5]


@pytest.mark.parametrize("score", [0.6, 1.0, 3.0])
def test_equally_likely_ends_of_a_network_with_little_training_are_chosen(score: float) -> None:
    assert choose([score if number % 5 == 4 else -8.0 for number in range(50)]) == list(range(4, 50, 5))


def test_the_work_grows_with_the_length_alone() -> None:
    scores = np.zeros(50_000, np.float32)  # every token is a doubtful end
    forced = np.zeros(len(scores), bool)
    forced[-1] = True
    assert choose_sentences(scores, forced)[-1] == len(scores) - 1
