"""A text as a character model reads it, symbol by symbol: its guesses, what surprised it, and its states.

Running text is read with carried state. A model of lines reads each line from its initial state, as it was trained, so that
one line says nothing of the next.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from seqtool.data.vocabulary import BOUNDARY
from seqtool.decoding import log_softmax
from seqtool.inference.character import CharacterModel
from seqtool.inference.text_scoring import carried_pieces
from seqtool.types import Array

GUESSES = 5
_LINES = 128  # lines of a model of lines that are read together


@dataclass(frozen=True)
class Trace:
    """What was found at each symbol of a text.

    Attributes:
        symbols: of the text, as the vocabulary has them; for a model of lines each line ends with a line break.
        guesses: numbers of the likeliest next (or aligned) symbols, the best first: (length, 5); no columns without output layer.
        probabilities: theirs.
        bits: surprisal of each symbol; NaN where it was not predicted, as the first of a running text.
        states: arrays (length, hidden) by name, see `CharacterModel.states`.
    """

    symbols: tuple[str, ...]
    guesses: Array
    probabilities: Array
    bits: Array
    states: dict[str, Array]

    def last(self, count: int) -> Trace:
        """The end of it."""
        start = len(self.symbols) - count
        states = {name: values[start:] for name, values in self.states.items()}
        return Trace(
            self.symbols[start:], self.guesses[start:], self.probabilities[start:], self.bits[start:], states
        )


def read_symbols(model: CharacterModel, text: str) -> Array:
    """The numbers of the symbols that a reading has: the text's, every line ended for a model of lines.

    Raises:
        DataError: an unknown symbol.
    """
    if model.kind == "lines":
        text = "".join(line + BOUNDARY for line in text.removesuffix(BOUNDARY).split(BOUNDARY))
    return model.encode(text)


def pieces(
    model: CharacterModel, ids: Array, wanted: Collection[str] | None
) -> Iterator[tuple[Array, dict[str, Array]]]:
    """States and scores after each symbol, a part of the text at a time: positions (count,) and arrays (count, …) by name."""
    if model.kind != "lines":
        yield from carried_pieces(model, ids, wanted)
        return
    (boundary,) = model.encode(BOUNDARY)
    ends = np.flatnonzero(ids == boundary) + 1
    starts = np.concatenate([[0], ends[:-1]])
    order = np.argsort(starts - ends, kind="stable")  # lines of like length together
    for first in range(0, len(order), _LINES):
        lines = order[first : first + _LINES]
        positions = starts[lines] + np.arange(int((ends - starts)[lines].max()))[:, None]  # (time, lines)
        inside = positions < ends[lines]
        _, state = model.forward(np.full((1, len(lines)), boundary, np.int64))
        found, _ = model.watched(ids[np.where(inside, positions, 0)], state, wanted)
        yield positions[inside], {name: values[inside] for name, values in found.items()}


def read(model: CharacterModel, text: str, wanted: Collection[str] = ()) -> Trace:
    """Read a text.

    Args:
        wanted: names of the states to keep.

    Raises:
        DataError: an unknown symbol.
    """
    ids = read_symbols(model, text)
    has_scores = model.settings.output == "linear"
    width = min(GUESSES, len(model.vocabulary)) if has_scores else 0
    guesses, probabilities = np.zeros((len(ids), width), np.int64), np.zeros((len(ids), width), np.float32)
    bits = np.full(len(ids) + 1, np.nan)  # of the symbol after each place
    states: dict[str, Array] = {}
    for positions, found in pieces(model, ids, {*wanted, *(["logits"] if has_scores else [])}):
        if has_scores:
            scores = log_softmax(found.pop("logits"))
            best = np.argsort(-scores, axis=1, kind="stable")[:, :width]
            guesses[positions], probabilities[positions] = best, np.exp(np.take_along_axis(scores, best, 1))
            after = np.minimum(positions + 1, len(ids) - 1)
            bits[positions + 1] = -scores[np.arange(len(positions)), ids[after]] / math.log(2)
        for name, values in found.items():
            states.setdefault(name, np.empty((len(ids), values.shape[1]), np.float32))[positions] = values
    symbols = tuple(map(model.vocabulary.symbols.__getitem__, ids.tolist()))
    return Trace(symbols, guesses, probabilities, _surprisal(model, ids, bits[:-1]), states)


def _surprisal(model: CharacterModel, ids: Array, bits: Array) -> Array:
    """Bits of each symbol, given those that the symbol before it predicted."""
    if model.kind == "pairs":
        return np.full(len(ids), np.nan)
    if model.kind == "lines" and model.settings.output == "linear":
        boundary = model.encode(BOUNDARY)
        first = -log_softmax(model.forward(boundary[:, None])[0][0, 0]) / math.log(2)
        begins = np.concatenate([[True], ids[:-1] == boundary[0]])[: len(ids)]
        return np.where(begins, first[ids], bits)
    return bits
