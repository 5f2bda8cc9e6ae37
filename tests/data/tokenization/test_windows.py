"""Windows: each character once in an epoch, offsets and orders of an epoch, pieces with their context."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.sharding import Shard
from seqtool.data.tokenization.pieces import CONTEXT, PIECE, cut_into_pieces
from seqtool.data.tokenization.windows import EncodedText, WindowBatches, shuffle_sentences


def encoded(lengths: list[int], sentence_lengths: list[int] | None = None) -> EncodedText:
    """Return paragraphs in which the symbol of each character is its position, counted from 1.

    Args:
        lengths: characters of each paragraph.
        sentence_lengths: characters of each sentence; None: a paragraph is one sentence.
    """
    total = sum(lengths)
    symbols = np.arange(1, total + 1)
    sentences = lengths if sentence_lengths is None else sentence_lengths
    return EncodedText(symbols, symbols % 4, symbols % 2, np.array(lengths), np.array(sentences))


def symbols_of(batches: WindowBatches, epoch: int) -> list[int]:
    found: list[int] = []
    for index in range(batches.steps(epoch)):
        batch = batches.batch(epoch, index)
        if not batch.columns.idle:
            found += batch.symbols[batch.symbols > 0].tolist()
    return found


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.integers(0, 3))
def test_every_character_is_in_one_window(lengths: list[int], epoch: int) -> None:
    batches = WindowBatches(encoded(lengths), window=10, batch_size=3, seed=1)
    assert sorted(symbols_of(batches, epoch)) == list(range(1, sum(lengths) + 1))


def test_windows_are_padded_and_do_not_cross_paragraphs() -> None:
    batches = WindowBatches(encoded([7, 25]), window=10, batch_size=8, seed=1)
    batch = batches.batch(0, 0)
    assert batch.items == 32
    assert batch.lengths.tolist() == sorted(batch.lengths.tolist(), reverse=True)
    for column, length in enumerate(batch.lengths.tolist()):
        own = batch.symbols[:length, column]
        assert (np.diff(own) == 1).all()
        assert (own[0] <= 7) == (own[-1] <= 7)
        assert (batch.symbols[length:, column] == 0).all()
        assert (batch.classes[length:, column] == -1).all()
        assert (batch.sentences[length:, column] == -1).all()
        assert batch.classes[:length, column].tolist() == (own % 4).tolist()


def test_offsets_change_between_epochs_and_a_batch_depends_on_the_seed_alone() -> None:
    text = encoded([1000])
    one, other = (WindowBatches(text, window=50, batch_size=4, seed=3) for _ in range(2))
    other.batch(5, 0)
    assert (one.batch(2, 1).symbols == other.batch(2, 1).symbols).all()
    starts = {int(one.batch(epoch, 0).symbols[0, 0]) % 50 for epoch in range(6)}
    assert len(starts) > 1


@given(
    st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=6), min_size=1, max_size=5), st.integers(0, 9)
)
def test_sentences_of_a_paragraph_change_places(paragraphs: list[list[int]], seed: int) -> None:
    """Sentences stay whole and in their paragraph; the last one, which no space follows, stays last."""
    flat = [length for sentences in paragraphs for length in sentences]
    text = encoded([sum(sentences) for sentences in paragraphs], flat)
    positions = shuffle_sentences(text, np.random.default_rng(seed)).tolist()
    starts = [sum(flat[:number]) for number in range(len(flat))]
    length_at = dict(zip(starts, flat, strict=True))
    for sentences in paragraphs:
        own, positions = positions[: sum(sentences)], positions[sum(sentences) :]
        expected, starts = starts[: len(sentences)], starts[len(sentences) :]
        found = []
        while own:
            start = own[0]
            found.append(start)
            length = length_at[start]
            assert own[:length] == list(range(start, start + length))
            own = own[length:]
        assert sorted(found) == expected
        assert found[-1] == expected[-1]


def test_each_epoch_has_an_order_of_its_own_unless_nothing_is_shuffled() -> None:
    text = encoded([60], [5] * 12)
    in_order = WindowBatches(text, window=100, batch_size=8, seed=1, shuffle=False)
    assert symbols_of(in_order, 3) == list(range(1, 61))
    shuffled = WindowBatches(text, window=100, batch_size=8, seed=1)
    orders = {tuple(symbols_of(shuffled, epoch)) for epoch in range(4)}
    assert len(orders) == 4
    assert all(sorted(order) == list(range(1, 61)) for order in orders)


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_share_a_batch(ranks: int) -> None:
    text = encoded([13, 200, 4])
    parts = [WindowBatches(text, 20, 4, seed=1, shard=Shard(rank, ranks)) for rank in range(ranks)]
    whole = WindowBatches(text, 20, 4, seed=1)
    assert len({part.steps(0) for part in parts}) == 1
    found = [symbol for part in parts for symbol in symbols_of(part, 0)]
    assert sorted(found) == sorted(symbols_of(whole, 0))


@given(st.lists(st.integers(0, 4 * PIECE), max_size=5))
def test_pieces_score_each_character_once_with_its_context(lengths: list[int]) -> None:
    pieces = cut_into_pieces(lengths)
    scored = [(piece.paragraph, at) for piece in pieces for at in range(piece.first, piece.last)]
    assert scored == [(number, at) for number, length in enumerate(lengths) for at in range(length)]
    for piece in pieces:
        length = lengths[piece.paragraph]
        whole = (piece.start, piece.end) == (0, length)
        assert whole or piece.start == max(0, piece.first - CONTEXT)
        assert whole or piece.end == min(length, piece.last + CONTEXT)
