"""Vocabulary of a model of words: words and their numbers, the unknown word, and the spelling of words.

With spelling, a word that is not listed is written as a mark, its characters, and a second mark. A character
that is not listed either is written as the bytes of its UTF-8. Every text then has numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from seqtool.data.text.words import split_words
from seqtool.data.vocabulary import SymbolVocabulary, Unit, bytes_text, show_symbol, text_bytes
from seqtool.errors import DataError
from seqtool.types import Array, Json

SPELL, SPELL_END = "<spell>", "</spell>"  # names of the marks around a spelled word
LINE_END_NAME = "<eos>"  # name of the line end in tokenized text
BYTES = 256


def byte_symbol(byte: int) -> str:
    """Return the text of one byte: an ASCII character, or a lone surrogate (PEP 383)."""
    return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)


class WordSymbols(SymbolVocabulary):
    """Symbols of spelled words, if unknown words are spelled, then the words in the order of their numbers.

    Attributes:
        words: number of words.
        first: number of the first word. With spelling, the numbers before it belong to the two marks, the
            characters, and the 256 bytes, in this order.
        characters: characters of spelled words; None without spelling.
        tokenized: white space separates the words of a text.
        texts: what each symbol writes; marks write nothing, a byte writes a lone surrogate or ASCII.
    """

    def __init__(
        self,
        words: Sequence[str],
        unknown: int | None = None,
        counts: Sequence[int] = (),
        characters: Sequence[str] | None = None,
        *,
        tokenized: bool = False,
    ) -> None:
        self.words = len(words)
        self.characters = None if characters is None else tuple(characters)
        self.tokenized = tokenized
        self.unit: Unit = "word"
        self.unknown = unknown
        self.counts = tuple(counts)
        names: list[str] = []
        texts: list[str] = []
        if self.characters is not None:
            names += [SPELL, SPELL_END, *(f"<{character}>" for character in self.characters)]
            names += [f"<0x{byte:02X}>" for byte in range(BYTES)]
            texts += ["", "", *self.characters, *map(byte_symbol, range(BYTES))]
        self.first = len(names)
        self.symbols = (*names, *words)
        self.texts = (*texts, *words)
        self._numbers = {word: number for number, word in enumerate(words, self.first)}
        self._character_numbers = {
            character: place for place, character in enumerate(self.characters or (), 2)
        }

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._numbers

    # --- numbers --------------------------------------------------------------------------------------------

    def encode(self, text: str) -> Array:
        """Return the symbol numbers of a text (symbols,), int64.

        Raises:
            DataError: a word is not listed, and there is neither an unknown word nor spelling.
        """
        numbers = self.numbers(text)
        if (numbers < 0).any():
            word, offset = self.first_unlisted(text)
            raise self.unknown_symbol_error(word, f" at position {offset + 1:,}")
        return numbers

    def numbers(self, text: str) -> Array:
        """Return the symbol numbers of a text (symbols,), int64; -1 for a word that has none."""
        numbers: list[int] = []
        unlisted = -1 if self.unknown is None else self.unknown
        for word in self.split(text):
            number = self._numbers.get(word)
            if number is not None:
                numbers.append(number)
            elif self.characters is None:
                numbers.append(unlisted)
            else:
                numbers.extend(self.spelled(word))
        return np.array(numbers, np.int64)

    def spelled(self, word: str) -> list[int]:
        """Return the numbers of a word as characters between two marks, and as bytes where one is missing."""
        first_byte = 2 + len(self._character_numbers)
        numbers = [0]
        for character in word:
            number = self._character_numbers.get(character)
            if number is not None:
                numbers.append(number)
            else:
                numbers.extend(first_byte + byte for byte in text_bytes(character))
        return [*numbers, 1]

    def number(self, word: str) -> int | None:
        """Return the number of a listed word; None for another word."""
        return self._numbers.get(word)

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of symbol numbers; bytes that are not valid UTF-8 become lone surrogates."""
        text = "".join([self.texts[number] for number in numbers])
        return text if self.characters is None or text.isascii() else bytes_text(text_bytes(text))

    def split(self, text: str) -> list[str]:
        """Return the words of a text."""
        return split_words(text, tokenized=self.tokenized)

    def stop_text(self, text: str) -> str:
        """Return a text as `TextStream` compares it with the texts of symbols."""
        return text

    def join(self, symbols: Iterable[str]) -> str:
        """Return the text of words."""
        return "".join(symbols)

    def lacking(self, symbols: Iterable[str]) -> set[str]:
        """Return those of the words that are not listed or the unknown word; none with spelling."""
        if self.characters is not None:
            return set()
        unknown = None if self.unknown is None else self.symbols[self.unknown]
        return {word for word in set(symbols) if word == unknown or word not in self._numbers}

    def first_unlisted(self, text: str) -> tuple[str, int]:
        """Return the first word that is not listed, and the position of its first character in the text.

        The space before the word is not its part.

        Raises:
            ValueError: all words are listed.
        """
        position = 0
        for word in self.split(text):
            bare = word.removeprefix(" ") or word
            position = text.index(bare, position)
            if word not in self._numbers:
                return word, position
            position += len(bare)
        raise ValueError("every word is listed")

    # --- sizes ----------------------------------------------------------------------------------------------

    @cached_property
    def byte_sizes(self) -> Array:
        """Bytes of UTF-8 that each symbol writes (symbols,)."""
        return np.array([len(text_bytes(text)) for text in self.texts], np.int64)

    @cached_property
    def character_sizes(self) -> Array:
        """Characters that each symbol writes (symbols,); of the bytes of a character, the first counts."""
        sizes = np.array([len(text) for text in self.texts], np.int64)
        if self.characters is not None:
            bytes_ = np.arange(BYTES)
            sizes[self.first - BYTES : self.first] = (bytes_ & 0xC0) != 0x80
        return sizes

    @cached_property
    def unit_sizes(self) -> Array:
        """Words that each symbol completes (symbols,): a spelled word is one, counted at its second mark."""
        sizes = np.ones(len(self.symbols), np.int64)
        sizes[: self.first] = 0
        if self.characters is not None:
            sizes[1] = 1
        return sizes

    # --- messages -------------------------------------------------------------------------------------------

    def unknown_symbol_error(
        self, symbol: str, where: str = "", place: str = "", hint: str = ""
    ) -> DataError:
        """Return the error about a word that is not listed; see `SymbolVocabulary.unknown_symbol_error`."""
        word = show_symbol(symbol.removeprefix(" ") or symbol)
        message = f"the word '{word}'{where} is not in the vocabulary"
        words = f"it has {self.words:,} words; data.spell_unknown writes other words as characters"
        return DataError(message, place=place, hint=f"{words}; {hint}" if hint else words)

    def show(self, symbol: str) -> str:
        """Return a word for a message: with ▁ for the space before it, unless each word has one."""
        if self.tokenized:
            return LINE_END_NAME if symbol == "\n" else show_symbol(symbol.removeprefix(" "))
        shown = show_symbol(symbol)
        return f"▁{shown[1:]}" if shown.startswith(" ") else shown

    # --- other vocabularies and JSON ------------------------------------------------------------------------

    def following(self, base: WordSymbols) -> WordSymbols:
        """Return `base`, its numbers unchanged, followed by the words that only this vocabulary has.

        With spelling, no words are added: they are spelled.
        """
        own = dict(zip(self.symbols, self.counts, strict=False))
        words = [*base.symbols[base.first :]]
        if base.characters is None:
            words += [word for word in self.symbols[self.first :] if word not in base]
        unknown = base.unknown
        if unknown is None and self.unknown is not None:
            unknown = base.first + words.index(self.symbols[self.unknown])
        before = dict(zip(base.symbols, base.counts, strict=False))
        names = WordSymbols(words, characters=base.characters).symbols
        counts = [before.get(name, 0) + own.get(name, 0) for name in names]
        return WordSymbols(words, unknown, counts, base.characters, tokenized=base.tokenized)

    def to_json(self) -> Json:
        """Return the content of `vocab.json`."""
        value: Json = {
            "symbols": list(self.symbols[self.first :]),
            "unknown": self.unknown,
            "counts": list(self.counts),
        }
        if self.characters is not None:
            value["characters"] = list(self.characters)
        return value


def read_vocabulary(value: Json, unit: Unit, *, tokenized: bool = False) -> SymbolVocabulary:
    """Return the vocabulary that `to_json` wrote.

    Args:
        unit: unit of a symbol.
        tokenized: white space separates the words of a text.
    """
    if unit != "word":
        return SymbolVocabulary.from_json(value, unit)
    characters = value.get("characters")
    return WordSymbols(
        value["symbols"], value.get("unknown"), value.get("counts", ()), characters, tokenized=tokenized
    )
