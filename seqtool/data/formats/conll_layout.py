"""Finds out how the columns of a file are laid out, from its first lines and what the settings say of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from seqtool.data.formats.blocks import BOM, is_blank
from seqtool.data.formats.conll import DOCUMENT_MARK, ConllFormat, EmptyTokens, columns, said, split_cells
from seqtool.errors import DataError

TOKEN_COLUMN = "form"


def find_layout(
    sample: Iterable[str],
    name: str,
    *,
    separator: str = "auto",
    names: Sequence[str] = (),
    label: str = "auto",
    empty_tokens: EmptyTokens = "refuse",
    need_labels: bool = True,
    trained_width: int | None = None,
) -> ConllFormat:
    """The layout of a file of columns.

    Args:
        sample: its first raw lines.
        name: the file, as messages call it.
        separator: `auto`, `tab`, `space`, or the string between columns.
        names: of the columns, in order; the token's is `form`, or the first.
        label: a column's name, its number (from 1, or negative from the end), or `auto` for the last.
        empty_tokens: goes into the format.
        need_labels: False allows a file without the label column, as when it is to be tagged.
        trained_width: columns of the file that a model was trained on; by it a file that lacks the last is told.

    Raises:
        DataError: there is no such label column, or no column for labels at all.
    """
    lines = data_lines(sample)
    kind = find_separator(lines) if separator == "auto" else "tab" if separator == "\t" else separator
    width = _width(lines, kind, names, need_labels)
    token = names.index(TOKEN_COLUMN) if TOKEN_COLUMN in names else 0
    full = len(names) or (width if need_labels else trained_width or width)
    column = _label_column(label, names, width, full, name, kind, need_labels)
    if column == token:
        raise DataError(
            f"expected a label column beside that of the tokens, found {label!r} for both",
            place=name,
            hint=_HINT,
        )
    return ConllFormat(kind, width, token, column, tuple(names), empty_tokens)


_HINT = "`data.label` takes a column's name (given in `data.columns`) or its number from 1; `data.separator` says what separates columns"


def data_lines(sample: Iterable[str]) -> list[str]:
    """Lines with columns: no blank ones, marks or, as far as can be told before the width is known, comments."""
    lines = [line.removeprefix(BOM).rstrip("\r\n") for line in sample]
    lines = [line for line in lines if not is_blank(line) and not line.startswith(DOCUMENT_MARK)]
    return (
        [line for line in lines if not line.startswith("#")]
        or [line for line in lines if not line.startswith("# ")]
        or lines
    )


def find_separator(lines: Sequence[str]) -> str:
    """`tab` where most lines have one, else `space` where most have spaces inside, else `tab`: there is one column."""
    if 2 * sum("\t" in line for line in lines) >= max(len(lines), 1):
        return "tab"
    return (
        "space"
        if 2 * sum(len(split_cells(line, "space")) > 1 for line in lines) >= max(len(lines), 1)
        else "tab"
    )


def _width(lines: Sequence[str], separator: str, names: Sequence[str], need_labels: bool) -> int:
    """The number of columns: that of the names, or of most lines; a file to be tagged may lack the last."""
    counts = Counter(len(split_cells(line, separator)) for line in lines)
    found = counts.most_common(1)[0][0] if counts else max(len(names), 1)
    if names and (need_labels or found > len(names)):
        return len(names)
    return found


def _label_column(
    label: str, names: Sequence[str], width: int, full: int, name: str, separator: str, need_labels: bool
) -> int | None:
    """Index of the label's column of `full`; None where a file of `width` may lack it and does."""
    if width == 1 and need_labels:
        message = (
            f"expected at least 2 columns separated by {said(separator)} (a token and its label), found 1"
        )
        raise DataError(message, place=name, hint=_HINT)
    column = _find_column(label, names, full)
    if not need_labels and (width == 1 or width <= column < full):
        return None
    if not 0 <= column < width:
        known = f"one of the columns {', '.join(names)}" if names else "a column"
        raise DataError(
            f"expected the label in {known} (1 to {width}), found {label!r}", place=name, hint=_HINT
        )
    return column


def _find_column(label: str, names: Sequence[str], full: int) -> int:
    """Index of a column by name or number; -1 where there is no such."""
    if label == "auto":
        return full - 1
    if not label.removeprefix("-").isdecimal():
        return names.index(label) if label in names else -1
    number = int(label)
    return number - 1 if number > 0 else full + number if number < 0 else -1


def describe_layout(layout: ConllFormat) -> str:
    """The layout in a line: `2 columns separated by a tab; token: column 1; label: column 2`."""

    def said_column(index: int) -> str:
        return f"column {index + 1}" + (f" ({layout.names[index]})" if index < len(layout.names) else "")

    label = "none in the file" if layout.label is None else said_column(layout.label)
    return f"{columns(layout.width)} separated by {said(layout.separator)}; token: {said_column(layout.token)}; label: {label}"
