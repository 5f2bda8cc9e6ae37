"""Batches for training.

Each batch is a function of (seed, epoch, index), so that resuming needs no stored order. If several ranks
train together, each rank gets its share of every batch; see `sharding.py`. Arrays are time-major:
(time, batch). Padding is 0 in inputs and words, and -1 in targets and labels.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqtool.data.sharding import WHOLE, Columns, Shard
from seqtool.types import Array

BATCHES_SORTED_TOGETHER = 50  # shuffled sequences are sorted by length within groups of this many batches
LENGTH_NOISE = 0.1  # relative random change of a length before sorting, so that batches differ between epochs
MAX_RESIDENT = 64 << 20  # bytes of a memory-mapped text that are read before its pages are released
READ_AHEAD = 1 << 16  # bytes that the operating system loads when one byte is read


def _generator(seed: int, epoch: int) -> np.random.Generator:
    """Return the random generator that draws the order of one epoch."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch])))


# --- running text -------------------------------------------------------------------------------------------


class TextStreams:
    """Running text as contiguous parallel streams, read window by window with constant shapes.

    The text is cut into `batch_size` streams of equal length. The windows of a stream are consecutive, so
    that the state can be carried from one to the next. The offset of the first stream is drawn in each epoch.
    Symbols that fill no whole window are not used. With another offset in each epoch, these are not always
    the same symbols.

    Attributes:
        batch_size: streams of all ranks; fewer than requested if the text is too short.
        window: symbols of a stream in one step; fewer than requested if the text is too short.
        columns: streams that this rank reads.
        steps_per_epoch: windows per stream.
        note: one line if `batch_size` or `window` is lower than requested, else empty.
    """

    def __init__(self, symbols: Array, batch_size: int, window: int, seed: int, shard: Shard = WHOLE) -> None:
        """Compute the position of each stream in the text.

        Args:
            symbols: symbol numbers (length,), at least 2, of any unsigned type; may be memory-mapped.
            batch_size: streams of all ranks.
            window: symbols of a stream in one step.
            seed: seed of the random offsets.
            shard: this rank's share.

        Raises:
            ValueError: there are fewer than 2 symbols.
        """
        if len(symbols) < 2:
            raise ValueError(f"expected at least 2 symbols, an input and its target, found {len(symbols)}")
        self.symbols = symbols
        self.seed = seed
        pairs = len(symbols) - 1  # pairs of a symbol and the next symbol, which is its target
        self.window = min(window, pairs)
        self.batch_size = min(batch_size, pairs // self.window)
        self.columns = Columns(np.array(shard.contiguous(self.batch_size), np.int64), self.batch_size)
        self.steps_per_epoch = pairs // (self.batch_size * self.window)
        stream_length = self.steps_per_epoch * self.window
        self._max_offset = pairs - self.batch_size * stream_length
        # Positions (window + 1, own streams) of the first window if the offset is 0.
        self._positions = np.arange(self.window + 1)[:, None] + self.columns.indices * stream_length
        self._offset_of_epoch = -1, 0  # cache: number of an epoch, and its offset
        resident_per_step = self.batch_size * max(READ_AHEAD, self.window * symbols.itemsize)  # upper bound
        self._release_every = max(1, MAX_RESIDENT // resident_per_step)
        self.note = ""
        if (self.batch_size, self.window) != (batch_size, window):
            streams = f"{self.batch_size} stream{'' if self.batch_size == 1 else 's'}"
            self.note = (
                f"{len(symbols):,} symbols are few: training uses {streams} and windows of {self.window}"
            )

    def batch(self, epoch: int, index: int) -> tuple[Array, Array]:
        """Return inputs and targets (window, own streams), int64. A target is the symbol after its input."""
        if index % self._release_every == 0:
            release_pages(self.symbols)
        positions = self._positions + (self._offset(epoch) + index * self.window)
        symbols = np.asarray(self.symbols)  # indexing a memory map is slow
        text = symbols[positions].astype(np.int64)
        return text[:-1], text[1:]

    def _offset(self, epoch: int) -> int:
        """Return the start of the first stream. It is cached, because seeding a generator is slow."""
        if self._offset_of_epoch[0] != epoch:
            self._offset_of_epoch = epoch, int(_generator(self.seed, epoch).integers(self._max_offset + 1))
        return self._offset_of_epoch[1]


def release_pages(array: Array) -> None:
    """Release the pages of a memory-mapped file that were read, so that a large text does not fill memory.

    The system reads a released page again when it is needed. Arrays that are not memory-mapped do not change.
    """
    mapped = getattr(array, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


# --- whole sequences ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SequenceBatch:
    """Whole sequences of symbols, padded.

    Attributes:
        inputs: symbol numbers (time, batch), padded with 0.
        targets: symbol numbers (time, batch), padded with -1.
        lengths: number of symbols of each sequence (batch,).
        columns: positions of these sequences in the batch of all ranks.
        items: number of symbols in the batch of all ranks.
        conditions: condition number of each sequence (batch,), if any.
    """

    inputs: Array
    targets: Array
    lengths: Array
    columns: Columns
    items: int
    conditions: Array | None = None


class SequenceBatches:
    """Batches of lines or aligned pairs.

    With `shuffle`, a batch contains sequences of similar length. Otherwise the order of the data is kept.
    """

    def __init__(
        self,
        inputs: Sequence[Array],
        targets: Sequence[Array],
        batch_size: int,
        seed: int,
        shuffle: bool,
        shard: Shard = WHOLE,
        conditions: Array | None = None,
    ) -> None:
        """Compute the lengths of all sequences.

        Args:
            inputs: symbol numbers of each sequence (length,). If the collection has an attribute `lengths`,
                it must contain all lengths (sequences,).
            targets: symbol numbers of the targets of each sequence (length,).
            batch_size: sequences of all ranks in one step.
            seed: seed of the random order.
            shuffle: draw a new order in each epoch.
            shard: this rank's share.
            conditions: condition number of each sequence (sequences,).
        """
        self.inputs, self.targets, self.conditions = inputs, targets, conditions
        self.shard = shard
        self._lengths = _lengths(inputs)
        self._order = _EpochOrder(self._lengths, batch_size, None, seed, shuffle)

    def steps(self, epoch: int) -> int:
        """Return the number of batches in an epoch."""
        return len(self._order.batches(epoch))

    def batch(self, epoch: int, index: int) -> SequenceBatch:
        """Return this rank's sequences of one step."""
        whole = self._order.batches(epoch)[index]
        columns = _columns_of_unsorted(self._lengths[whole], self.shard)
        own = whole[columns.indices]
        lengths = self._lengths[own]
        shape = (int(lengths.max()), len(own))
        inputs, targets = np.zeros(shape, np.int64), np.full(shape, -1, np.int64)
        for column, number in enumerate(own.tolist()):
            inputs[: lengths[column], column] = self.inputs[number]
            targets[: lengths[column], column] = self.targets[number]
        conditions = None if self.conditions is None else self.conditions[own]
        return SequenceBatch(inputs, targets, lengths, columns, int(self._lengths[whole].sum()), conditions)


def _columns_of_unsorted(lengths: Array, shard: Shard) -> Columns:
    """Return the columns of a rank in a batch of lengths (batch,) that is not sorted by length.

    A single rank keeps the order of the batch.
    """
    if shard.size == 1:
        return Columns(np.arange(len(lengths)), len(lengths))
    by_length = shard.columns(len(lengths))
    order = np.argsort(-lengths, kind="stable")
    return Columns(order[by_length.indices], len(lengths), by_length.idle)


def _lengths(sequences: Sequence[Array]) -> Array:
    known = getattr(sequences, "lengths", None)
    return np.array([len(sequence) for sequence in sequences], np.int64) if known is None else known


@dataclass(frozen=True)
class SentenceBatch:
    """Whole sentences, the longest first, padded.

    Attributes:
        words: indices into the table of distinct words (time, batch), padded with 0.
        labels: label numbers (time, batch), or (time, batch, columns) of several labels; -1 is padding, or a
            label that does not occur in training.
        lengths: number of words of each sentence (batch,), descending.
        order: indices of the sentences in the data (batch,).
        columns: positions of these sentences in the batch of all ranks.
        longest: length of the longest sentence in the batch of all ranks.
        items: number of words in the batch of all ranks.
    """

    words: Array
    labels: Array
    lengths: Array
    order: Array
    columns: Columns
    longest: int
    items: int


class SentenceBatches:
    """Batches of a fixed number of sentences, or of a maximal number of words.

    With `batch_words`, sentences are sorted by length, the longest first. A batch is as large as possible:
    its words, padding included, do not exceed `batch_words`. With `shuffle`, the lengths are changed a little
    at random before sorting, and the batches are shuffled. Without `shuffle`, the batches stay sorted.

    With `batch_size` and `shuffle`, a batch contains sentences of similar length. Without `shuffle`, the
    order of the file is kept.
    """

    def __init__(
        self,
        words: Sequence[Array],
        labels: Sequence[Array],
        batch_size: int,
        batch_words: int | None,
        seed: int,
        shuffle: bool,
        shard: Shard = WHOLE,
    ) -> None:
        """Concatenate all sentences.

        Args:
            words: indices into the table of distinct words, per sentence (length,).
            labels: label numbers, per sentence (length,), or (length, columns) of several labels.
            batch_size: sentences of all ranks in one step; not used with `batch_words`.
            batch_words: largest number of words of all ranks in one step, or None. A longer sentence is a
                batch by itself.
            seed: seed of the random order.
            shuffle: draw a new order in each epoch.
            shard: this rank's share.
        """
        self.shard = shard
        self._lengths = _lengths(words)
        self._starts = np.concatenate([[0], np.cumsum(self._lengths)])[:-1]
        self._words = np.concatenate([*words, np.zeros(0, np.int64)]).astype(np.int64)
        empty = np.zeros((0, *labels[0].shape[1:]) if len(labels) else 0, np.int64)
        self._labels = np.concatenate([*labels, empty]).astype(np.int64)
        self._order = _EpochOrder(self._lengths, batch_size, batch_words, seed, shuffle)

    def steps(self, epoch: int) -> int:
        """Return the number of batches in an epoch, which may differ between epochs."""
        return len(self._order.batches(epoch))

    def batch(self, epoch: int, index: int) -> SentenceBatch:
        """Return this rank's sentences of one step."""
        whole = self._order.batches(epoch)[index]
        whole = whole[np.argsort(-self._lengths[whole], kind="stable")]
        columns = self.shard.columns(len(whole))
        order = whole[columns.indices]
        lengths = self._lengths[order]
        time = np.arange(lengths[0])[:, None]
        inside = time < lengths
        positions = np.where(inside, self._starts[order] + time, 0)
        words = np.where(inside, self._words[positions], 0)
        labels = np.where(
            inside if self._labels.ndim == 1 else inside[..., None], self._labels[positions], -1
        )
        longest, items = int(self._lengths[whole[0]]), int(self._lengths[whole].sum())
        return SentenceBatch(words, labels, lengths, order, columns, longest, items)


# --- order of an epoch --------------------------------------------------------------------------------------


class _EpochOrder:
    """Batches of each epoch, as indices of sequences. Every sequence is in exactly one batch."""

    def __init__(
        self, lengths: Array, batch_size: int, batch_words: int | None, seed: int, shuffle: bool
    ) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.batch_words = batch_words
        self.seed = seed
        self.shuffle = shuffle
        self._last: tuple[int, list[Array]] | None = None  # cache: number of an epoch, and its batches

    def batches(self, epoch: int) -> list[Array]:
        """Return one array of sequence indices for each batch."""
        key = epoch if self.shuffle else 0
        if self._last is None or self._last[0] != key:
            draw = _generator(self.seed, key)
            if self.batch_words is None:
                batches = self._by_sequences(draw)
            else:
                batches = self._by_words(draw, self.batch_words)
            self._last = key, batches
        return self._last[1]

    def _by_sequences(self, draw: np.random.Generator) -> list[Array]:
        """Shuffle the sequences, sort groups of many batches by length, and shuffle the batches."""
        count, size = len(self.lengths), self.batch_size
        if not self.shuffle:
            return _cut(np.arange(count), size)
        groups = _cut(draw.permutation(count), size * BATCHES_SORTED_TOGETHER)
        batches = [
            batch
            for group in groups
            for batch in _cut(group[np.argsort(self.lengths[group], kind="stable")], size)
        ]
        return [batches[index] for index in draw.permutation(len(batches))]

    def _by_words(self, draw: np.random.Generator, words: int) -> list[Array]:
        """Sort the sequences by length and cut them into batches of at most `words` words."""
        count = len(self.lengths)
        noise = draw.random(count) if self.shuffle else np.full(count, 0.5)
        order = np.lexsort((noise, -np.round(self.lengths * (1 + LENGTH_NOISE * (noise - 0.5)))))
        batches = []
        start, longest = 0, 0
        for stop, length in enumerate(self.lengths[order].tolist()):
            longest = max(longest, length)
            if longest * (stop + 1 - start) > words and stop > start:
                batches.append(order[start:stop])
                start, longest = stop, length
        batches += [order[start:]] if count else []
        return [batches[index] for index in draw.permutation(len(batches))] if self.shuffle else batches


def _cut(order: Array, size: int) -> list[Array]:
    return [order[start : start + size] for start in range(0, len(order), size)]
