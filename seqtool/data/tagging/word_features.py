"""Features: string functions of a word. Their values are numbered in `word_encoder.py`, and looked at nowhere else."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from seqtool.settings import Feature

CHARACTER_FEATURES = ("char_cnn", "char_lstm")  # read over a word's characters; all others are looked up
LONGEST_RUN = 4
LONGEST_SHAPE = 24
REPEATED = re.compile(rf"(.)\1{{{LONGEST_RUN},}}", re.DOTALL)


def values(feature: Feature, words: Sequence[str]) -> Sequence[str]:
    """The value of a looked-up feature for each word; for vectors, the word itself."""
    length = feature.length
    if feature.name == "lower":
        return [word.lower() for word in words]
    if feature.name == "prefix":
        return [word[:length] for word in words]
    if feature.name == "suffix":
        return [word[-length:] for word in words]
    if feature.name == "shape":
        return [shape(word) for word in words]
    return words


def shape(word: str) -> str:
    """What kinds of characters a word is made of: `Berlin-2000` has `Xxxxx-dddd`.

    Upper case is X, lower case x, a digit d, a letter of a script without case c, a mark m; the rest stands for itself. More
    than four alike in a row count as four, so that shapes stay few.
    """
    if word.isascii() and word.isalpha():  # most words are all lower case, or but for the first letter
        if word.islower():
            return "x" * min(len(word), LONGEST_RUN)
        if word.istitle():
            return "X" + "x" * min(len(word) - 1, LONGEST_RUN)
    kinds = word.translate(_KINDS)
    return (REPEATED.sub(lambda run: run[1] * LONGEST_RUN, kinds) if len(kinds) > LONGEST_RUN else kinds)[
        :LONGEST_SHAPE
    ]


class _Kinds(dict[int, str]):
    """The kind of each character, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        kind = {"Lu": "X", "Lt": "X", "Ll": "x", "Nd": "d"}.get(category) or {"L": "c", "M": "m"}.get(
            category[0], character
        )
        self[code] = kind
        return kind


_KINDS = _Kinds()
