"""Overlapping pieces of paragraphs, which a trained tokenizer reads.

A piece contains the characters that are scored and `CONTEXT` characters on both sides. The scores of a
character therefore depend on its paragraph alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

PIECE = 256  # characters of a piece that are scored
CONTEXT = 48  # characters on each side of them that are only read


class Piece(NamedTuple):
    """A piece of a paragraph: the characters that are read, and those of them that are scored.

    Attributes:
        paragraph: number of the paragraph.
        start, end: characters that are read.
        first, last: characters that are scored.
    """

    paragraph: int
    start: int
    end: int
    first: int
    last: int


def cut_into_pieces(lengths: Iterable[int]) -> list[Piece]:
    """Return the pieces of paragraphs in order; a short paragraph is one piece."""
    pieces = []
    for number, length in enumerate(lengths):
        if length <= PIECE + 2 * CONTEXT:
            pieces += [Piece(number, 0, length, 0, length)] if length else []
            continue
        for first in range(0, length, PIECE):
            last = min(first + PIECE, length)
            pieces.append(Piece(number, max(0, first - CONTEXT), min(last + CONTEXT, length), first, last))
    return pieces
