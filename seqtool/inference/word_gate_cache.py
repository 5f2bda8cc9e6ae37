"""What the first layer's gates get from a word depends on the word alone: worked out once, and kept within a bound."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

import numpy as np

from seqtool.data.tagging.word_encoder import WordEncoder
from seqtool.inference.cells import Cell
from seqtool.inference.word_features import WordVectors, gate_table
from seqtool.types import Array

CACHE_BYTES = (
    12 << 20
)  # 2,457 words of the standard tagger, 2 x LSTM 160; eight times as many made it no faster on English
LEAST_WORDS, MOST_WORDS = (
    64,
    1 << 15,
)  # the bookkeeping of more words would cost a small network more than it saves
_PORTION = 1024  # words that are worked out at a time: bounds memory


class WordCache:
    """Rows of gate input by word.

    When it is full, the words that were used least make room, a quarter of it at a time, but none that is wanted just then.
    What the others were used is halved, so that old favourites can fade. Rows never move and are used again, so that an
    endless stream of words takes no more memory than the first of them did. Threads may share a cache; they take turns.

    Attributes:
        capacity: the number of words it can hold.
    """

    def __init__(
        self, encoder: WordEncoder, vectors: WordVectors, cell: Cell, size: int = CACHE_BYTES
    ) -> None:
        """Args: size: in bytes."""
        self.encoder = encoder
        self.vectors = vectors
        self.cell = cell
        self.capacity = min(max(LEAST_WORDS, size // (4 * cell.directions * cell.gates)), MOST_WORDS)
        self._empty()

    def _empty(self) -> None:
        self._lock = Lock()
        self._rows: dict[str, int] = {}
        self._free = list(range(self.capacity - 1, -1, -1))  # the next is at the end
        self._uses = np.zeros(self.capacity, np.int64)
        # Memory that is not written to is not taken.
        self._table = np.empty((self.capacity, self.cell.directions, self.cell.gates), np.float32)

    def __getstate__(self) -> dict[str, Any]:
        """The cache travels empty."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._empty()

    def __len__(self) -> int:
        return len(self._rows)

    def holds(self, words: Sequence[str]) -> bool:
        """Whether words fit in, all at a time."""
        return len(words) <= self.capacity or len(set(words)) <= self.capacity

    @contextmanager
    def looked_up(self, words: Sequence[str]) -> Iterator[tuple[Array, Array] | None]:
        """Gate input of words, good until the context is left.

        Returns:
            table (rows, directions, gates * hidden) and the row of each word (words,); None if there are more distinct words
            than the cache can hold.
        """
        with self._lock:
            rows = self._find(words)
            yield None if rows is None else (self._table, rows)

    def _find(self, words: Sequence[str]) -> Array | None:
        try:
            rows = np.fromiter(map(self._rows.__getitem__, words), np.int64, len(words))
        except KeyError:
            return self._find(words) if self._add(dict.fromkeys(words)) else None
        self._uses += np.bincount(rows, minlength=self.capacity)
        return rows

    def _add(self, words: Collection[str]) -> bool:
        """Work out those of some distinct words that are not there; False if there are more than fit in."""
        if len(words) > self.capacity:
            return False
        missing = [word for word in words if word not in self._rows]
        if len(missing) > len(self._free):
            self._make_room(words, max(len(missing) - len(self._free), self.capacity // 4))
        for start in range(0, len(missing), _PORTION):
            portion = missing[start : start + _PORTION]
            gates = gate_table(self.cell, self.read(portion))  # if this fails, nothing has changed
            rows = [self._free.pop() for _ in portion]
            self._table[rows] = gates
            self._uses[rows] = 0
            self._rows.update(zip(portion, rows, strict=True))
        return True

    def _make_room(self, wanted: Collection[str], count: int) -> None:
        """Drop so many of the words that are not wanted, those used least."""
        others = [word for word in self._rows if word not in wanted]
        uses = self._uses[[self._rows[word] for word in others]]
        for place in np.argsort(uses, kind="stable")[:count].tolist():
            self._free.append(self._rows.pop(others[place]))
        self._uses //= 2

    def read(self, words: Sequence[str]) -> Array:
        """What the first layer reads of words, without the cache: (words, width)."""
        parts = [
            self.vectors(self.encoder.encode(words[start : start + _PORTION]))
            for start in range(0, len(words), _PORTION)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


class WordGates:
    """The first layer's gates where there are more distinct words than the cache holds: they are looked up block by block."""

    def __init__(self, cache: WordCache, words: Sequence[str], places: Array, back: Array | None) -> None:
        """Take the words of packed sentences.

        Args:
            places: (total,) which of the words stands at each place.
            back: `Packing.back`, for two directions.
        """
        self._cache = cache
        self._words = words
        self._places = [places] if back is None else [places, places[back]]

    def block(self, first: int, last: int) -> Array:
        """See `encoder.Gates`."""
        directions = range(len(self._places))
        return np.stack(
            [self._gates(direction, self._places[direction][first:last].tolist()) for direction in directions]
        )

    def _gates(self, direction: int, places: Sequence[int]) -> Array:
        words = [self._words[place] for place in places]
        with self._cache.looked_up(words) as found:
            if found is not None:
                table, rows = found
                taken: Array = table[rows, direction]
                return taken
        worked_out: Array = self._cache.cell.input_gates(self._cache.read(words))[direction]
        return worked_out
