"""Columns: one token a line, blank lines between sentences, any separator; read, and written back with new labels.

A line that starts with `#` is a comment when its number of columns is not that of the data, and a token otherwise:
`# O` in a file of two columns is the token `#`. (In a file of one column, where counting tells nothing, `# ` with a
space is a comment.) A `-DOCSTART-` line is a mark, not a token. How a layout is found out is in `conll_layout.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from seqtool.data.formats.blocks import BOM, Block, is_blank, split_blocks, split_end
from seqtool.errors import DataError

DOCUMENT_MARK = "-DOCSTART-"
WORD = re.compile(r"[^ \t]+")
EmptyTokens = Literal["refuse", "repair"]


@dataclass(frozen=True)
class ConllFormat:
    """The layout of a file of columns; made by `conll_layout.find_layout`, or by hand.

    Attributes:
        separator: `tab`, `space` (any run of spaces and tabs), or the string that stands between columns.
        width: number of columns.
        token: index of the token's column, from 0.
        label: index of the label's column; None where the file has none, and labels are appended.
        names: of the columns, where they were given.
        empty_tokens: refuse an empty token, or read it as `_`.
    """

    separator: str = "tab"
    width: int = 2
    token: int = 0
    label: int | None = 1
    names: tuple[str, ...] = ()
    empty_tokens: EmptyTokens = "refuse"

    def read(self, lines: Iterable[str], name: str) -> Iterator[Block]:
        """Blocks with tokens and labels.

        Raises:
            DataError: a line with another number of columns, an empty token (unless repaired) or an empty label.
        """
        for first, raw in self.split(lines):
            yield self.block(raw, name, first)

    def split(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Raw lines of each block with the number of the first."""
        return split_blocks(lines)

    def block(self, raw: list[str], name: str, first: int) -> Block:
        """One block from its raw lines; errors as `read`."""
        tokens: list[str] = []
        labels: list[str] | None = None if self.label is None else []
        token_lines: list[int] = []
        comments = 0
        for index, line in enumerate(raw):
            content = self._content(line, first + index)
            if is_blank(content):
                continue
            cells = split_cells(content, self.separator, self.width)
            if content[0] in "#-" and is_mark(content, cells, self.width):
                comments += 1
                continue
            if len(cells) != self.width:
                raise self._wrong_width(cells, f"{name}:{first + index}")
            tokens.append(cells[self.token].strip(" ") or self._empty(f"{name}:{first + index}"))
            token_lines.append(index)
            if labels is not None and self.label is not None:
                labels.append(cells[self.label].strip(" ") or self._no_label(f"{name}:{first + index}"))
        return Block(raw, tokens, labels, token_lines, name, first, comments=comments)

    def _content(self, line: str, number: int) -> str:
        return (line.removeprefix(BOM) if number == 1 else line).rstrip("\r\n")

    def _wrong_width(self, cells: list[str], place: str) -> DataError:
        hint = "every line needs the same columns, and a blank line stands between sentences; `data.separator` says what separates"
        return DataError(
            f"expected {columns(self.width)} separated by {said(self.separator)}, found {len(cells)}",
            place=place,
            hint=hint,
        )

    def _empty(self, place: str) -> str:
        if self.empty_tokens == "repair":
            return "_"
        raise DataError(
            "expected a token, found an empty one",
            place=place,
            hint="`data.empty_tokens: repair` reads it as `_`",
        )

    def _no_label(self, place: str) -> str:
        raise DataError(
            "expected a label, found an empty one", place=place, hint="`data.label` names the label's column"
        )

    def fill(self, block: Block, labels: Sequence[str]) -> list[str]:
        """The block's lines with these labels in the label column, appended where there was none; all else as it was."""
        lines = list(block.lines)
        for token, index in enumerate(block.token_lines):
            if block.labels is None or block.labels[token] != labels[token]:
                lines[index] = self._relabel(lines[index], labels[token], block.first_line + index)
        return lines

    def _relabel(self, line: str, label: str, number: int) -> str:
        content, end = split_end(line)
        if self.label is None:
            return content + (" " if self.separator == "space" else literal(self.separator)) + label + end
        mark = BOM if number == 1 and content.startswith(BOM) else ""
        content = content.removeprefix(mark)
        if self.separator == "space":
            return mark + self._replace_word(content, label) + end
        cells = content.split(literal(self.separator))
        cells[self.label] = label
        return mark + literal(self.separator).join(cells) + end

    def _replace_word(self, content: str, label: str) -> str:
        spans = [match.span() for match in WORD.finditer(content)]
        missing = self.width - len(spans)  # an empty first column before the leading space
        start, stop = spans[(self.label or 0) - missing]
        return content[:start] + label + content[stop:]


def literal(separator: str) -> str:
    """The string between columns."""
    return "\t" if separator == "tab" else separator


def said(separator: str) -> str:
    """The separator as messages say it."""
    return {"tab": "a tab", "space": "spaces"}.get(separator, repr(separator))


def columns(count: int) -> str:
    """`1 column`, `2 columns`."""
    return f"{count} column{'' if count == 1 else 's'}"


def split_cells(content: str, separator: str, width: int = 0) -> list[str]:
    """The columns of a line. With `space`, a leading space is an empty first column only if that gives `width`."""
    if separator != "space":
        return content.split(literal(separator))
    # not str.split(): a no-break space belongs to its token
    cells = [cell for cell in content.replace("\t", " ").split(" ") if cell]
    return ["", *cells] if content[0] in " \t" and len(cells) == width - 1 else cells


def is_mark(content: str, cells: list[str], width: int) -> bool:
    """Whether a line is a comment or a document mark (see the top of this file for which)."""
    if content.startswith("#"):
        return content.startswith("# ") if width == 1 else len(cells) != width
    return cells[0] == DOCUMENT_MARK or content.split(maxsplit=1)[0] == DOCUMENT_MARK
