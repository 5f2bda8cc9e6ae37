"""How good a character model is on a text: both protocols, classes of symbols, context lengths beside n-grams, novelty.

Works on the runtime alone, in nats per symbol unless said otherwise.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seqtool.ngrams import NgramModel, longest_copy, share_seen
from seqtool.runtime.character import CharacterModel
from seqtool.runtime.protocols import block_losses, carried_losses, sequence_losses

CONTEXTS = (1, 2, 5, 10, 20, 50, 100, 200)
ORDERS = (1, 2, 3, 4, 5)
CLASSES = ("letters", "digits", "space", "newline", "punctuation", "other")
NGRAM_SIZES = (5, 10, 20)
TEMPERATURES = np.exp(np.linspace(math.log(0.7), math.log(1.4), 29))
Array = np.ndarray[Any, Any]


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
        temperature: the best one on the beginning of this text, and the nats there with it and without; where it was asked for.
        novelty: of a sample, against the training text; None where that is not available.
    """

    symbols: int
    unknown: float
    carried: float
    blocks: dict[int, float]
    bytes_per_symbol: float
    classes: dict[str, tuple[float, int]]
    contexts: dict[int, float]
    ngrams: dict[int, float] | None
    temperature: tuple[float, float, float] | None = None
    novelty: dict[str, Any] | None = field(default=None)

    def to_json(self) -> dict[str, Any]:
        """The whole report."""
        names = ("temperature", "nats", "nats_without")
        fitted = None if self.temperature is None else dict(zip(names, self.temperature, strict=True))
        return {
            "symbols": self.symbols,
            "unknown_share": self.unknown,
            "carried": {"nats": self.carried, "bits_per_char": self.carried / math.log(2), "bits_per_byte": self.bits_per_byte},
            "blocks": {str(size): nats for size, nats in self.blocks.items()},
            "classes": {name: {"nats": nats, "count": count} for name, (nats, count) in self.classes.items()},
            "contexts": {str(length): nats for length, nats in self.contexts.items()},
            "ngrams": None if self.ngrams is None else {str(order): nats for order, nats in self.ngrams.items()},
            "fitted_temperature": fitted,
            "novelty": self.novelty,
        }

    @property
    def bits_per_byte(self) -> float:
        """By the carried protocol."""
        return self.carried / math.log(2) / self.bytes_per_symbol


def evaluate_text(
    model: CharacterModel, text: str, train_text: str | None, blocks: Sequence[int] = (64, 256), *, fit_temperature: bool = False
) -> TextEvaluation:
    """Score a text in every way.

    Args:
        train_text: what the model was trained on, for the n-gram baselines and novelty.
        blocks: lengths for the `blocks` protocol.

    Raises:
        DataError: an unknown symbol, for a model without an unknown one.
    """
    ids = model.encode(text)
    unknown = float((ids == model.vocabulary.unknown).mean()) if model.vocabulary.unknown is not None and len(ids) else 0.0
    if model.kind == "lines":
        losses, scored = _line_losses(model, text)
        by_blocks: dict[int, float] = {}
        contexts: dict[int, float] = {}
    else:
        losses, scored = carried_losses(model, ids), ids[1:]
        by_blocks = {size: _mean(block_losses(model, ids, size)) for size in blocks}
        contexts = _context_losses(model, ids)
    return TextEvaluation(
        symbols=len(losses),
        unknown=unknown,
        carried=_mean(losses),
        blocks=by_blocks,
        bytes_per_symbol=len(text.encode("utf-8", "surrogatepass")) / max(1, len(ids)),
        classes=_class_losses(model, scored, losses),
        contexts=contexts,
        ngrams=None if train_text is None or model.kind == "lines" else ngram_losses(model, ids, train_text),
        temperature=_temperature(model, ids) if fit_temperature and model.kind != "lines" else None,
        novelty=None if train_text is None else novelty(model, train_text),
    )


def _mean(losses: Array) -> float:
    return float(losses.mean()) if len(losses) else 0.0


def _line_losses(model: CharacterModel, text: str) -> tuple[Array, Array]:
    """Losses of the symbols of all lines and their ends, and the symbols' numbers."""
    lines = [model.encode("\n" + line + "\n") for line in text.splitlines() if line]
    losses = sequence_losses(model, lines)
    if not lines:
        return np.zeros(0), np.zeros(0, np.int64)
    return np.concatenate(losses), np.concatenate([line[1:] for line in lines])


def _context_losses(model: CharacterModel, ids: Array) -> dict[int, float]:
    """Mean nats of the symbols that exactly so many symbols were read before."""
    longest = CONTEXTS[-1]
    losses = block_losses(model, ids, longest)
    lengths = np.arange(len(losses)) % longest + 1
    return {length: _mean(losses[lengths == length]) for length in CONTEXTS if (lengths == length).any()}


def symbol_class(symbol: str) -> str:
    """Which of `CLASSES` a symbol belongs to."""
    if symbol == "\n":
        return "newline"
    if symbol.isspace():
        return "space"
    if len(symbol) != 1:
        return "other"
    kind = unicodedata.category(symbol)[0]
    return {"L": "letters", "M": "letters", "N": "digits", "P": "punctuation", "S": "punctuation"}.get(kind, "other")


def _class_losses(model: CharacterModel, ids: Array, losses: Array) -> dict[str, tuple[float, int]]:
    kinds = np.array([CLASSES.index(symbol_class(symbol)) for symbol in model.vocabulary.symbols])
    of_symbol = kinds[ids] if len(ids) else np.zeros(0, np.int64)
    found = {name: losses[of_symbol == number] for number, name in enumerate(CLASSES)}
    return {name: (_mean(values), len(values)) for name, values in found.items() if len(values)}


def ngram_losses(model: CharacterModel, ids: Array, train_text: str) -> dict[int, float]:
    """Mean nats of n-gram models of the training text over the same symbols."""
    trained = model.encode(train_text)
    symbols = len(model.vocabulary)
    return {order: _mean(NgramModel(trained, symbols, order).losses(ids)) for order in ORDERS if symbols**order < 2**63}


def _temperature(model: CharacterModel, ids: Array, limit: int = 50_000) -> tuple[float, float, float]:
    """The temperature that suits the text best, and nats with it and without; a number fitted on what it is measured on."""
    part = ids[: limit + 1]
    scores = model.states(model.vocabulary.decode(part[:-1].tolist()), {"logits"})["logits"]

    def nats(temperature: float) -> float:
        scaled = scores / np.float32(temperature)
        shifted = scaled - scaled.max(1, keepdims=True)
        losses = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(scaled)), part[1:]]
        return float(losses.mean(dtype=np.float64))

    best, temperature = min((nats(float(one)), float(one)) for one in TEMPERATURES)
    return temperature, best, nats(1.0)


def novelty(model: CharacterModel, train_text: str, length: int = 1000) -> dict[str, Any]:
    """How much of a generated text stands in the training text; of a model of lines: how many of its lines do."""
    if model.kind == "lines":
        known = set(train_text.splitlines())
        lines = ["".join(model.sample("", 200, seed=seed)).strip("\n") for seed in range(200)]
        return {"lines": len(lines), "seen_lines": sum(line in known for line in lines)}
    sample = "".join(model.sample("", length, seed=0))
    copied = longest_copy(sample, train_text)
    shares = {str(size): share_seen(sample, train_text, size) for size in NGRAM_SIZES}
    return {"sample_symbols": len(sample), "longest_copy": copied, "longest_copy_symbols": len(copied), "seen_ngrams": shares}
