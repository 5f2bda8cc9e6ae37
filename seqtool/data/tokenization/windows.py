"""Windows of characters for training.

The windows of a paragraph follow each other from a random offset, so that each epoch cuts it at other places.
Each character is in exactly one window. Each epoch also puts the sentences of a paragraph into a new order: a
network that sees a sentence beside new neighbors learns what the end of a sentence looks like, not which
sentence follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seqtool.data.sharding import WHOLE, Columns, Shard
from seqtool.types import Array

SORTED_TOGETHER = 20  # shuffled windows are sorted by length within groups of this many batches


@dataclass(frozen=True)
class WindowBatch:
    """Windows of a batch, the longest first, padded.

    Attributes:
        symbols: symbol numbers (time, batch), padded with 0.
        classes: classes of the characters (time, batch); negative values are not trained on.
        sentences: 1 for the end of a sentence, 0 for another end of a token, else negative (time, batch).
        lengths: characters of each window (batch,), descending.
        columns: positions of these windows in the batch of all ranks.
        items: characters in the batch of all ranks.
    """

    symbols: Array
    classes: Array
    sentences: Array
    lengths: Array
    columns: Columns
    items: int


@dataclass(frozen=True)
class EncodedText:
    """Paragraphs one after the other, as numbers.

    Attributes:
        symbols: symbol numbers (characters,).
        classes: target class of each character (characters,).
        sentences: target at token ends (characters,).
        lengths: characters of each paragraph (paragraphs,).
        sentence_lengths: characters of each sentence, with the space after it (sentences,).
    """

    symbols: Array
    classes: Array
    sentences: Array
    lengths: Array
    sentence_lengths: Array


class _Epoch(NamedTuple):
    """Order and windows of an epoch.

    Attributes:
        order: position in the text of each character (characters,).
        batches: start and end in `order` of the windows of each batch, the longest first: (windows, 2).
    """

    order: Array
    batches: list[Array]


class WindowBatches:
    """Batches of windows from random offsets. Every character is in exactly one batch of an epoch."""

    def __init__(
        self,
        text: EncodedText,
        window: int,
        batch_size: int,
        seed: int,
        shuffle: bool = True,
        shard: Shard = WHOLE,
    ) -> None:
        """Prepare the batches.

        Args:
            text: paragraphs of the training data.
            window: characters of a window.
            batch_size: windows of all ranks in one step.
            seed: seed of offsets and order.
            shuffle: draw a new order of sentences and windows in each epoch; the offsets are new in any case.
            shard: this rank's share.
        """
        self.text = text
        self.window = window
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.shard = shard
        self._last: tuple[int, _Epoch] | None = None  # cache: number of an epoch, and the epoch

    def steps(self, epoch: int) -> int:
        """Return the number of batches in an epoch, which may differ between epochs."""
        return len(self._epoch(epoch).batches)

    def batch(self, epoch: int, index: int) -> WindowBatch:
        """Return this rank's windows of one step."""
        order, batches = self._epoch(epoch)
        whole = batches[index]
        columns = self.shard.columns(len(whole))
        own = whole[columns.indices]
        lengths = own[:, 1] - own[:, 0]
        time = np.arange(lengths[0])[:, None]
        inside = time < lengths
        positions = order[np.where(inside, own[:, 0] + time, 0)]
        return WindowBatch(
            symbols=np.where(inside, self.text.symbols[positions], 0).astype(np.int64),
            classes=np.where(inside, self.text.classes[positions], -1).astype(np.int64),
            sentences=np.where(inside, self.text.sentences[positions], -1).astype(np.int64),
            lengths=lengths,
            columns=columns,
            items=int((whole[:, 1] - whole[:, 0]).sum()),
        )

    def _epoch(self, epoch: int) -> _Epoch:
        """Draw the order of an epoch's sentences, and its windows."""
        if self._last is None or self._last[0] != epoch:
            draw = np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, epoch])))
            windows = self._windows(draw)
            lengths = windows[:, 1] - windows[:, 0]
            order = draw.permutation(len(windows)) if self.shuffle else np.arange(len(windows))
            batches = []
            for group in _cut(order, self.batch_size * SORTED_TOGETHER):
                by_length = group[np.argsort(-lengths[group], kind="stable")]
                batches += [windows[batch] for batch in _cut(by_length, self.batch_size)]
            if self.shuffle:
                batches = [batches[index] for index in draw.permutation(len(batches))]
                characters = shuffle_sentences(self.text, draw)
            else:
                characters = np.arange(len(self.text.symbols))
            self._last = epoch, _Epoch(characters, batches)
        return self._last[1]

    def _windows(self, draw: np.random.Generator) -> Array:
        """Return start and end of all windows of an epoch: (windows, 2)."""
        lengths = self.text.lengths
        starts = np.cumsum(lengths) - lengths
        offsets = np.where(lengths > self.window, draw.integers(self.window, size=len(lengths)), 0)
        counts = -(-(lengths + offsets) // self.window)
        paragraphs = np.repeat(np.arange(len(lengths)), counts)
        numbers = np.arange(len(paragraphs)) - np.repeat(np.cumsum(counts) - counts, counts)
        first = starts[paragraphs] - offsets[paragraphs] + numbers * self.window
        return np.stack(
            [
                np.maximum(first, starts[paragraphs]),
                np.minimum(first + self.window, starts[paragraphs] + lengths[paragraphs]),
            ],
            axis=1,
        )


def shuffle_sentences(text: EncodedText, draw: np.random.Generator) -> Array:
    """Return the positions of the characters of a text with the sentences of each paragraph in random order.

    The last sentence of a paragraph stays where it is, because no space follows it.

    Returns:
        permutation of the positions (characters,).
    """
    ends = np.cumsum(text.sentence_lengths)
    starts = ends - text.sentence_lengths
    paragraph_ends = np.cumsum(text.lengths)
    paragraphs = np.searchsorted(paragraph_ends, starts, side="right")
    is_last = np.isin(ends, paragraph_ends)
    order = np.lexsort((draw.random(len(starts)), is_last, paragraphs))
    lengths = text.sentence_lengths[order]
    shifts = starts[order] - (np.cumsum(lengths) - lengths)
    positions: Array = np.arange(len(text.symbols)) + np.repeat(shifts, lengths)
    return positions


def _cut(order: Array, size: int) -> list[Array]:
    return [order[start : start + size] for start in range(0, len(order), size)]
