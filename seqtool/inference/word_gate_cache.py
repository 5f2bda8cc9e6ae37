"""Cache of the first layer's input gates by word.

The input gates of the first layer depend on the word alone. They are computed once per distinct word and kept
within a memory limit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

import numpy as np

from seqtool.data.tagging.word_encoder import WordEncoder
from seqtool.inference.cells import Cell
from seqtool.inference.word_features import WordEmbedder
from seqtool.types import Array

# 12 MB hold 2,457 words of the standard tagger (2 x LSTM 160). Eight times as many words were not faster on
# English.
CACHE_BYTES = 12 << 20
# A small network gains less from a longer list of words than the bookkeeping costs.
LEAST_WORDS, MOST_WORDS = 64, 1 << 15
_WORDS_AT_ONCE = 1024  # words that are computed together; limits memory


class WordGateCache:
    """Rows of input gates by word.

    A full cache drops the least used words, a quarter of its capacity at a time, but no word of the current
    request. The use counts of the others are then halved, so that words that are no longer used can be
    dropped later. Rows never move and are used again, so memory does not grow with the number of words.
    Threads may share a cache; a lock serializes them.

    A tagger can have output layers that also read the word. Their scores of a word are kept beside its gates.

    Attributes:
        capacity: number of words that the cache can hold.
    """

    def __init__(
        self,
        encoder: WordEncoder,
        embedder: WordEmbedder,
        cell: Cell,
        size: int = CACHE_BYTES,
        word_weights: Array | None = None,
    ) -> None:
        """Create an empty cache of a size in bytes.

        Args:
            word_weights: weights (width, labels) of output layers that read the input vector of a word.
        """
        labels = 0 if word_weights is None else word_weights.shape[1]
        self.encoder = encoder
        self.embedder = embedder
        self.cell = cell
        self.size = size
        self.capacity = min(
            max(LEAST_WORDS, size // (4 * (cell.directions * cell.gates + labels))), MOST_WORDS
        )
        self._lock = Lock()
        self._rows: dict[str, int] = {}
        self._free = list(range(self.capacity - 1, -1, -1))  # the last one is used next
        self._uses = np.zeros(self.capacity, np.int64)
        # The operating system provides memory only for rows that are written.
        self._table = np.empty((self.capacity, cell.directions, cell.gates), np.float32)
        self._word_weights = word_weights
        self._word_scores = np.empty((self.capacity, labels), np.float32)

    def __reduce__(self) -> tuple[type[WordGateCache], tuple[object, ...]]:
        """Pickle the cache without its contents."""
        return type(self), (self.encoder, self.embedder, self.cell, self.size, self._word_weights)

    def __len__(self) -> int:
        return len(self._rows)

    def fits(self, words: Sequence[str]) -> bool:
        """Return whether the cache can hold all these words at once."""
        return len(words) <= self.capacity or len(set(words)) <= self.capacity

    @contextmanager
    def lookup(self, words: Sequence[str]) -> Iterator[tuple[Array, Array] | None]:
        """Look up the gates of words. The result is valid within the context.

        Returns:
            The table (rows, directions, gates * hidden) and the row of each word (words,); None if there are
            more distinct words than the cache can hold.
        """
        with self._lock:
            rows = self._find_rows(words)
            yield None if rows is None else (self._table, rows)

    def word_scores(self, words: Sequence[str]) -> Array:
        """Return the scores of words in the output layers that read them (words, labels)."""
        assert self._word_weights is not None
        with self._lock:
            rows = self._find_rows(words)
            if rows is not None:
                return self._word_scores[rows]
        return self.input_vectors(words) @ self._word_weights

    def _find_rows(self, words: Sequence[str]) -> Array | None:
        try:
            rows = np.fromiter(map(self._rows.__getitem__, words), np.int64, len(words))
        except KeyError:
            return self._find_rows(words) if self._add(dict.fromkeys(words)) else None
        self._uses += np.bincount(rows, minlength=self.capacity)
        return rows

    def _add(self, words: Collection[str]) -> bool:
        """Compute the missing words of some distinct words; return False if the cache cannot hold all."""
        if len(words) > self.capacity:
            return False
        missing = [word for word in words if word not in self._rows]
        if len(missing) > len(self._free):
            self._drop(words, max(len(missing) - len(self._free), self.capacity // 4))
        for start in range(0, len(missing), _WORDS_AT_ONCE):
            portion = missing[start : start + _WORDS_AT_ONCE]
            vectors = self.input_vectors(portion)
            gates = self.cell.gate_table(vectors)  # an error here leaves the cache unchanged
            rows = [self._free.pop() for _ in portion]
            self._table[rows] = gates
            if self._word_weights is not None:
                self._word_scores[rows] = vectors @ self._word_weights
            self._uses[rows] = 0
            self._rows.update(zip(portion, rows, strict=True))
        return True

    def _drop(self, keep: Collection[str], count: int) -> None:
        """Drop the `count` least used words that are not in `keep`."""
        others = [word for word in self._rows if word not in keep]
        uses = self._uses[[self._rows[word] for word in others]]
        for index in np.argsort(uses, kind="stable")[:count].tolist():
            self._free.append(self._rows.pop(others[index]))
        self._uses //= 2

    def input_vectors(self, words: Sequence[str]) -> Array:
        """Return the input of the first layer, (words, width), computed without the cache."""
        parts = [
            self.embedder(self.encoder.encode(words[start : start + _WORDS_AT_ONCE]))
            for start in range(0, len(words), _WORDS_AT_ONCE)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


class WordGates:
    """Input gates for more distinct words than the cache can hold. They are looked up block by block."""

    def __init__(
        self, cache: WordGateCache, words: Sequence[str], positions: Array, backward: Array | None
    ) -> None:
        """Take the words of packed sentences.

        Args:
            positions: index of the word at each place: (total,).
            backward: `Packing.backward`, for two directions.
        """
        self._cache = cache
        self._words = words
        self._positions = [positions] if backward is None else [positions, positions[backward]]

    def block(self, first: int, last: int) -> Array:
        """Return the gates of a range of places; see `encoder.Gates`."""
        return np.stack(
            [
                self._gates(direction, positions[first:last].tolist())
                for direction, positions in enumerate(self._positions)
            ]
        )

    def _gates(self, direction: int, positions: Sequence[int]) -> Array:
        words = [self._words[position] for position in positions]
        with self._cache.lookup(words) as found:
            if found is not None:
                table, rows = found
                cached: Array = table[rows, direction]
                return cached
        computed: Array = self._cache.cell.input_gates(self._cache.input_vectors(words))[direction]
        return computed
