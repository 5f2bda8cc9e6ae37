"""Text files as a stream of pieces of text, whatever their size: decoded, with uniform line ends, in one Unicode form.

What a piece's characters are numbered by is in `encoded_text.py`. Bytes are read as the characters U+0000 to U+00FF.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seqtool.data.formats.blocks import BOM
from seqtool.data.vocabulary import Unit
from seqtool.errors import DataError

Progress = Callable[[str, int, int], None]
PIECE = 1 << 20  # bytes that are read at a time


@dataclass(frozen=True)
class TextForm:
    """How a file becomes symbols.

    Attributes:
        unit: characters or bytes.
        encoding: of the file; bytes have none.
        normalize: `nfc` or `none`.
        lines: each line is a sequence: CR LF becomes LF, and the last line gets its LF.
    """

    unit: Unit = "char"
    encoding: str = "utf-8"
    normalize: Literal["nfc", "none"] = "none"
    lines: bool = False

    def pieces(self, path: Path, progress: Progress | None = None, label: str = "reading") -> Iterator[str]:
        """The text of a file, piece by piece. A byte order mark at its start is no part of a text.

        Raises:
            DataError: the file cannot be read, is empty, or is not in its encoding, with line and offset.
        """
        text = self._decoded(path, progress, label)
        if self.unit == "char":
            text = _without_mark(text)
        if self.lines:
            text = _unix_ends(text)
        if self.normalize == "nfc":
            text = composed(text)
        last = ""
        for piece in text:
            if piece:
                yield piece
                last = piece[-1]
        if not last:
            raise DataError("expected text, found an empty file", place=str(path))
        if self.lines and last != "\n":
            yield "\n"

    def _decoded(self, path: Path, progress: Progress | None, label: str) -> Iterator[str]:
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
        """The next piece's text; an empty piece ends the file."""
        kept = decoder.getstate()[0]  # the beginning of a character that the last piece broke off in
        try:
            return decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            raise self._undecodable(
                path, done - len(kept) + error.start, error.object[error.start : error.start + 1]
            ) from None
        except UnicodeError:  # of UTF-16 and UTF-32, whose mark says in which order bytes are
            hint = f"`data.encoding: {self.encoding}-le`, or `-be`, reads a text without one"
            message = f"expected {self.encoding} text with a byte order mark, found none"
            raise DataError(message, place=str(path), hint=hint) from None

    def _undecodable(self, path: Path, offset: int, byte: bytes) -> DataError:
        with path.open("rb") as stream:
            before = stream.read(offset).decode(self.encoding, "replace")
        found = f"byte 0x{byte.hex()}" if byte else "the end of the file within a character"
        place = f"{path}:{before.count(chr(10)) + 1}"
        return DataError(
            f"expected {self.encoding} text, found {found} at offset {offset:,}",
            place=place,
            hint=ENCODING_HINT,
        )


ENCODING_HINT = "say how the file is encoded (`data.encoding: latin-1`, for example), or read any file as it is: `data.unit: byte`"


def _without_mark(text: Iterable[str]) -> Iterator[str]:
    first = True
    for piece in text:
        yield piece.removeprefix(BOM) if first else piece
        first = first and not piece


def _unix_ends(text: Iterable[str]) -> Iterator[str]:
    held = ""  # a CR whose LF may be in the next piece
    for piece in text:
        piece = held + piece
        held = "\r" if piece.endswith("\r") else ""
        yield piece[: len(piece) - len(held)].replace("\r\n", "\n")
    yield held


def composed(text: Iterable[str]) -> Iterator[str]:
    """Text in Unicode form NFC, piece by piece: what may still combine with the next piece waits for it."""
    held = ""
    for piece in text:
        piece = held + piece
        cut = next((place for place in range(len(piece) - 1, 0, -1) if starts_afresh(piece[place])), 0)
        yield unicodedata.normalize("NFC", piece[:cut])
        held = piece[cut:]
    yield unicodedata.normalize("NFC", held)


def starts_afresh(character: str) -> bool:
    """Whether no character before this one can combine with it, nor it change its place. (False is always safe.)

    Marks, the vowels and finals of Hangul, and (from Unicode 16 on) some letters beyond U+FFFF combine backwards.
    """
    if character < "\u0300":
        return True
    return (
        character <= "\uffff"
        and unicodedata.category(character)[0] != "M"
        and not "\u1160" <= character <= "\u11ff"
    )


def find_symbol(paths: Sequence[Path], form: TextForm, known: Collection[str]) -> tuple[str, Path, int, int]:
    """The first symbol of some files that is not among those known, with its file, line and column.

    Raises:
        ValueError: there is none.
    """
    strange = re.compile(f"[^{''.join(map(re.escape, known))}]") if known else re.compile("(?s:.)")
    for path in paths:
        line, column = 1, 1
        for piece in form.pieces(path):
            found = strange.search(piece)
            before = piece[: found.start()] if found else piece
            line += before.count("\n")
            column = len(before) - before.rfind("\n") if "\n" in before else column + len(before)
            if found:
                return found[0], path, line, column
    raise ValueError("every symbol is known")
