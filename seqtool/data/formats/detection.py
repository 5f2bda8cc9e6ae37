"""Result of the detection of a data file: the kind of the file, its columns, and the reader that fits.

`detect.py` has two functions: `detect_file(path, data)` reads a whole file, and `detect_lines(lines, name,
data)` the first lines of a pipe. Both return a `Detection`; `sentence_format(detection, data)` returns the
reader for it. All commands use them, so a file is read alike everywhere.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal
from unicodedata import combining, east_asian_width

from seqtool.data.formats.blocks import EmptyTokens, SentenceFormat
from seqtool.data.formats.conll import TOKEN_COLUMN, ConllFormat, describe_separator
from seqtool.data.formats.conllu import ConlluFormat
from seqtool.data.formats.csv_rows import CsvFormat
from seqtool.data.formats.jsonl import JsonlFormat
from seqtool.data.formats.word_tag import WordTagFormat
from seqtool.safe_text import shorten, visible
from seqtool.settings.data import TaggerData
from seqtool.settings.values import Scheme
from seqtool.types import Json

Kind = Literal["columns", "conllu", "jsonl", "csv", "word_tag", "text"]
LineEnd = Literal["\n", "\r\n", "\r", "mixed", ""]
FORMATS: dict[Kind, Literal["auto", "conll", "conllu", "jsonl", "csv", "word_tag"]] = {
    "columns": "conll",
    "conllu": "conllu",
    "jsonl": "jsonl",
    "csv": "csv",
    "word_tag": "word_tag",
    "text": "auto",
}
SHOWN_CELL, SHOWN_CELLS = 30, 78  # columns of a token, and of a sentence that is shown
RUNNING_TEXT: Kind = "text"
TITLES: dict[Kind, str] = {
    "columns": "CoNLL columns",
    "conllu": "CoNLL-U",
    "jsonl": "JSON lines",
    "csv": "CSV",
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
        rows: number of lines with a token; 0 for kinds without columns.
        width: number of columns; 0 for kinds without columns.
        varying: the number of columns differs between sentences; `width` is the smallest one then.
        token: index of the token column, from 0.
        label: index of the label column; None if the file has none.
        sentence: index of the column with the id of the sentence, in a file without blank lines; None
            without one.
        names: names of the columns: those of the settings, else those of the header row.
        token_prefix: start of every token that is not part of it, such as `en:`.
        hash_labels: labels with which a line that starts with `#`, opens a block and has as many cells as the
            others is a token; None if the file has no such line.
        brackets: indices of the columns that mark flat spans with brackets, such as `(PERSON*` and `*)`.
        label_name: label of CoNLL-U (`upos`, `misc:Key`).
        text_key: JSON lines: field of the tokens or of the text.
        label_key: JSON lines: field of the labels or of the spans.
        missing_label: CoNLL-U: label of a word without the key in MISC.
        label_names: JSON lines: names of labels that are integers.
        span_keys: JSON lines: form of character spans, see `json_spans.span_keys`; None for lists of labels.
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
    rows: int = 0
    width: int = 0
    varying: bool = False
    token: int = 0
    label: int | None = None
    sentence: int | None = None
    names: tuple[str, ...] = ()
    token_prefix: str = ""
    hash_labels: frozenset[str] | None = None
    brackets: tuple[int, ...] = ()
    label_name: str = "upos"
    text_key: str = "tokens"
    label_key: str = "labels"
    missing_label: str = "_"
    label_names: tuple[str, ...] = ()
    span_keys: tuple[str, ...] | None = None
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
        values = asdict(self)
        del values["hash_labels"]  # a detail of reading
        return values

    def describe(self, data: TaggerData) -> str:
        """Return the kind, the reason for it, and the places of tokens and labels in one line."""
        if not self.is_labeled:
            return TITLES[self.kind]
        return f"{TITLES[self.kind]} ({self.reason}); {sentence_format(self, data).describe()}"


def sentence_format(detection: Detection, data: TaggerData, *, skip_wrong: bool = False) -> SentenceFormat:
    """Return the reader of a file. It reads the columns and fields that were detected.

    Args:
        data: settings that a detection does not contain: `tokens` and `empty_tokens`.
        skip_wrong: leave out lines of a table with another number of cells instead of raising an error.
    """
    empty: EmptyTokens = data.empty_tokens
    if detection.kind == "conllu":
        return ConlluFormat(detection.label_name, data.tokens, empty, detection.missing_label)
    if detection.kind == "jsonl":
        return JsonlFormat(
            detection.text_key, detection.label_key, empty, detection.label_names, detection.span_keys
        )
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
            skip_wrong=skip_wrong,
        )
    return ConllFormat(
        detection.separator,
        detection.width,
        detection.token,
        detection.label,
        detection.names,
        empty,
        detection.header_line,
        detection.varying,
        detection.token_prefix,
        detection.hash_labels,
        skip_wrong,
        detection.brackets,
    )


def settings_of(detection: Detection, data: TaggerData) -> TaggerData:
    """Return settings that read a file as it was detected.

    Args:
        data: settings for all other keys.
    """
    data = replace(data, format=FORMATS[detection.kind])
    if detection.kind == "conllu":
        return replace(data, label=detection.label_name)
    if detection.kind == "jsonl":
        return replace(
            data,
            text_key=detection.text_key,
            label_key=detection.label_key,
            label_names=detection.label_names,
        )
    if detection.kind not in ("columns", "csv") or detection.label is None:
        return data
    data = replace(data, separator=detection.separator)
    if detection.kind == "csv" and not data.columns and len(set(detection.header)) == detection.width:
        names = detection.header
        sentence = data.sentence if detection.sentence is None else names[detection.sentence]
        return replace(data, token=names[detection.token], label=names[detection.label], sentence=sentence)
    if data.columns:
        return data if data.label != "auto" else replace(data, label=data.columns[detection.label])
    if detection.token == 0:
        return replace(data, label=str(detection.label + 1))
    columns = tuple(
        TOKEN_COLUMN if index == detection.token else f"column{index + 1}" for index in range(detection.width)
    )
    return replace(data, columns=columns, label=columns[detection.label])


def summary(detection: Detection) -> str:
    """Return a short description of tokens and labels."""
    title = TITLES[detection.kind]
    if detection.kind == "jsonl":
        fields = f"tokens in field {detection.text_key!r}, labels in field {detection.label_key!r}"
        return f"{title}, {fields}"
    if detection.kind == "conllu":
        return f"{title}, label {detection.label_name}"
    if detection.kind not in ("columns", "csv"):
        return title
    separated = f"{title} separated by {describe_separator(detection.separator)}"
    labels = f", labels in column {detection.label + 1}" if detection.label is not None else ", no labels"
    return f"{separated}, tokens in column {detection.token + 1}{labels}"


def sample_lines(detection: Detection, columns: int = SHOWN_CELLS) -> list[str]:
    """Return the first two sentences as read, each token above its label.

    Args:
        columns: width of the lines; in narrow lines a sentence of up to `SHOWN_CELLS` columns is divided.
    """
    lines: list[str] = []
    for sentence in detection.sentences:
        width = 0
        row = _SampleRow("  as read ")
        for pair in zip(sentence.tokens, sentence.labels or [""] * len(sentence.tokens), strict=True):
            token, label = (visible(shorten(cell, SHOWN_CELL)) for cell in pair)
            cell = max(_cells(token), _cells(label)) + 1
            width += cell
            is_last = len(row.start) + width > SHOWN_CELLS
            if row.width + (2 if is_last else cell) > columns + 1 and row.tokens != row.start:
                lines += row.lines()
                row = _SampleRow(" " * len(row.start))
            if is_last:
                row.tokens += "…"
                break
            row.add(token, label, cell)
        lines += row.lines()
    return lines


class _SampleRow:
    """A line of tokens above the line of their labels."""

    def __init__(self, start: str) -> None:
        self.start = self.tokens = start
        self.labels = " " * len(start)
        self.width = len(start)

    def add(self, token: str, label: str, cell: int) -> None:
        """Append a token with its label; both fill `cell` columns."""
        self.tokens += token + " " * (cell - _cells(token))
        self.labels += label + " " * (cell - _cells(label))
        self.width += cell

    def lines(self) -> list[str]:
        """Return both lines without spaces at their ends."""
        return [self.tokens.rstrip(), self.labels.rstrip()]


def _cells(text: str) -> int:
    """Return the number of cells of a terminal that a text fills."""
    wide = sum(east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(combining, text)))
