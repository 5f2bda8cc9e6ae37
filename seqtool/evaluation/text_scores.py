"""Scores of a text model on a text: both protocols, classes of symbols, lengths of context, temperature.

Losses are in nats per symbol unless stated otherwise. A text of any length is scored in parts; only sums for
each symbol of the vocabulary are kept.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from seqtool.data.batches import release_pages
from seqtool.data.vocabulary import SymbolVocabulary
from seqtool.data.word_vocabulary import WordSymbols
from seqtool.evaluation.conditions import ConditionTally
from seqtool.evaluation.text_evaluation import Temperature, TextEvaluation
from seqtool.inference.character import CharacterModel
from seqtool.inference.conditional import PRIOR, ConditionalModel, Prior
from seqtool.inference.text_scoring import (
    carried_states,
    iter_block_losses,
    iter_carried_losses,
    sequence_losses,
)
from seqtool.progress import tell_progress
from seqtool.types import Array

if TYPE_CHECKING:
    pass

BLOCKS = (64, 256)  # block lengths that are scored by default
LINES = 1000  # lines that are scored together
CLASSES = ("letters", "digits", "space", "newline", "punctuation", "other", "spelling")
CONTEXTS = (1, 2, 5, 10, 20, 50, 100, 200)  # lengths of context that are reported
# The text is cut into tiles, each scored from the initial state. Short tiles give many short contexts.
SHORT_TILE, LONG_TILE = 10, 200
TILES = 2000  # long tiles that are scored, spread evenly over the text; of the short ones ten times as many
TILES_AT_ONCE = 256
LOGITS_AT_ONCE = 1 << 22  # bounds memory
# To reduce noise, the loss of a long context is a mean over lengths down to this share less.
NEAR = 0.1
TEMPERATURES = np.exp(np.linspace(math.log(0.7), math.log(1.4), 29))
TEMPERATURE_SYMBOLS = 50_000  # symbols of a text that a temperature is fitted on
Parts = Iterable[tuple[Array, Array]]  # positions and losses


def evaluate_text(
    model: CharacterModel,
    ids: Array,
    blocks: Sequence[int] = BLOCKS,
    known_blocks: Mapping[int, float] | None = None,
) -> TextEvaluation:
    """Score running text by both protocols, by class of symbols and by length of context.

    Args:
        ids: symbol numbers (length,) of the text; may be memory-mapped.
        blocks: block lengths of the `blocks` protocol.
        known_blocks: losses by block length that are known already and not computed again.
    """
    carried = _tally(model, ids, iter_carried_losses(model, ids))
    known = known_blocks or {}
    block_losses = {
        size: known[size] if size in known else _tally(model, ids, iter_block_losses(model, ids, size)).mean
        for size in blocks
    }
    return _evaluation(model, carried, block_losses, _context_losses(model, ids))


def evaluate_lines(model: CharacterModel, lines: Sequence[Array]) -> TextEvaluation:
    """Score lines, each from the initial state and with its end.

    Args:
        lines: symbol numbers of each line, with the boundary symbol before and after it.
    """
    tally = SymbolTally.empty(len(model.vocabulary))
    for start in range(0, len(lines), LINES):
        tell_progress("scoring lines", start, len(lines))
        batch = [np.asarray(line, np.int64) for line in lines[start : start + LINES]]
        for line, losses in zip(batch, sequence_losses(model, batch), strict=True):
            tally = tally.add(line[1:], losses)
    return _evaluation(model, tally, {}, {})


def evaluate_conditional_lines(
    model: ConditionalModel, lines: Sequence[Array], conditions: Array, prior: Prior = PRIOR
) -> TextEvaluation:
    """Score lines, as `evaluate_lines`, under their conditions (lines,), and classify them by condition."""
    tally, by_condition = SymbolTally.empty(len(model.vocabulary)), ConditionTally(model.conditions, prior)
    for start in range(0, len(lines), LINES):
        tell_progress("scoring lines", start, len(lines))
        batch = [np.asarray(line, np.int64) for line in lines[start : start + LINES]]
        given = conditions[start : start + LINES]
        losses = model.sequence_condition_losses(batch)
        own = [of_line[number] for of_line, number in zip(losses, given.tolist(), strict=True)]
        for line, nats in zip(batch, own, strict=True):
            tally = tally.add(line[1:], nats)
        by_condition.add(given, model.classify_losses(losses, prior), own)
    return replace(_evaluation(model, tally, {}, {}), conditions=by_condition.result())


def _evaluation(
    model: CharacterModel, tally: SymbolTally, blocks: dict[int, float], contexts: dict[int, float]
) -> TextEvaluation:
    vocabulary = model.vocabulary
    units = tally.total(vocabulary.unit_sizes)
    unknown = 0 if vocabulary.unknown is None else int(tally.counts[vocabulary.unknown])
    hides_text = unknown and vocabulary.unit == "word"  # the unknown word replaces words of any length
    per_unit = tally.count / max(1, units)  # 1 except for spelled words
    return TextEvaluation(
        symbols=units,
        unknown=unknown / max(1, units),
        carried=tally.mean * per_unit,
        blocks={size: nats * per_unit for size, nats in blocks.items()},
        bytes_per_symbol=0.0 if hides_text else tally.total(vocabulary.byte_sizes) / max(1, units),
        characters_per_symbol=0.0 if hides_text else tally.total(vocabulary.character_sizes) / max(1, units),
        unit=vocabulary.unit,
        classes=tally.by_class(symbol_classes(vocabulary)),
        contexts=contexts,
    )


# --- sums by symbol -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SymbolTally:
    """Summed losses and counts of each symbol of the vocabulary, both (symbols,)."""

    nats: Array
    counts: Array

    @classmethod
    def empty(cls, symbols: int) -> SymbolTally:
        """Return a tally of zeros."""
        return cls(np.zeros(symbols), np.zeros(symbols, np.int64))

    def add(self, ids: Array, losses: Array) -> SymbolTally:
        """Return the tally with the losses of more symbols, both (count,)."""
        size = len(self.counts)
        return SymbolTally(
            self.nats + np.bincount(ids, weights=losses, minlength=size),
            self.counts + np.bincount(ids, minlength=size),
        )

    @property
    def count(self) -> int:
        """Number of scored symbols."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Nats per symbol."""
        return float(self.nats.sum()) / self.count if self.count else 0.0

    def total(self, sizes: Array) -> int:
        """Return the sum of a size of each symbol (symbols,) over all occurrences."""
        return int((self.counts * sizes).sum())

    def by_class(self, classes: Sequence[str]) -> dict[str, tuple[float, int]]:
        """Return the mean loss and the count of each class that occurs, given the class of each symbol."""
        kinds = np.array([CLASSES.index(name) for name in classes])
        parts = {
            name: SymbolTally(self.nats[kinds == number], self.counts[kinds == number])
            for number, name in enumerate(CLASSES)
        }
        return {name: (part.mean, part.count) for name, part in parts.items() if part.count}


def _tally(model: CharacterModel, ids: Array, parts: Parts) -> SymbolTally:
    tally = SymbolTally.empty(len(model.vocabulary))
    for positions, losses in parts:
        tally = tally.add(np.asarray(ids[positions + 1], np.int64), losses)
        release_pages(ids)
    return tally


def symbol_classes(vocabulary: SymbolVocabulary) -> list[str]:
    """Return the class of each symbol, one of `CLASSES`; that of a word is the class of its first letter."""
    if vocabulary.unit != "word":
        return [symbol_class(symbol) for symbol in vocabulary.symbols]
    first = vocabulary.first if isinstance(vocabulary, WordSymbols) else 0
    return [
        symbol_class((symbol.strip(" ") or " ")[0]) if number >= first else "spelling"
        for number, symbol in enumerate(vocabulary.symbols)
    ]


def symbol_class(symbol: str) -> str:
    """Return the class of a symbol, one of `CLASSES`."""
    if symbol == "\n":
        return "newline"
    if symbol.isspace():
        return "space"
    if len(symbol) != 1:
        return "other"
    categories = {"L": "letters", "M": "letters", "N": "digits", "P": "punctuation", "S": "punctuation"}
    return categories.get(unicodedata.category(symbol)[0], "other")


# --- length of context --------------------------------------------------------------------------------------


def _context_losses(model: CharacterModel, ids: Array) -> dict[int, float]:
    """Return the mean loss by the number of symbols read before, all from the initial state."""
    short = _losses_by_length(model, ids, SHORT_TILE, 10 * TILES)
    long = _losses_by_length(model, ids, LONG_TILE, TILES)
    exact = {length: float(short[length - 1]) for length in CONTEXTS if length <= min(SHORT_TILE, len(short))}
    ranges = {
        length: slice(length - 1 - int(NEAR * length), length)
        for length in CONTEXTS
        if SHORT_TILE < length <= len(long)
    }
    return exact | {length: float(long[lengths].mean()) for length, lengths in ranges.items()}


def _losses_by_length(model: CharacterModel, ids: Array, tile: int, tiles: int) -> Array:
    """Return the mean loss of symbols predicted from 1, 2, ... `tile` symbols: (tile,).

    A text shorter than a tile gives (0,). The mean is over at most `tiles` tiles, spread evenly over the
    text.
    """
    available = (len(ids) - 1) // tile
    tiles = min(tiles, available)
    starts = np.arange(tiles) * available // max(1, tiles) * tile
    nats = np.zeros(tile)
    width = max(1, min(TILES_AT_ONCE, LOGITS_AT_ONCE // (tile * model.settings.hidden_size)))
    for first in range(0, tiles, width):
        tell_progress(f"contexts up to {tile}", first, tiles)
        positions = starts[first : first + width] + np.arange(tile + 1)[:, None]  # (tile + 1, tiles)
        text = np.asarray(ids[positions], np.int64)
        nats += model.losses(text[:-1], text[1:])[0].sum(1)
        release_pages(ids)
    return nats / tiles if tiles else nats[:0]


# --- temperature --------------------------------------------------------------------------------------------


def fit_temperature(
    model: CharacterModel, ids: Array, fitted_on: str, other: Array | None = None
) -> Temperature:
    """Return the temperature with the lowest loss on the beginning of a text.

    Args:
        ids: symbol numbers (length,) of the text.
        fitted_on: name of the text.
        other: symbol numbers of a text that is then scored at this temperature.
    """
    loss = _loss_by_temperature(model, ids)
    lowest, value = min((loss(float(value)), float(value)) for value in TEMPERATURES)
    nats = None if other is None else _loss_by_temperature(model, other)(value)
    return Temperature(value, fitted_on, lowest, loss(1.0), nats)


def _loss_by_temperature(model: CharacterModel, ids: Array) -> Callable[[float], float]:
    """Return a function from a temperature to the mean loss on the beginning of a text."""
    text = np.asarray(ids[: TEMPERATURE_SYMBOLS + 1], np.int64)
    logits = carried_states(model, text[:-1], {"logits"})["logits"]

    def loss(temperature: float) -> float:
        scaled = logits / np.float32(temperature)
        shifted = scaled - scaled.max(1, keepdims=True)
        losses = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(scaled)), text[1:]]
        return float(losses.mean(dtype=np.float64))

    return loss
