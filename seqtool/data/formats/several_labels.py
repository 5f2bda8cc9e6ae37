"""Several labels of a sentence written to its lines: each to its own column, and no other byte changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from seqtool.data.formats.blocks import Block, SentenceFormat
from seqtool.data.formats.conll import ConllFormat
from seqtool.data.formats.conllu import ConlluFormat, find_label
from seqtool.data.formats.csv_rows import CsvFormat
from seqtool.errors import DataError


def fill_columns(
    form: SentenceFormat, block: Block, main: str, names: Sequence[str], columns: Sequence[Sequence[str]]
) -> list[str]:
    """Return the lines of a block with new labels in all columns that the format has.

    Columns are appended if the file has no label columns. A format with a single label gets the main one.

    Args:
        form: format of the block; its label is the main one.
        main: name of the main label.
        names: names of the labels, as in `data.labels`.
        columns: labels of the tokens, for each name.
    """
    lines = list(block.lines)
    for name, labels in zip(names, columns, strict=True):
        other = form if name == main else _for_label(form, name)
        if isinstance(other, ConllFormat | CsvFormat) and other.label is None:
            lines = other.fill(replace(block, lines=lines), labels)
        elif other is not None:
            lines = other.fill(other.block(lines, block.name, block.first_line), labels)
    return lines


def _for_label(form: SentenceFormat, name: str) -> SentenceFormat | None:
    """Return the format for another label; None if it has no place for it."""
    if isinstance(form, ConlluFormat):
        try:
            return replace(form, label=find_label(name), missing="_")
        except DataError:  # a name of a file with other columns
            return None
    if not isinstance(form, ConllFormat | CsvFormat):
        return None
    if form.label is None:
        return form
    index = form.names.index(name) if name in form.names else int(name) - 1 if name.isdecimal() else -1
    return replace(form, label=index) if 0 <= index < form.width else None
