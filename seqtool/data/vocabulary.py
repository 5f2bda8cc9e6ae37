"""Vocabulary of a text model: its symbols, which are characters or bytes, and their numbers.

That of a model of words is in `word_vocabulary.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from typing import Literal

import numpy as np

from seqtool.errors import DataError
from seqtool.types import Array, Json

Unit = Literal["char", "byte", "word"]

BOUNDARY = "\n"  # symbol before and after every line, for models of lines
LISTED = 80  # symbols of an alphabet that a message lists
# Symbols that replace rare ones: the characters that Unicode and ASCII define for this purpose; for words,
# the token of the usual benchmarks.
UNKNOWN: dict[Unit, str] = {"char": "\N{REPLACEMENT CHARACTER}", "byte": "\x1a", "word": " <unk>"}


def show_symbol(symbol: str) -> str:
    """Return a character as a message shows it: the character itself, or its escape."""
    if symbol == " ":
        return "space"
    return symbol if symbol.isprintable() else repr(symbol)[1:-1]


def text_bytes(text: str) -> bytes:
    """Return the UTF-8 of a text, in which a lone surrogate U+DC80 to U+DCFF stands for a byte (PEP 383)."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # other lone surrogates
        return b"".join(
            character.encode(
                "utf-8", "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass"
            )
            for character in text
        )


def bytes_text(content: bytes, *, lines: bool = False) -> str:
    """Return the text of bytes; each byte that is not valid UTF-8 becomes a lone surrogate (PEP 383).

    Args:
        lines: CRs become LFs if they outnumber the other line ends, as in the training of a model of lines.
    """
    if lines and content.count(b"\r") - content.count(b"\r\n") > content.count(b"\n"):
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return content.decode("utf-8", "surrogateescape")


def valid_text(text: str) -> str:
    """Return a text in which U+FFFD replaces lone surrogates, for files and pages."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class SymbolVocabulary:
    """Symbols in the order of their numbers.

    Attributes:
        symbols: single characters. For unit byte these are U+0000 to U+00FF, one for each byte (latin-1).
        unit: the kind of symbol.
        unknown: number of the unknown symbol, which replaces symbols that are not listed. None: such a symbol
            is an error.
        counts: occurrences of each symbol in the training text.
        texts: what each symbol writes.
        table: number of each code point; the last entry is for all code points beyond the table.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        unit: Unit = "char",
        unknown: int | None = None,
        counts: Sequence[int] = (),
    ) -> None:
        self.symbols = self.texts = tuple(symbols)
        self.unit = unit
        self.unknown = unknown
        self.counts = tuple(counts)
        self._codes = np.array(
            [ord(symbol) if len(symbol) == 1 else 0xFFFD for symbol in self.symbols], np.uint32
        )
        self.table = self._numbers_by_code()

    def _numbers_by_code(self) -> Array:
        unlisted = -1 if self.unknown is None else self.unknown
        table = np.full(int(self._codes.max(initial=0)) + 2, unlisted, np.int64)
        single = [number for number, symbol in enumerate(self.symbols) if len(symbol) == 1]
        table[self._codes[single]] = single
        return table

    def __len__(self) -> int:
        return len(self.symbols)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self.symbols

    # --- numbers --------------------------------------------------------------------------------------------

    def encode(self, text: str) -> Array:
        """Return the symbol numbers of a text (length,), int64.

        Raises:
            DataError: the text has a symbol that is not in the alphabet, and there is no unknown symbol.
        """
        numbers = self.numbers(text)
        if self.unknown is None and (numbers < 0).any():
            position = int((numbers < 0).argmax())
            raise self.unknown_symbol_error(chr(self.codes(text)[position]), f" at position {position + 1:,}")
        return numbers

    def numbers(self, text: str) -> Array:
        """Return the symbol numbers of a text (length,), int64; -1 for symbols not in the alphabet."""
        numbers: Array = self.table[np.minimum(self.codes(text), len(self.table) - 1)]
        return numbers

    def codes(self, text: str) -> Array:
        """Return code points (length,), uint32: of the text's characters, or its bytes."""
        if self.unit == "byte":
            return np.frombuffer(text_bytes(text), np.uint8).astype(np.uint32)
        return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of symbol numbers; bytes that are not valid UTF-8 become lone surrogates."""
        if isinstance(numbers, np.ndarray):
            text = self._codes[numbers].tobytes().decode("utf-32-le", "surrogatepass")
        else:
            text = "".join([self.symbols[number] for number in numbers])
        return text if self.unit == "char" else bytes_text(text.encode("latin-1", "replace"))

    def split(self, text: str) -> Sequence[str]:
        """Return the symbols of a text; bytes are the characters U+0000 to U+00FF."""
        return text if self.unit == "char" else text_bytes(text).decode("latin-1")

    def join(self, symbols: Iterable[str]) -> str:
        """Return the text that `split` split."""
        text = symbols if isinstance(symbols, str) else "".join(symbols)
        return text if self.unit == "char" else bytes_text(text.encode("latin-1"))

    def stop_text(self, text: str) -> str:
        """Return a text as `TextStream` compares it with the texts of symbols."""
        return text if self.unit == "char" else text_bytes(text).decode("latin-1")

    def without(self, symbols: Sequence[str], removed: Collection[str]) -> str:
        """Return the text of symbols, as `split` returns them, except some."""
        if not removed:
            return self.join(symbols)
        return self.join(symbol for symbol in symbols if symbol not in removed)

    def lacking(self, symbols: Iterable[str]) -> set[str]:
        """Return those of the symbols, as `split` returns them, that are not listed or the unknown symbol."""
        different = sorted(set(symbols))
        codes = np.array([min(ord(symbol), len(self.table) - 1) for symbol in different], np.int64)
        numbers = self.table[codes]
        listed = (numbers >= 0) & (numbers != (-1 if self.unknown is None else self.unknown))
        return {symbol for symbol, is_listed in zip(different, listed.tolist(), strict=True) if not is_listed}

    def first_unlisted(self, text: str) -> tuple[str, int]:
        """Return the first symbol that is not in the alphabet, and the characters of the text before it."""
        position = int((self.numbers(text) < 0).argmax())
        symbol = chr(self.codes(text)[position])
        if self.unit == "byte":
            position = len(text_bytes(text)[:position].decode("utf-8", "surrogateescape"))
        return symbol, position

    # --- sizes ----------------------------------------------------------------------------------------------

    @cached_property
    def byte_sizes(self) -> Array:
        """Bytes that each symbol has in UTF-8 (symbols,)."""
        if self.unit == "byte":
            return np.ones(len(self.symbols), np.int64)
        return np.array([len(symbol.encode("utf-8", "surrogatepass")) for symbol in self.symbols])

    @cached_property
    def character_sizes(self) -> Array:
        """Characters that each symbol has (symbols,); 1 for bytes, too."""
        return np.ones(len(self.symbols), np.int64)

    @property
    def unit_sizes(self) -> Array:
        """Characters, bytes or words that each symbol completes (symbols,)."""
        return np.ones(len(self.symbols), np.int64)

    # --- messages -------------------------------------------------------------------------------------------

    def unknown_symbol_error(
        self, symbol: str, where: str = "", place: str = "", hint: str = ""
    ) -> DataError:
        """Return the error about a symbol that is not in the alphabet.

        Args:
            symbol: the symbol.
            where: position, as a part of the sentence.
            place: file, line and column.
            hint: follows the list of the alphabet.
        """
        if self.unit == "byte":
            name = f"byte 0x{ord(symbol):02X}"
        else:
            name = f"symbol '{show_symbol(symbol)}' (U+{ord(symbol):04X})"
        alphabet = f"the alphabet is: {self.listing()}"
        return DataError(
            f"{name}{where} is not in the alphabet",
            place=place,
            hint=f"{alphabet}; {hint}" if hint else alphabet,
        )

    def show(self, symbol: str) -> str:
        """Return a symbol as a message shows it; bytes beyond ASCII as their number."""
        return show_symbol(symbol) if self.unit == "char" or symbol < "\x7f" else f"0x{ord(symbol):02X}"

    def listing(self) -> str:
        """Return the alphabet in one line."""
        shown = " ".join(map(self.show, self.symbols[:LISTED]))
        more = len(self.symbols) - LISTED
        return f"{shown} and {more:,} more" if more > 0 else shown

    # --- other vocabularies and JSON ------------------------------------------------------------------------

    def appended_to(self, base: SymbolVocabulary) -> SymbolVocabulary:
        """Return `base`, its numbers unchanged, followed by the symbols that only this vocabulary has.

        Counts are summed.
        """
        symbols = [*base.symbols, *(symbol for symbol in self.symbols if symbol not in base.symbols)]
        counts = [dict(zip(each.symbols, each.counts, strict=False)) for each in (base, self)]
        unknown = base.unknown
        if unknown is None and self.unknown is not None:
            unknown = symbols.index(self.symbols[self.unknown])
        return SymbolVocabulary(
            symbols, self.unit, unknown, [sum(count.get(symbol, 0) for count in counts) for symbol in symbols]
        )

    def to_json(self) -> Json:
        """Return the content of `vocab.json`."""
        symbols: list[str] | list[int] = list(self.symbols)
        if self.unit == "byte":
            symbols = [ord(symbol) for symbol in self.symbols]
        return {"symbols": symbols, "unknown": self.unknown, "counts": list(self.counts)}

    @classmethod
    def from_json(cls, value: Json, unit: Unit = "char") -> SymbolVocabulary:
        """Return the vocabulary that `to_json` wrote."""
        symbols = [chr(symbol) for symbol in value["symbols"]] if unit == "byte" else value["symbols"]
        return cls(symbols, unit, value.get("unknown"), value.get("counts", ()))
