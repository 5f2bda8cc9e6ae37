"""CSV and TSV tables: one token per row, with a header, quoted cells, and the id of the sentence in a column.

Cells are read by the `csv` module, so a quoted cell may contain separators, quotes and line ends. A sentence
ends at a blank line, at a row of empty cells, or where the id in the sentence column changes. An empty id
continues the sentence, since many files give the id in the first row of a sentence only. The last sentence of
a file with ids is complete only at the end of the file: on a pipe it waits for the next row.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from seqtool.data.formats.blocks import BOM, Block, EmptyTokens, FormatName, is_blank, split_end
from seqtool.data.formats.conll import WORD, count_columns, describe_separator, separator_string, split_cells
from seqtool.errors import DataError

MOST_LINES = 1000  # lines of one record; a quote that opens and never closes would otherwise read the file
CLOSING = re.compile(r'(?:[^"]|"")*"(?!")')  # rest of a quoted cell, with its closing quote
Rows = list[list[str]]


class Record(NamedTuple):
    """Row of a table: index of its first line in the block, its raw text, and its cells."""

    line: int
    raw: str
    cells: list[str]

    @property
    def is_empty(self) -> bool:
        """True for a row without content, which ends a sentence."""
        return not any(map(str.strip, self.cells))


@dataclass(frozen=True)
class CsvFormat:
    """Format of a table with one token per row.

    Attributes:
        separator: `tab`, `space` (any run of spaces and tabs), or the string between columns.
        width: number of columns.
        token: index of the token column, from 0.
        label: index of the label column; None if the file has none, and labels are appended.
        sentence: index of the column with the id of the sentence; None if blank lines separate sentences.
        names: names of the columns, from the header or the settings.
        header_line: number of the line of the header, from 1; 0 without one.
        quoted: whether cells may be in double quotes.
        empty_tokens: refuse an empty token, or read it as `_`.
        rows_are_texts: each row is a sentence of raw text, which is its only token.
        skip_wrong: leave out rows with another number of cells instead of raising an error.
    """

    format_name: ClassVar[FormatName] = "csv"

    separator: str = ","
    width: int = 2
    token: int = 0
    label: int | None = 1
    sentence: int | None = None
    names: tuple[str, ...] = ()
    header_line: int = 0
    quoted: bool = True
    empty_tokens: EmptyTokens = "refuse"
    rows_are_texts: bool = False
    skip_wrong: bool = False

    def describe(self) -> str:
        """Return the columns of tokens, labels and sentence ids in one line."""
        label = "none in the file" if self.label is None else self._column(self.label)
        sentence = "" if self.sentence is None else f"; sentence: {self._column(self.sentence)}"
        header = f"; header in line {self.header_line}" if self.header_line else ""
        return f"{self._columns()}; token: {self._column(self.token)}; label: {label}{sentence}{header}"

    def _columns(self) -> str:
        return f"{count_columns(self.width)} separated by {describe_separator(self.separator)}"

    def _column(self, index: int) -> str:
        return f"column {index + 1}" + (f" ({self.names[index]})" if index < len(self.names) else "")

    def read(self, lines: Iterable[str], name: str) -> Iterator[Block]:
        """Yield one block for each sentence; the header is part of the first one.

        Raises:
            DataError: a row has another number of cells, wrong quotes, an empty token (unless repaired) or no
                label.
        """
        for first, raw in self.split(lines):
            yield self.block(raw, name, first)

    def split(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Yield the raw lines of each sentence with the number of the first."""
        if self.rows_are_texts:
            yield from self._raw_records(lines)
            return
        block: list[str] = []
        first, sentence, has_rows = 1, "", False
        for number, raw in self._raw_records(lines):
            content = raw[0].removeprefix(BOM) if number == 1 else raw[0]
            cells = self._quick_cells(content, raw)
            ends = not any(map(str.strip, cells))
            identifier = "" if ends or number == self.header_line else self._sentence_of(cells)
            if identifier and identifier != sentence and has_rows:
                yield first, block
                first, block = number, []
            sentence = identifier or sentence
            block.extend(raw)
            has_rows = has_rows or not (ends or number == self.header_line)
            if ends:
                yield first, block
                first, block, has_rows = number + len(raw), [], False
        if block:
            yield first, block

    def _sentence_of(self, cells: list[str]) -> str:
        return (
            cells[self.sentence].strip() if self.sentence is not None and self.sentence < len(cells) else ""
        )

    def _quick_cells(self, content: str, raw: list[str]) -> list[str]:
        """Return the cells of a record; wrong quotes are reported later, when the block is read."""
        if self.quoted and '"' in content:
            text = "".join([content, *raw[1:]])
            return [unquoted(text[start:stop]) for start, stop in self._cell_spans(text)]
        content = content.rstrip("\r\n")
        return [] if is_blank(content) else split_cells(content, self.separator, self.width)

    def _raw_records(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Yield the lines of each row with the number of the first; a quoted cell may contain line ends."""
        record: list[str] = []
        is_open = False
        for number, line in enumerate(lines, 1):
            record.append(line)
            if self.quoted and (is_open or '"' in line):
                is_open = _ends_open(line.removeprefix(BOM), separator_string(self.separator), is_open)
            if not is_open or len(record) >= MOST_LINES:
                yield number - len(record) + 1, record
                record, is_open = [], False
        if record:
            yield number - len(record) + 1, record

    def block(self, raw: list[str], name: str, first: int) -> Block:
        """Read one block from its raw lines; raises the errors of `read`."""
        tokens: list[str] = []
        labels: list[str] | None = None if self.label is None else []
        token_lines: list[int] = []
        for record in self._records(raw, name, first):
            place = f"{name}:{first + record.line}"
            if first + record.line == self.header_line or record.is_empty:
                continue
            if len(record.cells) != self.width:
                if self.skip_wrong:
                    continue
                raise self._wrong_width(len(record.cells), place)
            tokens.append(record.cells[self.token].strip(" ") or self._empty_token(place))
            token_lines.append(record.line)
            if labels is not None and self.label is not None:
                labels.append(record.cells[self.label].strip() or self._empty_label(place))
        return Block(raw, tokens, labels, token_lines, name, first)

    def _records(self, raw: list[str], name: str, first: int) -> Iterator[Record]:
        at = 0
        for _, lines in self._raw_records(raw):
            text = "".join(lines)
            content = text.removeprefix(BOM) if first + at == 1 else text
            yield Record(at, text, self._cells(content, f"{name}:{first + at}"))
            at += len(lines)

    def _cells(self, content: str, place: str) -> list[str]:
        """Return the cells of a row.

        Raises:
            DataError: a quote is not closed, or text follows a closing quote.
        """
        if not self.quoted or '"' not in content:
            content = content.rstrip("\r\n")
            return [] if is_blank(content) else split_cells(content, self.separator, self.width)
        try:
            lines = content.splitlines(keepends=True) if "\n" in content.rstrip("\r\n") else [content]
            return next(csv.reader(lines, delimiter=separator_string(self.separator), strict=True), [])
        except csv.Error as error:
            message = f"expected a row of {count_columns(self.width)}, found wrong quotes ({error})"
            hint = (
                'a cell that begins with a quote ends with one, and a quote in it is doubled ("");'
                " `data.format: conll` reads quotes as part of the cell"
            )
            raise DataError(message, place=place, hint=hint) from None

    def _wrong_width(self, cells: int, place: str) -> DataError:
        hint = "every row needs the same columns; `data.separator` says what separates them"
        return DataError(f"expected {self._columns()}, found {cells}", place=place, hint=hint)

    def _empty_token(self, place: str) -> str:
        if self.rows_are_texts:
            return ""
        if self.empty_tokens == "repair":
            return "_"
        found = f"expected a token in {self._column(self.token)}, found an empty cell"
        raise DataError(found, place=place, hint="`data.empty_tokens: repair` reads it as `_`")

    def _empty_label(self, place: str) -> str:
        found = f"expected a label in {self._column(self.label or 0)}, found an empty cell"
        raise DataError(found, place=place, hint="`data.label` names the column of the labels")

    # --- writing --------------------------------------------------------------------------------------------

    def fill(self, block: Block, labels: Sequence[str]) -> list[str]:
        """Return the lines of a block with new label cells and no other byte changed.

        A label is put in quotes if the old one was quoted, or if it contains a separator. Labels are appended
        as a last column if the file has no label column; a header then gets the name `label`.
        """
        if self.label is not None and list(labels) == block.labels:
            return list(block.lines)
        lines = list(block.lines)
        new = dict(zip(block.token_lines, range(len(labels)), strict=True))
        for record in self._records(block.lines, block.name, block.first_line):
            token = new.get(record.line)
            changed = self._changed(block, record, None if token is None else labels[token], token)
            if changed != record.raw:
                count = len(list(next(self._raw_records(block.lines[record.line :]))[1]))
                lines[record.line : record.line + count] = [changed, *[""] * (count - 1)]
        return lines

    def _changed(self, block: Block, record: Record, label: str | None, token: int | None) -> str:
        """Return the raw text of a row with its new label; other rows get an empty cell or a name."""
        if self.label is None:
            if not record.cells:
                return record.raw
            is_header = block.first_line + record.line == self.header_line
            return self._appended(record.raw, label or ("label" if is_header else ""))
        if token is None or label is None or block.labels is None or block.labels[token] == label:
            return record.raw
        mark = BOM if record.raw.startswith(BOM) and block.first_line + record.line == 1 else ""
        content = record.raw.removeprefix(mark)
        start, stop = self._cell_spans(content)[self.label]
        return mark + content[:start] + self._cell(label, content[start:stop]) + content[stop:]

    def _appended(self, raw: str, label: str) -> str:
        content, end = split_end(raw)
        between = " " if self.separator == "space" else separator_string(self.separator)
        return content + between + self._cell(label, "") + end

    def _cell(self, label: str, old: str) -> str:
        special = (separator_string(self.separator), '"', "\n", "\r")
        if self.quoted and (old.startswith('"') or any(character in label for character in special)):
            return '"' + label.replace('"', '""') + '"'
        return label

    def _cell_spans(self, content: str) -> list[tuple[int, int]]:
        """Return start and end of each cell of a row, quotes included."""
        if self.separator == "space":
            spans = [match.span() for match in WORD.finditer(split_end(content)[0])]
            return [(0, 0), *spans] if len(spans) == self.width - 1 and content[:1] in " \t" else spans
        return _cell_spans(split_end(content)[0], separator_string(self.separator), self.quoted)


def unquoted(cell: str) -> str:
    """Return the content of a raw cell."""
    if len(cell) > 1 and cell.startswith('"') and cell.endswith('"'):
        return cell[1:-1].replace('""', '"')
    return cell


def _ends_open(line: str, separator: str, is_open: bool) -> bool:
    """Return whether a quoted cell continues after a line; `is_open`: whether one continued before it."""
    at = 0
    while True:
        if not is_open and line.startswith('"', at):
            is_open, at = True, at + 1
        if is_open:
            closing = CLOSING.match(line, at)
            if closing is None:
                return True
            is_open, at = False, closing.end()
        at = line.find(separator, at)
        if at < 0:
            return False
        at += len(separator)


def _cell_spans(content: str, separator: str, quoted: bool) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start = 0
    while True:
        closing = CLOSING.match(content, start + 1) if quoted and content.startswith('"', start) else None
        stop = content.find(separator, closing.end() if closing else start)
        spans.append((start, len(content) if stop < 0 else stop))
        if stop < 0:
            return spans
        start = stop + len(separator)
