"""Detection of the format of labeled files, from their names and first lines.

`find_format` chooses the reader of a file by the settings. `guess_layout` goes the other way: it writes
settings for a file that has none. The settings read the first column as tokens and the last as labels, but a
file may number its tokens in a column, end in empty columns, or begin with the labels. The guess is written
into the YAML, where it can be read and changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path, PurePath

from seqtool.data.formats.blocks import BOM, FormatName, SentenceFormat, is_blank, raw_lines
from seqtool.data.formats.conll import (
    TOKEN_COLUMN,
    ConllFormat,
    data_lines,
    describe_separator,
    find_layout,
    find_separator,
    split_cells,
)
from seqtool.data.formats.conllu import COLUMNS, EMPTY_NODE, RANGE, ConlluFormat, find_label
from seqtool.data.formats.jsonl import JsonlFormat, parse
from seqtool.data.formats.layout import Layout
from seqtool.errors import DataError
from seqtool.settings import TaggerData
from seqtool.spans import OUTSIDE, detect_scheme

SAMPLE_LINES = 2000  # number of first lines that a layout is detected from
EXTENSIONS: dict[str, FormatName] = {
    ".conllu": "conllu",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
TITLES = {"conll": "CoNLL columns", "conllu": "CoNLL-U", "jsonl": "JSON lines"}
SEPARATORS = (",", ";", "|")  # tried if the lines have neither tabs nor spaces
EMPTY = ("_", "-", "*")  # cells of an empty column
TOKEN_KEYS = ("tokens", "words", "forms")
TOKEN_NAMES = {"id", "token", "tokens", "word", "words", "form", "text"}
LABEL_NAMES = {"tag", "label", "labels", "pos", "upos", "ner", "chunk"}
HEADER_CELLS = TOKEN_NAMES | LABEL_NAMES  # cells of a header line, in lower case
Rows = list[list[str]]


# --- the format of a file -----------------------------------------------------------------------------------


def find_format(
    data: TaggerData,
    name: str,
    sample: Sequence[str],
    need_labels: bool = True,
    trained_width: int | None = None,
) -> tuple[SentenceFormat, str]:
    """Return the format of a file, and a line that describes it and gives the reason.

    Args:
        data: settings; what they leave open is detected.
        name: name of the file in messages; its extension decides the format if the settings do not.
        sample: first raw lines of the file.
        need_labels: False accepts a file of columns without the label column.
        trained_width: see `conll.find_layout`.

    Raises:
        DataError: the file has no label of the name in the settings.
    """
    format_name, reason = _format_name(data, name, sample)
    chosen: SentenceFormat
    if format_name == "conllu":
        chosen = ConlluFormat(find_label(data.label, name), data.tokens, data.empty_tokens)
    elif format_name == "jsonl":
        chosen = JsonlFormat(data.text_key, data.label_key, data.empty_tokens)
    else:
        chosen = find_layout(
            sample,
            name,
            separator=data.separator,
            columns=data.columns,
            label=data.label,
            empty_tokens=data.empty_tokens,
            need_labels=need_labels,
            trained_width=trained_width,
        )
    return chosen, f"{TITLES[format_name]} ({reason}); {chosen.describe()}"


def _format_name(data: TaggerData, name: str, sample: Sequence[str]) -> tuple[FormatName, str]:
    """Return the format and the reason for it."""
    if data.format != "auto":
        return data.format, "by the settings"
    if data.columns:
        return "conll", "by `data.columns`"
    suffix = PurePath(name).suffix.lower()
    if suffix in EXTENSIONS:
        return EXTENSIONS[suffix], f"by the extension {suffix}"
    return _format_by_content(sample), "by the content"


def _format_by_content(sample: Sequence[str]) -> FormatName:
    lines = [line.removeprefix(BOM) for line in sample]
    data = [line for line in lines if not is_blank(line) and not line.startswith("#")][:100]
    if data and all(line.lstrip().startswith("{") and line.rstrip().endswith("}") for line in data):
        return "jsonl"
    rows = [line.split("\t") for line in data]
    if rows and all(len(row) == len(COLUMNS) and _is_conllu_id(row[0]) for row in rows):
        return "conllu"
    return "conll"


def _is_conllu_id(cell: str) -> bool:
    return cell.isdecimal() or RANGE.fullmatch(cell) is not None or EMPTY_NODE.fullmatch(cell) is not None


def same_layout(first: SentenceFormat, other: SentenceFormat) -> bool:
    """Return whether the columns of two files have the same meaning. Separators and comments may differ."""
    if isinstance(first, ConllFormat) and isinstance(other, ConllFormat):
        return (first.width, first.token, first.label) == (other.width, other.token, other.label)
    return type(first) is type(other)


def looks_labeled(path: Path) -> bool:
    """Return whether a file holds labeled tokens rather than running text, for commands that accept both."""
    try:
        sample = _read_sample(path)
        format_name = _format_of_sample(TaggerData(train=(str(path),)), path, sample).format_name
    except DataError:
        return False
    if format_name != "conll" or not any(map(is_blank, sample)):
        return format_name != "conll"
    if not any(not is_blank(line) and not is_blank(after) for line, after in pairwise(sample)):
        return False  # each paragraph is one line
    lines = data_lines(sample)
    widths = Counter(len(split_cells(line, _guess_separator(lines))) for line in lines)
    width, count = widths.most_common(1)[0] if widths else (1, 0)
    return width > 1 and count >= 0.95 * len(lines)


def _read_sample(path: Path, encoding: str = "utf-8") -> list[str]:
    try:
        with path.open("rb") as stream:
            return list(islice(raw_lines(stream, encoding, str(path)), SAMPLE_LINES))
    except OSError as error:
        message = f"cannot read: {error.strerror}"
        raise DataError(message, place=str(path), hint="give the path of a labeled file") from None


def _format_of_sample(data: TaggerData, path: Path, sample: Sequence[str]) -> SentenceFormat:
    data = replace(data, label="auto", columns=())
    return find_format(data, str(path), sample, need_labels=False)[0]


# --- settings for a file ------------------------------------------------------------------------------------


def guess_layout(path: Path, data: TaggerData) -> tuple[TaggerData, list[str]]:
    """Return settings that read a file, and warnings about it, one line each.

    Args:
        data: known settings; only what they leave open is guessed.

    Raises:
        DataError: the file cannot be read.
    """
    sample = _read_sample(path, data.encoding)
    if not sample or all(map(is_blank, sample)):
        return data, []  # the error is reported when the file is read
    format_name = "conll" if data.columns else _format_of_sample(data, path, sample).format_name
    data = replace(data, format=format_name)
    if format_name == "jsonl":
        return _guess_fields(data, path, sample), []
    if format_name == "conllu":
        return _guess_conllu(data, sample), []
    return _guess_columns(data, sample)


def layout_of_file(path: Path, layout: Layout) -> tuple[TaggerData, str]:
    """Return settings that read a labeled file as the training file was read.

    If a file has another number of columns, its settings are guessed, and the second value is a note.

    Args:
        layout: layout of the training file.

    Raises:
        DataError: the file cannot be read.
    """
    data = layout.settings()
    sample = _read_sample(path)
    detected = _format_of_sample(data, path, sample)
    width = detected.width if isinstance(detected, ConllFormat) else None
    if width == layout.width or not sample or all(map(is_blank, sample)):
        return data, ""
    guess, _ = guess_layout(path, TaggerData(train=()))
    return guess, f"{path.name} does not have the layout of the training file: {layout_summary(guess)}"


def layout_summary(data: TaggerData) -> str:
    """Return a short description of guessed settings."""
    if data.format == "jsonl":
        return f"JSON lines, tokens in field {data.text_key!r}, labels in field {data.label_key!r}"
    if data.format == "conllu":
        return f"CoNLL-U, label {data.label}"
    token, label = "1", data.label
    if data.columns:
        named = (TOKEN_COLUMN, data.label if data.label in data.columns else data.columns[-1])
        token, label = (str(data.columns.index(column) + 1) for column in named)
    separator = describe_separator(data.separator)
    return f"CoNLL columns separated by {separator}, tokens in column {token}, labels in column {label}"


def _guess_columns(data: TaggerData, sample: Sequence[str]) -> tuple[TaggerData, list[str]]:
    """Set the separator and the columns of tokens and labels."""
    lines = data_lines(sample)
    separator = _guess_separator(lines) if data.separator == "auto" else data.separator
    data = replace(data, separator=separator)
    rows = [split_cells(line, separator) for line in lines]
    warnings = []
    if HEADER_CELLS.issuperset(map(str.lower, rows[0])):
        warnings.append("the first line looks like a header, but it is read as a token: delete it")
    width = Counter(map(len, rows)).most_common(1)[0][0]
    if width == 1 or data.columns or data.label != "auto":
        return data, warnings
    rows = [row for row in rows if len(row) == width]
    token = _token_column(rows, width)
    label = _label_column(rows, width, token)
    if token == 0:
        return replace(data, label=str(label + 1)), warnings
    columns = tuple(TOKEN_COLUMN if index == token else f"column{index + 1}" for index in range(width))
    return replace(data, columns=columns, label=columns[label]), warnings


def _guess_separator(lines: Sequence[str]) -> str:
    separator = find_separator(lines)
    if separator == "tab" and not any("\t" in line for line in lines):
        for other in SEPARATORS:
            if len({line.count(other) for line in lines}) == 1 and other in lines[0]:
                return other
    return separator


def _token_column(rows: Rows, width: int) -> int:
    """Return 1 if the first column numbers the tokens, or if it alone of two holds span labels; else 0."""
    if width > 2 and _numbers_tokens([row[0] for row in rows]):
        return 1
    return int(width == 2 and _has_spans(rows, 0) and not _has_spans(rows, 1))


def _numbers_tokens(cells: Sequence[str]) -> bool:
    """Return whether each cell is the previous number plus one, or starts again at 0 or 1."""
    if not all(map(str.isdecimal, cells)):
        return False
    numbers = [int(cell) for cell in cells]
    return numbers[0] < 2 and all(after in (0, 1, before + 1) for before, after in pairwise(numbers))


def _has_spans(rows: Rows, column: int) -> bool:
    return detect_scheme([[row[column] for row in rows]]) != "none"


def _label_column(rows: Rows, width: int, token: int) -> int:
    """Return the last column that is not constant, or that has only the label `O`."""
    others = [index for index in reversed(range(width)) if index != token]
    if token and width > 2:
        others.remove(0)
    for index in others:
        values = {row[index] for row in rows}
        if len(values) > 1 or values == {OUTSIDE}:
            return index
    return next((index for index in others if rows[0][index] not in EMPTY), others[0])


def _guess_conllu(data: TaggerData, sample: Sequence[str]) -> TaggerData:
    """Set the label to the part of speech, or to the first other column that is not empty."""
    if data.label != "auto":
        return data
    rows = [line.split("\t") for line in sample if line[:1].isdigit()]
    for name in ("upos", "xpos", "deprel", "feats"):
        if any(len(row) == len(COLUMNS) and row[COLUMNS.index(name)] != "_" for row in rows):
            return replace(data, label=name)
    return data


def _guess_fields(data: TaggerData, path: Path, sample: Sequence[str]) -> TaggerData:
    """Set the fields of tokens and labels: lists of strings of the same length."""
    first = next(line for line in sample if not is_blank(line))
    record = parse(first.removeprefix(BOM), str(path), 1)
    if {data.text_key, data.label_key} <= record.keys():
        return data
    lists = {key: value for key, value in record.items() if _is_list_of_strings(value)}
    tokens = next((key for key in (data.text_key, *TOKEN_KEYS, *lists) if key in lists), data.text_key)
    labels = [key for key in lists if key != tokens and len(lists[key]) == len(lists[tokens])]
    return replace(data, text_key=tokens, label_key=(labels or [data.label_key])[0])


def _is_list_of_strings(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)
