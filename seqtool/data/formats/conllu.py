"""CoNLL-U: files with ten columns, comments, and lines with ids `n-m` and `n.m`.

The format is described at universaldependencies.org/format.

The label is a column or a key of the MISC column. With `tokens: surface` the tokens are those of the running
text: the form of an `n-m` line, with the labels of its words joined by `+`, or else the word itself. All
other lines are kept unchanged. Dependency trees are not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal, NamedTuple

from seqtool.data.formats.blocks import BOM, Block, EmptyTokens, FormatName, is_blank, split_blocks, split_end
from seqtool.errors import DataError
from seqtool.spans import OUTSIDE, span_type, spans_of

CONLLU_ROWS = 100  # first rows, by which CoNLL-U is recognized

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
LABELS = ("lemma", "upos", "xpos", "feats", "deprel")
MISC = COLUMNS.index("misc")
JOIN = "+"
OTHER_COLUMNS = "CoNLL-U has ten columns with tabs between them; for other columns set `data.format: conll`"
RANGE = re.compile(r"([0-9]+)-([0-9]+)")
EMPTY_NODE = re.compile(r"([0-9]+)\.([0-9]+)")
TEXT = re.compile(r"#\s*text\s*= ?(.*)", re.DOTALL)


class Range(NamedTuple):
    """An `n-m` line: numbers of its first and last word, its form, and its index in the block."""

    first: int
    last: int
    form: str
    line: int


@dataclass(frozen=True)
class ConlluFormat:
    """Format of a CoNLL-U file.

    Attributes:
        label: `lemma`, `upos`, `xpos`, `feats`, `deprel`, or `misc:Key`.
        tokens: syntactic words, or surface tokens.
        empty_tokens: refuse an empty form, or read it as `_`.
        missing: label of a word whose MISC column lacks the key; writing it removes the key.
    """

    format_name: ClassVar[FormatName] = "conllu"

    label: str = "upos"
    tokens: Literal["words", "surface"] = "words"
    empty_tokens: EmptyTokens = "refuse"
    missing: str = "_"

    @property
    def column(self) -> int:
        """Index of the column that has the label."""
        return MISC if self.label.startswith("misc:") else COLUMNS.index(self.label)

    @property
    def key(self) -> str:
        """Key in MISC, or an empty string if the label is a column."""
        return self.label.partition(":")[2]

    def describe(self) -> str:
        """Return the kind of tokens and the label in one line."""
        surface = "surface forms (labels of `n-m` words joined by +)"
        return f"tokens: {surface if self.tokens == 'surface' else 'syntactic words'}; label: {self.label}"

    def read(self, lines: Iterable[str], name: str) -> Iterator[Block]:
        """Yield blocks with tokens, labels (`_` for a missing one) and the text of `# text`.

        Raises:
            DataError: a line without ten columns, an id out of order, or an empty form (unless repaired).
        """
        for first, raw in self.split(lines):
            yield self.block(raw, name, first)

    def split(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Yield the raw lines of each block with the number of the first."""
        return split_blocks(lines)

    def block(self, raw: list[str], name: str, first: int) -> Block:
        """Read one block from its raw lines; raises the errors of `read`."""
        tokens: list[str] = []
        labels: list[str] = []
        token_lines: list[int] = []
        ranges: list[Range] = []
        comments: list[str] = []
        column = self.column
        for index, line in enumerate(raw if first > 1 else [raw[0].removeprefix(BOM), *raw[1:]]):
            cells = line.split("\t")
            if len(cells) == len(COLUMNS) and cells[0] == str(len(tokens) + 1):  # a word, as almost all lines
                tokens.append(cells[1] or self._empty_form(f"{name}:{first + index}"))
                label = cells[column].strip() if column != MISC else self._misc_label(cells[MISC])
                labels.append(label or "_")
                token_lines.append(index)
            elif line.startswith("#"):
                comments.append(line)
            elif not is_blank(line):
                self._read_other(cells, index, len(tokens) + 1, f"{name}:{first + index}", ranges)
        _check_last_range(ranges, len(tokens), name, first)
        if ranges and self.tokens == "surface":
            tokens, labels, token_lines = _surface(tokens, labels, token_lines, ranges)
        return Block(raw, tokens, labels, token_lines, name, first, _text(comments), len(comments))

    def _read_other(self, cells: list[str], index: int, number: int, place: str, ranges: list[Range]) -> None:
        """Read a line that is not the next word, and add an `n-m` line to `ranges`.

        Raises:
            DataError: the line is neither an `n-m` line nor an empty node at this point.
        """
        if len(cells) != len(COLUMNS):
            message = f"expected 10 columns separated by a tab, found {len(cells)}"
            raise DataError(message, place=place, hint=OTHER_COLUMNS)
        if match := RANGE.fullmatch(cells[0]):
            ranges.append(Range(int(match[1]), int(match[2]), cells[1] or self._empty_form(place), index))
            _check_range(ranges, number, place)
        elif (match := EMPTY_NODE.fullmatch(cells[0])) is None or int(match[1]) != number - 1:
            raise _wrong_id(cells[0], number, place)

    def _empty_form(self, place: str) -> str:
        if self.empty_tokens == "repair":
            return "_"
        raise DataError(
            "expected a form, found an empty one",
            place=place,
            hint="`data.empty_tokens: repair` reads it as `_`",
        )

    def _misc_label(self, misc: str) -> str:
        pairs = (item.partition("=") for item in misc.rstrip("\r\n").split("|"))
        return next((value.strip() for key, _, value in pairs if key == self.key), self.missing)

    def fill(self, block: Block, labels: Sequence[str]) -> list[str]:
        """Return the lines of a block with new labels in their column or MISC key, and no other byte changed.

        The label of a surface token is split at `+` and written to the words of its `n-m` line. If the
        numbers of parts and words differ, the label is written to the `n-m` line itself and the words get
        `_`.
        """
        lines = list(block.lines)
        old = block.labels or []
        for token, index in enumerate(block.token_lines):
            if labels[token] != old[token]:
                self._relabel(lines, index, labels[token])
        return lines

    def _relabel(self, lines: list[str], index: int, label: str) -> None:
        match = RANGE.match(lines[index].removeprefix(BOM))
        if match is None:
            lines[index] = self._with_label(lines[index], label)
            return
        numbers = range(int(match[1]), int(match[2]) + 1)
        words = [at for at in range(index + 1, len(lines)) if _word_number(lines[at]) in numbers]
        parts = label.split(JOIN)
        if len(parts) != len(words):
            lines[index] = self._with_label(lines[index], label)
            parts = ["_"] * len(words)
        for at, part in zip(words, parts, strict=True):
            lines[at] = self._with_label(lines[at], part)

    def _with_label(self, line: str, label: str) -> str:
        content, end = split_end(line)
        cells = content.split("\t")
        if self.column == MISC:
            label = _set_key(cells[MISC], self.key, "_" if label == self.missing else label)
        cells[self.column] = label
        return "\t".join(cells) + end


def find_label(label: str, place: str = "") -> str:
    """Return the label of a `ConlluFormat` for a column name in any case, a column number from 1, or `auto`.

    Raises:
        DataError: there is no such label.
    """
    if label[:5].lower() == "misc:" and len(label) > 5:
        return "misc:" + label[5:]
    name = "upos" if label == "auto" else label.lower()
    if name.isdecimal() and 1 <= int(name) <= len(COLUMNS):
        name = COLUMNS[int(name) - 1]
    if name not in LABELS:
        message = f"expected a label among {', '.join(LABELS)} and misc:Key, found {label!r}"
        raise DataError(message, place=place, hint="`misc:Key` takes a key of the MISC column")
    return name


def find_missing(text: Iterable[str], label: str) -> str:
    """Return the label of words that lack the MISC key: `O` if the others have span labels, else `_`.

    Args:
        text: pieces of the file that end with a line.
        label: label of the format, such as `misc:NE`.
    """
    if not label.startswith("misc:"):
        return "_"
    values = re.compile(rf"[|\t]{re.escape(label[5:])}=([^|\t\r\n]*)")
    has_spans = False
    for piece in text:
        for match in values.finditer(piece):
            value = match[1].strip()
            if value not in ("", "_", OUTSIDE):
                if not spans_of([value]):
                    return "_"
                has_spans = True
    return OUTSIDE if has_spans else "_"


# --- word numbers and `n-m` lines ---------------------------------------------------------------------------


def _wrong_id(found: str, number: int, place: str) -> DataError:
    hint = "words are counted from 1 in every sentence"
    if found == "1":
        hint = "a blank line is missing before this line"
    message = f"expected the id {number}, {number}-m or {number - 1}.m, found {found!r}"
    return DataError(message, place=place, hint=hint)


def _check_range(ranges: list[Range], number: int, place: str) -> None:
    """Check that the last range starts at the next word and does not overlap the range before it."""
    this = ranges[-1]
    if this.first != number or this.last < this.first or (len(ranges) > 1 and ranges[-2].last >= this.first):
        raise _wrong_id(f"{this.first}-{this.last}", number, place)


def _check_last_range(ranges: list[Range], words: int, name: str, first: int) -> None:
    """Check that the sentence has all words of its last range."""
    if ranges and ranges[-1].last > words:
        this = ranges[-1]
        message = f"expected words up to {this.last} after the id {this.first}-{this.last}, found {words}"
        hint = "the sentence ends before the range does"
        raise DataError(message, place=f"{name}:{first + this.line}", hint=hint)


def _surface(
    forms: list[str], labels: list[str], lines: list[int], ranges: list[Range]
) -> tuple[list[str], list[str], list[int]]:
    """Return tokens of the running text with labels and lines: each `n-m` form replaces its words."""
    forms, labels, lines = list(forms), list(labels), list(lines)
    for span in reversed(ranges):
        words = slice(span.first - 1, span.last)
        forms[words], labels[words], lines[words] = [span.form], [JOIN.join(labels[words])], [span.line]
    return forms, labels, lines


def _word_number(line: str) -> int:
    """Return the word number of a line; -1 for every other kind of line."""
    number = line.partition("\t")[0]
    return int(number) if number.isdecimal() else -1


# --- comments and MISC --------------------------------------------------------------------------------------


def _text(comments: list[str]) -> str | None:
    """Return the value of the first `# text = ` comment."""
    matches = (TEXT.match(comment.rstrip("\r\n")) for comment in comments)
    return next((match[1] for match in matches if match), None)


def _set_key(misc: str, key: str, value: str) -> str:
    """Return MISC with a key set; the value `_` removes the key."""
    old = [] if misc in ("", "_") else misc.split("|")
    at = next((index for index, item in enumerate(old) if item.partition("=")[0] == key), len(old))
    new = [*old[:at], *([] if value == "_" else [f"{key}={value}"]), *old[at + 1 :]]
    return "|".join(new) or "_"


# --- recognition ------------------------------------------------------------------------------------------


def looks_like_conllu(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether rows have ten columns with ids, forms that are not all numbers or labels, and heads."""
    if not all(len(row) == len(COLUMNS) and _is_conllu_id(row[0]) for row in rows):
        return False
    forms, tags = {row[1] for row in rows}, {row[3] for row in rows}
    if len(rows) > 2 and (len(forms) == 1 or (len(tags) == 1 and tags != {"_"})):
        return False
    heads = all(row[6].isdecimal() or row[6] == "_" for row in rows)
    marked = any(map(span_type, {cell for row in rows for cell in (row[1], row[3], row[5], row[7])}))
    ids = [int(row[0]) for row in rows if row[0].isdecimal()]
    counts = all(after == before + 1 or after == 1 for before, after in pairwise(ids))
    return (
        heads
        and counts
        and _heads_are_ids(rows)
        and not marked
        and not any(all(map(str.isdecimal, {row[at] for row in rows})) for at in (1, 3, 7))
        and not (tags == {"_"} and all(row[4].isdecimal() for row in rows))
        and len(forms) >= len(tags)
    )


def _heads_are_ids(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether heads can be those of trees; the last sentence may go on.

    A head is 0 or the id of another word of the sentence, and not all words of a file are roots.
    """
    last = 0
    if any(row[6] == row[0] for row in rows) or (len(rows) > 2 and {row[6] for row in rows} == {"0"}):
        return False
    heads: list[int] = []
    for row in rows:
        if row[0] == "1":
            if max(heads, default=0) > last:
                return False
            heads = []
        last = int(row[0]) if row[0].isdecimal() else last
        heads += [int(row[6])] if row[6].isdecimal() else []
    return len(rows) == CONLLU_ROWS or max(heads, default=0) <= last


def _is_conllu_id(cell: str) -> bool:
    return cell.isdecimal() or RANGE.fullmatch(cell) is not None or EMPTY_NODE.fullmatch(cell) is not None
