"""Batches: every symbol and sentence occurs exactly once; only seed, epoch and index determine the order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.batches import SentenceBatches, SequenceBatches, TextStreams
from seqtool.data.sharding import Shard
from seqtool.types import Array

LENGTHS = st.lists(st.integers(1, 12), max_size=40)
SEEDS = st.integers(0, 2**63 - 1)


# --- running text -------------------------------------------------------------------------------------------


@given(st.integers(2, 400), st.integers(1, 9), st.integers(1, 30), SEEDS, st.integers(0, 5))
def test_windows_of_a_stream_are_consecutive(
    length: int, batch: int, window: int, seed: int, epoch: int
) -> None:
    text = np.arange(length, dtype=np.uint16)
    streams = TextStreams(text, batch, window, seed)
    steps = [streams.batch(epoch, index) for index in range(streams.steps_per_epoch)]
    inputs = np.concatenate([step[0] for step in steps])
    targets = np.concatenate([step[1] for step in steps])
    assert all(
        part.shape == (streams.window, streams.batch_size) and part.dtype == np.int64
        for step in steps
        for part in step
    )
    np.testing.assert_array_equal(
        targets, inputs + 1
    )  # symbol numbers are positions, so a successor is one larger
    assert (np.diff(inputs, axis=0) == 1).all()
    assert (np.diff(inputs[0]) == len(inputs)).all()  # streams are adjacent
    assert streams.batch_size <= batch and streams.window <= window
    assert inputs.size > (length - 1) - streams.batch_size * streams.window
    lowered = (streams.batch_size, streams.window) != (batch, window)
    assert bool(streams.note) == lowered == (length - 1 < batch * window)


def test_every_symbol_is_a_target_in_some_epoch() -> None:
    streams = TextStreams(np.arange(100, dtype=np.uint8), 3, 7, 1)
    targets = {
        int(target)
        for epoch in range(60)
        for index in range(streams.steps_per_epoch)
        for target in streams.batch(epoch, index)[1].flat
    }
    assert targets == set(range(1, 100))


def test_short_text_has_fewer_streams_and_a_shorter_window() -> None:
    streams = TextStreams(np.zeros(50, np.uint8), 32, 100, 1)
    assert (streams.batch_size, streams.window, streams.steps_per_epoch) == (1, 49, 1)
    assert streams.note == "50 symbols are few: training uses 1 stream and windows of 49"
    with pytest.raises(ValueError, match="expected at least 2 symbols"):
        TextStreams(np.zeros(1, np.uint8), 1, 1, 1)


def test_memory_map_gives_the_batches_of_an_array(tmp_path: Path) -> None:
    text = np.random.default_rng(0).integers(0, 99, 5000).astype(np.uint8)
    text.tofile(tmp_path / "text")
    mapped = np.memmap(tmp_path / "text", np.uint8, "r")
    of_map, of_array = TextStreams(mapped[10:], 4, 25, 3), TextStreams(text[10:], 4, 25, 3)
    for index in range(of_map.steps_per_epoch):
        for one, other in zip(of_map.batch(2, index), of_array.batch(2, index), strict=True):
            np.testing.assert_array_equal(one, other)


# --- sequences ----------------------------------------------------------------------------------------------


def sequences(lengths: list[int]) -> tuple[list[Array], list[Array]]:
    """Return inputs whose symbols identify sequence and position, and targets that are 50 larger."""
    inputs = [100 * number + np.arange(length) for number, length in enumerate(lengths)]
    return inputs, [sequence + 50 for sequence in inputs]


@given(LENGTHS, st.integers(1, 9), SEEDS, st.booleans(), st.integers(0, 3))
def test_every_sequence_is_in_one_batch(
    lengths: list[int], size: int, seed: int, shuffle: bool, epoch: int
) -> None:
    batches = SequenceBatches(*sequences(lengths), size, seed, shuffle)
    decoded = []
    for index in range(batches.steps(epoch)):
        batch = batches.batch(epoch, index)
        assert 0 < batch.inputs.shape[1] <= size and batch.inputs.shape[0] == batch.lengths.max()
        for column, length in enumerate(batch.lengths):
            sequence = batch.inputs[:length, column]
            np.testing.assert_array_equal(batch.targets[:length, column], sequence + 50)
            assert (batch.targets[length:, column] == -1).all() and (batch.inputs[length:, column] == 0).all()
            decoded.append(sequence.tolist())
    expected = [sequence.tolist() for sequence in sequences(lengths)[0]]
    assert (sorted(decoded) if shuffle else decoded) == expected


def test_batches_of_lines_have_little_padding() -> None:
    lengths = np.random.default_rng(0).integers(1, 30, 3000).tolist()
    batches = SequenceBatches(*sequences(lengths), 32, 1, True)
    padded = sum(batches.batch(0, index).inputs.size for index in range(batches.steps(0)))
    assert padded < 1.1 * sum(lengths)


# --- sentences ----------------------------------------------------------------------------------------------


@given(LENGTHS, st.integers(1, 9), st.none() | st.integers(1, 40), SEEDS, st.booleans(), st.integers(0, 3))
def test_every_sentence_is_in_one_batch(
    lengths: list[int], size: int, words: int | None, seed: int, shuffle: bool, epoch: int
) -> None:
    forms, labels = sequences(lengths)
    batches = SentenceBatches(forms, labels, size, words, seed, shuffle)
    numbers: list[int] = []
    for index in range(batches.steps(epoch)):
        batch = batches.batch(epoch, index)
        numbers += batch.order.tolist()
        assert (np.diff(batch.lengths) <= 0).all()
        assert batch.words.shape == batch.labels.shape == (batch.lengths[0], len(batch.order))
        assert (
            len(batch.order) <= size if words is None else batch.words.size <= words or len(batch.order) == 1
        )
        for column, (number, length) in enumerate(zip(batch.order, batch.lengths, strict=True)):
            np.testing.assert_array_equal(batch.words[:length, column], forms[number])
            np.testing.assert_array_equal(batch.labels[:length, column], labels[number])
            assert (batch.labels[length:, column] == -1).all() and (batch.words[length:, column] == 0).all()
    assert sorted(numbers) == list(range(len(lengths)))


def test_order_of_the_file_is_kept_without_shuffle() -> None:
    batches = SentenceBatches(*sequences([3, 5, 2, 4, 1]), 1, None, 1, False)
    assert [batches.batch(epoch, index).order.tolist() for epoch in (0, 1) for index in range(5)] == [
        [0],
        [1],
        [2],
        [3],
        [4],
    ] * 2
    batches = SentenceBatches(*sequences([3, 5, 2, 4, 1]), 2, None, 1, False)
    assert [batches.batch(0, index).order.tolist() for index in range(3)] == [[1, 0], [3, 2], [4]]


def test_batches_by_words_are_sorted_without_shuffle() -> None:
    batches = SentenceBatches(*sequences([3, 5, 2, 4, 1, 3]), 1, 8, 1, False)
    assert [batches.batch(0, index).order.tolist() for index in range(batches.steps(0))] == [
        [1],
        [3, 0],
        [5, 2],
        [4],
    ]


def test_batches_by_words_have_little_padding_and_change_with_the_epoch() -> None:
    lengths = np.random.default_rng(0).geometric(0.06, 4000).tolist()
    batches = SentenceBatches(*sequences(lengths), 32, 1000, 1, True)
    groups: list[set[frozenset[int]]] = []
    for epoch in range(2):
        all_batches = [batches.batch(epoch, index) for index in range(batches.steps(epoch))]
        assert sum(batch.words.size for batch in all_batches) < 1.08 * sum(lengths)
        assert sum(batch.words.size for batch in all_batches) / len(all_batches) > 900
        groups.append({frozenset(batch.order.tolist()) for batch in all_batches})
        assert not (np.diff([batch.lengths[0] for batch in all_batches]) <= 0).all()
    assert len(groups[0] & groups[1]) < 0.05 * len(groups[0])


# --- determinism --------------------------------------------------------------------------------------------


def fingerprint(batches: Any, epoch: int, index: int) -> list[list[int]]:
    """Return all arrays of a batch as lists."""
    batch = batches.batch(epoch, index)
    parts = batch if isinstance(batch, tuple) else vars(batch).values()
    return [part.ravel().tolist() for part in parts if isinstance(part, np.ndarray)]


LENGTHS_OF_MANY = np.random.default_rng(1).integers(1, 20, 200).tolist()


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: TextStreams(np.arange(999, dtype=np.uint16), 4, 10, seed),
        lambda seed: SequenceBatches(*sequences(LENGTHS_OF_MANY), 8, seed, True),
        lambda seed: SentenceBatches(*sequences(LENGTHS_OF_MANY), 8, None, seed, True),
        lambda seed: SentenceBatches(*sequences(LENGTHS_OF_MANY), 8, 100, seed, True),
    ],
    ids=["text", "sequences", "sentences", "words"],
)
def test_batch_depends_on_seed_epoch_and_index_only(make: Any) -> None:
    used = make(7)
    for epoch, index in ((0, 0), (3, 1), (1, 5), (0, 2)):
        used.batch(epoch, index)
    for epoch, index in ((1, 3), (0, 1)):
        assert fingerprint(used, epoch, index) == fingerprint(make(7), epoch, index)
    first = [fingerprint(make(7), 0, index) for index in range(8)]
    assert first != [fingerprint(make(7), 1, index) for index in range(8)]
    assert first != [fingerprint(make(8), 0, index) for index in range(8)]


# --- several ranks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 3, 5])
def test_shares_of_a_batch_are_balanced_and_complete(size: int) -> None:
    forms, labels = sequences(LENGTHS_OF_MANY)
    whole = SentenceBatches(forms, labels, 8, 100, 1, True)
    parts = [SentenceBatches(forms, labels, 8, 100, 1, True, Shard(rank, size)) for rank in range(size)]
    for index in range(whole.steps(0)):
        batch, shares = whole.batch(0, index), [part.batch(0, index) for part in parts]
        assert all(share.items == batch.items and share.longest == len(batch.words) for share in shares)
        working = [share for share in shares if not share.columns.idle]
        assert sorted(place for share in working for place in share.order) == sorted(batch.order)
        assert max(len(share.order) for share in working) - min(len(share.order) for share in working) <= 1
        words = [int(share.lengths.sum()) for share in working]
        assert max(words) - min(words) <= batch.lengths[0]
        for share in shares:
            np.testing.assert_array_equal(share.words, batch.words[: len(share.words), share.columns.indices])


def test_streams_of_all_ranks_are_the_whole_batch() -> None:
    text = np.arange(999, dtype=np.uint16)
    whole = TextStreams(text, 5, 10, 1)
    parts = [TextStreams(text, 5, 10, 1, Shard(rank, 3)) for rank in range(3)]
    assert {part.steps_per_epoch for part in parts} == {whole.steps_per_epoch}
    for side in (0, 1):
        together = np.concatenate([part.batch(1, 2)[side] for part in parts], axis=1)
        np.testing.assert_array_equal(together, whole.batch(1, 2)[side])
