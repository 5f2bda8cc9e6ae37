"""Choice of several labels: equal to the enumeration of all combinations."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqtool.decoding import constraint_scores, viterbi
from seqtool.inference.encoder import Packing
from seqtool.inference.label_columns import ROWS, ColumnDecoder, LabelCombinations


def combinations(draw: np.random.Generator, sizes: tuple[int, ...]) -> LabelCombinations:
    """Return random combinations in which each first label occurs."""
    rows = {(first, *(int(draw.integers(size)) for size in sizes[1:])) for first in range(sizes[0])}
    rows |= {tuple(int(draw.integers(size)) for size in sizes) for _ in range(8)}
    return LabelCombinations(np.array(sorted(rows)), draw.normal(size=len(rows)).astype(np.float32))


@given(st.integers(0, 10_000))
def test_scores_and_choice_equal_an_enumeration(seed: int) -> None:
    draw = np.random.default_rng(seed)
    sizes = tuple(int(size) for size in draw.integers(1, 5, draw.integers(2, 4)))
    known = combinations(draw, sizes)
    scores = [draw.normal(size=(3, size)).astype(np.float32) for size in sizes]
    first, chosen = known.choose(scores)
    for token in range(3):
        sums = {
            tuple(row): bias + sum(float(part[token, label]) for part, label in zip(scores, row, strict=True))
            for row, bias in zip(known.labels.tolist(), known.bias.tolist(), strict=True)
        }
        of_label = [[total for row, total in sums.items() if row[0] == label] for label in range(sizes[0])]
        expected = [np.log(np.exp(totals).sum()) for totals in of_label]
        np.testing.assert_allclose(first[token], expected, atol=1e-5)
        best = int(np.argmax(expected))
        assert tuple(chosen[token]) == max((total, row) for row, total in sums.items() if row[0] == best)[1]


def test_many_tokens_equal_single_tokens() -> None:
    draw = np.random.default_rng(1)
    known = combinations(draw, (3, 4))
    scores = [draw.normal(size=(2 * ROWS + 3, size)).astype(np.float32) for size in (3, 4)]
    first, chosen = known.choose(scores)
    for token in (0, ROWS - 1, ROWS, 2 * ROWS + 2):
        alone, alone_chosen = known.choose([part[token : token + 1] for part in scores])
        np.testing.assert_allclose(first[token], alone[0], rtol=1e-6)
        assert chosen[token].tolist() == alone_chosen[0].tolist()


def test_an_extreme_score_leaves_all_scores_finite() -> None:
    known = LabelCombinations(np.array([[0, 0], [1, 1]]), np.zeros(2, np.float32))
    first, chosen = known.choose([np.array([[1e4, -1e4]], np.float32), np.zeros((1, 2), np.float32)])
    assert np.isfinite(first).all()
    assert chosen.tolist() == [[0, 0]]


def test_columns_of_spans_are_decoded_with_their_constraints() -> None:
    labels = ("O", "B-x", "E-x", "S-x")
    constraints = constraint_scores(labels, "bioes")
    draw = np.random.default_rng(2)
    packing = Packing.of(np.array([5, 3, 1]))
    scores = [draw.normal(size=(packing.total, 2)), draw.normal(size=(packing.total, 4))]
    first, numbers = ColumnDecoder((None, constraints)).decode(scores, packing)
    assert first is scores[0]
    assert numbers[:, 0].tolist() == scores[0].argmax(1).tolist()
    padded = np.zeros((5, 3, 4))
    padded[packing.steps, packing.columns] = scores[1]
    paths = viterbi(padded, packing.lengths, *constraints)
    assert numbers[:, 1].tolist() == paths[packing.steps, packing.columns].tolist()
