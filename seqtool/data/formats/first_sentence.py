"""First sentence of a pipe: the lines from which its format is detected.

A program at the other end of a pipe may wait for an answer before it writes the next sentence. Detection thus
reads no line after the first sentence. Formats of blocks use `peek` of `blocks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from seqtool.data.formats.blocks import BOM, is_blank
from seqtool.data.formats.conll import csv_cells
from seqtool.data.formats.json_array import first_records

DELIMITERS = (",", "\t", ";", "|")  # separators of a table, in the order in which they are tried


def lines_until(
    lines: Iterable[str], ends: Callable[[str], bool], limit: int
) -> tuple[list[str], Iterator[str]]:
    """Return the lines up to the first one that ends the sample, and an iterator of all lines.

    Args:
        ends: called with each line; True ends the sample.
        limit: largest number of lines of the sample.
    """
    rest = iter(lines)
    sample: list[str] = []
    for line in rest:
        sample.append(line)
        if ends(line) or len(sample) >= limit:
            break
    return sample, chain(sample, rest)


def has_content(line: str) -> bool:
    """Return whether a line is not blank."""
    return not is_blank(line.removeprefix(BOM))


@dataclass
class FirstObject:
    """Test whether a line of JSON ends the first object."""

    text: str = ""

    def __call__(self, line: str) -> bool:
        self.text += line
        return "}" in line and next(first_records(self.text), None) is not None


@dataclass
class FirstRows:
    """Test whether a row of a table ends the first sentence: an empty row, or the id of another sentence.

    A column has ids if its name in the header begins with `sent`, or if its cell is empty in some rows after
    the first one.
    """

    first: list[str] = field(default_factory=list)
    ids: dict[int, str] = field(default_factory=dict)
    gaps: set[int] = field(default_factory=set)
    delimiter: str = ""

    def __call__(self, line: str) -> bool:
        content = line.removeprefix(BOM)
        if is_blank(content):
            return bool(self.ids)
        if not self.delimiter:
            counts = {delimiter: content.count(delimiter) for delimiter in DELIMITERS}
            self.delimiter = max(DELIMITERS, key=counts.__getitem__)
        cells = [cell.strip() for cell in csv_cells(content, self.delimiter)]
        if not any(cells):
            return bool(self.ids)
        if not self.first:
            self.first = cells
            return False
        ends = [self._ends(index, cell) for index, cell in enumerate(cells)]
        return any(ends)

    def _ends(self, index: int, cell: str) -> bool:
        named = index < len(self.first) and self.first[index].lower().startswith("sent")
        if index not in self.ids:
            self.ids[index] = cell
            return False
        if not cell:
            self.gaps.add(index)
            return False
        changed = bool(self.ids[index]) and cell != self.ids[index]
        return (named or index in self.gaps) and changed
