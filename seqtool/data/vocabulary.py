"""The symbols of a character model and their numbers: characters, or bytes.

Where the symbols come from (an alphabet, a text) is left to `characters.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from seqtool.errors import DataError
from seqtool.types import Array

Unit = Literal["char", "byte"]

LISTED = 80  # how many symbols of an alphabet a message lists
# What stands for symbols too rare to learn: the characters that Unicode and ASCII have for just that.
UNKNOWN: dict[Unit, str] = {"char": "\N{REPLACEMENT CHARACTER}", "byte": "\x1a"}


def show_symbol(symbol: str) -> str:
    """A symbol as a message shows it: itself, or its escape."""
    if symbol == " ":
        return "space"
    return symbol if symbol.isprintable() else repr(symbol)[1:-1]


class SymbolVocabulary:
    """Symbols in the order of their numbers.

    Attributes:
        symbols: single characters; for unit byte the characters U+0000 to U+00FF that stand for them (latin-1).
        unit: what a symbol is.
        unknown: number of the unknown symbol, which any symbol not listed is read as; None: such a symbol is an error.
        counts: how often each was seen in the training text.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        unit: Unit = "char",
        unknown: int | None = None,
        counts: Sequence[int] = (),
    ) -> None:
        self.symbols = tuple(symbols)
        self.unit = unit
        self.unknown = unknown
        self.counts = tuple(counts)
        self._codes = np.array(
            [ord(symbol) if len(symbol) == 1 else 0xFFFD for symbol in self.symbols], np.uint32
        )
        self.table = self._numbers_by_code()

    def _numbers_by_code(self) -> Array:
        """The number of each code point; the last entry stands for all that are beyond."""
        table = np.full(
            int(self._codes.max(initial=0)) + 2, -1 if self.unknown is None else self.unknown, np.int64
        )
        single = [number for number, symbol in enumerate(self.symbols) if len(symbol) == 1]
        table[self._codes[single]] = single
        return table

    def __len__(self) -> int:
        return len(self.symbols)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self.symbols

    def encode(self, text: str) -> Array:
        """Symbol numbers (length,) of a text, int64.

        Raises:
            DataError: naming the first unknown symbol, where there is no unknown symbol to stand for it.
        """
        numbers = self.numbers(text)
        if self.unknown is None and (numbers < 0).any():
            place = int((numbers < 0).argmax())
            raise self.unknown_symbol(chr(self.codes(text)[place]), f" at position {place + 1:,}")
        return numbers

    def numbers(self, text: str) -> Array:
        """The same, with -1 in the place of an unknown symbol."""
        found: Array = self.table[np.minimum(self.codes(text), len(self.table) - 1)]
        return found

    def codes(self, text: str) -> Array:
        """Code points of a text's symbols, uint32: characters, or bytes of its UTF-8."""
        if self.unit == "byte":
            return np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8).astype(np.uint32)
        return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)

    def unknown_symbol(self, symbol: str, where: str = "", place: str = "", hint: str = "") -> DataError:
        """The error about a symbol that is not in the alphabet. Args: where: goes into the sentence; hint: after the alphabet."""
        name = (
            f"byte 0x{ord(symbol):02X}"
            if self.unit == "byte"
            else f"symbol '{show_symbol(symbol)}' (U+{ord(symbol):04X})"
        )
        alphabet = f"the alphabet is: {self.listing()}"
        return DataError(
            f"{name}{where} is not in the alphabet",
            place=place,
            hint=f"{alphabet}; {hint}" if hint else alphabet,
        )

    def show(self, symbol: str) -> str:
        """A symbol as a message shows it; bytes beyond ASCII by their number."""
        return show_symbol(symbol) if self.unit == "char" or symbol < "\x7f" else f"0x{ord(symbol):02X}"

    def listing(self) -> str:
        """The alphabet in one line."""
        shown = " ".join(map(self.show, self.symbols[:LISTED]))
        more = len(self.symbols) - LISTED
        return f"{shown} and {more:,} more" if more > 0 else shown

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of symbol numbers; bytes that are no UTF-8 become U+FFFD."""
        if isinstance(numbers, np.ndarray):
            text = self._codes[numbers].tobytes().decode("utf-32-le", "surrogatepass")
        else:
            text = "".join([self.symbols[number] for number in numbers])
        return text if self.unit == "char" else text.encode("latin-1", "replace").decode("utf-8", "replace")

    def extending(self, base: SymbolVocabulary) -> SymbolVocabulary:
        """The base's symbols with their numbers, then those that only this vocabulary has; counts are added up."""
        symbols = [*base.symbols, *(symbol for symbol in self.symbols if symbol not in base.symbols)]
        counts = [dict(zip(given.symbols, given.counts, strict=False)) for given in (base, self)]
        unknown = base.unknown
        if unknown is None and self.unknown is not None:
            unknown = symbols.index(self.symbols[self.unknown])
        return SymbolVocabulary(
            symbols, self.unit, unknown, [sum(count.get(symbol, 0) for count in counts) for symbol in symbols]
        )

    def to_json(self) -> dict[str, Any]:
        """What `vocab.json` holds."""
        symbols: list[Any] = (
            list(self.symbols) if self.unit == "char" else [ord(symbol) for symbol in self.symbols]
        )
        return {"symbols": symbols, "unknown": self.unknown, "counts": list(self.counts)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], unit: Unit = "char") -> SymbolVocabulary:
        """The vocabulary that `to_json` wrote."""
        symbols = [chr(symbol) for symbol in value["symbols"]] if unit == "byte" else value["symbols"]
        return cls(symbols, unit, value.get("unknown"), value.get("counts", ()))
