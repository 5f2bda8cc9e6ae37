"""Texts to evaluate or inspect a text model on: files in any encoding, as symbol numbers of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqtool.data.encoding import AUTO, decode
from seqtool.data.vocabulary import SymbolVocabulary, bytes_text
from seqtool.errors import DataError, pluralize
from seqtool.inference.character import CharacterModel
from seqtool.inference.conditional import ConditionalModel
from seqtool.storage.plain_files import expect_end
from seqtool.types import Array


def _say_nothing(note: str) -> None:
    """Drop a note."""


@dataclass(frozen=True)
class Reading:
    """Reading of the files that a user names.

    Attributes:
        encoding: encoding of the files; `auto` decides for each file.
        tell: receives a note on each doubtful or unusual file.
    """

    encoding: str = AUTO
    tell: Callable[[str], None] = _say_nothing


DEFAULT = Reading()


@dataclass(frozen=True)
class TextPart:
    """A text, or separate lines, as symbol numbers of a model.

    Attributes:
        name: `val`, `test`, `train`, or the names of the files.
        ids: symbol numbers (length,) of running text; may be memory-mapped. Empty for lines.
        lines: for a model of lines, each line with the boundary symbol before and after it.
        conditions: condition number of each line (lines,); None without conditions.
    """

    name: str
    ids: Array
    lines: Sequence[Array] = ()
    conditions: Array | None = None

    def decode(self, vocabulary: SymbolVocabulary) -> str:
        """Return the text; every line ends with the boundary symbol."""
        if len(self.lines):
            return "".join(vocabulary.decode(np.asarray(line[1:], np.int64)) for line in self.lines)
        return str(vocabulary.decode(np.asarray(self.ids, np.int64)))

    def joined_ids(self) -> Array:
        """Return all symbol numbers (length,); between two lines there is one boundary symbol."""
        if len(self.lines):
            return np.concatenate([self.lines[0][:1], *(line[1:] for line in self.lines)]).astype(np.int64)
        return np.asarray(self.ids, np.int64)


def read_files(model: CharacterModel, files: Sequence[Path], reading: Reading = DEFAULT) -> TextPart:
    """Read files, joined in the given order, as symbol numbers of a model.

    Raises:
        DataError: a file is missing or not in its encoding, there is nothing to score, or the model has
            neither a symbol of the text nor an unknown symbol.
    """
    name = ", ".join(map(str, files))
    if model.vocabulary.unit == "byte" and not model.boundary:
        ids = encode_bytes(model.vocabulary, b"".join(map(_read_bytes, files)), name)
        return _scorable(TextPart(name, ids))
    if isinstance(model, ConditionalModel):
        return _conditional_lines(model, files, name, reading)
    text = read_text(model, files, reading)
    if boundary := model.boundary:
        lines = [line for line in text.replace("\r\n", boundary).split(boundary) if line]
        if not lines:
            raise DataError("expected lines, found only empty ones", place=name)
        encoded = [_encode(model, boundary + line + boundary, name) for line in lines]
        return TextPart(name, np.zeros(0, np.int64), encoded)
    return _scorable(TextPart(name, _encode(model, text, name)))


def _conditional_lines(
    model: ConditionalModel, files: Sequence[Path], name: str, reading: Reading
) -> TextPart:
    """Read lines and their conditions, which have the same place as in the training files."""
    encoded, conditions = [], []
    for path in files:
        text = model.normalize(_text(model, path, reading).replace("\r\n", model.boundary))
        for number, (condition, line) in enumerate(model.rule.lines([text], str(path)), start=1):
            if line:
                place = f"{path}:{number}"
                conditions.append(model.conditions.number(condition, place))
                encoded.append(_encode(model, model.boundary + line + model.boundary, place))
    if not encoded:
        raise DataError("expected lines, found only empty ones", place=name)
    return TextPart(name, np.zeros(0, np.int64), encoded, np.array(conditions, np.int64))


def _scorable(part: TextPart) -> TextPart:
    """Return a text, or refuse it if it has no symbol that a model can predict."""
    if len(part.ids) < 2:
        message = f"expected a text of at least 2 symbols, found {pluralize(len(part.ids), 'symbol')}"
        raise DataError(message, place=part.name, hint="give a longer text")
    return part


def read_text(model: CharacterModel | None, files: Sequence[Path], reading: Reading = DEFAULT) -> str:
    """Return the text of files, joined in the given order.

    Args:
        model: model that reads the text. One of bytes reads any bytes; those that are not UTF-8 become lone
            surrogates. One of characters also reads the encoding of its training files.

    Raises:
        DataError: a file is missing, empty, or not in its encoding.
    """
    return "".join(_text(model, path, reading) for path in files)


def _text(model: CharacterModel | None, path: Path, reading: Reading) -> str:
    content = _read_bytes(path)
    if model is not None and model.vocabulary.unit == "byte":
        text = bytes_text(content, lines=bool(model.boundary))
    else:
        expected = model.encoding if model is not None else ""
        text, facts = decode(content, str(path), reading.encoding, expected=expected)
        for note in [*facts.notes(), *facts.warnings()]:
            reading.tell(f"note: {note}")
    if not text:
        raise DataError("expected text, found an empty file", place=str(path), hint="give a file with text")
    return text


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            expect_end(file, str(path))
            return file.read()
    except OSError as error:
        raise DataError(f"cannot read: {error.strerror}", place=str(path), hint="check the path") from None


def _encode(model: CharacterModel, text: str, place: str) -> Array:
    try:
        return model.encode(text)
    except DataError as error:
        first = error.problems[0]
        raise DataError(first.message, place=place, hint=first.hint) from None


def encode_bytes(vocabulary: SymbolVocabulary, data: bytes, place: str) -> Array:
    """Return the symbol numbers of bytes (length,).

    Raises:
        DataError: a byte is not in the alphabet.
    """
    codes = np.frombuffer(data, np.uint8).astype(np.int64)
    numbers: Array = vocabulary.table[np.minimum(codes, len(vocabulary.table) - 1)]
    if (numbers < 0).any():
        offset = int((numbers < 0).argmax())
        raise vocabulary.unknown_symbol_error(chr(codes[offset]), f" at offset {offset:,}", place=place)
    return numbers
