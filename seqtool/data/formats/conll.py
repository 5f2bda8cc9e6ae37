"""CoNLL columns: files with one token per line and blank lines between sentences, with any separator.

A line that starts with `#` is a comment if its number of columns differs from that of the data, else a token:
`# O` in a file of two columns is the token `#`. In a file of one column the number says nothing; there a
comment starts with `#` and a space. A `-DOCSTART-` line is a document mark, not a token.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from seqtool.data.formats.blocks import BOM, Block, EmptyTokens, FormatName, is_blank, split_blocks, split_end
from seqtool.errors import DataError

DOCUMENT_MARK = "-DOCSTART-"
TOKEN_COLUMN = "form"
WORD = re.compile(r"[^ \t]+")
LABEL_HINT = (
    "`data.label` takes a column's name (given in `data.columns`) or its number from 1; "
    "`data.separator` says what separates columns"
)


@dataclass(frozen=True)
class ConllFormat:
    """Format of a file of columns, as `find_layout` detects it.

    Attributes:
        separator: `tab`, `space` (any run of spaces and tabs), or the string between columns.
        width: number of columns.
        token: index of the token column, from 0.
        label: index of the label column; None if the file has none, and labels are appended.
        names: names of the columns, if the settings give them.
        empty_tokens: refuse an empty token, or read it as `_`.
    """

    format_name: ClassVar[FormatName] = "conll"

    separator: str = "tab"
    width: int = 2
    token: int = 0
    label: int | None = 1
    names: tuple[str, ...] = ()
    empty_tokens: EmptyTokens = "refuse"

    def describe(self) -> str:
        """Return a line such as `2 columns separated by a tab; token: column 1; label: column 2`."""
        label = "none in the file" if self.label is None else self._describe_column(self.label)
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
            if content[0] in "#-" and _is_mark(content, cells, self.width):
                comments += 1
                continue
            if len(cells) != self.width:
                raise self._wrong_width(cells, f"{name}:{first + index}")
            tokens.append(cells[self.token].strip(" ") or self._empty_token(f"{name}:{first + index}"))
            token_lines.append(index)
            if labels is not None and self.label is not None:
                labels.append(cells[self.label].strip(" ") or self._empty_label(f"{name}:{first + index}"))
        return Block(raw, tokens, labels, token_lines, name, first, comments=comments)

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
        for token, index in enumerate(block.token_lines):
            if block.labels is None or block.labels[token] != labels[token]:
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


def split_cells(content: str, separator: str, width: int = 0) -> list[str]:
    """Split a line into its columns.

    With `space`, a leading space is an empty first column only if the line then has `width` columns.
    """
    if separator != "space":
        return content.split(separator_string(separator))
    # str.split() would also split at a no-break space, which belongs to its token.
    cells = [cell for cell in content.replace("\t", " ").split(" ") if cell]
    return ["", *cells] if content[0] in " \t" and len(cells) == width - 1 else cells


def _is_mark(content: str, cells: list[str], width: int) -> bool:
    """Return whether a line is a comment or a document mark, by the rule in the docstring of this module."""
    if content.startswith("#"):
        return content.startswith("# ") if width == 1 else len(cells) != width
    return cells[0] == DOCUMENT_MARK or content.split(maxsplit=1)[0] == DOCUMENT_MARK


# --- detection ----------------------------------------------------------------------------------------------


def find_layout(
    sample: Iterable[str],
    name: str,
    *,
    separator: str = "auto",
    columns: Sequence[str] = (),
    label: str = "auto",
    empty_tokens: EmptyTokens = "refuse",
    need_labels: bool = True,
    trained_width: int | None = None,
) -> ConllFormat:
    """Detect the format of a file of columns.

    Args:
        sample: first raw lines of the file.
        name: name of the file in messages.
        separator: `auto`, `tab`, `space`, or the string between columns.
        columns: names of the columns, in order; `form` is the token column, or else the first one.
        label: name of a column, its number (from 1, or negative from the end), or `auto` for the last one.
        empty_tokens: value for the format.
        need_labels: False accepts a file without the label column, as when it is to be tagged.
        trained_width: number of columns of the training file; a file with fewer columns lacks the last ones.

    Raises:
        DataError: the file has no label column, or not the one that `label` names.
    """
    lines = data_lines(sample)
    separator = find_separator(lines) if separator == "auto" else "tab" if separator == "\t" else separator
    width = _find_width(lines, separator, columns, need_labels)
    if width == 1 and need_labels:
        expected = f"at least 2 columns separated by {describe_separator(separator)} (a token and its label)"
        raise DataError(f"expected {expected}, found 1", place=name, hint=LABEL_HINT)
    token = columns.index(TOKEN_COLUMN) if TOKEN_COLUMN in columns else 0
    full_width = len(columns) or (width if need_labels else trained_width or width)
    index: int | None = _column_index(label, columns, full_width)
    if index is not None and not need_labels and (width == 1 or width <= index < full_width):
        index = None
    if index is not None and not 0 <= index < width:
        known = f"one of the columns {', '.join(columns)}" if columns else "a column"
        message = f"expected the label in {known} (1 to {width}), found {label!r}"
        raise DataError(message, place=name, hint=LABEL_HINT)
    if index == token:
        message = f"expected different columns for tokens and labels, found {label!r} for both"
        raise DataError(message, place=name, hint=LABEL_HINT)
    return ConllFormat(separator, width, token, index, tuple(columns), empty_tokens)


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


def find_separator(lines: Sequence[str]) -> str:
    """Return `tab` if most lines have a tab, else `space` if most have inner spaces.

    Other files have one column, and the result is `tab`.
    """
    half = max(len(lines), 1) / 2
    if sum("\t" in line for line in lines) >= half:
        return "tab"
    return "space" if sum(len(split_cells(line, "space")) > 1 for line in lines) >= half else "tab"


def _find_width(lines: Sequence[str], separator: str, columns: Sequence[str], need_labels: bool) -> int:
    """Return the number of columns by their names, or that of most lines.

    A file to be tagged may lack the last columns.
    """
    counts = Counter(len(split_cells(line, separator)) for line in lines)
    width = counts.most_common(1)[0][0] if counts else max(len(columns), 1)
    if columns and (need_labels or width > len(columns)):
        return len(columns)
    return width


def _column_index(label: str, columns: Sequence[str], width: int) -> int:
    """Return the index of a column that is given by name or number; negative if there is none."""
    if label == "auto":
        return width - 1
    if not label.removeprefix("-").isdecimal():
        return columns.index(label) if label in columns else -1
    number = int(label)
    return number - 1 if number > 0 else width + number if number < 0 else -1
