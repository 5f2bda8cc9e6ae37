"""Tests of decoding: agreement with brute force over all label sequences, and edge cases."""

from __future__ import annotations

import math
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtool.decoding import (
    FORBIDDEN,
    argmax,
    constraint_scores,
    log_partition,
    log_softmax,
    marginals,
    nbest,
    nbest_independent,
    viterbi,
)
from seqtool.spans import malformed
from seqtool.types import Array

Case = tuple[Array, Array, Array, Array]


@st.composite
def cases(draw: st.DrawFn, longest: int = 5, most: int = 4) -> Case:
    """Generate scores (time, L), start, transitions and end, some of them forbidden or equal."""
    time, size = draw(st.integers(1, longest)), draw(st.integers(1, most))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    wide = draw(st.sampled_from([1.0, 30.0]))
    scores, start, steps, end = (
        generator.normal(size=shape) * wide for shape in ((time, size), size, (size, size), size)
    )
    if draw(st.booleans()):
        scores, start, steps, end = (np.round(part) for part in (scores, start, steps, end))
    share = draw(st.sampled_from([0.0, 0.3]))
    for part in (start, steps, end):
        part[generator.random(part.shape) < share] += FORBIDDEN
    return scores, start, steps, end


def score_of(path: tuple[int, ...] | Array, scores: Array, start: Array, steps: Array, end: Array) -> float:
    """Compute the score of a sequence by its definition."""
    total = start[path[0]] + end[path[-1]] + sum(scores[time, label] for time, label in enumerate(path))
    return float(total + sum(steps[left, right] for left, right in pairwise(path)))


def all_paths(scores: Array) -> list[tuple[int, ...]]:
    return list(product(range(scores.shape[1]), repeat=len(scores)))


def all_scores(case: Case) -> Array:
    return np.array([score_of(path, *case) for path in all_paths(case[0])])


def log_sum(values: Array) -> float:
    return float(np.logaddexp.reduce(values))


# --- the best sequence --------------------------------------------------------------------------------------


@given(cases())
def test_viterbi_finds_the_best_sequence(case: Case) -> None:
    path = viterbi(case[0][:, None], np.array([len(case[0])]), *case[1:])[:, 0]
    assert math.isclose(score_of(path, *case), all_scores(case).max(), rel_tol=1e-12, abs_tol=1e-8)


@given(
    cases(longest=7), st.lists(st.integers(0, 7), min_size=1, max_size=6), st.randoms(use_true_random=False)
)
def test_batch_gives_the_same_labels_as_single_sentences(case: Case, lengths: list[int], random: Any) -> None:
    generator = np.random.default_rng(random.randrange(2**32))
    padded = generator.normal(size=(max(lengths), len(lengths), case[0].shape[1])).astype(np.float32)
    before = padded.copy()
    paths = viterbi(padded, np.array(lengths), *case[1:])
    assert paths.shape == padded.shape[:2]
    np.testing.assert_array_equal(padded, before)
    for column, length in enumerate(lengths):
        path = viterbi(padded[:length, column : column + 1], np.array([length]), *case[1:])
        np.testing.assert_array_equal(paths[:length, column], path[:, 0])
        assert (paths[length:, column] == -1).all()


@given(cases())
def test_viterbi_without_transitions_equals_argmax(case: Case) -> None:
    scores, size = case[0], case[0].shape[1]
    nothing = np.zeros(size), np.zeros((size, size)), np.zeros(size)
    np.testing.assert_array_equal(
        viterbi(scores[:, None], np.array([len(scores)]), *nothing)[:, 0], argmax(scores)
    )
    np.testing.assert_array_equal(argmax(scores[:, None])[:, 0], argmax(scores))


@given(st.integers(0, 2**32), st.sampled_from(["iob1", "iob2", "bioes"]), st.integers(1, 12))
def test_constrained_decoding_gives_the_best_well_formed_sequence(
    seed: int, scheme: Any, length: int
) -> None:
    labels = [
        "O",
        *(f"{prefix}-{type_}" for prefix in ("BIES" if scheme == "bioes" else "BI") for type_ in "xy"),
    ]
    scores = np.random.default_rng(seed).normal(size=(length, len(labels))) * 50
    constraints = constraint_scores(labels, scheme)
    numbers = viterbi(scores[:, None], np.array([length]), *constraints)[:, 0]
    assert malformed([labels[number] for number in numbers], scheme) == []
    if length <= 3:
        legal = [
            path for path in all_paths(scores) if not malformed([labels[number] for number in path], scheme)
        ]
        best = max(scores[np.arange(length), path].sum() for path in legal)
        assert math.isclose(scores[np.arange(length), numbers].sum(), best)


def test_decoding_gives_a_sequence_even_if_all_are_forbidden() -> None:
    scores = np.array([[0.0, 1.0], [1.0, 0.0]])
    start, steps, end = (np.full(shape, FORBIDDEN) for shape in (2, (2, 2), 2))
    assert viterbi(scores[:, None], np.array([2]), start, steps, end)[:, 0].tolist() == [1, 0]
    assert len(nbest(scores, start, steps, end, 9)) == 4
    np.testing.assert_allclose(marginals(scores, start, steps, end), np.exp(log_softmax(scores)), rtol=1e-8)


@pytest.mark.parametrize(("gain", "expected"), [(4e-5, [0, 0, 0]), (6e-5, [1, 2, 2])])
def test_scores_of_a_long_sentence_keep_their_precision(gain: float, expected: list[int]) -> None:
    """A span costs 1 at its B and wins `gain` with each I after it: 0.8 or 1.2 over the sentence."""
    scores = np.tile(np.array([[3.0, 2.0, 3.0 + gain]]), (20_000, 1))
    path = viterbi(scores[:, None], np.array([20_000]), *constraint_scores(["O", "B-x", "I-x"], "iob2"))[:, 0]
    assert path[[0, 1, -1]].tolist() == expected
    assert (path[1:] == expected[1]).all()


def test_empty_input_gives_empty_output() -> None:
    nothing = np.zeros(3), np.zeros((3, 3)), np.zeros(3)
    assert viterbi(np.zeros((0, 2, 3)), np.zeros(2, int), *nothing).shape == (0, 2)
    assert viterbi(np.zeros((4, 0, 3)), np.zeros(0, int), *nothing).shape == (4, 0)
    for paths in (nbest(np.zeros((0, 3)), *nothing, 4), nbest_independent(np.zeros((0, 3)), 4)):
        assert [(path.tolist(), score) for path, score in paths] == [([], 0.0)]
    assert marginals(np.zeros((0, 3)), *nothing).shape == (0, 3)


# --- the n best ---------------------------------------------------------------------------------------------


@given(cases(), st.integers(1, 30))
def test_nbest_lists_the_best_sequences_in_order(case: Case, n: int) -> None:
    scores = np.sort(all_scores(case))[::-1]
    expected = scores[:n][scores[:n] > scores[0] + FORBIDDEN / 2]
    best = nbest(*case, n)
    np.testing.assert_allclose([score for _, score in best], expected, rtol=1e-12, atol=1e-8)
    np.testing.assert_allclose([score_of(path, *case) for path, _ in best], expected, rtol=1e-12, atol=1e-8)
    assert len({tuple(path) for path, _ in best}) == len(best)


@given(cases())
def test_nbest_lists_all_sequences_if_n_is_larger(case: Case) -> None:
    scores, size = case[0], case[0].shape[1]
    nothing = np.zeros(size), np.zeros((size, size)), np.zeros(size)
    for best in (
        nbest(scores, *nothing, size ** len(scores) + 5),
        nbest_independent(scores, size ** len(scores) + 5),
    ):
        assert sorted(tuple(path) for path, _ in best) == all_paths(scores)


@given(cases(longest=8), st.integers(1, 40))
def test_nbest_starts_with_the_viterbi_sequence_for_every_n(case: Case, n: int) -> None:
    best = nbest(*case, n)
    first = viterbi(case[0][:, None], np.array([len(case[0])]), *case[1:])[:, 0]
    assert math.isclose(best[0][1], score_of(first, *case), rel_tol=1e-12, abs_tol=1e-8)
    more = [score for _, score in nbest(*case, n + 3)]
    np.testing.assert_allclose([score for _, score in best], more[: len(best)], rtol=1e-12, atol=1e-8)


@given(cases(longest=5), st.integers(1, 30))
def test_nbest_independent_equals_nbest_without_transitions(case: Case, n: int) -> None:
    scores, size = case[0], case[0].shape[1]
    expected = np.sort([scores[np.arange(len(scores)), path].sum() for path in all_paths(scores)])[::-1][:n]
    best = nbest_independent(scores, n)
    np.testing.assert_allclose([score for _, score in best], expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        [scores[np.arange(len(scores)), path].sum() for path, _ in best], expected, rtol=1e-12, atol=1e-12
    )
    assert len({tuple(path) for path, _ in best}) == len(best) == min(n, size ** len(scores))


# --- sums over all sequences --------------------------------------------------------------------------------


@given(cases())
def test_log_partition_sums_over_all_sequences(case: Case) -> None:
    assert math.isclose(log_partition(*case), log_sum(all_scores(case)), rel_tol=1e-12, abs_tol=1e-8)


@given(cases())
def test_marginal_sums_over_all_sequences_with_the_label(case: Case) -> None:
    totals, paths = all_scores(case), np.array(all_paths(case[0]))
    whole = log_sum(totals)
    expected = np.zeros(case[0].shape)
    for time, label in np.ndindex(*expected.shape):
        through = totals[paths[:, time] == label]
        expected[time, label] = math.exp(log_sum(through) - whole) if len(through) else 0.0
    probabilities = marginals(*case)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-12)


@settings(max_examples=20)
@given(cases(longest=4, most=3))
def test_marginals_are_the_gradient_of_the_log_partition(case: Case) -> None:
    scores, rest = case[0], case[1:]
    step = 1e-5
    if log_partition(*case) < FORBIDDEN / 2:
        return  # with a sum of 1e6 a difference quotient has too few digits
    for time, label in np.ndindex(*scores.shape):
        up, down = scores.copy(), scores.copy()
        up[time, label] += step
        down[time, label] -= step
        slope = (log_partition(up, *rest) - log_partition(down, *rest)) / (2 * step)
        assert math.isclose(slope, marginals(*case)[time, label], abs_tol=1e-5)


def test_marginals_do_not_underflow() -> None:
    # exp(-900) is 0 as a probability, but not in log space.
    scores = np.array([[0.0, -900.0], [0.0, 0.0]])
    steps = np.array([[FORBIDDEN, FORBIDDEN], [FORBIDDEN, 0.0]])
    probabilities = marginals(scores, np.zeros(2), steps, np.zeros(2))
    np.testing.assert_allclose(probabilities, [[0, 1], [0, 1]], atol=1e-12)


def test_log_softmax_sums_to_one_for_large_scores() -> None:
    scores = np.array([[1e5, 1e5, -1e5], [0.0, 1.0, 2.0]], np.float32)
    probabilities = np.exp(log_softmax(scores))
    np.testing.assert_allclose(probabilities.sum(1), 1)
    np.testing.assert_allclose(probabilities[0], [0.5, 0.5, 0])
    assert probabilities.dtype == np.float64


@pytest.mark.parametrize("size", [1, 50])
def test_single_token_is_decoded_with_start_and_end_scores(size: int) -> None:
    scores = np.random.default_rng(1).normal(size=(1, size))
    start, end = np.arange(size) / 7, -np.arange(size) / 3
    total = (scores + start + end)[0]
    assert viterbi(scores[:, None], np.array([1]), start, np.ones((size, size)), end)[0, 0] == total.argmax()
    np.testing.assert_allclose(
        marginals(scores, start, np.ones((size, size)), end)[0], np.exp(total - log_sum(total))
    )
    assert [int(path[0]) for path, _ in nbest(scores, start, np.ones((size, size)), end, size)] == np.argsort(
        -total
    ).tolist()
