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
from seqtool.decoding import log_softmax
from seqtool.evaluation.conditions import ConditionEvaluation, ConditionTally
from seqtool.evaluation.novelty import Novelty
from seqtool.inference.character import CharacterModel
from seqtool.inference.conditional import PRIOR, ConditionalModel, Prior
from seqtool.inference.text_scoring import iter_block_losses, iter_carried_losses, sequence_losses
from seqtool.types import Array, Json

if TYPE_CHECKING:
    from seqtool.evaluation.dynamic import DynamicScore

BLOCKS = (64, 256)  # block lengths that are scored by default
LINES = 1000  # lines that are scored together
CLASSES = ("letters", "digits", "space", "newline", "punctuation", "other")
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


@dataclass(frozen=True)
class Temperature:
    """The temperature with the lowest loss on a text.

    Attributes:
        value: the temperature.
        fitted_on: name of the text that it was fitted on.
        fitted, without: loss on that text at this temperature and at temperature 1.
        nats: loss on the evaluated text at this temperature; None if it was fitted on that text.
    """

    value: float
    fitted_on: str
    fitted: float
    without: float
    nats: float | None = None


@dataclass(frozen=True)
class TextEvaluation:
    """Scores of a text model on a text.

    Attributes:
        symbols: number of scored symbols.
        unknown: share of unknown symbols.
        carried: mean loss with the state carried over the whole text; for a model of lines, of the lines with
            their ends.
        blocks: mean loss by block length, each block from the initial state; empty for a model of lines.
        bytes_per_symbol: of the text in UTF-8.
        classes: mean loss and count of each class of symbols.
        contexts: mean loss of symbols by the number of symbols before them.
        ngrams: mean loss of interpolated n-gram models of the training text, by order; None without a
            training text.
        temperature: the fitted temperature; None if it was not requested.
        novelty: of a sample, compared with the training text; None without a training text.
        dynamic: loss by dynamic evaluation; None if it was not requested.
        train_symbols_used: symbols at the beginning of the training text that n-grams and novelty use; None
            for all.
        conditions: classification of the lines by condition; None for a model without conditions.
    """

    symbols: int
    unknown: float
    carried: float
    blocks: dict[int, float]
    bytes_per_symbol: float
    classes: dict[str, tuple[float, int]]
    contexts: dict[int, float]
    ngrams: dict[int, float] | None = None
    temperature: Temperature | None = None
    novelty: Novelty | None = None
    train_symbols_used: int | None = None
    dynamic: DynamicScore | None = None
    conditions: ConditionEvaluation | None = None

    def to_json(self) -> Json:
        """Return the whole report."""
        conditions = {} if self.conditions is None else {"conditions": self.conditions.to_json()}
        return conditions | {
            "symbols": self.symbols,
            "unknown_share": self.unknown,
            "carried": {
                "nats": self.carried,
                "bits_per_char": self.carried / math.log(2),
                "bits_per_byte": self.bits_per_byte,
            },
            "blocks": _string_keys(self.blocks),
            "classes": {name: {"nats": nats, "count": count} for name, (nats, count) in self.classes.items()},
            "contexts": _string_keys(self.contexts),
            "ngrams": None if self.ngrams is None else _string_keys(self.ngrams),
            "fitted_temperature": None if self.temperature is None else vars(self.temperature),
            "novelty": None if self.novelty is None else self.novelty.to_json(),
            "train_symbols_looked_at": self.train_symbols_used,
            "dynamic": None if self.dynamic is None else self.dynamic.to_json(),
        }

    def test_scores(self) -> dict[str, float]:
        """Return the scores of a test split, as the manifest stores them."""
        scores = {"test_loss": self.carried}
        if self.conditions is not None:
            scores["test_accuracy"] = self.conditions.accuracy
        return scores

    @property
    def bits_per_byte(self) -> float:
        """Bits per byte by the carried protocol."""
        return self.carried / math.log(2) / self.bytes_per_symbol if self.bytes_per_symbol else 0.0


def _string_keys(values: Mapping[int, float]) -> dict[str, float]:
    return {str(key): value for key, value in values.items()}


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
    unknown = model.vocabulary.unknown
    return TextEvaluation(
        symbols=tally.count,
        unknown=0.0 if unknown is None else float(tally.counts[unknown] / max(1, tally.count)),
        carried=tally.mean,
        blocks=blocks,
        bytes_per_symbol=_byte_count(model, tally) / max(1, tally.count),
        classes=tally.by_class(model.vocabulary.symbols),
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

    def by_class(self, symbols: Sequence[str]) -> dict[str, tuple[float, int]]:
        """Return the mean loss and the count of each class that occurs."""
        kinds = np.array([CLASSES.index(symbol_class(symbol)) for symbol in symbols])
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


def _byte_count(model: CharacterModel, tally: SymbolTally) -> int:
    """Return the number of bytes of the scored symbols in UTF-8.

    An unknown symbol counts as many bytes as U+FFFD, since the original symbol is not known here.
    """
    if model.vocabulary.unit == "byte":
        return tally.count
    sizes = np.array([len(symbol.encode("utf-8", "surrogatepass")) for symbol in model.vocabulary.symbols])
    return int((tally.counts * sizes).sum())


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
    width = max(1, min(TILES_AT_ONCE, LOGITS_AT_ONCE // (tile * len(model.vocabulary))))
    for first in range(0, tiles, width):
        positions = starts[first : first + width] + np.arange(tile + 1)[:, None]  # (tile + 1, tiles)
        text = np.asarray(ids[positions], np.int64)
        log_probabilities = log_softmax(model.forward(text[:-1])[0])
        nats -= np.take_along_axis(log_probabilities, text[1:, :, None], axis=2)[:, :, 0].sum(1)
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
    logits = model.states(model.vocabulary.decode(text[:-1].tolist()), {"logits"})["logits"]

    def loss(temperature: float) -> float:
        scaled = logits / np.float32(temperature)
        shifted = scaled - scaled.max(1, keepdims=True)
        losses = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(scaled)), text[1:]]
        return float(losses.mean(dtype=np.float64))

    return loss
