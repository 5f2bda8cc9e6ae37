"""Print the scores of texts or lines by a text model.

A terminal gets control characters made visible; a pipe gets the exact text.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqtool.data.vocabulary import SymbolVocabulary
from seqtool.inference.text_scoring import WARM_UP, Protocol, TextScores
from seqtool.reports.console import is_terminal, json_text
from seqtool.safe_text import visible

if TYPE_CHECKING:
    from seqtool.inference.conditional import Classified

UNITS = {
    "char": "a character is a Unicode code point",
    "byte": "a character is a byte of UTF-8",
    "word": "words, numbers and marks",
}
HEADING = "condition"
PROTOCOLS: dict[Protocol, str] = {
    "one pass": "one pass over the text",
    "carried": f"carried: parallel streams, each after {WARM_UP} symbols of warm-up (--exact: one pass)",
    "lines": "each line by itself",
}
NUMBER_WIDTH = 10  # columns of a number on a terminal


# --- scores -----------------------------------------------------------------------------------------------


# --- conditions -------------------------------------------------------------------------------------------


class ConditionPrinter:
    """Prints the most probable condition of each line on stdout."""

    def __init__(self, conditions: Sequence[str], *, as_json: bool) -> None:
        self._conditions = conditions
        self._as_json = as_json
        self._terminal = is_terminal(sys.stdout)
        self._width = max(len(HEADING), *map(len, map(visible, conditions)))
        self._first = True

    def __call__(self, name: str, line: str, classified: Classified) -> None:
        """Print the condition of a line, its probability, and the line."""
        if self._as_json:
            sys.stdout.write(self._json(name, line, classified) + "\n")
        elif self._terminal:
            heading = f"{HEADING:<{self._width}}  probability  line\n" if self._first else ""
            shown = visible(classified.name)
            sys.stdout.write(
                f"{heading}{shown:<{self._width}}  {classified.probability:11.4f}  {visible(line)}\n"
            )
        else:
            sys.stdout.write(f"{classified.name}\t{classified.probability:.4f}\t{line}\n")
        self._first = False

    def _json(self, name: str, line: str, classified: Classified) -> str:
        probabilities = classified.probabilities.round(6).tolist()
        return json_text(
            {
                "name": name,
                "text": line,
                "condition": classified.name,
                "probability": round(classified.probability, 6),
                "probabilities": dict(zip(self._conditions, probabilities, strict=True)),
            }
        )


# --- scores -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ScoreOptions:
    """Format of the scores.

    Attributes:
        lines: whether each score belongs to one line.
        symbols: whether every symbol is printed with its bits.
        as_json: whether each text or line gives one object.
        named: whether the origin of each text is printed before its scores.
    """

    lines: bool = False
    symbols: bool = False
    as_json: bool = False
    named: bool = False


class ScorePrinter:
    """Prints scores on stdout.

    Args:
        vocabulary: vocabulary of the model.
        boundary: symbol before and after each training sequence of the model; empty if there is none.
        options: format of the scores.
    """

    def __init__(self, vocabulary: SymbolVocabulary, boundary: str, options: ScoreOptions) -> None:
        self._vocabulary = vocabulary
        self._options = options
        self._named = options.named and not options.as_json and not options.lines
        self._note = scored_symbols(vocabulary, boundary, lines=options.lines)
        self._terminal = is_terminal(sys.stdout)
        self._first = True

    def __call__(self, name: str, text: str, scores: TextScores) -> None:
        """Print the scores of one text or line."""
        as_json = self._options.as_json
        lines = [self._json(name, text, scores)] if as_json else self._report(name, text, scores)
        for line in lines:
            sys.stdout.write(line + "\n")
        self._first = False

    def _report(self, name: str, text: str, scores: TextScores) -> Iterator[str]:
        if not self._first and (self._named or self._options.symbols):
            yield ""
        if self._named:
            yield visible(name)
        if self._options.symbols:
            for symbol, bits in self._symbol_bits(scores):
                yield self._row([bits, symbol] if self._terminal else [symbol, bits])
        elif self._options.lines:
            if self._first and self._terminal:
                yield self._row(["nats", "bits", "perplexity", f"line ({self._note})"])
            yield self._row([*map(_number, (scores.mean, scores.bits, scores.perplexity)), text])
        else:
            yield from score_report(scores, self._note, self._vocabulary.unit)

    def _symbol_bits(self, scores: TextScores) -> Iterator[tuple[str, str]]:
        for symbol, loss in zip(scores.symbols, scores.losses.tolist(), strict=True):
            yield self._vocabulary.show(symbol), f"{loss / math.log(2):.4f}"

    def _row(self, cells: list[str]) -> str:
        """Return cells in aligned columns for a terminal, separated by tabs for a pipe."""
        if not self._terminal:
            return "\t".join(cells)
        return "  ".join([*(f"{cell:>{NUMBER_WIDTH}}" for cell in cells[:-1]), visible(cells[-1])])

    def _json(self, name: str, text: str, scores: TextScores) -> str:
        value: dict[str, object] = {"name": name}
        if self._options.lines:
            value["text"] = text
        value |= {
            "unit": self._vocabulary.unit,
            "characters": scores.characters or None,
            "nats_per_char": scores.nats_per_character,
            "bits_per_char": scores.bits,
            "bits_per_byte": scores.bits_per_byte,
            "perplexity": scores.perplexity,
            "protocol": scores.protocol,
        }
        if self._vocabulary.unit == "word":
            value |= {"words": scores.units, "nats_per_word": scores.mean}
        if self._options.symbols:  # characters or numbers of bytes, as in vocab.json
            symbols = map(ord, scores.symbols) if self._vocabulary.unit == "byte" else scores.symbols
            bits = (scores.losses / math.log(2)).round(6).tolist()
            value["symbols"] = [list(pair) for pair in zip(symbols, bits, strict=True)]
        return json_text(value)


def scored_symbols(vocabulary: SymbolVocabulary, boundary: str, *, lines: bool) -> str:
    """Return a note on the meaning of a character and on the symbols that are read but not scored."""
    if boundary:
        scored = "each line by itself, with its end"
    elif lines and "\n" in vocabulary:
        scored = "each as after a line break"
    elif lines:
        scored = "the first of each is read, not scored"
    else:
        scored = "the first of a text is read, not scored"
    return f"{UNITS[vocabulary.unit]}; {scored}"


def score_report(scores: TextScores, note: str, unit: str) -> Iterator[str]:
    """Yield the numbers of one text, one per line."""
    if unit == "word":
        yield f"nats per word       {_number(scores.mean)}"
        yield f"nats per character  {_number(scores.nats_per_character)}"
        yield f"bits per character  {_number(scores.bits)}"
        yield f"bits per byte       {_number(scores.bits_per_byte)}"
        yield f"perplexity          {_number(scores.perplexity)} per word"
        yield f"words               {scores.units:,} ({note})"
        return
    yield f"nats per character  {_number(scores.mean)}"
    yield f"bits per character  {_number(scores.bits)}"
    yield f"bits per byte       {_number(scores.bits_per_byte)}"
    yield f"perplexity          {_number(scores.perplexity)}"
    yield f"characters          {scores.count:,} ({note})"
    yield f"protocol            {PROTOCOLS[scores.protocol]}"


def _number(value: float | None) -> str:
    """Return a number with four digits, or a dash if nothing was scored."""
    return "-" if value is None else f"{value:.4f}"
