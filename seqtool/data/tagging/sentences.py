"""Labelled sentences from the files of one split, with what was seen on the way; nothing is dropped without being counted.

What a corpus for training is made of stands in `tagged.py`; evaluation reads its files through here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

from seqtool.data.formats.blocks import Block, SentenceFormat, is_blank, raw_lines
from seqtool.data.formats.conll import ConllFormat, columns
from seqtool.data.formats.conllu import ConlluFormat
from seqtool.data.formats.detect import SAMPLE_LINES, find_format, same_layout
from seqtool.data.formats.jsonl import JsonlFormat
from seqtool.errors import DataError
from seqtool.settings import TaggerData

LISTED = 10  # lines named in a note
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One labelled sentence.

    Attributes:
        tokens: as written in the file.
        labels: one for each token, as written in the file.
        place: `file:line` of the first token.
        text: the raw text, where the file gives it.
    """

    tokens: tuple[str, ...]
    labels: tuple[str, ...]
    place: str
    text: str | None = None


@dataclass(frozen=True)
class Split:
    """The sentences of one split.

    Attributes:
        sentences: in the order of the files.
        format: of the first file; None where there is no file.
        notes: what was detected and left aside, one line each.
        warnings: what looks wrong, one line each.
    """

    sentences: tuple[Sentence, ...] = ()
    format: SentenceFormat | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_split(
    name: str,
    paths: Sequence[Path],
    data: TaggerData,
    like: SentenceFormat | None = None,
    progress: Progress | None = None,
) -> Split:
    """Read the files of a split, each in its own format.

    Args:
        name: of the split, for notes: `train`, `dev` or `test`.
        paths: existing files.
        data: what the settings say of the format.
        like: the format of the training files; columns counted from the end must be the same ones.
        progress: called with what is being done, the files done and their number.

    Raises:
        DataError: a file that is empty, holds no labels, or cannot be read as its format.
    """
    sentences: list[Sentence] = []
    notes: list[str] = []
    warnings: list[str] = []
    for done, path in enumerate(paths):
        if progress is not None:
            progress(f"reading {path.name}", done, len(paths))
        part, like = _read_file(name, path, data, like)
        sentences.extend(part.sentences)
        notes.extend(note for note in part.notes if note not in notes)
        warnings.extend(part.warnings)
    return Split(tuple(sentences), like, tuple(notes), tuple(warnings))


def _read_file(
    split: str, path: Path, data: TaggerData, like: SentenceFormat | None
) -> tuple[Split, SentenceFormat]:
    """One file's sentences, and the format that other files are compared with."""
    try:
        with path.open("rb") as stream:
            lines = raw_lines(stream, data.encoding, str(path))
            sample = list(islice(lines, SAMPLE_LINES))
            if all(map(is_blank, sample)):
                raise DataError(
                    f"expected labelled sentences, found {'blank lines' if sample else 'an empty file'}",
                    place=str(path),
                )
            form, said = find_format(data, str(path), sample)
            warning = _compare(like, form, path, data)
            blocks = list(form.read(chain(sample, lines), str(path)))
    except OSError as error:
        raise DataError(
            f"the file cannot be read: {error.strerror or error}", place=str(path), hint=data.source
        ) from None
    sentences = [_sentence(block, data) for block in blocks if block.tokens]
    if not sentences:
        raise DataError("expected labelled sentences, found no token in the file", place=str(path))
    notes = [f"{split}: {path.name}: {said}", *_left_aside(split, path.name, form, blocks)]
    return Split(tuple(sentences), form, tuple(notes), (warning,) if warning else ()), like or form


def labelled_blocks(path: Path, data: TaggerData) -> Iterator[Block]:
    """The blocks of a file that hold tokens, as `read_split` sees them; errors as there."""
    with path.open("rb") as stream:
        lines = raw_lines(stream, data.encoding, str(path))
        sample = list(islice(lines, SAMPLE_LINES))
        form, _ = find_format(data, str(path), sample)
        yield from (block for block in form.read(chain(sample, lines), str(path)) if block.tokens)


def _sentence(block: Block, data: TaggerData) -> Sentence:
    if block.labels is None:
        hint = f"`data.label_key` names the field of the labels; it is {data.label_key!r} now"
        raise DataError("expected labels, found a sentence without them", place=block.place, hint=hint)
    return Sentence(tuple(block.tokens), tuple(block.labels), block.place, block.text)


def _compare(like: SentenceFormat | None, form: SentenceFormat, path: Path, data: TaggerData) -> str:
    """A warning where a file is laid out otherwise than the training file, unless the label's column is in doubt: then it is refused."""
    if like is None or same_layout(like, form):
        return ""
    if not isinstance(like, ConllFormat) or not isinstance(form, ConllFormat):
        return f"{path.name} has another format than the training file"
    found = f"{columns(form.width)}, label in column {(form.label or 0) + 1}"
    expected = f"{columns(like.width)}, label in column {(like.label or 0) + 1}"
    if form.label != like.label and (data.label == "auto" or data.label.startswith("-")):
        message = f"expected {expected}, as in the training file, found {found}"
        raise DataError(
            message, place=str(path), hint="say which column holds the label: `data.label: 2`, for example"
        )
    return f"{path.name} has {found}; the training file has {expected}"


def _left_aside(split: str, name: str, form: SentenceFormat, blocks: Sequence[Block]) -> list[str]:
    """What was not read as a token, so that nothing goes unnoticed; in CoNLL-U comments cannot be mistaken."""
    notes: list[str] = []
    comments = sum(block.comments for block in blocks)
    if comments and not isinstance(form, ConlluFormat):
        first = next(block for block in blocks if block.comments)
        notes.append(
            f"{split}: {name}: {comments:,} comment and document lines left aside, first in the block at line {first.first_line}"
        )
    empty = sum(
        not block.tokens and not any(line.strip() == "" for line in block.lines) and not block.comments
        for block in blocks
    )
    if empty:
        notes.append(f"{split}: {name}: {pluralize(empty, 'sentence')} without a token left aside")
    repaired = _repaired(form, blocks)
    if repaired:
        more = f" and {len(repaired) - LISTED:,} more" if len(repaired) > LISTED else ""
        notes.append(
            f"{split}: {name}: empty tokens read as `_` in {pluralize(len(repaired), 'sentence')}, "
            f"first at line {', '.join(repaired[:LISTED])}{more}"
        )
    return notes


def _repaired(form: SentenceFormat, blocks: Sequence[Block]) -> list[str]:
    """The line of the first empty token of each sentence that was repaired: where reading it strictly would stop."""
    if not isinstance(form, ConllFormat | ConlluFormat | JsonlFormat) or form.empty_tokens == "refuse":
        return []
    strict, lines = replace(form, empty_tokens="refuse"), []
    for block in blocks:
        if "_" in block.tokens:
            try:
                strict.block(block.lines, block.name, block.first_line)
            except DataError as error:
                lines.append(error.problems[0].place.rpartition(":")[2])
    return lines


def pluralize(count: int, noun: str) -> str:
    """A number with what is counted: `1 sentence`, `2,000 sentences`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
