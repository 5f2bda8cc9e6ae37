"""Findings in a table: header row, sentence ids, comments with as many cells as the data, doubts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from seqtool.data.formats.column_counts import EMPTY, TAGS, Column
from seqtool.data.formats.column_evidence import Choice
from seqtool.data.formats.conll import count_columns, data_lines, describe_separator
from seqtool.data.formats.detection import Detection
from seqtool.data.formats.layout import Layout
from seqtool.data.formats.table_scan import TableScan
from seqtool.errors import DataError, pluralize
from seqtool.safe_text import shorten, visible
from seqtool.settings.data import TaggerData
from seqtool.spans import is_span_label, stray_labels

UNBROKEN = 100  # tokens of a file without blank lines that are no reason for a doubt
LISTED = 5  # odd labels that are named
NAME_PARTS = re.compile(r"[\s_#.\-]+")
TOKEN_NAMES = frozenset(["token", "tokens", "word", "words", "form", "text"])
LABEL_NAMES = frozenset(["tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "iob", "bio"])
_HEADER_WORDS = (
    "id idx index nr no number sentence sent sentences doc document file line tag tags label labels pos upos "
    "xpos ner ne entity entities iob bio chunk chunks lemma lemmas feats head deprel misc class type gold "
    "start end position offset lang language"
)
HEADER_WORDS = TOKEN_NAMES | frozenset(_HEADER_WORDS.split())


# --- header -------------------------------------------------------------------------------------------------


def is_header(scan: TableScan, columns: Sequence[Column], data: TaggerData) -> bool:
    """Return whether the first row has the names of the columns, by its words."""
    cells = [cell for cell in scan.first_row if cell.strip()]
    if not cells or scan.rows < 2:
        return False
    named = {name for name in (data.token, data.sentence, data.label) if not name.lstrip("-").isdecimal()}
    if not data.columns and not named.isdisjoint(cells):
        return True
    if [cell.lower() for cell in scan.first_row] == [name.lower() for name in data.columns]:
        return True
    words = [set(NAME_PARTS.split(cell.lower().strip("#_ "))) - {""} for cell in cells]
    names = [{part.rstrip("0123456789") for part in word} - {""} for word in words]  # `column2` is a name
    known = [bool(name) and name <= HEADER_WORDS for name in names]
    seen = [cell in column.counts for cell, column in zip(scan.first_row, columns, strict=True)]
    return all(known) and sum(seen) < len(seen)


def header_by_label(scan: TableScan, columns: Sequence[Column], choice: Choice) -> tuple[bool, list[str]]:
    """Return whether the label of the first row occurs only there and cannot be a label, and a doubt."""
    if choice.label is None or scan.rows < 4:
        return False, []
    row, label = scan.first_row, columns[choice.label]
    cell = row[choice.label]
    if label.counts[cell] != 1 or is_span_label(cell) or cell in TAGS:
        return False, []
    others = [value for value in label.counts if value != cell and value not in EMPTY]
    unlike = bool(others) and not cell.isupper() and all(map(str.isupper, others))
    broken = [
        column
        for column in columns
        if (column.counts_up or column.is_number) and not row[column.index].isdecimal() and row[column.index]
    ]
    if not (label.marks_spans or unlike or broken):
        return False, []
    shown = visible(shorten(" ".join(row), 60))
    reason = f"line {scan.first_row_line} ({shown}) is read as a header, since its label occurs nowhere else"
    return True, [reason]


# --- columns ---------------------------------------------------------------------------------------------


def token_prefix(token: Column) -> str:
    """Return a language code such as `en:` with which every token begins."""
    match = re.match(r"[a-z]{2,3}:", next(iter(token.counts), ""))
    if match and len(token.counts) > 1 and all(value.startswith(match[0]) for value in token.counts):
        return match[0]
    return ""


def bracket_columns(columns: Sequence[Column], label: int | None, trained: Layout | None) -> tuple[int, ...]:
    """Return the columns with brackets of flat spans.

    A label column of `*` alone is one of them beside other brackets, or if the training file had brackets.
    """
    beside = any(column.is_bracketed for column in columns if column.index != label and "*" in column.counts)
    may_lack_spans = beside or (trained is not None and trained.brackets)
    return tuple(
        column.index
        for column in columns
        if column.has_flat_brackets or (column.index == label and column.is_flat and may_lack_spans)
    )


def sentence_column(scan: TableScan, choice: Choice) -> int | None:
    """Return the column of sentence ids in a file without blank lines: each id is in one run of rows."""
    if scan.blank > 0 or len(scan.sample) < 2:
        return None
    rows = [scan.first_row, *scan.sample] if not scan.columns[0].counts else scan.sample
    for index in range(scan.width):
        if index in (choice.token, choice.label):
            continue
        cells = [row[index].strip() for row in rows]
        ids = [cell for cell in cells if cell]
        runs = [cell for cell, _ in groupby(ids)]
        starts = len(ids) < len(cells) and len(runs) == len(ids)
        if not EMPTY.isdisjoint(runs) or TAGS.issuperset(runs):  # as `*` between brackets
            continue
        if len(runs) > 1 and len(set(runs)) == len(runs) and (starts or len(runs) <= 0.7 * len(cells)):
            return index
    return None


# --- lines that start with # --------------------------------------------------------------------------------


def with_hash_rows(found: Detection, scan: TableScan, columns: Sequence[Column]) -> Detection:
    """Divide lines that start with `#` and open a block into comments and tokens, by their labels."""
    hashes = scan.hashes
    if not hashes.count:
        return found
    if found.label is None:
        return replace(found, comments=found.comments + hashes.count, hash_labels=frozenset())
    labels, label = hashes.opening[found.label], columns[found.label]
    tokens = {
        value for value in labels if value in label.counts or (label.marks_spans and is_span_label(value))
    }
    comments = hashes.count - sum(labels[value] for value in tokens)
    lines = [line for value, line in hashes.first_lines[found.label].items() if value not in tokens]
    first = min([*lines, *([found.first_comment] if found.first_comment else [])], default=0)
    doubts = list(found.doubts)
    if hashes.bare and hashes.bare[found.label] in tokens:
        doubts.append(
            f"line {hashes.bare_line} starts with # and opens a sentence; it is read as a token, "
            f"since {visible(hashes.bare[found.label])} is a label"
        )
    return replace(
        found,
        comments=found.comments + comments,
        first_comment=first,
        hash_labels=frozenset(tokens | set(label.counts)),
        doubts=tuple(doubts),
    )


# --- what is printed ----------------------------------------------------------------------------------------


def evidence_lines(found: Detection, choice: Choice) -> Iterator[str]:
    separated = f"{count_columns(found.width)} separated by {describe_separator(found.separator)}"
    yield separated + (", more of them in some sentences" if found.varying else "")
    yield from choice.evidence
    if found.header_line:
        yield f"line {found.header_line} is a header ({visible(shorten(', '.join(found.header), 60))})"
    if found.comments:
        yield f"{pluralize(found.comments, 'comment line')}, first in line {found.first_comment}"
    if found.sentence is not None:
        yield f"column {found.sentence + 1} has the id of the sentence"
    if found.token_prefix:
        yield f"every token begins with {found.token_prefix}, which is not part of it"


def doubt_lines(
    found: Detection, scan: TableScan, columns: Sequence[Column], head: Sequence[str]
) -> Iterator[str]:
    if found.wrong.count:
        do = "does" if found.wrong.count == 1 else "do"
        lines, cells = pluralize(found.wrong.count, "line"), pluralize(found.wrong.cells, "cell")
        yield f"{lines} {do} not have {found.width} cells, first line {found.wrong.line} ({cells})"
    if found.separator == "space" and _mixes_separators(head):
        yield "columns are separated by tabs in some lines and by spaces in others"
    if not scan.blank and found.sentence is None and scan.rows > UNBROKEN:
        yield f"no blank line among {scan.rows:,} tokens: every sentence needs one after it"
    if found.label is not None:
        yield from _odd_labels(scan, columns[found.label])
    token = columns[found.token]
    if token.is_number and found.width > 1:
        yield f"all tokens are numbers ({token.shown()}): is column {found.token + 1} the right column?"


def _odd_labels(scan: TableScan, label: Column) -> Iterator[str]:
    """Yield a doubt for each label that is none among span labels, with its line and count."""
    if not label.marks_spans:
        return
    odd = sorted(stray_labels(label.counts), key=lambda value: label.counts[value])
    lines = scan.columns[label.index].first_lines
    for value in odd[:LISTED]:
        place = f"first in line {lines[value]}" if value in lines else "far in the file"
        count = pluralize(label.counts[value], "token")
        yield f"label {visible(value)} breaks the span scheme ({count}, {place}); kept as written"
    if len(odd) > LISTED:
        yield f"{len(odd) - LISTED:,} more labels break the span scheme"


def _mixes_separators(head: Sequence[str]) -> bool:
    lines = data_lines(head)
    tabs = sum("\t" in line.strip() for line in lines)
    return 0 < tabs < len(lines)


# --- columns that are named -------------------------------------------------------------------------------


def trained_label(trained: Layout, names: Sequence[str], width: int) -> int | None:
    """Return the label column of the training file; None if neither file has a column of this name."""
    if trained.label == "auto":
        return width - 1
    index = column_index(trained.label, trained.columns or names, width)
    return index if index >= 0 else None


def named_column(key: str, column: str, names: Sequence[str], width: int, place: str) -> int:
    """Return the index of the column that a setting names.

    Raises:
        DataError: the file does not have the column.
    """
    index = column_index(column, names, width)
    if not 0 <= index < width:
        known = f"one of the columns {', '.join(names)}" if names else "a column"
        message = f"expected {known} (1 to {width}), found {column!r}"
        hint = f"`data.{key}` takes a name of the header or of `data.columns`, or a number from 1"
        raise DataError(message, place=place, hint=hint)
    return index


def column_index(label: str, names: Sequence[str], width: int) -> int:
    """Return the index of a column that is given by name or number; negative if there is none."""
    if label in names:
        return names.index(label)
    if not label.removeprefix("-").isdecimal():
        return -1
    number = int(label)
    return number - 1 if number > 0 else width + number if number < 0 else -1
