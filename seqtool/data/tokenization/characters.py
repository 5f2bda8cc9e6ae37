"""Characters of a tokenizer: raw text to symbol numbers, with the position of each in the original text.

The numbers are: 0 for a position outside the text; then one unknown character for each class; then the
characters of the training data. The class of a character is its Unicode category.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from seqtool.types import Array

# Unicode categories, with their number as a class of characters.
_NAMES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn"
CATEGORIES = tuple(_NAMES.split())
CLASS_NUMBERS = {name: number for number, name in enumerate(CATEGORIES, 1)}
OUTSIDE = 0
CLASS_COUNT = len(CATEGORIES) + 1  # with the class of a position outside the text
DIRECT = 1 << 16  # code points below this number are looked up in a table


class PlainText(NamedTuple):
    """A text with single spaces and none at its ends.

    Attributes:
        codes: code points (characters,).
        offsets: position of each character in the original text (characters,); None if it is the same.
    """

    codes: Array
    offsets: Array | None

    def original(self, positions: Array) -> Array:
        """Return the positions of characters in the original text."""
        return positions if self.offsets is None else self.offsets[positions]


def count_characters(texts: Iterable[str]) -> Counter[str]:
    """Return the frequency of each character, in order of code points."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    counts = np.bincount(codes)
    found = np.flatnonzero(counts)
    return Counter(dict(zip(map(chr, found.tolist()), counts[found].tolist(), strict=True)))


@dataclass(frozen=True)
class CharacterEncoder:
    """Numbers of characters.

    Attributes:
        counts: frequency of each known character in the training data, in the order of their numbers.
    """

    counts: Mapping[str, int]
    _table: Array = field(default_factory=lambda: np.full(DIRECT, -1, np.int32), repr=False, compare=False)

    def __post_init__(self) -> None:
        for number, character in enumerate(self.counts, CLASS_COUNT):
            if ord(character) < DIRECT:
                self._table[ord(character)] = number

    @classmethod
    def build(
        cls, texts: Iterable[str], min_count: int, known: Mapping[str, int] | None = None
    ) -> CharacterEncoder:
        """Collect the characters that occur at least `min_count` times.

        Args:
            texts: raw texts of the training data.
            min_count: smallest frequency of a known character.
            known: characters of the model that training starts from; they stay first, in their order.
        """
        counts = count_characters(texts)
        merged = {character: count + counts[character] for character, count in (known or {}).items()}
        new = (item for item in counts.items() if item[0] not in merged and item[1] >= min_count)
        return cls({**merged, **dict(new)})

    def __len__(self) -> int:
        """Return the number of symbols, those without a character included."""
        return CLASS_COUNT + len(self.counts)

    @cached_property
    def classes(self) -> Array:
        """Class of each symbol: (symbols,)."""
        known = [CLASS_NUMBERS[unicodedata.category(character)] for character in self.counts]
        return np.array([*range(CLASS_COUNT), *known], np.int64)

    def encode(self, codes: Array) -> Array:
        """Return the symbol numbers of code points (characters,)."""
        small = np.minimum(codes, DIRECT - 1)
        numbers: Array = self._table[small]
        missing = np.flatnonzero((numbers < 0) | (codes >= DIRECT))
        if len(missing):
            distinct, inverse = np.unique(codes[missing], return_inverse=True)
            found = np.array([self._number(chr(code)) for code in distinct.tolist()], np.int32)
            numbers[missing] = found[inverse]
            direct = distinct < DIRECT
            self._table[distinct[direct]] = found[direct]
        return numbers

    def _number(self, character: str) -> int:
        """Return the number of a character that is not in the table."""
        if ord(character) >= DIRECT and character in self.counts:
            return self._astral[character]
        return CLASS_NUMBERS[unicodedata.category(character)]

    @cached_property
    def _astral(self) -> Mapping[str, int]:
        return {character: number for number, character in enumerate(self.counts, CLASS_COUNT)}

    def to_json(self) -> dict[str, Sequence[str] | Sequence[int]]:
        """Return the entries of `vocab.json`."""
        return {"characters": list(self.counts), "character_counts": list(self.counts.values())}


def plain_text(text: str) -> PlainText:
    """Replace every run of white space by one space, and remove white space at the ends."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.int32)
    if " ".join(text.split()) == text:
        return PlainText(codes, None)
    is_space = _is_space(codes)
    codes = np.where(is_space, np.int32(ord(" ")), codes)
    kept = ~is_space
    kept[1:] |= ~is_space[:-1]  # the first space of a run
    inside = np.flatnonzero(~is_space)
    if not len(inside):
        return PlainText(codes[:0], None)
    kept[: inside[0]] = False
    kept[inside[-1] + 1 :] = False
    if kept.all():
        return PlainText(codes, None)
    offsets = np.flatnonzero(kept)
    return PlainText(codes[offsets], offsets)


def _is_space(codes: Array) -> Array:
    """Mark white space, as `str.isspace` defines it."""
    is_space: Array = (codes <= ord(" ")) & _LOW_SPACES[np.minimum(codes, ord(" "))]
    high = codes >= 0x85
    if high.any():
        is_space |= high & np.isin(codes, _HIGH_SPACES)
    return is_space


_LOW_SPACES = np.array([chr(code).isspace() for code in range(ord(" ") + 1)])
_HIGH_SPACES = np.array([0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000])
