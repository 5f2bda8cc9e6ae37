"""CoNLL-U (universaldependencies.org/format): ten columns, comments, `n-m` and `n.m` lines; read, and written back.

The label is a column or a key of MISC. With `tokens: surface` a token is what stands in the running text: the form of
an `n-m` line, labelled with its words' labels joined by `+`, or else the word itself. Lines of the other kinds are
kept as they are. Trees are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from seqtool.data.formats.blocks import BOM, Block, is_blank, split_blocks, split_end
from seqtool.data.formats.conll import EmptyTokens
from seqtool.errors import DataError

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
LABELS = ("upos", "xpos", "feats", "deprel")
MISC = COLUMNS.index("misc")
JOIN = "+"
RANGE = re.compile(r"([0-9]+)-([0-9]+)")
EMPTY_NODE = re.compile(r"([0-9]+)\.([0-9]+)")
TEXT = re.compile(r"#\s*text\s*= ?(.*)", re.DOTALL)


class Range(NamedTuple):
    """An `n-m` line: the words it spans, its form, and where it is."""

    first: int
    last: int
    form: str
    line: int


@dataclass(frozen=True)
class ConlluFormat:
    """How a CoNLL-U file is read.

    Attributes:
        label: `upos`, `xpos`, `feats`, `deprel`, or `misc:Key`.
        tokens: syntactic words, or surface tokens.
        empty_tokens: refuse an empty form, or read it as `_`.
    """

    label: str = "upos"
    tokens: Literal["words", "surface"] = "words"
    empty_tokens: EmptyTokens = "refuse"

    @property
    def column(self) -> int:
        """Index of the column that the label is in."""
        return MISC if self.label.startswith("misc:") else COLUMNS.index(self.label)

    @property
    def key(self) -> str:
        """The key in MISC, or nothing where the label is a column."""
        return self.label.partition(":")[2]

    def read(self, lines: Iterable[str], name: str) -> Iterator[Block]:
        """Blocks with tokens, labels (`_` where there is none) and `# text`.

        Raises:
            DataError: a line without ten columns, an id out of order, an empty form (unless repaired).
        """
        for first, raw in self.split(lines):
            yield self.block(raw, name, first)

    def split(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Raw lines of each block with the number of the first."""
        return split_blocks(lines)

    def block(self, raw: list[str], name: str, first: int) -> Block:
        """One block from its raw lines; errors as `read`."""
        tokens: list[str] = []
        labels: list[str] = []
        token_lines: list[int] = []
        ranges: list[Range] = []
        comments: list[str] = []
        column = self.column
        for index, line in enumerate(raw if first > 1 else [raw[0].removeprefix(BOM), *raw[1:]]):
            cells = line.split("\t")
            if len(cells) == len(COLUMNS) and cells[0] == str(len(tokens) + 1):  # almost all lines: a word
                tokens.append(cells[1] or self._empty(f"{name}:{first + index}"))
                labels.append((cells[column] if column != MISC else self._misc_label(cells[MISC])) or "_")
                token_lines.append(index)
            elif line.startswith("#"):
                comments.append(line)
            elif not is_blank(line):
                self._other(cells, index, len(tokens) + 1, f"{name}:{first + index}", ranges)
        _check_end(ranges, len(tokens), name, first)
        if ranges and self.tokens == "surface":
            tokens, labels, token_lines = _surface(tokens, labels, token_lines, ranges)
        return Block(raw, tokens, labels, token_lines, name, first, _text(comments), len(comments))

    def _other(self, cells: list[str], index: int, number: int, place: str, ranges: list[Range]) -> None:
        """A line that is not the next word: an `n-m` line, an empty node, or a mistake."""
        if len(cells) != len(COLUMNS):
            hint = (
                "CoNLL-U has ten columns with tabs between them; for other columns set `data.format: conll`"
            )
            raise DataError(
                f"expected 10 columns separated by a tab, found {len(cells)}", place=place, hint=hint
            )
        if match := RANGE.fullmatch(cells[0]):
            ranges.append(Range(int(match[1]), int(match[2]), cells[1] or self._empty(place), index))
            _check_range(ranges, number, place)
        elif (match := EMPTY_NODE.fullmatch(cells[0])) is None or int(match[1]) != number - 1:
            raise _bad_id(cells[0], number, place)

    def _empty(self, place: str) -> str:
        if self.empty_tokens == "repair":
            return "_"
        raise DataError(
            "expected a form, found an empty one",
            place=place,
            hint="`data.empty_tokens: repair` reads it as `_`",
        )

    def _misc_label(self, misc: str) -> str:
        return next((value for key, _, value in _pairs(misc.rstrip("\r\n")) if key == self.key), "_")

    def fill(self, block: Block, labels: Sequence[str]) -> list[str]:
        """The block's lines with these labels in their column or MISC key; all else as it was.

        A surface label goes back to the words of its `n-m` line when its parts are as many; otherwise it stands in the
        `n-m` line itself and the words get `_`, since none of them can be said to carry it.
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
        words = [
            at
            for at in range(index + 1, len(lines))
            if _number(lines[at]) in range(int(match[1]), int(match[2]) + 1)
        ]
        parts = label.split(JOIN)
        if len(parts) != len(words):
            lines[index] = self._with_label(lines[index], label)
            parts = ["_"] * len(words)
        for at, part in zip(words, parts, strict=True):
            lines[at] = self._with_label(lines[at], part)

    def _with_label(self, line: str, label: str) -> str:
        content, end = split_end(line)
        cells = content.split("\t")
        cells[self.column] = _with_key(cells[MISC], self.key, label) if self.column == MISC else label
        return "\t".join(cells) + end


def find_label(label: str, place: str = "") -> str:
    """The label as `ConlluFormat` wants it, from a name in any case, a column's number from 1, or `auto`.

    Raises:
        DataError: there is no such label.
    """
    if label[:5].lower() == "misc:" and len(label) > 5:
        return "misc:" + label[5:]
    name = "upos" if label == "auto" else label.lower()
    if name.isdecimal() and 1 <= int(name) <= len(COLUMNS):
        name = COLUMNS[int(name) - 1]
    if name not in LABELS:
        hint = "`misc:Key` takes a key of the MISC column"
        raise DataError(
            f"expected a label among {', '.join(LABELS)} and misc:Key, found {label!r}",
            place=place,
            hint=hint,
        )
    return name


def _bad_id(found: str, number: int, place: str) -> DataError:
    hint = (
        "a blank line is missing before this line"
        if found == "1"
        else "words are counted from 1 in every sentence"
    )
    return DataError(
        f"expected the id {number}, {number}-m or {number - 1}.m, found {found!r}", place=place, hint=hint
    )


def _check_range(ranges: list[Range], number: int, place: str) -> None:
    this = ranges[-1]
    if this.first != number or this.last < this.first or (len(ranges) > 1 and ranges[-2].last >= this.first):
        raise _bad_id(f"{this.first}-{this.last}", number, place)


def _check_end(ranges: list[Range], words: int, name: str, first: int) -> None:
    if ranges and ranges[-1].last > words:
        this = ranges[-1]
        message = f"expected words up to {this.last} after the id {this.first}-{this.last}, found {words}"
        raise DataError(
            message, place=f"{name}:{first + this.line}", hint="the sentence ends before the range does"
        )


def _text(comments: list[str]) -> str | None:
    """What the first `# text = ` comment says."""
    matches = (TEXT.match(comment.rstrip("\r\n")) for comment in comments)
    return next((match[1] for match in matches if match), None)


def _surface(
    forms: list[str], labels: list[str], lines: list[int], ranges: list[Range]
) -> tuple[list[str], list[str], list[int]]:
    """Tokens of the running text, their labels and lines: `n-m` forms in the place of the words they span."""
    forms, labels, lines = list(forms), list(labels), list(lines)
    for span in reversed(ranges):
        words = slice(span.first - 1, span.last)
        forms[words], labels[words], lines[words] = [span.form], [JOIN.join(labels[words])], [span.line]
    return forms, labels, lines


def _number(line: str) -> int:
    """The word number of a line; -1 for every other kind of line."""
    ident = line.partition("\t")[0]
    return int(ident) if ident.isdecimal() else -1


def _pairs(misc: str) -> list[tuple[str, str, str]]:
    return [item.partition("=") for item in misc.split("|")]


def _with_key(misc: str, key: str, value: str) -> str:
    """MISC with a key set; `_` takes the key away."""
    old = [] if misc in ("", "_") else misc.split("|")
    at = next((index for index, item in enumerate(old) if item.partition("=")[0] == key), len(old))
    new = [*old[:at], *([] if value == "_" else [f"{key}={value}"]), *old[at + 1 :]]
    return "|".join(new) or "_"
