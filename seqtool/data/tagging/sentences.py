"""Labeled sentences of one split, read from its files. Everything that is skipped is counted in a note.

The corpus of a training run is built in `corpus.py`; evaluation reads its files with this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

from seqtool.data.formats.blocks import Block, SentenceFormat, is_blank, raw_lines
from seqtool.data.formats.conll import ConllFormat, count_columns
from seqtool.data.formats.conllu import ConlluFormat
from seqtool.data.formats.detect import SAMPLE_LINES, find_format, same_layout
from seqtool.data.formats.jsonl import JsonlFormat
from seqtool.data.input_files import ProgressCallback
from seqtool.errors import DataError, pluralize
from seqtool.settings import TaggerData

LISTED = 10  # line numbers listed in a note


@dataclass(frozen=True, slots=True)
class Sentence:
    """One labeled sentence.

    Attributes:
        tokens: tokens as written in the file.
        labels: one label for each token, as written in the file.
        place: location `file:line` of the first token.
        text: raw text, if the file gives it.
    """

    tokens: tuple[str, ...]
    labels: tuple[str, ...]
    place: str
    text: str | None = None


@dataclass(frozen=True)
class Split:
    """Sentences of one split.

    Attributes:
        sentences: sentences in the order of the files.
        format: format of the first file; None if the split has no file.
        notes: what was detected and what was skipped, one line each.
        warnings: likely mistakes in the files, one line each.
    """

    sentences: tuple[Sentence, ...] = ()
    format: SentenceFormat | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_split(
    name: str,
    paths: Sequence[Path],
    data: TaggerData,
    expected: SentenceFormat | None = None,
    progress: ProgressCallback | None = None,
) -> Split:
    """Read the files of a split, each in its own format.

    Args:
        name: name of the split in notes: `train`, `dev` or `test`.
        paths: existing files.
        data: settings of the format.
        expected: format of the training files; a column counted from the end must be the same one.
        progress: called before each file with the number of files done and their total.

    Raises:
        DataError: a file is empty, has no labels, or cannot be read in its format.
    """
    sentences: list[Sentence] = []
    notes: list[str] = []
    warnings: list[str] = []
    for done, path in enumerate(paths):
        if progress is not None:
            progress(f"reading {path.name}", done, len(paths))
        part = _read_file(name, path, data, expected)
        expected = expected or part.format
        sentences.extend(part.sentences)
        notes.extend(note for note in part.notes if note not in notes)
        warnings.extend(part.warnings)
    return Split(tuple(sentences), expected, tuple(notes), tuple(warnings))


def _read_file(split: str, path: Path, data: TaggerData, expected: SentenceFormat | None) -> Split:
    try:
        with path.open("rb") as stream:
            lines = raw_lines(stream, data.encoding, str(path))
            sample = list(islice(lines, SAMPLE_LINES))
            if all(map(is_blank, sample)):
                content = "blank lines" if sample else "an empty file"
                raise DataError(f"expected labeled sentences, found {content}", place=str(path))
            file_format, description = find_format(data, str(path), sample)
            warning = _compare(expected, file_format, path, data)
            blocks = list(file_format.read(chain(sample, lines), str(path)))
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}"
        raise DataError(message, place=str(path), hint=data.source) from None
    sentences = tuple(_sentence(block, data) for block in blocks if block.tokens)
    if not sentences:
        raise DataError("expected labeled sentences, found no token in the file", place=str(path))
    prefix = f"{split}: {path.name}:"
    notes = [description, *_skipped_lines(file_format, blocks), *_repaired_tokens(file_format, blocks)]
    return Split(
        sentences, file_format, tuple(f"{prefix} {note}" for note in notes), (warning,) if warning else ()
    )


def labeled_blocks(path: Path, data: TaggerData) -> Iterator[Block]:
    """Yield the blocks of a file that hold tokens, as `read_split` reads them; raises its errors."""
    with path.open("rb") as stream:
        lines = raw_lines(stream, data.encoding, str(path))
        sample = list(islice(lines, SAMPLE_LINES))
        file_format, _ = find_format(data, str(path), sample)
        yield from (block for block in file_format.read(chain(sample, lines), str(path)) if block.tokens)


def _sentence(block: Block, data: TaggerData) -> Sentence:
    if block.labels is None:
        hint = f"`data.label_key` names the field of the labels; it is {data.label_key!r} now"
        raise DataError("expected labels, found a sentence without them", place=block.place, hint=hint)
    return Sentence(tuple(block.tokens), tuple(block.labels), block.place, block.text)


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


def _skipped_lines(file_format: SentenceFormat, blocks: Sequence[Block]) -> Iterator[str]:
    """Yield notes on lines that were not read as tokens.

    Comments of CoNLL-U are not listed, since they cannot be mistaken for tokens.
    """
    comments = sum(block.comments for block in blocks)
    if comments and not isinstance(file_format, ConlluFormat):
        first = next(block.first_line for block in blocks if block.comments)
        yield f"{comments:,} comment and document lines skipped, first in the block at line {first}"
    empty = sum(
        not block.tokens and not any(line.strip() == "" for line in block.lines) and not block.comments
        for block in blocks
    )
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
