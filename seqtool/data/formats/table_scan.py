"""One pass over a table: widths of its rows, values of its columns, comments, blank lines, the first row.

`TableScan` receives pieces of text that end with a line. The rows of a piece are split, transposed and
counted at once; only comments and blank lines are looked at one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from seqtool.data.formats.blocks import is_blank
from seqtool.data.formats.column_counts import MOST_VALUES, Column, ColumnCounts
from seqtool.data.formats.conll import DOCUMENT_MARK, csv_cells, separator_string, split_cells
from seqtool.data.formats.detection import WrongLines

SAMPLE_ROWS = 1000  # first rows, by which columns are compared
MARKS = "#- \t"  # first characters of lines that may be no rows; every string contains the empty one
UNUSUAL_ASCII = "\r\v\f\x1c\x1d\x1e\x1f"  # ends a word for `str.split`, and belongs to a token here
UNUSUAL_SPACES = (
    UNUSUAL_ASCII + "\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
)
Cells = Sequence[str]


@dataclass
class HashRows:
    """Lines that start with `#` and have as many cells as the others: comments or tokens.

    Attributes:
        opening: frequency of the cells of a column in lines that open a block, for each column.
        inside: number of lines after a token of their block.
        first_line: number of the first line that opens a block; 0 without one.
        first_lines: number of the line in which a cell occurs first, for each column.
        bare: cells of the first line that opens a block and whose first cell is `#`.
        bare_line: number of this line.
    """

    opening: list[Counter[str]] = field(default_factory=list)
    first_lines: list[dict[str, int]] = field(default_factory=list)
    inside: int = 0
    bare: tuple[str, ...] = ()
    bare_line: int = 0
    count: int = 0

    def add(self, cells: Cells, line: int) -> None:
        """Count a line that opens a block. A value after `MOST_VALUES` others is not counted."""
        self.count += 1
        if not self.opening:
            self.opening = [Counter() for _ in cells]
            self.first_lines = [{} for _ in cells]
        for counts, first, cell in zip(self.opening, self.first_lines, cells, strict=True):
            if cell in counts or len(counts) < MOST_VALUES:
                counts[cell] += 1
                first.setdefault(cell, line)
        if cells[0] == "#" and not self.bare:
            self.bare, self.bare_line = tuple(cells), line


class TableScan:
    """Evidence of a table of one separator, collected piece by piece.

    Args:
        separator: `tab`, `space`, or the string between columns.
        width: number of columns of a row.
        quoted: whether cells may be in double quotes.
        varying: whether the numbers of columns differ between sentences; `width` columns are read then.
        hash_rows: whether every line that starts with `#` is a row.

    Attributes:
        rows: number of rows of the right width, the first row included.
        lines: number of lines so far.
        blank: number of blank lines.
        comments, first_comment: number of comments and document marks, and the line of the first one.
        hashes: lines that start with `#` and may be comments or tokens.
        wrong: lines with another number of cells.
        first_row, first_row_line: cells of the first row and its line; it is not counted in the columns.
        sample: first rows, without the first one.
    """

    def __init__(
        self,
        separator: str,
        width: int,
        *,
        quoted: bool = False,
        varying: bool = False,
        hash_rows: bool = False,
    ) -> None:
        self.separator = separator
        self.width = width
        self.varying = varying
        self.columns = [ColumnCounts() for _ in range(width)]
        self.rows = self.lines = self.blank = self.comments = self.first_comment = 0
        self.hashes = HashRows()
        self.wrong = WrongLines()
        self.first_row: Cells = ()
        self.first_row_line = 0
        self.sample: list[Cells] = []
        self._quoted = quoted
        self._hash_rows = hash_rows
        self._in_block = False

    def add(self, piece: str) -> None:
        """Read a piece of text whose lines end with `\\n`."""
        if not piece.endswith("\n"):
            piece += "\n"
        numbers: list[int] = []
        if _has_marks(piece):
            lines = piece[:-1].split("\n")
            split = splitter(self.separator, piece, self.width, self._quoted)
            others = self._marked(lines, [i for i, line in enumerate(lines) if line[:1] in MARKS], split)
            numbers = [number for number in range(len(lines)) if number not in others]
            text = "\n".join([lines[number] for number in numbers])
            in_block = bool(numbers) and numbers[-1] == len(lines) - 1
        else:
            text = piece.strip("\n")
            while "\n\n" in text:
                text = text.replace("\n\n", "\n")
            self.blank += piece.count("\n") - text.count("\n") - bool(text)
            in_block = bool(text) and not piece.endswith("\n\n")
        before = self.lines + 1

        def line_of(row: int) -> int:
            if not numbers:
                numbers.extend(number for number, line in enumerate(piece.split("\n")) if line)
            return before + numbers[row]

        if text:
            self._add_rows(text, line_of)
        self.lines += piece.count("\n")
        self._in_block = in_block

    def _marked(self, lines: Sequence[str], marked: Sequence[int], split: Callable[[str], Cells]) -> set[int]:
        """Count comments and blank lines among lines that may be such; return the indices of those."""
        others: set[int] = set()
        opening = -1 if not self._in_block else -2  # index of the last line after which a block opens
        for index in marked:
            line = lines[index]
            if is_blank(line):
                self.blank += 1
                others.add(index)
                opening = index
            elif line.startswith("#") and not self._hash_rows:
                after_first_row = self.rows == 0 and index - len(others) <= 1  # that may be a header
                opens = opening == index - 1 or after_first_row
                if self._is_hash_row(split(line), line, self.lines + index + 1, opens):
                    if not opens:
                        continue
                    others.add(index)
                    opening = index
                else:
                    self._comment(self.lines + index + 1)
                    others.add(index)
                    opening = index if opens else opening
            elif line.startswith(DOCUMENT_MARK):
                self._comment(self.lines + index + 1)
                others.add(index)
                opening = index
        return others

    def _comment(self, line: int) -> None:
        self.comments += 1
        self.first_comment = self.first_comment or line

    def _is_hash_row(self, cells: Cells, line: str, number: int, opens: bool) -> bool:
        """Return whether a line that starts with `#` may be a row; count it if it opens a block."""
        if self.width == 1:
            return not line.startswith("# ")
        if len(cells) != self.width and not (self.varying and len(cells) > self.width):
            return False
        if opens:
            self.hashes.add(cells[: self.width], number)
        else:
            self.hashes.inside += 1
        return True

    def _add_rows(self, text: str, line_of: Callable[[int], int]) -> None:
        """Count the rows of a piece, which is not empty and contains nothing else."""
        width = self.width
        cells = self._regular_cells(text)
        if cells is None:
            split = splitter(self.separator, text, width, self._quoted)
            cells, numbers = self._right_cells(map(split, text.split("\n")), line_of)
            line_of = numbers.__getitem__
        if not cells:
            return
        self.rows += len(cells) // width
        skip = 0
        if not self.first_row:
            self.first_row, self.first_row_line = cells[:width], line_of(0)
            stop = min(len(cells), (SAMPLE_ROWS + 1) * width)
            self.sample = [cells[start : start + width] for start in range(width, stop, width)]
            skip = 1
        for index, column in enumerate(self.columns):
            column.add(cells[index + skip * width :: width], lambda row: line_of(row + skip))

    def _regular_cells(self, text: str) -> list[str] | None:
        """Return all cells of rows, one after the other; None if a row must be split by itself."""
        if self.varying or (self._quoted and '"' in text):
            return None
        string = " " if self.separator == "space" else separator_string(self.separator)
        has_spaces = " " in text
        irregular = has_spaces and (" \n" in text or "\n " in text or text[0] == " " or text[-1] == " ")
        if self.separator == "space":
            if any(space in text for space in (UNUSUAL_ASCII if text.isascii() else UNUSUAL_SPACES)):
                return None
            if irregular or "  " in text or "\t" in text:
                widths = set(map(len, map(str.split, text.split("\n"))))
                return text.split() if widths == {self.width} else None
        elif irregular or (has_spaces and (f" {string}" in text or f"{string} " in text)):
            return None
        return text.replace("\n", string).split(string) if _is_regular(text, string, self.width) else None

    def _right_cells(
        self, rows: Iterable[Cells], line_of: Callable[[int], int]
    ) -> tuple[list[str], list[int]]:
        """Return the cells of the rows of the right width, and the line of each row; count the other rows."""
        cells: list[str] = []
        numbers: list[int] = []
        for index, row in enumerate(rows):
            if len(row) == self.width or (self.varying and len(row) > self.width):
                cells += row[: self.width]
                numbers.append(line_of(index))
            elif self.wrong.count:
                self.wrong = replace(self.wrong, count=self.wrong.count + 1)
            else:
                self.wrong = WrongLines(1, line_of(index), len(row))
        return cells, numbers

    def count_first_row(self) -> None:
        """Count the first row, which is no header."""
        for column, cell in zip(self.columns, self.first_row, strict=False):
            column.counts[cell] += 1
            column.early += column.counts[cell] == 1
            column.first_lines[cell] = self.first_row_line

    def discount_first_row(self) -> None:
        """Take back `count_first_row` for a row that is a header after all."""
        for column, cell in zip(self.columns, self.first_row, strict=False):
            column.counts[cell] -= 1
            column.early -= not column.counts[cell]
            if not column.counts[cell]:
                del column.counts[cell]

    def evidence(self) -> list[Column]:
        """Return the evidence of all columns."""
        return [
            Column(index, column.counts, column.early, column.counts_up, column.spaces)
            for index, column in enumerate(self.columns)
        ]


def _has_marks(piece: str) -> bool:
    """Return whether a line may be a comment, a document mark, or blank with spaces."""
    content = np.frombuffer(piece.encode("utf-8", "surrogatepass"), np.uint8)
    first = content[np.flatnonzero(content[:-1] == ord("\n")) + 1]
    return piece[0] in MARKS or any((first == ord(mark)).any() for mark in MARKS)


def _is_regular(text: str, separator: str, width: int) -> bool:
    """Return whether every row has `width` cells; all bytes are compared at once."""
    if len(separator) > 1 or not separator.isascii():
        return {line.count(separator) for line in text.split("\n")} == {width - 1}
    content = np.frombuffer(f"{text}\n".encode("utf-8", "surrogatepass"), np.uint8)
    end = ord("\n")
    marks = content[(content == end) | (content == ord(separator))]
    if marks.size % width:
        return False
    rows = marks.reshape(-1, width) == end
    return bool(rows[:, -1].all() and not rows[:, :-1].any())


def splitter(separator: str, piece: str, width: int, quoted: bool) -> Callable[[str], list[str]]:
    """Return the function that splits a line of a piece of text into its cells, without blanks around them.

    With `space`, only spaces and tabs separate cells; other white space belongs to its token. A leading space
    is an empty first column only if the line then has `width` columns.
    """
    if separator == "space":
        indented = "\n " in piece or "\n\t" in piece or piece[:1] in MARKS[2:]
        unusual = UNUSUAL_ASCII if piece.isascii() else UNUSUAL_SPACES
        if indented or any(space in piece for space in unusual):
            return lambda line: split_cells(line, separator, width) if line.strip(" \t") else []
        return str.split
    string = separator_string(separator)
    outer = f" {string}" in piece or f"{string} " in piece or " \n" in piece or "\n " in piece
    if quoted and '"' in piece:
        return lambda line: csv_cells(line, string)
    if outer or piece[:1] == " " or piece[-1:] == " ":
        return lambda line: [cell.strip(" ") for cell in line.split(string)]
    return lambda line: line.split(string)
