"""Scores of a text model on a text, as values. Losses are in nats per character, byte or word."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqtool.evaluation.conditions import ConditionEvaluation
from seqtool.evaluation.novelty import Novelty
from seqtool.types import Json

if TYPE_CHECKING:
    from seqtool.evaluation.dynamic import DynamicScore


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
        symbols: number of scored characters, bytes or words. A spelled word is one of them.
        unknown: share of unknown symbols.
        carried: mean loss of a character, byte or word, with the state carried over the whole text; for a
            model of lines, of the lines with their ends.
        blocks: mean loss by block length, each block from the initial state; empty for a model of lines.
        bytes_per_symbol: of the text in UTF-8; 0 if words are unknown.
        characters_per_symbol: of the text; 0 if words are unknown.
        unit: `char`, `byte` or `word`.
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
    characters_per_symbol: float = 1.0
    unit: str = "char"
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
            "unit": self.unit,
            "symbols": self.symbols,
            "unknown_share": self.unknown,
            "carried": {
                "nats": self.carried,
                "perplexity": self.perplexity,
                "nats_per_char": self.nats_per_character,
                "bits_per_char": self.bits_per_character,
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
            scores["test_condition_accuracy"] = self.conditions.accuracy
        return scores

    @property
    def perplexity(self) -> float:
        """Perplexity of a character, byte or word by the carried protocol."""
        return math.exp(min(self.carried, 700))

    @property
    def nats_per_character(self) -> float | None:
        """Nats per character by the carried protocol; None if words are unknown."""
        return self.carried / self.characters_per_symbol if self.characters_per_symbol else None

    @property
    def bits_per_character(self) -> float | None:
        """Bits per character by the carried protocol; None if words are unknown."""
        return None if self.nats_per_character is None else self.nats_per_character / math.log(2)

    @property
    def bits_per_byte(self) -> float | None:
        """Bits per byte by the carried protocol; None if words are unknown."""
        return self.carried / self.bytes_per_symbol / math.log(2) if self.bytes_per_symbol else None


def _string_keys(values: Mapping[int, float]) -> dict[str, float]:
    return {str(key): value for key, value in values.items()}
