"""Detection of a data file: kind, line ends, columns, comments and span scheme, from the whole file.

`detect_file` reads a file once, in pieces, and keeps counts of bounded size. `detect_lines` does the same
with the first lines of a pipe. A setting fixes only what it names; the rest is detected. `sentence_format` of
`detection.py` returns the reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePath

from seqtool.data.encoding import AUTO, UTF8, examine_stream
from seqtool.data.formats.blocks import FormatName, SentenceFormat, is_blank
from seqtool.data.formats.conllu import COLUMNS, CONLLU_ROWS, find_label, find_missing, looks_like_conllu
from seqtool.data.formats.detection import (
    RUNNING_TEXT,
    TITLES,
    Detection,
    Kind,
    SentenceSample,
    sentence_format,
    settings_of,
    summary,
)
from seqtool.data.formats.json_array import first_records, looks_like_json
from seqtool.data.formats.json_layout import find_fields
from seqtool.data.formats.label_column import conllu_label
from seqtool.data.formats.layout import Layout
from seqtool.data.formats.table_findings import named_column
from seqtool.data.formats.tables import TableRequest, detect_table
from seqtool.data.formats.text_pieces import Text
from seqtool.data.formats.word_tag import find_word_separator
from seqtool.errors import DataError
from seqtool.settings.data import TaggerData
from seqtool.spans import detect_scheme

HEAD_LINES = 2000  # first lines, by which the kind of a file is decided
MOST_DETECTIONS = 32  # files whose detection is kept
SHOWN_TOKENS = 40  # tokens of a sentence that is shown
KINDS: dict[FormatName, Kind] = {
    "conll": "columns",
    "conllu": "conllu",
    "jsonl": "jsonl",
    "csv": "csv",
    "word_tag": "word_tag",
}
EXTENSIONS: dict[str, Kind] = {
    ".conllu": "conllu",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
WORD_TAG = re.compile(r"[^\s]*[^\s/_|][/_|][^\s/_|]+|[/_|]{2}[^\s/_|]+")
TAGGED_WORDS = 0.95  # share of words with a tag in a file of `word/TAG`


@dataclass(frozen=True)
class Request:
    """Knowledge of a command about a file before it is read.

    Attributes:
        labeled: the command needs labeled sentences, so weak evidence suffices.
        optional_label: the labels may be missing, as in a file that is to be tagged.
        trained: layout of the training file; a file with as many columns is read alike.
        known_labels: labels of the model, which mark the label column.
    """

    labeled: bool = False
    optional_label: bool = False
    trained: Layout | None = None
    known_labels: frozenset[str] = frozenset()


ANYTHING = Request()
LABELED = Request(labeled=True)


def detect_file(path: Path, data: TaggerData | None = None, request: Request = ANYTHING) -> Detection:
    """Detect the properties of a file.

    Args:
        data: settings; what they name is not detected.
        request: what the command knows about the file.

    Raises:
        DataError: the file cannot be read, or the settings name a column that it does not have.
    """
    data = replace(data or TaggerData(train=()), train=(), dev=(), test=(), split=0.0, source="")
    try:
        status = path.stat()
        key = (path, status.st_mtime_ns, status.st_size, data, request)
        known = _known(key)
        if known is None:
            with path.open("rb") as stream:
                expected = request.trained.encoding if request.trained else ""
                facts = examine_stream(stream, str(path), data.encoding, expected=expected)
                known = _detect(Text.of_stream(stream, facts), str(path), data, request)
            if len(_DETECTIONS) >= MOST_DETECTIONS:
                del _DETECTIONS[next(iter(_DETECTIONS))]
            _DETECTIONS[key] = known
        return known
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}"
        raise DataError(message, place=str(path), hint="give the path of a data file") from None


_Key = tuple[Path, int, int, TaggerData, Request]  # with the time of the last change and the size
_DETECTIONS: dict[_Key, Detection] = {}


def _known(key: _Key) -> Detection | None:
    """Return the detection of a file that was detected before and did not change since.

    A file that is labeled by strong evidence is the same for a command that accepts weak evidence.
    """
    strict = (*key[:4], replace(key[4], labeled=False))
    evident = _DETECTIONS.get(strict)
    return evident if evident is not None and evident.is_labeled else _DETECTIONS.get(key)


def detect_lines(
    lines: Iterable[str], name: str, data: TaggerData | None = None, request: Request = ANYTHING
) -> Detection:
    """Detect the properties of a file from its first raw lines; errors as `detect_file`."""
    data = data or TaggerData(train=())
    encoding = UTF8 if data.encoding == AUTO else data.encoding
    return _detect(Text.of_lines(lines, name, encoding), name, data, request)


def find_format(
    data: TaggerData, name: str, sample: Sequence[str], request: Request = LABELED
) -> tuple[SentenceFormat, str]:
    """Return the reader of a file of which the first raw lines are given, and a line that describes it."""
    detection = detect_lines(sample, name, data, request)
    return sentence_format(detection, data), detection.describe(data)


def layout_of_file(
    path: Path,
    layout: Layout,
    known_labels: frozenset[str],
    encoding: str = AUTO,
    label: str | None = None,
    token: str | None = None,
) -> tuple[TaggerData, str]:
    """Return settings that read a labeled file as the training file was read.

    If a file has another number of columns, they are detected, and the second value is a note. Such a file,
    and one whose label an option names, has one label.

    Args:
        layout: layout of the training file.
        known_labels: labels of the model.
        encoding: encoding of the file.
        label: column or field of the labels, if an option names it.
        token: column of the tokens, if an option names it.

    Raises:
        DataError: the file cannot be read.
    """
    data = replace(layout.settings(), encoding=encoding, token=token or "auto")
    free = replace(data, label=label or "auto", label_key=label or data.label_key, labels=(), columns=())
    if label is not None or token is not None:
        return free, ""
    found = detect_file(path, free, Request(labeled=True, trained=layout, known_labels=known_labels))
    note = f"{path.name} does not have the layout of the training file: {summary(found)}"
    if found.kind == "jsonl":
        fields = (found.text_key, found.label_key)
        return settings_of(found, data), note if fields != (data.text_key, data.label_key) else ""
    if found.kind == "conllu":
        by_name = layout.width is None and layout.label != "auto"
        return (data if by_name else replace(data, label=found.label_name)), ""
    same = (found.width, found.token, found.label) == (layout.width, layout.token, layout.label_index)
    if found.kind not in ("columns", "csv") or (found.width == layout.width and (same or not known_labels)):
        return data, ""
    return settings_of(found, free), note


# --- kind ---------------------------------------------------------------------------------------------------


def _detect(text: Text, name: str, data: TaggerData, request: Request) -> Detection:
    head = text.first.split("\n", HEAD_LINES)[:HEAD_LINES]
    kind, reason = _kind(head, name, data)
    base = Detection(name, kind or RUNNING_TEXT, reason, text.facts.encoding)
    if kind == "conllu":
        label = _conllu_label(head, name, data, request)
        missing = data.missing_label
        missing = find_missing(text.pieces(), label) if missing == "auto" else missing
        found = replace(base, label_name=label, missing_label=missing)
    elif kind == "jsonl":
        fields = find_fields(
            first_records(text.first),
            data,
            name,
            request.known_labels,
            request.trained,
            optional=request.optional_label and bool(request.known_labels),
        )
        found = replace(
            base,
            text_key=fields.text_key,
            label_key=fields.label_key,
            label_names=fields.names,
            span_keys=fields.span_keys,
            doubts=fields.doubts,
        )
    elif kind == "word_tag":
        found = replace(base, separator=_tag_separator(head) or find_word_separator(head) or "/")
    else:
        table = TableRequest(
            named=kind is not None,
            labeled=request.labeled or kind is not None,
            optional_label=request.optional_label,
            trained=request.trained,
            known_labels=request.known_labels,
            is_csv=kind == "csv" or name.lower().endswith(".csv"),
        )
        found = detect_table(base, head, text.pieces(), data, table)
    return _with_sentences(_with_line_ends(found, text), head, data)


def _kind(head: Sequence[str], name: str, data: TaggerData) -> tuple[Kind | None, str]:
    """Return the kind of a file and the reason for it; None for a table or running text."""
    if data.format != "auto":
        return KINDS[data.format], "by the settings"
    if data.columns:
        return "columns", "by `data.columns`"
    suffix = PurePath(name).suffix.lower()
    if suffix in EXTENSIONS:
        return EXTENSIONS[suffix], f"by the extension {suffix}"
    lines = [line for line in head if not is_blank(line) and not line.startswith("#")]
    if looks_like_json(lines):
        return "jsonl", "by the content"
    rows = [line.split("\t") for line in lines[:CONLLU_ROWS]]
    if rows and looks_like_conllu(rows):
        return "conllu", "by the content"
    if _tag_separator(head):
        return "word_tag", "by the content"
    return None, "by the content"


def _conllu_label(head: Sequence[str], name: str, data: TaggerData, request: Request) -> str:
    """Return the label of the settings, else the part of speech or the first other column with content.

    Raises:
        DataError: a file is to be tagged, and no column or several columns have labels of the model.
    """
    if data.label != "auto":
        return find_label(data.label, name)
    rows = [line.split("\t") for line in head if line[:1].isdigit()]
    rows = [row for row in rows if len(row) == len(COLUMNS) and row[0].isdecimal()]
    if request.known_labels:
        with nullcontext() if request.optional_label else suppress(DataError):
            return conllu_label(rows, request.known_labels, name)
    for label in ("upos", "xpos", "deprel", "feats"):
        if any(row[COLUMNS.index(label)] != "_" for row in rows):
            return label
    return "upos"


def _tag_separator(head: Sequence[str]) -> str:
    """Return the character between a word and its tag if nearly all words have a tag, else an empty string.

    The tags are few: a text with paths or dates has as many different endings as words. A table of paths has
    one ending in lower case, or the separator of its columns in the endings.
    """
    words = [word for line in head for word in line.split()]
    for separator in ("/", "_", "|"):
        pairs = [word.rpartition(separator) for word in words]
        tagged = [pair for pair in pairs if pair[0] and pair[2]]
        tags = {tag for _, _, tag in tagged}
        forms = {form for form, _, _ in tagged}
        if (
            len(tagged) >= TAGGED_WORDS * len(words) > 1
            and len(tags) <= max(1, 0.75 * len(forms))
            and len(tags) < len(tagged)
            and (len(tags) > 1 or next(iter(tags)).isupper())
            and not any(len(tag) > 1 and re.search("[,;|]", tag) for tag in tags)
        ):
            return separator
    return ""


# --- the result ---------------------------------------------------------------------------------------------


def _with_line_ends(found: Detection, text: Text) -> Detection:
    notes, warnings = (
        tuple(line.partition(": ")[2] for line in lines)
        for lines in (text.facts.notes(), text.facts.warnings())
    )
    evidence, doubts = (*found.evidence, *notes), (*found.doubts, *warnings)
    return replace(found, line_end=text.line_end, evidence=evidence, doubts=doubts)


def _with_sentences(found: Detection, head: Sequence[str], data: TaggerData) -> Detection:
    """Add the first two sentences, and the span scheme of the head if the kind is not a table."""
    if not found.is_labeled:
        return found
    reader = sentence_format(found, data, skip_wrong=True)
    sentences: list[SentenceSample] = []
    try:
        for block in reader.read((line + "\n" for line in head), found.name):
            if block.tokens:
                sentences.append(SentenceSample(tuple(block.tokens), tuple(block.labels or ())))
    except DataError:
        pass  # reported when the file is read
    first = tuple(
        SentenceSample(sentence.tokens[:SHOWN_TOKENS], sentence.labels[:SHOWN_TOKENS])
        for sentence in islice(sentences, 2)
    )
    scheme = detect_scheme(sentence.labels for sentence in sentences)
    if scheme == "none" or found.scheme == "bioes":
        scheme = found.scheme  # from all labels of the file
    return replace(found, sentences=first, scheme=scheme)


def with_label(found: Detection, name: str) -> Detection:
    """Return the detection of a file for another label, given as in `data.labels`.

    Raises:
        DataError: the file does not have the label.
    """
    if found.kind == "conllu":
        return replace(found, label_name=find_label(name, found.name), missing_label="_")
    if found.kind == "jsonl":
        return replace(found, label_key=name, label_names=(), span_keys=None)
    if found.kind == "word_tag":
        hint = "train one label, or use a file with a column for each label"
        raise DataError(f"expected several labels, found {TITLES[found.kind]}", place=found.name, hint=hint)
    return replace(found, label=named_column("labels", name, found.names, found.width, found.name))
