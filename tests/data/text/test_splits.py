"""Parts of a text: ends of fractions, and lines divided at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.text.splits import LineSet, split_ends, split_lines
from tests.support.text_corpus import decode_sequences, load_corpus


@given(st.integers(0, 10**6), st.lists(st.integers(0, 1000), min_size=2, max_size=3).filter(sum))
def test_ends_are_rounded_down(length: int, shares: list[int]) -> None:
    split = [share / sum(shares) for share in shares]
    ends = split_ends(length, split)
    assert ends[-1] == length
    for place, end in enumerate(ends):
        exact = length * sum(shares[: place + 1])  # in units of 1 / sum(shares)
        assert end * sum(shares) <= exact < (end + 1) * sum(shares)


def test_ends_equal_those_of_other_programs() -> None:
    assert split_ends(1_115_394, (0.9, 0.1)) == [1_003_854, 1_115_394]  # nanoGPT
    assert split_ends(100_000_000, (0.9, 0.05, 0.05)) == [90_000_000, 95_000_000, 100_000_000]  # enwik8
    assert split_ends(100, (0.5, 0.25)) == [50, 75]


@given(
    st.integers(0, 30),
    st.lists(st.integers(0, 9), min_size=2, max_size=3).filter(lambda shares: shares[0] > 0),
    st.integers(0, 99),
)
def test_every_part_gets_a_line_if_there_are_enough(count: int, shares: list[int], seed: int) -> None:
    split = [share / sum(shares) for share in shares]
    parts = split_lines(LineSet("text", np.arange(count), np.ones(count, np.int64)), split, seed)
    assert sorted(place for part in parts.values() for place in part.starts.tolist()) == list(range(count))
    sizes = [len(part) for part in parts.values()]
    if count < sum(share > 0 for share in shares):
        assert sizes[0] == count
    else:
        assert all((size > 0) == (share > 0) for size, share in zip(sizes, shares, strict=True))


def test_counts_of_lines_do_not_depend_on_the_piece_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join("ab"[number % 2] * (number % 7) + "\n" for number in range(300))
    whole = load_corpus(tmp_path, text, per_line=True)
    monkeypatch.setattr("seqtool.data.text.splits.PIECE", 50)
    monkeypatch.setattr("seqtool.data.text.encode.PIECE", 50)
    in_pieces = load_corpus(tmp_path, text, per_line=True)
    assert in_pieces.vocabulary.counts == whole.vocabulary.counts
    assert decode_sequences(in_pieces, in_pieces.train) == decode_sequences(whole, whole.train)
