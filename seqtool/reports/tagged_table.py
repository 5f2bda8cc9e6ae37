"""Table of a tagged sentence for a person. Control characters are visible."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from seqtool.inference.tag_stream import Tagged
from seqtool.reports.formatting import cell_width, fit, pad
from seqtool.safe_text import cell

BOLD, DIM, YELLOW, RESET = "\x1b[1m", "\x1b[2m", "\x1b[33m", "\x1b[0m"
NARROWEST = 4  # terminal columns of a column
NO_LIMIT = 1 << 30
LEGEND = "* not in the training data"
LEFT_TO_RIGHT_MARK = "\u200e"


@dataclass(frozen=True)
class _Column:
    """A column of the table: its heading and its cells."""

    heading: str
    cells: Sequence[str]

    @property
    def width(self) -> int:
        return max(cell_width(self.heading), *(cell_width(cell(text)) for text in self.cells))


class Tables:
    """Tables of sentences, of which the first one with an asterisk is followed by its meaning."""

    def __init__(self, names: Sequence[str], color: bool, width: int | None = None) -> None:
        self._names = names
        self._color = color
        self._width = width
        self._explained = False

    def __call__(self, tagged: Tagged) -> str:
        """Return the table of a sentence."""
        text = table(tagged, self._names, self._color, self._width)
        has_new = tagged.item.problem is None and any(tagged.unseen or ())
        if self._explained or not has_new:
            return text
        self._explained = True
        legend = f"{DIM}{LEGEND}{RESET}" if self._color else LEGEND
        return text.removesuffix("\n") + f"{legend}\n\n"


def table(tagged: Tagged, names: Sequence[str], color: bool, width: int | None = None) -> str:
    """Return tokens and labels in aligned columns; an asterisk marks a form without training data.

    Args:
        width: columns of the terminal; the widest columns of the table are cut, down to `NARROWEST` each.
    """

    def paint(text: str, code: str) -> str:
        return f"{code}{text}{RESET}" if color else text

    if tagged.item.problem is not None:
        return f"error: {tagged.error}\n\n"
    tokens = [cell(token) for token in tagged.item.tokens]
    if not tokens:
        return ""
    unseen = tagged.unseen or [False] * len(tokens)
    columns = _columns(tagged, names)
    token_width = max(5, *(cell_width(token) + new for token, new in zip(tokens, unseen, strict=True)))
    token_width, *widths = _fitting([token_width, *(column.width for column in columns)], width)
    headings = _aligned([column.heading for column in columns], widths)
    lines = [paint(f"{'token':<{token_width}}  {headings}".rstrip(), BOLD)]
    for place, (token, new) in enumerate(zip(tokens, unseen, strict=True)):
        if cell_width(token) + new > token_width:
            token = fit(token, token_width - new)
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


def _fitting(widths: Sequence[int], room: int | None) -> list[int]:
    """Return the widths of columns with two spaces between them that fit into a terminal."""
    fitting = list(widths)
    too_wide = sum(fitting) + 2 * (len(fitting) - 1) - (room or NO_LIMIT)
    while too_wide > 0 and max(fitting) > NARROWEST:
        fitting[fitting.index(max(fitting))] -= 1
        too_wide -= 1
    return fitting


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        fit(text, width) if cell_width(text) > width else pad(text, width)
        for text, width in zip(cells, widths, strict=True)
    )


def _is_right_to_left(token: str) -> bool:
    """Return true for a token that would change the direction of the text after it."""
    return not token.isascii() and any(
        unicodedata.bidirectional(character) in ("R", "AL") for character in token
    )
