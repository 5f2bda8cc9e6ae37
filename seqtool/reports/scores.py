"""What texts cost a character model: a few named numbers for a person, columns or JSON for programs."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import Any

from seqtool.data.vocabulary import SymbolVocabulary
from seqtool.inference.text_scoring import TextScores
from seqtool.reports.console import is_terminal, json_text
from seqtool.safe_text import visible

_UNITS = {"char": "a character is a Unicode code point", "byte": "a character is a byte of UTF-8"}
_WIDTH = 10  # of a number's column on a terminal


class ScorePrinter:
    """Writes scores to stdout: those of whole texts, or a line for a line.

    Args:
        vocabulary, kind: of the model.
        lines: each score is that of a line.
        symbols: write every symbol with its bits.
        as_json: write one object for each text or line.
        named: say before each text where it came from.
    """

    def __init__(
        self,
        vocabulary: SymbolVocabulary,
        kind: str,
        *,
        lines: bool,
        symbols: bool,
        as_json: bool,
        named: bool,
    ) -> None:
        self._vocabulary = vocabulary
        self._lines = lines
        self._symbols = symbols
        self._as_json = as_json
        self._named = named and not as_json and not lines
        self._note = what_is_scored(vocabulary, kind, lines=lines)
        self._terminal = is_terminal(sys.stdout)
        self._first = True

    def __call__(self, name: str, text: str, scores: TextScores) -> None:
        """Write what a text cost."""
        for line in [self._json(name, text, scores)] if self._as_json else self._report(name, text, scores):
            sys.stdout.write(line + "\n")
        self._first = False

    def _report(self, name: str, text: str, scores: TextScores) -> Iterator[str]:
        if not self._first and (self._named or self._symbols):
            yield ""
        if self._named:
            yield visible(name)
        if self._symbols:
            yield from (
                self._row([bits, symbol] if self._terminal else [symbol, bits])
                for symbol, bits in self._symbol_bits(scores)
            )
        elif self._lines:
            if self._first and self._terminal:
                yield self._row(["nats", "bits", "perplexity", f"line ({self._note})"])
            yield self._row([*map(_number, (scores.mean, scores.bits, scores.perplexity)), text])
        else:
            yield from score_report(scores, self._note)

    def _symbol_bits(self, scores: TextScores) -> Iterator[tuple[str, str]]:
        for symbol, loss in zip(scores.symbols, scores.losses.tolist(), strict=True):
            yield self._vocabulary.show(symbol), f"{loss / math.log(2):.4f}"

    def _row(self, cells: list[str]) -> str:
        """Tabs between columns in a pipe; columns under each other on a terminal."""
        if not self._terminal:
            return "\t".join(cells)
        return "  ".join([*(f"{cell:>{_WIDTH}}" for cell in cells[:-1]), visible(cells[-1])])

    def _json(self, name: str, text: str, scores: TextScores) -> str:
        found: dict[str, Any] = {
            "name": name,
            **({"text": text} if self._lines else {}),
            "unit": self._vocabulary.unit,
        }
        found |= {
            "characters": scores.count,
            "nats_per_char": scores.mean,
            "bits_per_char": scores.bits,
            "bits_per_byte": scores.bits_per_byte,
            "perplexity": scores.perplexity,
        }
        if self._symbols:  # as vocab.json has them: characters, or numbers of bytes
            shown = scores.symbols if self._vocabulary.unit == "char" else map(ord, scores.symbols)
            bits = (scores.losses / math.log(2)).round(6).tolist()
            found["symbols"] = [list(pair) for pair in zip(shown, bits, strict=True)]
        return json_text(found)


def what_is_scored(vocabulary: SymbolVocabulary, kind: str, *, lines: bool) -> str:
    """What a character is, and what is read without being scored."""
    if kind == "lines":
        how = "each line by itself, with its end"
    elif lines:
        how = "each as after a line break" if "\n" in vocabulary else "the first of each is read, not scored"
    else:
        how = "the first of a text is read, not scored"
    return f"{_UNITS[vocabulary.unit]}; {how}"


def score_report(scores: TextScores, note: str) -> Iterator[str]:
    """The numbers of one text, one a line."""
    yield f"nats per character  {_number(scores.mean)}"
    yield f"bits per character  {_number(scores.bits)}"
    yield f"bits per byte       {_number(scores.bits_per_byte)}"
    yield f"perplexity          {_number(scores.perplexity)}"
    yield f"characters          {scores.count:,} ({note})"


def _number(value: float | None) -> str:
    """A number; a dash where nothing was scored."""
    return "-" if value is None else f"{value:.4f}"
