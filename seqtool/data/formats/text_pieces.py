"""Text of a file in pieces that end with a line, with one kind of line end: what the detection reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from itertools import chain, repeat, takewhile
from typing import BinaryIO

from seqtool.data.formats.blocks import BOM, raw_lines
from seqtool.data.formats.detection import LineEnd

FIRST_PIECE, PIECE = 1 << 18, 1 << 16  # characters that are read at once; small pieces stay in the cache


class Text:
    """Text of a file in pieces that end with a line; every line ends with `\\n`.

    Attributes:
        encoding: encoding that the file is read in.
        line_end: line ends of the first piece.
        nuls: number of NUL characters so far.
        first: first piece.
    """

    def __init__(self, stream: BinaryIO, encoding: str, name: str) -> None:
        self.encoding = encoding
        self.nuls = 0
        self.line_end: LineEnd = ""
        self._source = self._read(stream, encoding, name)
        self.first = next(self._source, "")

    @classmethod
    def of_lines(cls, lines: Sequence[str], encoding: str) -> Text:
        """Return the text of raw lines."""
        text = cls.__new__(cls)
        text.encoding, text.nuls, text.line_end = encoding, 0, ""
        text._source = text._normalized(iter(["".join(lines)]))
        text.first = next(text._source, "")
        return text

    def pieces(self) -> Iterator[str]:
        """Yield all pieces; possible once."""
        return chain([self.first], self._source)

    def _read(self, stream: BinaryIO, encoding: str, name: str) -> Iterator[str]:
        text = TextIOWrapper(stream, encoding=encoding, newline="")
        try:
            sizes = chain([FIRST_PIECE], repeat(PIECE))
            yield from self._normalized(takewhile(bool, map(text.read, sizes)))
        except UnicodeError:
            stream.seek(0)
            for _ in raw_lines(stream, encoding, name):
                pass
            raise
        finally:
            if not stream.closed:
                text.detach()

    def _normalized(self, source: Iterator[str]) -> Iterator[str]:
        """Yield pieces that end with a line."""
        rest, mark = "", BOM
        for piece in source:
            piece = rest + piece.removeprefix(mark)
            mark = ""
            if not self.line_end:
                self.line_end = _line_end(piece)
            end = piece.rfind("\r" if self.line_end == "\r" else "\n") + 1
            rest = piece[end:]
            if end:
                yield self._unix(piece[:end])
        if rest:
            yield self._unix(rest)

    def _unix(self, piece: str) -> str:
        if "\0" in piece:
            self.nuls += piece.count("\0")
        if "\r" in piece:
            return piece.replace("\r", "\n") if self.line_end == "\r" else piece.replace("\r\n", "\n")
        if self.line_end == "\r\n" and "\n" in piece:
            self.line_end = "mixed"
        return piece


def _line_end(piece: str) -> LineEnd:
    lines = piece.count("\n")
    if not lines:
        return "\r" if "\r" in piece.rstrip("\r") else ""
    crlf = piece.count("\r\n")
    return "\n" if not crlf else "\r\n" if crlf == lines else "mixed"
