"""Table of a tagged sentence for a person. Control characters are visible."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from seqtool.inference.tag_stream import Tagged
from seqtool.reports.formatting import cell_width
from seqtool.safe_text import cell

BOLD, DIM, YELLOW, RESET = "\x1b[1m", "\x1b[2m", "\x1b[33m", "\x1b[0m"
LEFT_TO_RIGHT_MARK = "\u200e"


@dataclass(frozen=True)
class _Column:
    """A column of the table: its heading and its cells."""

    heading: str
    cells: Sequence[str]

    @property
    def width(self) -> int:
        return max(len(self.heading), *(len(cell(text)) for text in self.cells))


def table(tagged: Tagged, names: Sequence[str], color: bool) -> str:
    """Return tokens and labels in aligned columns; an asterisk marks a form without training data."""

    def paint(text: str, code: str) -> str:
        return f"{code}{text}{RESET}" if color else text

    if tagged.item.problem is not None:
        return f"error: {tagged.error}\n\n"
    tokens = [cell(token) for token in tagged.item.tokens]
    if not tokens:
        return ""
    unseen = tagged.unseen or [False] * len(tokens)
    columns = _columns(tagged, names)
    widths = [column.width for column in columns]
    token_width = max(5, *(cell_width(token) + new for token, new in zip(tokens, unseen, strict=True)))
    headings = _aligned([column.heading for column in columns], widths)
    lines = [paint(f"{'token':<{token_width}}  {headings}".rstrip(), BOLD)]
    for place, (token, new) in enumerate(zip(tokens, unseen, strict=True)):
        shown = paint(token, YELLOW) + paint("*", DIM) if new else token
        mark = LEFT_TO_RIGHT_MARK if _is_right_to_left(token) else ""
        gap = " " * (token_width - cell_width(token) - new)
        cells = _aligned([cell(column.cells[place]) for column in columns], widths).rstrip()
        lines.append(f"{shown}{mark}{gap}  {cells}")
    return "\n".join(lines) + "\n\n"


def _columns(tagged: Tagged, names: Sequence[str]) -> list[_Column]:
    """Return one column for each label or label sequence, and one for the probabilities."""
    if tagged.nbest is not None:
        columns = [_Column(f"p={math.exp(score):.3f}", labels) for labels, score in tagged.nbest]
    elif tagged.columns is not None:
        columns = [_Column(name, labels) for name, labels in zip(names, tagged.columns, strict=True)]
    else:
        columns = [_Column("label", tagged.labels)]
    if tagged.probabilities is not None:
        columns.append(_Column("probability", [f"{value:.3f}" for value in tagged.probabilities]))
    return columns


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))


def _is_right_to_left(token: str) -> bool:
    """Return true for a token that would change the direction of the text after it."""
    return not token.isascii() and any(
        unicodedata.bidirectional(character) in ("R", "AL") for character in token
    )
