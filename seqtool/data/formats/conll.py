"""CoNLL columns: files with one token per line and blank lines between sentences, with any separator.

A line that starts with `#` is a comment if its number of columns differs from that of the data. With the same
number, it is a comment if it opens a block and its label is none of the labels of the file: `# O` is the
token `#`, and `# doc1` is a comment. In a file of one column a comment starts with `#` and a space. A
`-DOCSTART-` line is a document mark, not a token.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from seqtool.data.formats.blocks import BOM, Block, EmptyTokens, FormatName, is_blank, split_blocks, split_end
from seqtool.data.formats.brackets import to_cells, to_labels
from seqtool.errors import DataError

DOCUMENT_MARK = "-DOCSTART-"
TOKEN_COLUMN = "form"
SINGLE_WITH_STAR = re.compile(r"\([^()*|\s]+\*\)")
WORD = re.compile(r"[^ \t]+")
LABEL_HINT = (
    "`data.label` takes a column's name (given in `data.columns`) or its number from 1; "
    "`data.separator` says what separates columns"
)


@dataclass(frozen=True)
class ConllFormat:
    """Format of a file of columns; its values come from the detection of the file.

    Attributes:
        separator: `tab`, `space` (any run of spaces and tabs), or the string between columns.
        width: number of columns.
        token: index of the token column, from 0.
        label: index of the label column; None if the file has none, and labels are appended.
        names: names of the columns, if the settings or a header row give them.
        empty_tokens: refuse an empty token, or read it as `_`.
        header_line: number of the line of the header row, from 1; 0 without one.
        varying: whether lines may have more than `width` columns.
        token_prefix: start of every token that is not part of it, such as `en:`.
        hash_labels: labels of lines that start with `#`, open a block and are tokens; None if a line with as
            many columns as the others is always a token. Without a label column such lines are comments.
        skip_wrong: leave out lines with another number of columns instead of raising an error.
        brackets: indices of the columns that mark spans with brackets, see `brackets.py`.
    """

    format_name: ClassVar[FormatName] = "conll"

    separator: str = "tab"
    width: int = 2
    token: int = 0
    label: int | None = 1
    names: tuple[str, ...] = ()
    empty_tokens: EmptyTokens = "refuse"
    header_line: int = 0
    varying: bool = False
    token_prefix: str = ""
    hash_labels: frozenset[str] | None = None
    skip_wrong: bool = False
    brackets: tuple[int, ...] = ()

    def describe(self) -> str:
        """Return a line such as `2 columns separated by a tab; token: column 1; label: column 2`."""
        label = "none in the file" if self.label is None else self._describe_column(self.label)
        label += ", spans in brackets" if self.label in self.brackets else ""
        token = self._describe_column(self.token)
        return f"{self._describe_columns()}; token: {token}; label: {label}"

    def _describe_columns(self) -> str:
        return f"{count_columns(self.width)} separated by {describe_separator(self.separator)}"

    def _describe_column(self, index: int) -> str:
        return f"column {index + 1}" + (f" ({self.names[index]})" if index < len(self.names) else "")

    def read(self, lines: Iterable[str], name: str) -> Iterator[Block]:
        """Yield blocks with tokens and labels.

        Raises:
            DataError: a line has another number of columns, an empty token (unless repaired) or no label.
        """
        for first, raw in self.split(lines):
            yield self.block(raw, name, first)

    def split(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Yield the raw lines of each block with the number of the first."""
        return split_blocks(lines)

    def block(self, raw: list[str], name: str, first: int) -> Block:
        """Read one block from its raw lines; raises the errors of `read`."""
        tokens: list[str] = []
        labels: list[str] | None = None if self.label is None else []
        token_lines: list[int] = []
        comments = 0
        for index, line in enumerate(raw):
            content = (line.removeprefix(BOM) if first + index == 1 else line).rstrip("\r\n")
            if is_blank(content):
                continue
            cells = split_cells(content, self.separator, self.width)
            if content[0] in "#-" and self._is_mark(content, cells, opens=not tokens):
                comments += 1
                continue
            if len(cells) != self.width and not (self.varying and len(cells) > self.width):
                if self.skip_wrong:
                    continue
                raise self._wrong_width(cells, f"{name}:{first + index}")
            if first + index == self.header_line:
                continue
            token = cells[self.token].strip(" ").removeprefix(self.token_prefix)
            tokens.append(token or self._empty_token(f"{name}:{first + index}"))
            token_lines.append(index)
            if labels is not None and self.label is not None:
                labels.append(cells[self.label].strip(" ") or self._empty_label(f"{name}:{first + index}"))
        if labels is not None and self.label in self.brackets:
            labels = to_labels(labels, lambda token: f"{name}:{first + token_lines[token]}")
        return Block(raw, tokens, labels, token_lines, name, first, comments=comments)

    def _is_mark(self, content: str, cells: list[str], *, opens: bool) -> bool:
        """Return whether a line is a comment or a document mark, by the rule at the top of this module."""
        if not content.startswith("#"):
            return cells[0] == DOCUMENT_MARK or content.split(maxsplit=1)[0] == DOCUMENT_MARK
        if self.width == 1:
            return content.startswith("# ")
        if len(cells) != self.width and not (self.varying and len(cells) > self.width):
            return True
        if self.hash_labels is None or not opens:
            return False
        return self.label is None or cells[self.label].strip(" ") not in self.hash_labels

    def _wrong_width(self, cells: list[str], place: str) -> DataError:
        return DataError(
            f"expected {self._describe_columns()}, found {len(cells)}",
            place=place,
            hint="every line needs the same columns, and a blank line must separate sentences; "
            "`data.separator` says what separates columns",
        )

    def _empty_token(self, place: str) -> str:
        if self.empty_tokens == "repair":
            return "_"
        raise DataError(
            "expected a token, found an empty one",
            place=place,
            hint="`data.empty_tokens: repair` reads it as `_`",
        )

    def _empty_label(self, place: str) -> str:
        hint = "`data.label` names the column of the labels"
        raise DataError("expected a label, found an empty one", place=place, hint=hint)

    def fill(self, block: Block, labels: Sequence[str]) -> list[str]:
        """Return the lines of a block with new labels and no other byte changed.

        Labels are appended as a last column if the file has no label column.
        """
        lines = list(block.lines)
        old: Sequence[str] | None = block.labels
        if old is not None and self.label in self.brackets:
            single = "*)" if SINGLE_WITH_STAR.search("".join(lines)) else ")"
            old, labels = to_cells(old, single), to_cells(labels, single)
        for token, index in enumerate(block.token_lines):
            if old is None or old[token] != labels[token]:
                lines[index] = self._relabel(lines[index], labels[token], block.first_line + index)
        return lines

    def _relabel(self, line: str, label: str, number: int) -> str:
        content, end = split_end(line)
        separator = separator_string(self.separator)
        if self.label is None:
            return content + (" " if self.separator == "space" else separator) + label + end
        mark = BOM if number == 1 and content.startswith(BOM) else ""
        content = content.removeprefix(mark)
        if self.separator == "space":
            return mark + self._replace_word(content, label) + end
        cells = content.split(separator)
        cells[self.label] = label
        return mark + separator.join(cells) + end

    def _replace_word(self, content: str, label: str) -> str:
        spans = [match.span() for match in WORD.finditer(content)]
        missing = self.width - len(spans)  # 1 if a leading space marks an empty first column
        start, stop = spans[(self.label or 0) - missing]
        return content[:start] + label + content[stop:]


# --- lines and columns --------------------------------------------------------------------------------------


def separator_string(separator: str) -> str:
    """Return the string between columns."""
    return "\t" if separator == "tab" else separator


def describe_separator(separator: str) -> str:
    """Return the name of a separator for messages."""
    return {"tab": "a tab", "space": "spaces"}.get(separator, repr(separator))


def count_columns(count: int) -> str:
    """Return `1 column`, `2 columns`."""
    return f"{count} column{'' if count == 1 else 's'}"


def csv_cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line of CSV; a line that is not CSV, such as one with a CR, is one cell."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return [line]


def split_cells(content: str, separator: str, width: int = 0) -> list[str]:
    """Split a line into its columns.

    With `space`, a leading space is an empty first column only if the line then has `width` columns.
    """
    if separator != "space":
        return content.split(separator_string(separator))
    # str.split() would also split at a no-break space, which belongs to its token.
    cells = [cell for cell in content.replace("\t", " ").split(" ") if cell]
    return ["", *cells] if content[0] in " \t" and len(cells) == width - 1 else cells


def no_sentences(found: str, place: str) -> DataError:
    """Return the error for a file without labeled sentences, in any format."""
    hint = "give a file with a token and its label on each line, or another format of labeled sentences"
    return DataError(f"expected labeled sentences, found {found}", place=place, hint=hint)


# --- lines of a sample --------------------------------------------------------------------------------------


def data_lines(sample: Iterable[str]) -> list[str]:
    """Return the lines with columns: no blank lines, document marks or comments.

    The width is not known yet, so lines with `#` are taken for comments as long as other lines remain.
    """
    lines = [line.removeprefix(BOM).rstrip("\r\n") for line in sample]
    lines = [line for line in lines if not is_blank(line) and not line.startswith(DOCUMENT_MARK)]
    return (
        [line for line in lines if not line.startswith("#")]
        or [line for line in lines if not line.startswith("# ")]
        or lines
    )
