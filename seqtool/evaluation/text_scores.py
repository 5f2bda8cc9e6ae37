"""How good a character model is on a text: both protocols, classes of symbols, context lengths beside n-grams, novelty.

Works on the runtime alone, in nats per symbol unless said otherwise. A text of any length is read piece by piece, and what
is kept of it are sums for each symbol of the vocabulary.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtool.data.batches import release_pages
from seqtool.decoding import log_softmax
from seqtool.evaluation.ngrams import NgramModel
from seqtool.evaluation.novelty import Novelty
from seqtool.inference.character import CharacterModel
from seqtool.inference.text_scoring import block_parts, carried_parts, sequence_losses
from seqtool.types import Array

CONTEXTS = (1, 2, 5, 10, 20, 50, 100, 200)
SHORT, LONG = (
    10,
    200,
)  # tiles in which contexts are looked at: short ones are exact, so that there are many of each length
NEAR = 0.1  # longer contexts are means over lengths down to a tenth less, so that chance does not rule
TILES = 2000  # of the long kind that are looked at, spread evenly over the text; ten times as many of the short kind
TILES_AT_ONCE = 256
SCORES = 1 << 22  # scores that are held at a time
ORDERS = (1, 2, 3, 4, 5, 6)
NGRAM_TEXT = 20_000_000  # symbols of a training text whose n-grams fit in memory
CLASSES = ("letters", "digits", "space", "newline", "punctuation", "other")
LINES = 1000  # lines that are scored together
TEMPERATURES = np.exp(np.linspace(math.log(0.7), math.log(1.4), 29))
Parts = Iterable[tuple[Array, Array]]


@dataclass(frozen=True)
class Temperature:
    """The temperature that suits a text best, and nats with it and without.

    Attributes:
        fitted_on: what it was fitted on, in words.
        fitted, without: on the text it was fitted on.
        nats: on the text that is evaluated, where that is another one.
    """

    value: float
    fitted_on: str
    fitted: float
    without: float
    nats: float | None = None


@dataclass(frozen=True)
class TextEvaluation:
    """What a text costs a model.

    Attributes:
        symbols: how many were scored.
        unknown: the share of symbols that the model does not know.
        carried: mean nats, state carried over the whole text; of a model of lines: of the lines, their ends included.
        blocks: mean nats by block length, each block from the initial state; empty for a model of lines.
        bytes_per_symbol: of the text in UTF-8.
        classes: mean nats and count of each class of symbols.
        contexts: mean nats of symbols predicted from so many symbols.
        ngrams: mean nats of interpolated n-grams of the training text, by order; None where that is not available.
        temperature: where it was asked for.
        novelty: of a sample, against the training text; None where that is not available.
        looked_at: symbols at the beginning of the training text that n-grams and novelty go by, where that is not all of it.
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
    looked_at: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The whole report."""
        return {
            "symbols": self.symbols,
            "unknown_share": self.unknown,
            "carried": {
                "nats": self.carried,
                "bits_per_char": self.carried / math.log(2),
                "bits_per_byte": self.bits_per_byte,
            },
            "blocks": {str(size): nats for size, nats in self.blocks.items()},
            "classes": {name: {"nats": nats, "count": count} for name, (nats, count) in self.classes.items()},
            "contexts": {str(length): nats for length, nats in self.contexts.items()},
            "ngrams": None
            if self.ngrams is None
            else {str(order): nats for order, nats in self.ngrams.items()},
            "fitted_temperature": None if self.temperature is None else vars(self.temperature),
            "novelty": None if self.novelty is None else self.novelty.to_json(),
            "train_symbols_looked_at": self.looked_at,
        }

    @property
    def bits_per_byte(self) -> float:
        """By the carried protocol."""
        return self.carried / math.log(2) / self.bytes_per_symbol if self.bytes_per_symbol else 0.0


def evaluate_text(
    model: CharacterModel,
    ids: Array,
    blocks: Sequence[int] = (64, 256),
    known_blocks: Mapping[int, float] | None = None,
) -> TextEvaluation:
    """Score running text by both protocols, class by class and context by context.

    Args:
        ids: symbol numbers (length,) of the text, which may be memory-mapped.
        blocks: lengths for the `blocks` protocol.
        known_blocks: what some of them cost, where that has been found out before.
    """
    carried = _tally(model, ids, carried_parts(model, ids))
    known = known_blocks or {}
    by_block = {
        size: known[size] if size in known else _tally(model, ids, block_parts(model, ids, size)).mean
        for size in blocks
    }
    return _evaluation(model, carried, by_block, _context_losses(model, ids))


def evaluate_lines(model: CharacterModel, lines: Sequence[Array]) -> TextEvaluation:
    """Score lines by themselves, their ends included.

    Args:
        lines: symbol numbers of each with the boundary before and behind it.
    """
    tally = SymbolTally.empty(len(model.vocabulary))
    for start in range(0, len(lines), LINES):
        some = [np.asarray(line, np.int64) for line in lines[start : start + LINES]]
        for line, losses in zip(some, sequence_losses(model, some), strict=True):
            tally = tally.add(line[1:], losses)
    return _evaluation(model, tally, {}, {})


def _evaluation(
    model: CharacterModel, tally: SymbolTally, blocks: dict[int, float], contexts: dict[int, float]
) -> TextEvaluation:
    unknown = model.vocabulary.unknown
    return TextEvaluation(
        symbols=tally.count,
        unknown=0.0 if unknown is None else float(tally.counts[unknown] / max(1, tally.count)),
        carried=tally.mean,
        blocks=blocks,
        bytes_per_symbol=_bytes(model, tally) / max(1, tally.count),
        classes=tally.by_class(model.vocabulary.symbols),
        contexts=contexts,
    )


# --- sums -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SymbolTally:
    """Nats of the symbols of a text, added up for each symbol of the vocabulary: both (symbols,)."""

    nats: Array
    counts: Array

    @classmethod
    def empty(cls, symbols: int) -> SymbolTally:
        """Nothing counted yet."""
        return cls(np.zeros(symbols), np.zeros(symbols, np.int64))

    def add(self, ids: Array, losses: Array) -> SymbolTally:
        """Count in what some symbols cost."""
        size = len(self.counts)
        return SymbolTally(
            self.nats + np.bincount(ids, weights=losses, minlength=size),
            self.counts + np.bincount(ids, minlength=size),
        )

    @property
    def count(self) -> int:
        """Symbols scored."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Nats per symbol."""
        return float(self.nats.sum()) / self.count if self.count else 0.0

    def by_class(self, symbols: Sequence[str]) -> dict[str, tuple[float, int]]:
        """Mean nats and count of each class that occurs."""
        kinds = np.array([CLASSES.index(symbol_class(symbol)) for symbol in symbols])
        parts = {
            name: SymbolTally(self.nats[kinds == number], self.counts[kinds == number])
            for number, name in enumerate(CLASSES)
        }
        return {name: (part.mean, part.count) for name, part in parts.items() if part.count}


def _tally(model: CharacterModel, ids: Array, parts: Parts) -> SymbolTally:
    tally = SymbolTally.empty(len(model.vocabulary))
    for places, losses in parts:
        tally = tally.add(np.asarray(ids[places + 1], np.int64), losses)
        release_pages(ids)
    return tally


def _bytes(model: CharacterModel, tally: SymbolTally) -> int:
    """Bytes of the scored symbols in UTF-8. (The unknown symbol has those of its own sign: what it stood for is not known here.)"""
    if model.vocabulary.unit == "byte":
        return tally.count
    sizes = np.array([len(symbol.encode("utf-8", "surrogatepass")) for symbol in model.vocabulary.symbols])
    return int((tally.counts * sizes).sum())


def symbol_class(symbol: str) -> str:
    """Which of `CLASSES` a symbol belongs to."""
    if symbol == "\n":
        return "newline"
    if symbol.isspace():
        return "space"
    if len(symbol) != 1:
        return "other"
    kind = unicodedata.category(symbol)[0]
    return {"L": "letters", "M": "letters", "N": "digits", "P": "punctuation", "S": "punctuation"}.get(
        kind, "other"
    )


# --- context, n-grams, temperature ------------------------------------------------------------------------------------


def _context_losses(model: CharacterModel, ids: Array) -> dict[int, float]:
    """Mean nats of the symbols that so many symbols were read before, all from the initial state."""
    short, long = (
        _by_length(model, ids, tile, tiles) for tile, tiles in ((SHORT, 10 * TILES), (LONG, TILES))
    )
    exact = {length: float(short[length - 1]) for length in CONTEXTS if length <= min(SHORT, len(short))}
    wide = {
        length: slice(length - 1 - int(NEAR * length), length)
        for length in CONTEXTS
        if SHORT < length <= len(long)
    }
    return exact | {length: float(long[lengths].mean()) for length, lengths in wide.items()}


def _by_length(model: CharacterModel, ids: Array, tile: int, tiles: int) -> Array:
    """Mean nats of the symbols predicted from 1, 2, ... `tile` symbols, over at most so many tiles spread evenly: (tile,), or (0,)."""
    whole = (len(ids) - 1) // tile
    tiles = min(tiles, whole)
    starts = np.arange(tiles) * whole // max(1, tiles) * tile
    nats = np.zeros(tile)
    width = max(1, min(TILES_AT_ONCE, SCORES // (tile * len(model.vocabulary))))
    for first in range(0, tiles, width):
        text = np.asarray(
            ids[starts[first : first + width] + np.arange(tile + 1)[:, None]], np.int64
        )  # (tile + 1, tiles)
        scores = log_softmax(model.forward(text[:-1])[0])
        nats -= np.take_along_axis(scores, text[1:, :, None], axis=2)[:, :, 0].sum(1)
        release_pages(ids)
    return nats / tiles if tiles else nats[:0]


def ngram_losses(ids: Array, train: Array, symbols: int) -> dict[int, float]:
    """Mean nats of n-gram models of a training text over the same symbols, by order."""
    orders = [order for order in ORDERS if symbols**order < 2**63]
    return (
        {order: float(NgramModel(train, symbols, order).losses(ids).mean()) for order in orders}
        if len(ids) > 1
        else {}
    )


def fit_temperature(
    model: CharacterModel, ids: Array, fitted_on: str, other: Array | None = None, limit: int = 50_000
) -> Temperature:
    """The temperature that suits the beginning of a text best; Args: other: a text that is then scored with it."""

    def nats_of(text: Array) -> Any:
        part = np.asarray(text[: limit + 1], np.int64)
        scores = model.states(model.vocabulary.decode(part[:-1].tolist()), {"logits"})["logits"]
        return lambda temperature: _tempered(scores, part[1:], temperature)

    on_text = nats_of(ids)
    best, value = min((on_text(float(one)), float(one)) for one in TEMPERATURES)
    return Temperature(value, fitted_on, best, on_text(1.0), None if other is None else nats_of(other)(value))


def _tempered(scores: Array, targets: Array, temperature: float) -> float:
    scaled = scores / np.float32(temperature)
    shifted = scaled - scaled.max(1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(scaled)), targets]
    return float(losses.mean(dtype=np.float64))
