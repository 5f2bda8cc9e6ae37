"""Windows: each character once in an epoch, new offsets in each epoch, pieces with their context."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.sharding import Shard
from seqtool.data.tokenization.pieces import CONTEXT, PIECE, cut_into_pieces
from seqtool.data.tokenization.windows import EncodedText, WindowBatches


def encoded(lengths: list[int]) -> EncodedText:
    """Return paragraphs in which the symbol of each character is its position, counted from 1."""
    total = sum(lengths)
    symbols = np.arange(1, total + 1)
    return EncodedText(symbols, symbols % 4, symbols % 2, np.array(lengths))


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
