"""Conditions of lines: the class of each line, from the name of its file, a prefix or a column of a table."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

from seqtool.errors import DataError, pluralize
from seqtool.safe_text import visible

Source = Literal["file", "prefix", "column"]
LISTED = 12  # conditions or columns that a message lists
TAB = "\t"
GUESSED = (TAB, ",", ";")  # separators of cells, in the order of preference


class Conditions(NamedTuple):
    """The conditions of a model.

    Attributes:
        names: in the order of their numbers.
        counts: number of training lines of each condition.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]

    def number(self, name: str, place: str = "", hint: str = "") -> int:
        """Return the number of a condition.

        Args:
            place: place of the name, for the error.
            hint: hint that replaces the list of conditions.

        Raises:
            DataError: the name is unknown; the hint names a similar condition, or lists all of them.
        """
        if name in self.names:
            return self.names.index(name)
        composed = [unicodedata.normalize("NFC", known) for known in self.names]  # names of files may differ
        if (same := unicodedata.normalize("NFC", name)) in composed:
            return composed.index(same)
        message = f"the model has no condition {name!r}"
        raise DataError(message, place=place, hint=similar(name, self.names) or hint or listing(self.names))


def similar(name: str, names: Sequence[str]) -> str:
    """Return the question after a similar name; empty if there is none."""
    from difflib import get_close_matches  # only messages use it

    folded = {known.casefold(): known for known in reversed(names)}
    near = get_close_matches(name.casefold(), folded, n=1)
    return f"did you mean {visible(folded[near[0]])}?" if near else ""


def listing(names: Sequence[str]) -> str:
    """Return the conditions in one line."""
    more = len(names) - LISTED
    shown = ", ".join(map(visible, names[:LISTED]))
    return f"the conditions are: {shown}{f' and {more:,} more' if more > 0 else ''}"


class ConditionRule(NamedTuple):
    """Place of the condition of each line.

    Attributes:
        source: name of the file, text before a separator, or column of a table.
        separator: text between condition and line, or between cells; `auto` decides for each file.
        column, text: columns of conditions and lines: names in the header, or numbers from 1.
    """

    source: Source
    separator: str = "auto"
    column: str = "1"
    text: str = "2"

    @property
    def has_header(self) -> bool:
        """True if a column is given by its name, so that the first row of each file contains names."""
        return self.source == "column" and not (self.column.isdecimal() and self.text.isdecimal())

    def lines(self, pieces: Iterable[str], path: str) -> Iterator[tuple[str, str]]:
        """Yield condition and text of each line of a file.

        A header is an empty line without condition, and so is an empty row.

        Args:
            pieces: text of the file, with LF as line end.
            path: the file.

        Raises:
            DataError: a line has no separator, no condition or another number of cells, or a column is
                missing.
        """
        lines = whole_lines(pieces)
        if self.source == "file":
            name = Path(path).stem
            yield from ((name, line) for line in lines)
        elif self.source == "prefix":
            yield from self._after_prefix(lines, path)
        else:
            yield from self._cells(lines, path)

    # --- prefix ---------------------------------------------------------------------------------------------

    def _after_prefix(self, lines: Iterable[str], path: str) -> Iterator[tuple[str, str]]:
        separator = _named_separator(self.separator)
        for number, line in enumerate(lines, start=1):
            name, found, text = line.partition(separator)
            if not line:
                yield "", ""
            elif not found:
                shown = "a tab" if separator == TAB else repr(separator)
                raise DataError(
                    f"expected {shown} between a condition and a text, found none",
                    place=f"{path}:{number}",
                    hint="`data.separator` is the text between them",
                )
            else:
                yield _condition(name, f"{path}:{number}"), text

    # --- columns --------------------------------------------------------------------------------------------

    def _cells(self, lines: Iterable[str], path: str) -> Iterator[tuple[str, str]]:
        separator, width = "", 0
        columns = (0, 0)
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                yield "", ""
                continue
            place = f"{path}:{number}"
            separator = separator or self._separator(line, place)
            cells = _split_row(line, separator, place)
            if not width:
                width, columns = len(cells), self._columns(cells, place)
                if self.has_header:
                    yield "", ""
                    continue
            if len(cells) != width:
                raise DataError(
                    f"expected {pluralize(width, 'cell')}, as in the first row, found {len(cells)}",
                    place=place,
                    hint='a cell that contains the separator is put in double quotes: "a, b"',
                )
            yield _condition(cells[columns[0]], place), cells[columns[1]]

    def _separator(self, line: str, place: str) -> str:
        if self.separator != "auto":
            return _named_separator(self.separator)
        found = next((separator for separator in GUESSED if separator in line), None)
        if found is None:
            raise DataError(
                "expected cells separated by a tab, a comma or a semicolon, found none",
                place=place,
                hint="name another separator in `data.separator`",
            )
        return found

    def _columns(self, cells: Sequence[str], place: str) -> tuple[int, int]:
        """Return the indices of the columns of conditions and lines; `cells` is the first row of a file."""
        names = [cell.strip() for cell in cells]
        first, second = (self._column(name, names, place) for name in (self.column, self.text))
        if first == second:
            hint = "give different columns in `data.condition_column` and `data.text_column`"
            raise DataError("conditions and lines are expected in different columns", place=place, hint=hint)
        return first, second

    def _column(self, name: str, names: Sequence[str], place: str) -> int:
        if self.has_header and name in names:
            return names.index(name)
        if name.isdecimal() and 1 <= int(name) <= len(names):
            return int(name) - 1
        if name.isdecimal():
            message = f"expected at least {pluralize(int(name), 'column')}, found {len(names)}"
            raise DataError(message, place=place, hint="`data.separator` separates the columns")
        hint = similar(name, names) or f"the columns are: {', '.join(map(visible, names[:LISTED]))}"
        raise DataError(f"expected a column {name!r} in the header, found none", place=place, hint=hint)


def _named_separator(name: str) -> str:
    return {"auto": TAB, "tab": TAB}.get(name, name)


def _condition(name: str, place: str) -> str:
    """Return the name of a condition without spaces around it.

    Raises:
        DataError: it is empty.
    """
    if not (stripped := name.strip()):
        raise DataError(
            "expected a condition, found an empty one", place=place, hint="delete the line, or give its class"
        )
    return stripped


def _split_row(line: str, separator: str, place: str) -> list[str]:
    """Return the cells of a row. In a table with tabs, quotes are ordinary characters.

    Raises:
        DataError: a quote is not closed, or text follows a closing quote.
    """
    if separator == TAB or '"' not in line:
        return line.split(separator)
    import csv  # most lines have no quotes

    try:
        return next(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error as error:
        hint = 'a cell that begins with a quote ends with one in the same line; a quote in it is doubled ("")'
        raise DataError(
            f"expected a row of cells, found wrong quotes ({error})", place=place, hint=hint
        ) from None


def whole_lines(pieces: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a text that comes in pieces, without their line ends."""
    held = ""
    for piece in pieces:
        *lines, held = (held + piece).split("\n")
        yield from lines
    if held:
        yield held


def runs(names: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Yield each name that differs from the one before, with the number of its repetitions."""
    for name, repeated in groupby(names):
        yield name, sum(1 for _ in repeated)
