"""Text files of any size as a stream of pieces: decoded, with uniform line ends and one Unicode normal form.

With `data.unit: byte` each byte is read as one of the characters U+0000 to U+00FF.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from seqtool.data.formats.blocks import BOM
from seqtool.data.input_files import ProgressCallback
from seqtool.data.vocabulary import BOUNDARY, SymbolVocabulary, Unit
from seqtool.errors import DataError
from seqtool.types import Array

CODE_POINTS = 0x110000
ALPHABET_HINT = "add it to `data.alphabet`, or delete that key to use the symbols of the text"
PIECE = 1 << 20  # bytes that are read at once
ENCODING_HINT = (
    "give the encoding of the file (`data.encoding: latin-1`, for example), or read the bytes of any file: "
    "`data.unit: byte`"
)


@dataclass(frozen=True)
class TextForm:
    """Rules for reading a file as symbols.

    Attributes:
        unit: characters or bytes.
        encoding: of the file; not used for bytes.
        normalize: Unicode normal form, `nfc` or `none`.
        lines: each line is a sequence. CR LF then becomes LF, and the last line gets an LF if it has none.
    """

    unit: Unit = "char"
    encoding: str = "utf-8"
    normalize: Literal["nfc", "none"] = "none"
    lines: bool = False

    @property
    def boundary(self) -> str:
        """Symbol between lines, or empty for running text."""
        return BOUNDARY if self.lines else ""

    def pieces(
        self, path: Path, progress: ProgressCallback | None = None, label: str = "reading"
    ) -> Iterator[str]:
        """Yield the text of a file, piece by piece, without a byte order mark.

        Args:
            path: the file.
            progress: is called with label and file name, the bytes done and their total.
            label: names the current action.

        Raises:
            DataError: the file cannot be read, is empty, or is not in its encoding.
        """
        text = self._decoded(path, progress, label)
        if self.unit == "char":
            text = _without_byte_order_mark(text)
        if self.lines:
            text = _unix_line_ends(text)
        if self.normalize == "nfc":
            text = composed(text)
        last = ""
        for piece in text:
            if piece:
                yield piece
                last = piece[-1]
        if not last:
            raise DataError("expected text, found an empty file", place=str(path))
        if self.lines and last != BOUNDARY:
            yield BOUNDARY

    def _decoded(self, path: Path, progress: ProgressCallback | None, label: str) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("latin-1" if self.unit == "byte" else self.encoding)()
        try:
            size, done = path.stat().st_size, 0
            with path.open("rb") as stream:
                while piece := stream.read(PIECE):
                    if progress is not None:
                        progress(f"{label} {path.name}", done, size)
                    yield self._decode(decoder, piece, path, done)
                    done += len(piece)
            yield self._decode(decoder, b"", path, done)
        except OSError as error:
            raise DataError(f"the file cannot be read: {error.strerror or error}", place=str(path)) from None

    def _decode(self, decoder: codecs.IncrementalDecoder, piece: bytes, path: Path, done: int) -> str:
        """Return the text of the next piece; an empty piece ends the file."""
        pending = decoder.getstate()[0]  # first bytes of a character that the previous piece cut
        try:
            return decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            offset = done - len(pending) + error.start
            raise self._decoding_error(path, offset, error.object[error.start : error.start + 1]) from None
        except UnicodeError:  # UTF-16 or UTF-32 without the mark that gives the order of bytes
            hint = f"`data.encoding: {self.encoding}-le`, or `-be`, reads a text without one"
            message = f"expected {self.encoding} text with a byte order mark, found none"
            raise DataError(message, place=str(path), hint=hint) from None

    def _decoding_error(self, path: Path, offset: int, byte: bytes) -> DataError:
        with path.open("rb") as stream:
            before = stream.read(offset).decode(self.encoding, "replace")
        found = f"byte 0x{byte.hex()}" if byte else "the end of the file within a character"
        place = f"{path}:{before.count(chr(10)) + 1}"
        return DataError(
            f"expected {self.encoding} text, found {found} at offset {offset:,}",
            place=place,
            hint=ENCODING_HINT,
        )


def _without_byte_order_mark(text: Iterable[str]) -> Iterator[str]:
    first = True  # until a piece is not empty
    for piece in text:
        yield piece.removeprefix(BOM) if first else piece
        first = first and not piece


def _unix_line_ends(text: Iterable[str]) -> Iterator[str]:
    held = ""  # a CR, if the next piece may start with its LF
    for piece in text:
        piece = held + piece
        held = "\r" if piece.endswith("\r") else ""
        yield piece[: len(piece) - len(held)].replace("\r\n", "\n")
    yield held


def composed(text: Iterable[str]) -> Iterator[str]:
    """Yield text in the normal form NFC, piece by piece.

    The end of a piece is held until the next one, if the next one may combine with it.
    """
    held = ""
    for piece in text:
        piece = held + piece
        cuts = (index for index in range(len(piece) - 1, 0, -1) if never_combines_backward(piece[index]))
        cut = next(cuts, 0)
        yield unicodedata.normalize("NFC", piece[:cut])
        held = piece[cut:]
    yield unicodedata.normalize("NFC", held)


def never_combines_backward(character: str) -> bool:
    """Return True if normalization never joins the character to one before it, nor reorders the two.

    Marks, the vowels and finals of Hangul and, since Unicode 16, some letters beyond U+FFFF may combine
    backward. False for another character costs time, but does not change the result.
    """
    if character < "\u0300":
        return True
    return (
        character <= "\uffff"
        and unicodedata.category(character)[0] != "M"
        and not "\u1160" <= character <= "\u11ff"
    )


def find_symbol(paths: Sequence[Path], form: TextForm, known: Collection[str]) -> tuple[str, Path, int, int]:
    """Return the first symbol in the files that is not known, with its file, line and column.

    Raises:
        ValueError: all symbols are known.
    """
    unknown = re.compile(f"[^{''.join(map(re.escape, known))}]") if known else re.compile("(?s:.)")
    for path in paths:
        line, column = 1, 1
        for piece in form.pieces(path):
            match = unknown.search(piece)
            before = piece[: match.start()] if match else piece
            line += before.count("\n")
            column = len(before) - before.rfind("\n") if "\n" in before else column + len(before)
            if match:
                return match[0], path, line, column
    raise ValueError("every symbol is known")


# --- symbols ------------------------------------------------------------------------------------------------


def find_symbols(
    paths: Mapping[str, Sequence[Path]],
    form: TextForm,
    alphabet: Sequence[str] | None,
    progress: ProgressCallback | None,
) -> str:
    """Return the symbols in the order of their numbers.

    Raises:
        DataError: a symbol is not in the alphabet.
    """
    files = [path for group in paths.values() for path in group]
    occurs = np.zeros(CODE_POINTS, bool)
    occurs[_codes(form.boundary)] = True
    for path in files:
        for piece in form.pieces(path, progress):
            occurs[_codes(piece)] = True
    found = "".join(map(chr, np.flatnonzero(occurs).tolist()))
    if alphabet is None:
        return found
    symbols = "".join(alphabet) + ("" if form.boundary in alphabet else form.boundary)
    if set(found) - set(symbols):
        symbol, path, line, column = find_symbol(files, form, symbols)
        raise SymbolVocabulary(symbols, form.unit).unknown_symbol_error(
            symbol, place=f"{path}:{line}:{column}", hint=ALPHABET_HINT
        )
    return symbols


def _codes(piece: str) -> Array:
    return np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), np.uint32)


def symbol_numbers(
    group: Sequence[Path], form: TextForm, symbols: str, progress: ProgressCallback | None
) -> Iterator[Array]:
    """Yield the symbol numbers of files in pieces. A text of lines starts with the boundary symbol."""
    table = np.zeros(CODE_POINTS, np.min_scalar_type(max(len(symbols) - 1, 0)))
    table[_codes(symbols)] = np.arange(len(symbols))
    if form.boundary:
        yield table[_codes(form.boundary)]
    for path in group:
        for piece in form.pieces(path, progress, "encoding"):
            yield table[_codes(piece)]
