"""Tests of the choice of sentence ends, against all choices of small cases."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtool.data.tokenization.sentence_choice import NEGLIGIBLE, choose_sentences

SCORES = st.lists(st.floats(-4.5, 6), min_size=1, max_size=9)  # less likely ends are not considered


def expected_gain(probabilities: list[float], ends: tuple[int, ...], price: float) -> float:
    """Return the expected number of right sentences minus the price of each; -inf for a negligible one."""
    gain, start = 0.0, -1
    for end in ends:
        start_probability = probabilities[start] if start >= 0 else 1.0
        inside = np.prod([1 - probability for probability in probabilities[start + 1 : end]])
        unbroken = float(inside) * probabilities[end]
        if unbroken < NEGLIGIBLE and end > start + 1:
            return -np.inf
        gain += start_probability * unbroken - price
        start = end
    return gain


def choose(scores: list[float], price: float) -> list[int]:
    forced = np.zeros(len(scores), bool)
    forced[-1] = True
    return list(choose_sentences(np.array(scores, np.float32), forced, price))


@given(SCORES, st.sampled_from([0.3, 0.4, 0.5]))
@settings(max_examples=300, deadline=None)
def test_no_other_choice_is_expected_to_be_better(scores: list[float], price: float) -> None:
    chosen = choose(scores, price)
    likely = [1 / (1 + np.exp(-score)) for score in np.array(scores, np.float32).tolist()]
    likely[-1] = 1.0
    last = len(scores) - 1
    best = max(
        expected_gain(likely, (*ends, last), price)
        for count in range(len(scores))
        for ends in combinations(range(last), count)
    )
    assert chosen[-1] == last
    assert chosen == sorted(set(chosen))
    assert expected_gain(likely, tuple(chosen), price) == pytest.approx(best)


@given(st.lists(SCORES, min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_a_paragraph_is_cut_like_alone(paragraphs: list[list[float]]) -> None:
    forced = np.concatenate([[False] * (len(paragraph) - 1) + [True] for paragraph in paragraphs])
    together = choose_sentences(
        np.array([s for scores in paragraphs for s in scores], np.float32), forced, 0.4
    )
    alone, start = [], 0
    for paragraph in paragraphs:
        alone += [start + end for end in choose(paragraph, 0.4)]
        start += len(paragraph)
    assert together.tolist() == alone


def test_certain_ends_are_chosen_and_certain_insides_are_not() -> None:
    assert choose([-20, 20, -20, -20, 20, -20], 0.4) == [1, 4, 5]


def test_doubtful_ends_are_chosen_at_a_low_price_only() -> None:
    scores = [20.0, -20.0, -0.3, -20.0, 20.0]
    assert choose(scores, 0.2) == [0, 2, 4]
    assert choose(scores, 0.5) == [0, 4]


def test_the_work_grows_with_the_length_alone() -> None:
    scores = np.zeros(50_000, np.float32)  # every token is a doubtful end
    forced = np.zeros(len(scores), bool)
    forced[-1] = True
    assert choose_sentences(scores, forced, 0.4)[-1] == len(scores) - 1
