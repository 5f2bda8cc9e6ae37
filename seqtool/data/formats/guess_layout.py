"""What a labelled file's columns or fields are, guessed from its first lines where no settings say so.

Settings read the first column as tokens and the last as labels. A stranger's file may count its tokens in a column, end
in columns that say nothing, or begin with the labels; what is guessed here is written into the settings, to be seen and
changed. How a file is then read is in `formats.py` and `conll_layout.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from seqtool.data.formats.blocks import BOM, is_blank, raw_lines
from seqtool.data.formats.conll import ConllFormat, said, split_cells
from seqtool.data.formats.conll_layout import TOKEN_COLUMN, data_lines, find_separator
from seqtool.data.formats.conllu import COLUMNS
from seqtool.data.formats.detect import SAMPLE_LINES, FormatName, find_format
from seqtool.data.formats.jsonl import JsonlFormat, parse
from seqtool.errors import DataError
from seqtool.settings import TaggerData
from seqtool.spans import OUTSIDE, detect_scheme

SEPARATORS = (",", ";", "|")  # tried where neither tabs nor spaces part the lines
EMPTY = ("_", "-", "*")  # what stands in a column that says nothing
TOKEN_KEYS = ("tokens", "words", "forms")
NAMES = {
    "token",
    "tokens",
    "word",
    "words",
    "form",
    "text",
    "tag",
    "label",
    "labels",
    "pos",
    "upos",
    "ner",
    "chunk",
    "id",
}
Rows = list[list[str]]


def guess_layout(path: Path, data: TaggerData) -> tuple[TaggerData, list[str]]:
    """Settings that read a file, and what looks odd about it in lines.

    Args:
        data: what is known already; only what it leaves open is guessed.

    Raises:
        DataError: the file cannot be read.
    """
    sample = _sample(path, data.encoding)
    if not sample or all(map(is_blank, sample)):
        return data, []  # reading it says what is wrong
    kind = _format(data, path, sample)
    data = replace(data, format=kind)
    if kind == "jsonl":
        return _guess_fields(data, path, sample), []
    if kind == "conllu":
        return _guess_conllu(data, sample), []
    return _guess_columns(data, sample)


def layout_of_file(path: Path, layout: Mapping[str, Any]) -> tuple[TaggerData, str]:
    """Settings that read a labelled file as the training file was read, and a line if it is laid out otherwise.

    Args:
        layout: what the model remembers, see `tagged.layout_of`.

    Raises:
        DataError: the file cannot be read.
    """
    data = settings_of_layout(layout)
    sample = _sample(path)
    form, _ = find_format(replace(data, label="auto", columns=()), str(path), sample, need_labels=False)
    width = form.width if isinstance(form, ConllFormat) else None
    if width == layout.get("width") or not sample or all(map(is_blank, sample)):
        return data, ""
    found, _ = guess_layout(path, TaggerData(train=()))
    return found, f"{path.name} is not laid out like the training file: {layout_summary(found)}"


def settings_of_layout(layout: Mapping[str, Any]) -> TaggerData:
    """Settings that read a file as a model's training file was read."""
    return TaggerData(
        train=(),
        separator=str(layout.get("separator", "auto")),
        label=str(layout.get("label", "auto")),
        columns=tuple(layout.get("columns", ())),
        text_key=str(layout.get("text_key", "tokens")),
        label_key=str(layout.get("label_key", "labels")),
    )


def layout_summary(data: TaggerData) -> str:
    """What was guessed, in a few words."""
    if data.format == "jsonl":
        return f"JSON lines, tokens in field {data.text_key!r}, labels in field {data.label_key!r}"
    if data.format == "conllu":
        return f"CoNLL-U, label {data.label}"
    token, label = (
        (data.columns.index("form") + 1, data.columns.index(data.label) + 1)
        if data.columns
        else (1, data.label)
    )
    return f"CoNLL columns separated by {said(data.separator)}, tokens in column {token}, labels in column {label}"


def looks_labelled(path: Path) -> bool:
    """Whether a file holds labelled tokens rather than running text: for commands that take either."""
    try:
        sample = _sample(path)
        kind = _format(TaggerData(train=(str(path),)), path, sample)
    except DataError:
        return False
    if kind != "conll" or not any(map(is_blank, sample)):
        return kind != "conll"
    if not any(not is_blank(line) and not is_blank(after) for line, after in pairwise(sample)):
        return False  # paragraphs of one line
    lines = data_lines(sample)
    widths = Counter(len(split_cells(line, _separator(lines))) for line in lines)
    width, count = widths.most_common(1)[0] if widths else (1, 0)
    return width > 1 and count >= 0.95 * len(lines)


def _sample(path: Path, encoding: str = "utf-8") -> list[str]:
    try:
        with path.open("rb") as stream:
            return list(islice(raw_lines(stream, encoding, str(path)), SAMPLE_LINES))
    except OSError as error:
        raise DataError(
            f"cannot read: {error.strerror}", place=str(path), hint="give the path of a labelled file"
        ) from None


def _format(data: TaggerData, path: Path, sample: Sequence[str]) -> FormatName:
    form, _ = find_format(replace(data, label="auto", columns=()), str(path), sample, need_labels=False)
    if data.columns or isinstance(form, ConllFormat):
        return "conll"
    return "jsonl" if isinstance(form, JsonlFormat) else "conllu"


# --- columns ----------------------------------------------------------------------------------------------------------


def _guess_columns(data: TaggerData, sample: Sequence[str]) -> tuple[TaggerData, list[str]]:
    """Separator, token and label."""
    lines = data_lines(sample)
    separator = _separator(lines) if data.separator == "auto" else data.separator
    rows = [split_cells(line, separator) for line in lines]
    width = Counter(map(len, rows)).most_common(1)[0][0]
    odd = (
        ["the first line looks like a header, and is read as a token: delete it"]
        if NAMES.issuperset(map(str.lower, rows[0]))
        else []
    )
    rows = [row for row in rows if len(row) == width]
    data = replace(data, separator=separator)
    if width == 1 or data.columns or data.label != "auto":
        return data, odd
    token = _token_column(rows, width)
    label = _label_column(rows, width, token)
    names = (
        tuple(TOKEN_COLUMN if index == token else f"column{index + 1}" for index in range(width))
        if token
        else ()
    )
    return replace(data, columns=names, label=names[label] if names else str(label + 1)), odd


def _separator(lines: Sequence[str]) -> str:
    found = find_separator(lines)
    if found == "tab" and not any("\t" in line for line in lines):
        for separator in SEPARATORS:
            if len({line.count(separator) for line in lines}) == 1 and separator in lines[0]:
                return separator
    return found


def _token_column(rows: Rows, width: int) -> int:
    """The second column where the first counts tokens, or where it alone of two holds span labels; else the first."""
    if width > 2 and _counts_tokens([row[0] for row in rows]):
        return 1
    return int(width == 2 and _marks_spans(rows, 0) and not _marks_spans(rows, 1))


def _counts_tokens(cells: Sequence[str]) -> bool:
    """Whether cells are numbers that go on from one to the next, or begin anew."""
    if not all(map(str.isdecimal, cells)):
        return False
    numbers = [int(cell) for cell in cells]
    return numbers[0] < 2 and all(after in (0, 1, before + 1) for before, after in pairwise(numbers))


def _marks_spans(rows: Rows, column: int) -> bool:
    return detect_scheme([[row[column] for row in rows]]) != "none"


def _label_column(rows: Rows, width: int, token: int) -> int:
    """The last column that says something."""
    others = [
        index
        for index in range(width - 1, -1, -1)
        if index != token and not (token and width > 2 and index == 0)
    ]
    for index in others:
        values = {row[index] for row in rows}
        if len(values) > 1 or values == {OUTSIDE}:
            return index
    return next((index for index in others if rows[0][index] not in EMPTY), others[0])


# --- CoNLL-U and JSON lines -------------------------------------------------------------------------------------------


def _guess_conllu(data: TaggerData, sample: Sequence[str]) -> TaggerData:
    """Parts of speech, or the first of the other columns that is not empty."""
    if data.label != "auto":
        return data
    rows = [line.split("\t") for line in sample if line[:1].isdigit()]
    for name in ("upos", "xpos", "deprel", "feats"):
        if any(len(row) == len(COLUMNS) and row[COLUMNS.index(name)] != "_" for row in rows):
            return replace(data, label=name)
    return data


def _guess_fields(data: TaggerData, path: Path, sample: Sequence[str]) -> TaggerData:
    """The fields of tokens and labels: lists of strings of one length."""
    first = next(line for line in sample if not is_blank(line))
    record = parse(first.removeprefix(BOM), str(path), 1)
    lists = [
        key
        for key, value in record.items()
        if isinstance(value, list) and value and all(isinstance(item, str) for item in value)
    ]
    if {data.text_key, data.label_key} <= record.keys():
        return data
    tokens = next((key for key in (data.text_key, *TOKEN_KEYS, *lists) if key in lists), data.text_key)
    fits = [key for key in lists if key != tokens and len(record[key]) == len(record[tokens])]
    return replace(data, text_key=tokens, label_key=(fits or [data.label_key])[0])
