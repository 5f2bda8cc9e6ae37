"""Patterns of a text that hidden units may follow: a number for each character, by the pattern's name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from seqtool.errors import SeqtoolError
from seqtool.types import Array

REGEX = "regex:"
_OPENING, _CLOSING = "([{", ")]}"
_STRAIGHT = '"'


def pattern_values(name: str, text: str) -> Array:
    """What a pattern says of each character: (length,), float64.

    Args:
        name: one of `PATTERNS`, or `regex:` and a regular expression (`^` and `$` match at line breaks).

    Raises:
        SeqtoolError: an unknown pattern, or a regular expression that is none.
    """
    if name.startswith(REGEX):
        return _inside_matches(name.removeprefix(REGEX), text)
    if name not in PATTERNS:
        raise SeqtoolError(
            f"{name!r}: there is no such pattern",
            place="--find",
            hint=f"one of {', '.join(PATTERNS)}, regex:EXPRESSION",
        )
    return np.array(PATTERNS[name](text), np.float64)


def _quotes(text: str) -> list[float]:
    """1 from a quotation's opening mark to the character before its closing one; a blank line ends what was left open.

    Only double marks count: a single one is more often an apostrophe.
    """
    values, inside, before = [], False, ""
    for character in text:
        if character in "“«":
            inside = True
        elif character in "”»" or (character == before == "\n"):
            inside = False
        elif character == _STRAIGHT:
            inside = not inside
        values.append(float(inside))
        before = character
    return values


def _line_position(text: str) -> list[float]:
    """Characters since the last line break, which is itself 0."""
    values, position = [], 0
    for character in text:
        position = 0 if character == "\n" else position + 1
        values.append(float(position))
    return values


def _brackets(text: str) -> list[float]:
    """How many brackets stand open."""
    values, depth = [], 0
    for character in text:
        if character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth = max(0, depth - 1)
        values.append(float(depth))
    return values


def _capitals(text: str) -> list[float]:
    return [float(character.isupper()) for character in text]


def _spaces(text: str) -> list[float]:
    return [float(character.isspace()) for character in text]


PATTERNS: dict[str, Callable[[str], Sequence[float]]] = {
    "quotes": _quotes,
    "line-position": _line_position,
    "capitals": _capitals,
    "spaces": _spaces,
    "brackets": _brackets,
}


def _inside_matches(expression: str, text: str) -> Array:
    try:
        compiled = re.compile(expression, re.MULTILINE)
    except re.error as error:
        raise SeqtoolError(
            f"{expression!r}: {error}", place="--find", hint="it is read by Python's re, with MULTILINE"
        ) from None
    values = np.zeros(len(text))
    for match in compiled.finditer(text):
        values[match.start() : match.end()] = 1
    return values
