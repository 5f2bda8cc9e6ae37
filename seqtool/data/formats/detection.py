"""Result of the detection of a data file: the kind of the file, its columns, and the reader that fits.

`detect.py` has two functions: `detect_file(path, data)` reads a whole file, and `detect_lines(lines, name,
data)` the first lines of a pipe. Both return a `Detection`; `sentence_format(detection, data)` returns the reader
for it. All commands use them, so a file is read alike everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from seqtool.data.formats.blocks import EmptyTokens, SentenceFormat
from seqtool.data.formats.conll import ConllFormat
from seqtool.data.formats.conllu import ConlluFormat
from seqtool.data.formats.csv_rows import CsvFormat
from seqtool.data.formats.jsonl import JsonlFormat
from seqtool.data.formats.word_tag import WordTagFormat
from seqtool.settings import Scheme, TaggerData
from seqtool.types import Json

Kind = Literal["columns", "conllu", "jsonl", "csv", "word_tag", "text"]
LineEnd = Literal["\n", "\r\n", "\r", "mixed", ""]
RUNNING_TEXT: Kind = "text"
TITLES: dict[Kind, str] = {
    "columns": "CoNLL columns",
    "conllu": "CoNLL-U",
    "jsonl": "JSON lines",
    "csv": "CSV with quoted cells",
    "word_tag": "words with their tags",
    "text": "running text",
}


@dataclass(frozen=True)
class SentenceSample:
    """A sentence as it is read: tokens, and a label for each; no labels if the file has none."""

    tokens: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class WrongLines:
    """Lines of a file of columns that have another number of cells than the others.

    Attributes:
        count: number of such lines.
        line: number of the first one in the file, from 1.
        cells: number of its cells.
    """

    count: int = 0
    line: int = 0
    cells: int = 0


@dataclass(frozen=True)
class Detection:
    """Properties of a data file, found in its content; settings fix what they name.

    Attributes:
        name: name of the file in messages.
        kind: kind of the file; `text` has no labels.
        reason: reason for `kind`.
        encoding: Python's name of the encoding.
        line_end: end of the lines; only in a file with `\\r` alone does `\\r` end a line.
        separator: columns: `tab`, `space` (any run of spaces and tabs), or the string between columns.
            `word_tag`: the character between a word and its tag.
        quoted: whether cells may be in double quotes, as in CSV.
        header: cells of the header row; nothing without one.
        header_line: number of the line of the header row, from 1; 0 without one.
        comments: number of comment lines and document marks.
        first_comment: number of the line of the first one; 0 without any.
        width: number of columns; 0 for kinds without columns.
        varying: the number of columns differs between sentences; `width` is the smallest one then.
        token: index of the token column, from 0.
        label: index of the label column; None if the file has none.
        sentence: index of the column with the id of the sentence, in a file without blank lines; None
            without one.
        names: names of the columns: those of the settings, else those of the header row.
        token_prefix: start of every token that is not part of it, such as `en:`.
        hash_labels: labels of the lines that start with `#` and are tokens, although they have as many
            cells as the others.
        label_name: label of CoNLL-U (`upos`, `misc:Key`).
        text_key: JSON lines: field of the tokens or of the text.
        label_key: JSON lines: field of the labels or of the spans.
        scheme: span scheme of the labels.
        wrong: lines with another number of cells.
        evidence: reasons for the choice, one line each.
        doubts: probable mistakes in the file or in the choice, one line each.
        sentences: the first two sentences as read.
    """

    name: str
    kind: Kind
    reason: str = "by the content"
    encoding: str = "utf-8"
    line_end: LineEnd = "\n"
    separator: str = "tab"
    quoted: bool = False
    header: tuple[str, ...] = ()
    header_line: int = 0
    comments: int = 0
    first_comment: int = 0
    width: int = 0
    varying: bool = False
    token: int = 0
    label: int | None = None
    sentence: int | None = None
    names: tuple[str, ...] = ()
    token_prefix: str = ""
    hash_labels: frozenset[str] = frozenset()
    label_name: str = "upos"
    text_key: str = "tokens"
    label_key: str = "labels"
    scheme: Scheme = "none"
    wrong: WrongLines = WrongLines()
    evidence: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    sentences: tuple[SentenceSample, ...] = ()

    @property
    def is_labeled(self) -> bool:
        """True if the file contains labeled sentences, False for running text."""
        return self.kind != RUNNING_TEXT

    def to_json(self) -> Json:
        """Return the object that `check --json` prints."""
        return {**asdict(self), "hash_labels": sorted(self.hash_labels)}


def sentence_format(detection: Detection, data: TaggerData) -> SentenceFormat:
    """Return the reader of a file. It reads the columns and fields that were detected.

    Args:
        data: settings that a detection does not contain: `tokens` and `empty_tokens`.
    """
    empty: EmptyTokens = data.empty_tokens
    if detection.kind == "conllu":
        return ConlluFormat(detection.label_name, data.tokens, empty)
    if detection.kind == "jsonl":
        return JsonlFormat(detection.text_key, detection.label_key, empty)
    if detection.kind == "word_tag":
        return WordTagFormat(detection.separator, empty)
    if detection.kind == "csv" or detection.sentence is not None:
        return CsvFormat(
            detection.separator,
            detection.width,
            detection.token,
            detection.label,
            detection.sentence,
            detection.names,
            detection.header_line,
            detection.quoted,
            empty,
        )
    return ConllFormat(
        detection.separator, detection.width, detection.token, detection.label, detection.names, empty
    )


def first_two(sentences: Sequence[SentenceSample]) -> tuple[SentenceSample, ...]:
    """Return the first two sentences that have a token."""
    return tuple(sentence for sentence in sentences if sentence.tokens)[:2]
