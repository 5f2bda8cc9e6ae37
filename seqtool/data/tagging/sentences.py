"""Labeled sentences of one split, read from its files. Everything that is skipped is counted in a note.

The corpus of a training run is built in `corpus.py`; evaluation reads its files with this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from seqtool.data.formats.blocks import Block, SentenceFormat, raw_lines
from seqtool.data.formats.conll import LABEL_HINT, ConllFormat, count_columns, no_sentences
from seqtool.data.formats.conllu import ConlluFormat
from seqtool.data.formats.detect import LABELED, detect_file, with_label
from seqtool.data.formats.detection import Detection, sample_lines, sentence_format
from seqtool.data.formats.json_spans import LEFT_OUT
from seqtool.data.formats.jsonl import JsonlFormat
from seqtool.data.formats.layout import Layout
from seqtool.data.input_files import ProgressCallback
from seqtool.data.tagging.split import Sentence, Split
from seqtool.errors import DataError, pluralize
from seqtool.settings.data import TaggerData

SHOWN_FLAWS = 3  # spans that are named in warnings
LISTED = 10  # line numbers listed in a note


def read_split(
    name: str,
    paths: Sequence[Path],
    data: TaggerData,
    expected: SentenceFormat | None = None,
    progress: ProgressCallback | None = None,
    trained: Layout | None = None,
    *,
    skip_wrong: bool = False,
    blocks: list[Block] | None = None,
) -> Split:
    """Read the files of a split, each in its own format.

    Args:
        name: name of the split in notes: `train`, `dev` or `test`.
        paths: existing files.
        data: settings of the format.
        expected: format of the training files; a column counted from the end must be the same one.
        progress: called before each file with the number of files done and their total.
        trained: layout of the training files of a model; a file with as many columns is read alike.
        skip_wrong: leave out lines of a table with another number of cells, which are an error otherwise.
        blocks: filled with the blocks of the files; a kept reading has none.

    Raises:
        DataError: a file is empty, has no labels, or cannot be read in its format.
    """
    data = for_first_label(data)
    kept = _kept(paths[0], data) if len(paths) == 1 and expected is None and trained is None else None
    if kept is not None and (skip_wrong or not any(found.wrong.count for found in kept.detections)):
        return kept
    sentences: list[Sentence] = []
    notes: list[str] = []
    warnings: list[str] = []
    encoding = ""
    detections: list[Detection] = []
    for done, path in enumerate(paths):
        if progress is not None:
            progress(f"reading {path.name}", done, len(paths))
        trained = Layout.of_file(data, expected) if expected is not None else trained
        if trained is not None and encoding:
            trained = replace(trained, encoding=encoding)
        part, found = _read_file(name, path, data, expected, trained, skip_wrong)
        if blocks is not None:
            blocks.extend(found)
        encoding = encoding or part.encoding
        expected = expected or part.format
        sentences.extend(part.sentences)
        earlier = set(notes)  # equal labels of two sentences are both shown
        notes.extend(note for note in part.notes if note not in earlier)
        warnings.extend(part.warnings)
        detections.extend(part.detections)
    return Split(
        tuple(sentences), expected, tuple(notes), tuple(warnings), encoding or "utf-8", tuple(detections)
    )


# --- a reading that two users share -------------------------------------------------------------------------

# settings on which the sentences of a file depend
_COLUMNS = ("format", "columns", "separator", "token", "sentence", "label", "label_names", "missing_label")
_READS = (*_COLUMNS, "labels", "tokens", "encoding", "empty_tokens", "text_key", "label_key")
_ReadingKey = tuple[Path, int, int, tuple[object, ...]]
_KEPT: dict[_ReadingKey, Split] = {}
_KEPT_BLOCKS: dict[_ReadingKey, list[Block]] = {}


def keep_reading(path: Path, data: TaggerData, split: Split, blocks: list[Block] | None = None) -> None:
    """Keep the sentences of a training file. The next `read_split` with these settings returns them.

    The settings of a data file are chosen from its sentences, and then the run reads the file with these
    settings. Only one reading is kept, and only until it is used.

    Args:
        blocks: all blocks of a CoNLL-U file, if its raw text is read next; see `kept_blocks`.
    """
    _KEPT.clear()
    _KEPT_BLOCKS.clear()
    _KEPT[_reading_key(path, for_first_label(data))] = split
    if blocks and isinstance(split.format, ConlluFormat) and split.format.empty_tokens == "refuse":
        _KEPT_BLOCKS[_reading_key(path, TaggerData(train=(), encoding=data.encoding))] = blocks


def kept_blocks(path: Path, encoding: str) -> list[Block] | None:
    """Return the kept blocks of a CoNLL-U file, and keep them no longer; their labels are of any column."""
    if not _KEPT_BLOCKS:
        return None
    return _KEPT_BLOCKS.pop(_reading_key(path, TaggerData(train=(), encoding=encoding)), None)


def _kept(path: Path, data: TaggerData) -> Split | None:
    """Return the kept reading of a file, and keep it no longer."""
    return _KEPT.pop(_reading_key(path, data), None) if _KEPT else None


def _reading_key(path: Path, data: TaggerData) -> _ReadingKey:
    try:
        status = path.stat()
    except OSError:  # reported when the file is read
        return path, 0, 0, ()
    values = tuple(getattr(data, name) for name in _READS)
    return path.resolve(), status.st_mtime_ns, status.st_size, values


# --- one file -----------------------------------------------------------------------------------------------


def _read_file(
    split: str,
    path: Path,
    data: TaggerData,
    expected: SentenceFormat | None,
    trained: Layout | None,
    skip_wrong: bool,
) -> tuple[Split, list[Block]]:
    try:
        detection, lines = _open(path, data, trained)
        some_wrong = 0 < 2 * detection.wrong.count <= detection.rows
        file_format = sentence_format(detection, data, skip_wrong=skip_wrong and some_wrong)
        warning = _compare(expected, file_format, path, data)
        blocks = list(file_format.read(lines, str(path)))
        further = [sentence_format(with_label(detection, name), data) for name in data.labels[1:]]
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}"
        raise DataError(message, place=str(path), hint=data.source) from None
    strings: dict[str, str] = {}
    sentences = tuple(_sentence(block, data, further, strings) for block in blocks if block.tokens)
    if not sentences:
        left_out = any(block.is_left_out for block in blocks)
        found = (
            f"only records with the answer {' or '.join(LEFT_OUT)}" if left_out else "no token in the file"
        )
        raise no_sentences(found, str(path))
    prefix = f"{split}: {path.name}:"
    skipped = (*_skipped_lines(file_format, blocks), *_repaired_tokens(file_format, blocks))
    notes = [f"{prefix} {note}" for note in (detection.describe(data), *skipped)]
    if expected is None and split == "train":
        notes[1:1] = [*sample_lines(detection), *(f"  {line}" for line in detection.evidence)]
    doubts = [f"{path.name}: {doubt}" for doubt in detection.doubts]
    warnings = (*doubts, *([warning] if warning else []), *_flaws(blocks))
    return Split(sentences, file_format, tuple(notes), warnings, detection.encoding, (detection,)), blocks


def labeled_blocks(path: Path, data: TaggerData, trained: Layout | None = None) -> Iterator[Block]:
    """Yield the blocks of a file that hold tokens, as `read_split` reads them; raises its errors."""
    data = for_first_label(data)
    detection, lines = _open(path, data, trained)
    yield from (block for block in sentence_format(detection, data).read(lines, str(path)) if block.tokens)


def _open(path: Path, data: TaggerData, trained: Layout | None) -> tuple[Detection, Iterator[str]]:
    """Return what a labeled file is, and its raw lines.

    Raises:
        DataError: the file is empty or cannot be read.
    """
    if not path.stat().st_size:
        raise no_sentences("an empty file", str(path))
    detection = detect_file(path, data, replace(LABELED, trained=trained))
    if detection.kind in ("columns", "csv") and detection.label is None:
        found = f"found none: {'; '.join(detection.evidence)}"
        raise DataError(f"expected a column with labels, {found}", place=str(path), hint=LABEL_HINT)
    return detection, _lines(path, detection)


def _lines(path: Path, detection: Detection) -> Iterator[str]:
    with path.open("rb") as stream:
        yield from raw_lines(stream, detection.encoding, str(path), detection.line_end == "\r")


def _sentence(
    block: Block, data: TaggerData, further: Sequence[SentenceFormat], strings: dict[str, str]
) -> Sentence:
    """Return the sentence of a block.

    Args:
        further: formats that read the further labels.
        strings: one object for each token and label so far. Words repeat, so sentences that share their
            strings take half the memory, and counting them is faster.
    """

    def shared(items: Sequence[str]) -> tuple[str, ...]:
        return tuple(map(strings.setdefault, items, items))

    columns = tuple(
        shared(_labels(file_format.block(block.lines, block.name, block.first_line), name))
        for file_format, name in zip(further, data.labels[1:], strict=True)
    )
    labels = shared(_labels(block, data.label_key))
    return Sentence(shared(block.tokens), labels, block.place, block.text, columns)


def _labels(block: Block, label_key: str) -> Sequence[str]:
    if block.labels is None:
        hint = f"`data.label_key` names the field of the labels; it is {label_key!r} now"
        raise DataError("expected labels, found a sentence without them", place=block.place, hint=hint)
    return block.labels


def for_first_label(data: TaggerData) -> TaggerData:
    """Return settings whose `label` is the first of several labels."""
    return for_label(data, data.labels[0]) if data.labels else data


def for_label(data: TaggerData, name: str) -> TaggerData:
    """Return settings that read one of several labels: a column, or a field of JSON lines."""
    return replace(data, label=name, label_key=name)


def _compare(expected: SentenceFormat | None, actual: SentenceFormat, path: Path, data: TaggerData) -> str:
    """Return a warning if a file has another layout than the training file, else an empty string.

    Raises:
        DataError: the label columns differ, and the settings do not name one.
    """
    if expected is None or same_layout(expected, actual):
        return ""
    if not isinstance(expected, ConllFormat) or not isinstance(actual, ConllFormat):
        return f"{path.name} has another format than the training file"
    want, have = (
        f"{count_columns(layout.width)}, label in column {(layout.label or 0) + 1}"
        for layout in (expected, actual)
    )
    if actual.label != expected.label and (data.label == "auto" or data.label.startswith("-")):
        message = f"expected {want}, as in the training file, found {have}"
        raise DataError(
            message, place=str(path), hint="set the column of the label, for example `data.label: 2`"
        )
    return f"{path.name} has {have}; the training file has {want}"


def same_layout(first: SentenceFormat, other: SentenceFormat) -> bool:
    """Return whether the columns of two files have the same meaning. Separators and comments may differ."""
    if isinstance(first, ConllFormat) and isinstance(other, ConllFormat):
        return (first.width, first.token, first.label) == (other.width, other.token, other.label)
    return type(first) is type(other)


def _flaws(blocks: Sequence[Block]) -> Iterator[str]:
    """Yield the first annotations that are not read as they are in the file, and the number of the others."""
    flaws = [flaw for block in blocks for flaw in block.flaws]
    yield from flaws[:SHOWN_FLAWS]
    if len(flaws) > SHOWN_FLAWS:
        yield f"{len(flaws) - SHOWN_FLAWS:,} more spans cut a token, overlap another span or have no token"


def _skipped_lines(file_format: SentenceFormat, blocks: Sequence[Block]) -> Iterator[str]:
    """Yield notes on lines that were not read as tokens.

    Comments of CoNLL-U are not listed, since they cannot be mistaken for tokens.
    """
    comments = sum(block.comments for block in blocks)
    if comments and not isinstance(file_format, ConlluFormat):
        first = next(block.first_line for block in blocks if block.comments)
        yield f"{comments:,} comment and document lines skipped, first in the block at line {first}"
    empty = sum(
        not (block.tokens or block.comments or block.is_left_out)
        and not any(line.strip() == "" for line in block.lines)
        for block in blocks
    )
    left_out = [block for block in blocks if block.is_left_out]
    if left_out:
        records = f"{pluralize(len(left_out), 'record')} with the answer {' or '.join(LEFT_OUT)}"
        yield f"{records} left out, first in line {left_out[0].first_line}"
    if empty:
        yield f"{pluralize(empty, 'sentence')} without a token skipped"


def _repaired_tokens(file_format: SentenceFormat, blocks: Sequence[Block]) -> Iterator[str]:
    """Yield a note on empty tokens that were read as `_`."""
    repaired = _repaired_lines(file_format, blocks)
    if repaired:
        more = f" and {len(repaired) - LISTED:,} more" if len(repaired) > LISTED else ""
        lines = ", ".join(repaired[:LISTED]) + more
        yield f"empty tokens read as `_` in {pluralize(len(repaired), 'sentence')}, first at line {lines}"


def _repaired_lines(file_format: SentenceFormat, blocks: Sequence[Block]) -> list[str]:
    """Return the line of the first repaired token of each sentence, where strict reading would stop."""
    if (
        not isinstance(file_format, ConllFormat | ConlluFormat | JsonlFormat)
        or file_format.empty_tokens == "refuse"
    ):
        return []
    strict, lines = replace(file_format, empty_tokens="refuse"), []
    for block in blocks:
        if "_" in block.tokens:
            try:
                strict.block(block.lines, block.name, block.first_line)
            except DataError as error:
                lines.append(error.problems[0].place.rpartition(":")[2])
    return lines
