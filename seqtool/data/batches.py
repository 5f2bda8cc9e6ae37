"""Batches for training: a pure function of (seed, epoch, index), so that an interrupted run needs no state to go on.

Where several ranks train together, each is given its share of every batch (`shares.py`). Arrays are time-major: (time, batch).
Padding is 0 in inputs and words, -1 in targets and labels.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqtool.data.sharding import WHOLE, Columns, Shard
from seqtool.types import Array

STRETCH = 50  # batches of a shuffled order that are sorted by length together
NOISE = 0.1  # by how much of its length a sentence may be misplaced when sorting, so that neighbours change
RELEASED = 64 << 20  # bytes of a memory-mapped text that may be held before they are given back
PAGES = 1 << 16  # bytes that the system brings in around one that is read


def _generator(seed: int, epoch: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch])))


# --- running text -----------------------------------------------------------------------------------------------------


class TextStreams:
    """Running text as contiguous parallel streams, read window by window in constant shapes.

    The text is cut into `batch_size` streams of equal length; a stream's windows follow each other, so that a state can be
    carried. The first stream's start changes with the epoch, and with it what does not fill a window, so that no part is
    never seen.

    Attributes:
        batch_size, window: as asked for, or lowered for a text that is too short for them.
        columns: the streams that this rank reads.
        steps_per_epoch: windows in a stream.
        note: what was lowered, in one line; else empty.
    """

    def __init__(self, symbols: Array, batch_size: int, window: int, seed: int, shard: Shard = WHOLE) -> None:
        """Args: symbols: (length,) of any unsigned type, at least 2; may be memory-mapped."""
        if len(symbols) < 2:
            raise ValueError(f"a text of {len(symbols)} symbols has no symbol with another after it")
        self.symbols = symbols
        self.seed = seed
        pairs = len(symbols) - 1  # a symbol and the one to predict
        self.window = min(window, pairs)
        self.batch_size = min(batch_size, pairs // self.window)
        self.columns = Columns(np.array(shard.stretch(self.batch_size), np.int64), self.batch_size)
        self.steps_per_epoch = pairs // (self.batch_size * self.window)
        self._stream = self.steps_per_epoch * self.window  # length of one
        self._slack = pairs - self.batch_size * self._stream
        self._places = (
            np.arange(self.window + 1)[:, None] + self.columns.places * self._stream
        )  # of a window that starts at 0
        self._first = -1, 0  # an epoch and where its first stream starts
        held = self.batch_size * max(PAGES, self.window * symbols.itemsize)  # at most, by one batch
        self._release_every = max(1, RELEASED // held)
        self.note = ""
        if (self.batch_size, self.window) != (batch_size, window):
            streams = f"{self.batch_size} stream{'' if self.batch_size == 1 else 's'}"
            self.note = f"{len(symbols):,} symbols are few: {streams} and windows of {self.window} are used"

    def batch(self, epoch: int, index: int) -> tuple[Array, Array]:
        """Inputs and targets (window, own streams) of one step, int64; the target of a symbol is the one after it."""
        if index % self._release_every == 0:
            release(self.symbols)
        start = self._start(epoch) + index * self.window
        text = np.asarray(self.symbols)[self._places + start].astype(
            np.int64
        )  # a memory map's own indexing is slow
        return text[:-1], text[1:]

    def _start(self, epoch: int) -> int:
        """Where the first stream starts: drawn once an epoch, since seeding a generator costs more than slicing."""
        if self._first[0] != epoch:
            self._first = epoch, int(_generator(self.seed, epoch).integers(self._slack + 1))
        return self._first[1]


def release(array: Array) -> None:
    """Give back the pages of a memory-mapped file that were read, so that a large text is never held as a whole.

    They are read again when they are needed, as a rule from the system's cache.
    """
    mapped = getattr(array, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


# --- whole sequences --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SequenceBatch:
    """Whole sequences of symbols, padded.

    Attributes:
        inputs: (time, batch), padded with 0.
        targets: (time, batch), padded with -1.
        lengths: (batch,).
        columns: where these stand in the whole batch.
        items: symbols of the whole batch.
    """

    inputs: Array
    targets: Array
    lengths: Array
    columns: Columns
    items: int


class SequenceBatches:
    """Lines or aligned pairs: sequences of similar length together when shuffled, else in the given order."""

    def __init__(
        self,
        inputs: Sequence[Array],
        targets: Sequence[Array],
        batch_size: int,
        seed: int,
        shuffle: bool,
        shard: Shard = WHOLE,
    ) -> None:
        """Args: inputs, targets: of equal lengths; a sequence that has an array `lengths` is not asked one by one."""
        self.inputs = inputs
        self.targets = targets
        self.shard = shard
        self._lengths = _lengths(inputs)
        self._order = _Order(self._lengths, batch_size, None, seed, shuffle)

    def steps(self, epoch: int) -> int:
        """Batches in an epoch."""
        return len(self._order.batches(epoch))

    def batch(self, epoch: int, index: int) -> SequenceBatch:
        """One step's sequences."""
        whole = self._order.batches(epoch)[index]
        columns, places = _taken(whole, self._lengths, self.shard)
        lengths = self._lengths[places]
        shape = (int(lengths.max()), len(places))
        inputs, targets = np.zeros(shape, np.int64), np.full(shape, -1, np.int64)
        for column, place in enumerate(places.tolist()):
            inputs[: lengths[column], column] = self.inputs[place]
            targets[: lengths[column], column] = self.targets[place]
        return SequenceBatch(inputs, targets, lengths, columns, int(self._lengths[whole].sum()))


def _taken(whole: Array, lengths: Array, shard: Shard) -> tuple[Columns, Array]:
    """A rank's columns of a batch that is in any order, and what stands in them; one rank takes it as it is."""
    if shard.size == 1:
        return Columns(np.arange(len(whole)), len(whole)), whole
    dealt = shard.columns(len(whole))
    columns = Columns(np.argsort(-lengths[whole], kind="stable")[dealt.places], len(whole), dealt.idle)
    return columns, whole[columns.places]


def _lengths(sequences: Sequence[Array]) -> Array:
    known = getattr(sequences, "lengths", None)
    return np.array([len(sequence) for sequence in sequences], np.int64) if known is None else known


@dataclass(frozen=True)
class SentenceBatch:
    """Whole sentences, the longest first, padded.

    Attributes:
        words: (time, batch): places in the table of distinct words, padded with 0.
        labels: (time, batch): label numbers; -1 is padding, or a label that training does not know.
        lengths: (batch,), descending.
        order: (batch,): which sentences these are.
        columns: where these stand in the whole batch.
        longest, items: steps and words of the whole batch.
    """

    words: Array
    labels: Array
    lengths: Array
    order: Array
    columns: Columns
    longest: int
    items: int


class SentenceBatches:
    """Sentences in batches of a number of sentences, or of about a number of words.

    By number of words they are sorted by length, with chance for a tie-breaker, cut where the words (padding counted) would
    be more than `batch_words`, and the batches taken in a new order every epoch. Without `shuffle` they stay sorted, the
    longest first, as evaluation wants them. By number of sentences and without `shuffle`, the file's order is kept.
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
        """Args: batch_words: instead of batch_size, which is then not used; a longer sentence is a batch of its own."""
        self.shard = shard
        self._lengths = _lengths(words)
        self._starts = np.concatenate([[0], np.cumsum(self._lengths)])[:-1]
        self._words = np.concatenate([*words, np.zeros(0, np.int64)]).astype(np.int64)
        self._labels = np.concatenate([*labels, np.zeros(0, np.int64)]).astype(np.int64)
        self._order = _Order(self._lengths, batch_size, batch_words, seed, shuffle)

    def steps(self, epoch: int) -> int:
        """Batches in an epoch; their number may differ from epoch to epoch."""
        return len(self._order.batches(epoch))

    def batch(self, epoch: int, index: int) -> SentenceBatch:
        """One step's sentences."""
        whole = self._order.batches(epoch)[index]
        whole = whole[np.argsort(-self._lengths[whole], kind="stable")]
        columns = self.shard.columns(len(whole))
        order = whole[columns.places]
        lengths = self._lengths[order]
        time = np.arange(lengths[0])[:, None]
        inside = time < lengths
        places = np.where(inside, self._starts[order] + time, 0)
        words, labels = np.where(inside, self._words[places], 0), np.where(inside, self._labels[places], -1)
        longest, items = int(self._lengths[whole[0]]), int(self._lengths[whole].sum())
        return SentenceBatch(words, labels, lengths, order, columns, longest, items)


# --- which sequences stand together -----------------------------------------------------------------------------------


class _Order:
    """The batches of each epoch, as places of sequences; every sequence stands in exactly one."""

    def __init__(
        self, lengths: Array, batch_size: int, batch_words: int | None, seed: int, shuffle: bool
    ) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.batch_words = batch_words
        self.seed = seed
        self.shuffle = shuffle
        self._made: tuple[int, list[Array]] | None = None  # of the last epoch asked for: a cache, not a state

    def batches(self, epoch: int) -> list[Array]:
        """Places of sequences, one array a batch."""
        key = epoch if self.shuffle else 0
        if self._made is None or self._made[0] != key:
            draw = _generator(self.seed, key)
            self._made = (
                key,
                self._by_number(draw) if self.batch_words is None else self._by_words(draw, self.batch_words),
            )
        return self._made[1]

    def _by_number(self, draw: np.random.Generator) -> list[Array]:
        """Shuffled: sorted by length within stretches of many batches, then the batches mixed."""
        count, size = len(self.lengths), self.batch_size
        if not self.shuffle:
            return _cut(np.arange(count), size)
        order = draw.permutation(count)
        parts = [order[start : start + size * STRETCH] for start in range(0, count, size * STRETCH)]
        found = [
            batch
            for part in parts
            for batch in _cut(part[np.argsort(self.lengths[part], kind="stable")], size)
        ]
        return [found[place] for place in draw.permutation(len(found))]

    def _by_words(self, draw: np.random.Generator, words: int) -> list[Array]:
        """Sorted by length, cut by the number of words."""
        count = len(self.lengths)
        noise = draw.random(count) if self.shuffle else np.full(count, 0.5)
        order = np.lexsort((noise, -np.round(self.lengths * (1 + NOISE * (noise - 0.5)))))
        found = []
        start, longest = 0, 0
        for stop, length in enumerate(self.lengths[order].tolist()):
            longest = max(longest, length)
            if longest * (stop + 1 - start) > words and stop > start:
                found.append(order[start:stop])
                start, longest = stop, length
        found += [order[start:]] if count else []
        return [found[place] for place in draw.permutation(len(found))] if self.shuffle else found


def _cut(order: Array, size: int) -> list[Array]:
    return [order[start : start + size] for start in range(0, len(order), size)]
