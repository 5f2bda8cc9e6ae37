"""Text of a file in pieces that end with a line, with one kind of line end: what the detection reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from itertools import chain, repeat, takewhile
from typing import BinaryIO

from seqtool.data.encoding import FileEncoding
from seqtool.data.formats.blocks import BOM
from seqtool.data.formats.detection import LineEnd

FIRST_PIECE, PIECE = 1 << 18, 1 << 16  # characters that are read at once; small pieces stay in the cache
LONGEST = 1 << 24  # characters of a line that are held in memory


class Text:
    """Text of a file in pieces that end with a line; every line ends with `\\n`.

    Attributes:
        facts: encoding, line ends and NULs of the file.
        first: first piece.
    """

    def __init__(self, source: Iterator[str], facts: FileEncoding) -> None:
        self.facts = facts
        self._pieces = self._complete_lines(source)
        self.first = next(self._pieces, "")

    @classmethod
    def of_stream(cls, stream: BinaryIO, facts: FileEncoding) -> Text:
        """Return the text of an open file that is valid in its encoding."""
        stream.seek(0)
        text = TextIOWrapper(stream, encoding=facts.encoding, newline="")
        sizes = chain([FIRST_PIECE], repeat(PIECE))
        return cls(takewhile(bool, map(text.read, sizes)), facts)

    @classmethod
    def of_lines(cls, lines: Iterable[str], name: str, encoding: str) -> Text:
        """Return the text of raw lines."""
        text = "".join(lines)
        lf, crlf = text.count("\n"), text.count("\r\n")
        cr, nuls = text.count("\r") - crlf, text.count("\0")
        facts = FileEncoding(name, encoding, len(text), lf=lf - crlf, crlf=crlf, cr=cr, nuls=nuls)
        return cls(iter([text]), facts)

    @property
    def line_end(self) -> LineEnd:
        """Line end of the file."""
        ends: dict[str, LineEnd] = {"lf": "\n", "crlf": "\r\n", "cr": "\r", "mixed": "mixed"}
        return ends.get(self.facts.line_ends, "")

    def pieces(self) -> Iterator[str]:
        """Yield all pieces; possible once."""
        return chain([self.first], self._pieces)

    def _complete_lines(self, source: Iterator[str]) -> Iterator[str]:
        """Yield pieces that end with a line; a line of more than `LONGEST` characters is divided."""
        end_mark = "\r" if self.facts.cr_lines else "\n"
        parts: list[str] = []
        mark = BOM
        for read in source:
            piece = read.removeprefix(mark)
            mark = ""
            end = piece.rfind(end_mark) + 1
            if end or len(parts) * PIECE > LONGEST:
                yield self._unix("".join([*parts, piece[:end]]))
                parts = []
            parts.append(piece[end:])
        if any(parts):
            yield self._unix("".join(parts))

    def _unix(self, piece: str) -> str:
        if "\r" not in piece:
            return piece
        return piece.replace("\r", "\n") if self.facts.cr_lines else piece.replace("\r\n", "\n")
