"""The texts that a character model is evaluated on or compared with, as its symbol numbers: files, or the parts of its run's data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqtool.data.text.corpus import CharCorpus
from seqtool.data.vocabulary import BOUNDARY, SymbolVocabulary
from seqtool.errors import DataError, SeqtoolError
from seqtool.evaluation.evaluation_data import read_text
from seqtool.inference.character import CharacterModel
from seqtool.types import Array


@dataclass(frozen=True)
class Part:
    """A text, or lines.

    Attributes:
        name: what it is called: `val`, `test`, `train`, or the files' names.
        ids: symbol numbers (length,) of running text; may be memory-mapped. Empty for lines.
        lines: of a model of lines, each with the boundary before and behind it.
    """

    name: str
    ids: Array
    lines: Sequence[Array] = ()

    def decoded(self, vocabulary: SymbolVocabulary) -> str:
        """The text; lines with their ends."""
        if len(self.lines):
            return "".join(vocabulary.decode(np.asarray(line[1:], np.int64)) for line in self.lines)
        return str(vocabulary.decode(np.asarray(self.ids, np.int64)))


def read_files(model: CharacterModel, files: Sequence[Path]) -> Part:
    """Files one after the other.

    Raises:
        DataError: a file that is missing or no UTF-8, or a symbol that the model does not know and has no unknown one for.
    """
    name = ", ".join(map(str, files))
    if model.vocabulary.unit == "byte":
        return Part(name, _bytes(model.vocabulary, b"".join(map(_read, files)), name))
    text = read_text(files)
    if model.kind == "lines":
        lines = [line for line in text.replace("\r\n", BOUNDARY).split(BOUNDARY) if line]
        return Part(
            name, np.zeros(0, np.int64), [_encoded(model, BOUNDARY + line + BOUNDARY, name) for line in lines]
        )
    return Part(name, _encoded(model, text, name))


def part_of(model: CharacterModel, corpus: CharCorpus, name: str) -> Part | None:
    """A part of a run's data as the model's numbers; None where the run has none of that name."""
    part: Any = getattr(corpus, name)
    if part is None:
        return None
    if corpus.kind != "text":
        return Part(
            name, np.zeros(0, np.int64), [_translated(model, corpus, line) for line in LinesWithEnds(part)]
        )
    return Part(name, _translated(model, corpus, part))


class LinesWithEnds(Sequence[Array]):
    """The lines of a corpus, each with the boundary before and behind it."""

    def __init__(self, part: Any) -> None:
        self.part = part

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, place: Any) -> Any:
        return np.concatenate([self.part.inputs[place][:1], self.part.targets[place]])


def held_out(model: CharacterModel, corpus: CharCorpus, run: Path | None) -> Part:
    """The test part, or the validation part where there is no other.

    Raises:
        SeqtoolError: the run held nothing out.
    """
    part = part_of(model, corpus, "test") or part_of(model, corpus, "val")
    if part is None:
        raise SeqtoolError(
            "the run held no text out", place=str(run), hint="name a text: seqtool evaluate MODEL FILE"
        )
    return part


def _translated(model: CharacterModel, corpus: CharCorpus, ids: Array) -> Array:
    """Numbers of the corpus as numbers of the model: the same, unless the files have changed since it was trained."""
    if corpus.vocabulary.symbols == model.vocabulary.symbols:
        return ids
    table = (
        model.vocabulary.encode("".join(corpus.vocabulary.symbols))
        if model.vocabulary.unit == "char"
        else None
    )
    if table is None:
        table = _bytes(model.vocabulary, bytes(map(ord, corpus.vocabulary.symbols)), "the run's data")
    found: Array = table[np.asarray(ids)]
    return found


def _encoded(model: CharacterModel, text: str, place: str) -> Array:
    try:
        return model.encode(text)
    except DataError as error:
        first = error.problems[0]
        raise DataError(first.message, place=place, hint=first.hint) from None


def _bytes(vocabulary: SymbolVocabulary, data: bytes, place: str) -> Array:
    codes = np.frombuffer(data, np.uint8).astype(np.int64)
    numbers: Array = vocabulary.table[np.minimum(codes, len(vocabulary.table) - 1)]
    if (numbers < 0).any():
        offset = int((numbers < 0).argmax())
        raise vocabulary.unknown_symbol_error(chr(codes[offset]), f" at offset {offset:,}", place=place)
    return numbers


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read: {error.strerror}", place=str(path), hint="check the path") from None
