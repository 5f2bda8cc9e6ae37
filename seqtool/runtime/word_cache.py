"""What the first layer's gates get from a word depends on the word alone: worked out once, and kept within a bound."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np

from seqtool.data.word_encoder import WordEncoder
from seqtool.runtime.cells import Cell
from seqtool.runtime.word_features import WordVectors

Array = np.ndarray[Any, Any]

CACHE_BYTES = 96 << 20  # some 19,000 words of the standard tagger, 2 x LSTM 160
LEAST_WORDS = 64
_PORTION = 1024  # words that are worked out at a time: bounds memory


class WordCache:
    """Rows of gate input by word.

    When it is full, the half that was used most stays, and its uses are halved, so that old favourites can fade. A table
    that was given out is never written to in rows that were given out, so that threads may share the cache.

    Attributes:
        capacity: the number of words it can hold.
    """

    def __init__(self, encoder: WordEncoder, vectors: WordVectors, cell: Cell, size: int = CACHE_BYTES) -> None:
        """Args: size: in bytes."""
        self.encoder = encoder
        self.vectors = vectors
        self.cell = cell
        self.capacity = max(LEAST_WORDS, size // (4 * cell.directions * cell.gates))
        self._empty()

    def _empty(self) -> None:
        self._lock = Lock()
        self._rows: dict[str, int] = {}
        self._uses = np.zeros(self.capacity, np.int64)
        self._table = self._fresh()

    def _fresh(self) -> Array:
        """A table for `capacity` words; memory that is not written to is not taken."""
        return np.empty((self.capacity, self.cell.directions, self.cell.gates), np.float32)

    def __getstate__(self) -> dict[str, Any]:
        """The cache travels empty."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._empty()

    def __len__(self) -> int:
        return len(self._rows)

    def look_up(self, words: Sequence[str]) -> tuple[Array, Array] | None:
        """Gate input of words.

        Returns:
            table (rows, directions, gates * hidden) and the row of each word (words,); None if there are more distinct words
            than the cache can hold.
        """
        with self._lock:
            try:
                rows = [self._rows[word] for word in words]
            except KeyError:
                if not self._add(words):
                    return None
                rows = [self._rows[word] for word in words]
            found = np.array(rows, np.int64)
            self._uses += np.bincount(found, minlength=self.capacity)
            return self._table, found

    def _add(self, words: Sequence[str]) -> bool:
        """Work out the words that are not there; False if there are more than fit in."""
        distinct = dict.fromkeys(words)
        missing = [word for word in distinct if word not in self._rows]
        if len(self._rows) + len(missing) > self.capacity:
            if len(distinct) > self.capacity:
                return False
            self._make_room(min(self.capacity // 2, self.capacity - len(distinct)))
            missing = [word for word in distinct if word not in self._rows]
        for start in range(0, len(missing), _PORTION):
            portion = missing[start : start + _PORTION]
            place = len(self._rows)
            gates = self._table[place : place + len(portion)]
            self.cell.input_gates(self.read(portion), out=gates.transpose(1, 0, 2))
            self._rows.update(zip(portion, range(place, place + len(portion)), strict=True))
        return True

    def _make_room(self, kept: int) -> None:
        """Keep that many of the words that were used most."""
        names = list(self._rows)  # in the order of their rows
        order = np.argsort(-self._uses[: len(names)], kind="stable")[:kept]
        table, uses = self._fresh(), np.zeros(self.capacity, np.int64)
        table[:kept], uses[:kept] = self._table[order], self._uses[order] // 2
        self._rows = {names[row]: place for place, row in enumerate(order.tolist())}
        self._table, self._uses = table, uses

    def read(self, words: Sequence[str]) -> Array:
        """What the first layer reads of words, without the cache: (words, width)."""
        parts = [self.vectors(self.encoder.encode(words[start : start + _PORTION])) for start in range(0, len(words), _PORTION)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
