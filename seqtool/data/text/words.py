"""Words of a text: its division into symbols of `data.unit: word`, by one regular expression for any script.

Each symbol is a word, a number, a mark, or one white-space character; all but the last include the space
before them. Their concatenation is the text. The pattern is one that Python's `regex` and JavaScript (flags
`gu`) read alike.

The characters after a symbol decide whether it ends there, at most four of them. A text can therefore be
divided piece by piece.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

# Scripts without spaces between words: each letter is a symbol.
LETTER_SCRIPTS = "".join(
    rf"\p{{Script={name}}}" for name in ("Han", "Hiragana", "Khmer", "Lao", "Myanmar", "Thai")
)
_MARKS = r"[\p{M}\u200c\u200d]*"  # combining marks and joiners belong to the character before them
_LETTERS = rf"(?:[A-Za-z]+{_MARKS}|(?![{LETTER_SCRIPTS}])\p{{L}}{_MARKS})+"
# A word joins letters and the apostrophes between them, a number joins digits and the points and commas
# between them, as in Unicode's rules for word boundaries (UAX 29).
WORD = rf"{_LETTERS}(?:['\u2019]{_LETTERS})*|[{LETTER_SCRIPTS}]{_MARKS}"
NUMBER = r"\p{N}+(?:[.,]\p{N}+)*"
MARK = rf"[^\p{{White_Space}}\p{{L}}\p{{N}}]{_MARKS}"
UNKNOWN_WORD = "<unk>"  # what a text that a model wrote has in the place of an unknown word
PATTERN = rf" ?(?:{UNKNOWN_WORD}|{WORD}|{NUMBER}|{MARK})|\p{{White_Space}}"
# Of a text that is tokenized already: everything between white space, and line ends.
TOKEN_PATTERN = r"[^\p{White_Space}]+|\n"
LOOK_AHEAD = 4  # characters after a symbol that may change where it ends


def word_pattern(*, tokenized: bool = False) -> str:
    """Return the regular expression of a symbol, for `regex` and for JavaScript."""
    return TOKEN_PATTERN if tokenized else PATTERN


@cache
def _compiled(pattern: str) -> Any:
    return import_module("regex").compile(pattern)  # only models of words need it


def split_words(text: str, *, tokenized: bool = False) -> list[str]:
    """Return the symbols of a text.

    Args:
        tokenized: white space separates the symbols. Each symbol then starts with one space; a line end is a
            symbol of its own.
    """
    if not tokenized:
        return _compiled(PATTERN).findall(text)  # type: ignore[no-any-return]
    return [_with_space(token) for token in _compiled(TOKEN_PATTERN).findall(text)]


def _with_space(token: str) -> str:
    return token if token == "\n" else f" {token}"


def split_pieces(pieces: Iterable[str], *, tokenized: bool = False) -> Iterator[list[str]]:
    """Yield the symbols of a text that comes in pieces. The end of a piece is held until the next one."""
    pattern = _compiled(word_pattern(tokenized=tokenized))
    held = ""
    for piece in pieces:
        text = held + piece
        symbols, end = [], 0
        for match in pattern.finditer(text):
            if match.end() + LOOK_AHEAD > len(text):
                break
            symbols.append(match[0])
            end = match.end()
        held = text[end:]
        yield [_with_space(token) for token in symbols] if tokenized else symbols
    yield split_words(held, tokenized=tokenized)
