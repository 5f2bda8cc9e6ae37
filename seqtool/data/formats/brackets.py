"""Spans in brackets, as in the names of CoNLL-2012: `(PERSON*`, `*`, `*)`, and `(PERSON)` for one token.

They are read as labels `B-PERSON`, `I-PERSON` and `O`, and written as brackets. Nested spans are refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from seqtool.errors import DataError
from seqtool.spans import OUTSIDE, is_span_label, spans_of

CELL = re.compile(r"\((?P<type>[^()*|\s]+)(?:\*?\)|\*)|\*\)?")
HINT = "only flat spans are read: `(TYPE*`, `*`, `*)` and `(TYPE)`"


def opens(cell: str) -> bool:
    """Return whether a cell opens a flat span."""
    match = CELL.fullmatch(cell)
    return match is not None and match["type"] is not None


def label_counts(counts: Mapping[str, int]) -> Counter[str]:
    """Return the frequencies of the labels of cells. A cell inside a span is `O`, since it has no type."""
    found: Counter[str] = Counter()
    for cell, count in counts.items():
        match = CELL.fullmatch(cell)
        found[cell if match is None else f"B-{match['type']}" if match["type"] else OUTSIDE] += count
    return found


def to_labels(cells: Sequence[str], place_of: Callable[[int], str]) -> list[str]:
    """Return the labels of the tokens of a sentence.

    Args:
        place_of: location of a token, for messages.

    Raises:
        DataError: a cell is no bracket of a flat span, or a span is not closed.
    """
    labels: list[str] = []
    inside = ""
    for index, cell in enumerate(cells):
        match = CELL.fullmatch(cell)
        if match is None or bool(match["type"] and inside) or (cell == "*)" and not inside):
            raise DataError(
                f"expected a bracket of a flat span, found {cell!r}", place=place_of(index), hint=HINT
            )
        if match["type"]:
            labels.append(f"B-{match['type']}")
            inside = "" if cell.endswith(")") else match["type"]
        else:
            labels.append(f"I-{inside}" if inside else OUTSIDE)
            inside = "" if cell == "*)" else inside
    if inside:
        message = f"expected `*)` for the span {inside}, found the end of the sentence"
        raise DataError(message, place=place_of(len(cells) - 1), hint=HINT)
    return labels


def to_cells(labels: Sequence[str], single: str = ")") -> list[str]:
    """Return the cells of a sentence.

    Args:
        labels: span labels in any scheme.
        single: end of a span of one token, `)` or `*)`.

    Raises:
        DataError: a label is no span label.
    """
    for label in labels:
        if not is_span_label(label):
            raise DataError(
                f"expected span labels for a column of brackets, found {label!r}",
                hint="`data.label` names the column of the labels",
            )
    cells = ["*"] * len(labels)
    for span in spans_of(labels):
        if span.end - span.start == 1:
            cells[span.start] = f"({span.type}{single}"
        else:
            cells[span.start], cells[span.end - 1] = f"({span.type}*", "*)"
    return cells
