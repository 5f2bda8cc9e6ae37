"""Encoding, byte order mark, line ends, NULs and container format of a file, decided from its bytes.

`examine` reads a file once, in pieces. A file that is not UTF-8 is read again: `encoding_guess` proposes an
encoding, and the whole file must be valid in it. A doubtful file is refused with the likely encodings.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from seqtool.errors import DataError, pluralize

AUTO = "auto"
UTF8 = "utf-8"
# Ways to name an encoding, in hints.
SETTING, OVERRIDE, OPTION = "data.encoding: {}", "--set data.encoding={}", "--encoding {}"
PIECE = 1 << 20  # bytes that are read at once
FEWEST_BYTES = 64  # beyond ASCII; fewer are no evidence for an encoding
NO_MARK = "no byte order mark"
FEW_NULS = 8
MOST_CONTROLS = 0.02  # share of control characters and NULs in a text
MIXED_UTF8 = 0.75  # share of bytes beyond ASCII in valid UTF-8, from which on a file is damaged UTF-8
MARKS = (  # byte order marks; UTF-32's come first, because they begin like UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, UTF8),
)
CONTAINERS = (  # offset, first bytes, name, what to do
    (
        0,
        b"PK\x03\x04",
        "a zip archive (also docx, xlsx, odt, epub)",
        "unzip it, or save the document as plain text",
    ),
    (0, b"PK\x05\x06", "an empty zip archive", "give the text file"),
    (0, b"%PDF-", "a PDF document", "extract its text first, for example with: pdftotext FILE"),
    (0, b"\x1f\x8b", "a gzip file", "unpack it first: gunzip -k FILE"),
    (0, b"BZh", "a bzip2 file", "unpack it first: bunzip2 -k FILE"),
    (0, b"\xfd7zXZ\x00", "an xz file", "unpack it first: unxz -k FILE"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file", "unpack it first: unzstd FILE"),
    (0, b"\x04\x22\x4d\x18", "an lz4 file", "unpack it first: unlz4 FILE"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first: 7z x FILE"),
    (0, b"Rar!\x1a\x07", "a rar archive", "unpack it first: unrar x FILE"),
    (257, b"ustar", "a tar archive", "unpack it first: tar -xf FILE"),
    (
        0,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old Office document (doc, xls)",
        "save it as plain text (UTF-8)",
    ),
    (0, b"{\\rtf", "an RTF document", "save it as plain text (UTF-8)"),
    (0, b"SQLite format 3\x00", "an SQLite database", "export the text first"),
    (0, b"PAR1", "a Parquet file", "export it as CSV or JSON lines first"),
    (0, b"ARROW1", "an Arrow file", "export it as CSV or JSON lines first"),
    (0, b"\x93NUMPY", "a numpy array", "give a text file"),
    (0, b"\x89PNG\r\n", "a PNG image", "give a text file"),
    (0, b"\xff\xd8\xff", "a JPEG image", "give a text file"),
    (0, b"GIF8", "a GIF image", "give a text file"),
    (0, b"\x7fELF", "a program", "give a text file"),
)


class DoubtfulEncodingError(DataError):
    """A text is not UTF-8, and no other encoding fits clearly; the lines before the place are UTF-8."""


@dataclass(frozen=True)
class FileEncoding:
    """Facts about the bytes of a file.

    Attributes:
        name: name of the file in messages.
        encoding: Python's name of the encoding to read it in.
        size: bytes.
        bom: the file begins with a byte order mark.
        lf: line ends LF, without those of CR LF.
        crlf: line ends CR LF.
        cr: CR that no LF follows.
        nuls: NUL characters.
        guessed: the encoding is neither UTF-8, nor given by a mark, nor named.
    """

    name: str
    encoding: str = UTF8
    size: int = 0
    bom: bool = False
    lf: int = 0
    crlf: int = 0
    cr: int = 0
    nuls: int = 0
    guessed: bool = False

    @property
    def cr_lines(self) -> bool:
        """True if a lone CR ends a line, as it does where CRs outnumber the other line ends."""
        return self.cr > self.lf + self.crlf

    @property
    def line_ends(self) -> str:
        """Line ends of the file: `lf`, `crlf`, `cr`, `mixed`, or `none` for a file of one line."""
        counts = {"lf": self.lf, "crlf": self.crlf, "cr": self.cr if self.cr_lines else 0}
        found = [name for name, count in counts.items() if count]
        return "mixed" if len(found) > 1 else (found or ["none"])[0]

    def notes(self) -> list[str]:
        """Return what a person may want to know about the bytes of the file, one line each."""
        if self.encoding in ("utf-16", "utf-32") and self.bom:
            return [f"{Path(self.name).name}: read as {self.encoding}, by its byte order mark"]
        return []

    def warnings(self, *, nuls: bool = True) -> list[str]:
        """Return what is unusual or doubtful about the bytes of the file, one line each.

        Args:
            nuls: whether NULs are named as well.
        """
        found = []
        if self.guessed:
            found.append(f"not UTF-8; read as {self.encoding}, which fits its characters best")
        if self.cr_lines:
            found.append(f"the line ends are CR ({self.cr:,}); each ends a line")
        elif self.cr:
            found.append(f"{pluralize(self.cr, 'CR')} without LF, read as characters within lines")
        if self.nuls and nuls:
            found.append(f"{pluralize(self.nuls, 'NUL character')}, read as characters of the text")
        return [f"{Path(self.name).name}: {each}" for each in found]


def examine(path: Path, encoding: str = AUTO, *, expected: str = "", way: str = SETTING) -> FileEncoding:
    """Decide how to read a file.

    A file that cannot be read twice, such as a pipe, is not read; its encoding is the named one or UTF-8.

    Args:
        path: the file.
        encoding: a named encoding, which is only checked; `auto` decides.
        expected: encoding of the data of a model; it is used if the file is not UTF-8.
        way: `SETTING`, `OVERRIDE` or `OPTION`: how the user may name an encoding.

    Raises:
        DataError: the file cannot be read, is a container or no text, is not valid in the named encoding, or
            its encoding is doubtful; the hint names the two most likely encodings.
    """
    try:
        if not path.is_file():
            with path.open("rb"):  # refuses what does not exist
                return FileEncoding(str(path), (expected or UTF8) if encoding == AUTO else encoding)
        with path.open("rb") as stream:
            return examine_stream(stream, str(path), encoding, expected=expected, way=way)
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror or error}", place=str(path)) from None


def examine_stream(
    stream: BinaryIO, name: str, encoding: str = AUTO, *, expected: str = "", way: str = SETTING
) -> FileEncoding:
    """Decide how to read an open file that can be read again from its beginning; see `examine`."""
    start = stream.read(512)
    marked = next((found for mark, found in MARKS if start.startswith(mark)), "")
    tried = [encoding]
    if encoding == AUTO:
        _refuse_container(start, name)
        tried = [marked or UTF8]
        if start.startswith(codecs.BOM_UTF32_LE):  # or UTF-16 that begins with a NUL
            tried.append("utf-16")
    for candidate in tried:
        scan = _Scan(candidate)
        scan.decode(stream)
        if not scan.failure:
            if encoding == AUTO and scan.nuls > max(MOST_CONTROLS * scan.size, FEW_NULS) and not marked:
                _refuse_binary(stream, name, way)
            return scan.facts(name, bom=bool(marked))
    if marked or encoding not in (AUTO, UTF8):
        raise _wrong_encoding(name, scan, way)
    return _not_utf8(stream, name, scan, encoding, expected, way)


def _wrong_encoding(name: str, scan: _Scan, way: str) -> DataError:
    """Return the error about a file that is not in its named or marked encoding."""
    if scan.failure == NO_MARK:
        message = f"expected {scan.encoding} text with a byte order mark, found none"
        little, big = (way.format(f"{scan.encoding}-{order}") for order in ("le", "be"))
        return DataError(message, place=name, hint=f"`{little}` or `{big}` reads a text without one")
    message, place = f"expected {scan.encoding} text, found {scan.failure}", f"{name}:{scan.line}"
    return DataError(message, place=place, hint=f"name another encoding, for example `{way.format(UTF8)}`")


def decode(
    content: bytes, name: str, encoding: str = AUTO, *, expected: str = "", way: str = OPTION
) -> tuple[str, FileEncoding]:
    """Return the text of a file without its mark, with LF for CR that end lines, and its facts."""
    facts = examine_stream(BytesIO(content), name, encoding, expected=expected, way=way)
    text = content.decode(facts.encoding).removeprefix("\ufeff")
    return (text.replace("\r\n", "\n").replace("\r", "\n") if facts.cr_lines else text), facts


def ordered(stream: BinaryIO, facts: FileEncoding) -> str:
    """Return the encoding of an open file; for UTF-16 and UTF-32 by a mark, the one that keeps the mark."""
    start = stream.read(4)
    stream.seek(0)
    big = start.startswith((codecs.BOM_UTF32_BE, codecs.BOM_UTF16_BE))
    wide = facts.bom and facts.encoding in ("utf-16", "utf-32")
    return f"{facts.encoding}-{'be' if big else 'le'}" if wide else facts.encoding


class _Scan:
    """One reading of a file in an encoding.

    Attributes:
        size: bytes so far.
        line: number of the line after the last line feed.
        failure: what was found instead of a valid character, or empty.
    """

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self.size = self.lf = self.crlf = self.cr = self.nuls = 0
        self.line = 1
        self.failure = ""

    def decode(self, stream: BinaryIO) -> None:
        """Decode the whole file, and count line ends and NULs; stop at the first failure."""
        decoder = codecs.getincrementaldecoder(self.encoding)()
        last = ""
        for piece in chain(_pieces(stream), [b""]):
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                found = error.object[error.start : error.start + 1]
                offset = self.size - pending + error.start
                self.line += error.object[: error.start].count(b"\n")
                what = f"byte 0x{found.hex()}" if found else "the end of the file within a character"
                self.failure = f"{what} at offset {offset:,}"
                return
            except UnicodeError:
                self.failure = NO_MARK
                return
            self.size += len(piece)
            self._count(text, last)
            last = text[-1:] or last

    def _count(self, text: str, last: str) -> None:
        lf = text.count("\n")
        cr = text.count("\r") if "\r" in text else 0  # `in` is faster
        crlf = text.count("\r\n") if cr else 0
        if last == "\r" and text.startswith("\n"):  # the end of a piece cut a CR LF
            crlf += 1  # its CR was counted with the last piece
        self.cr += cr - crlf
        self.crlf += crlf
        self.lf += lf - crlf
        self.line += lf
        self.nuls += text.count("\0") if "\0" in text else 0

    def facts(self, name: str, *, bom: bool = False, guessed: bool = False) -> FileEncoding:
        """Return the counts as facts about a file."""
        return FileEncoding(
            name, self.encoding, self.size, bom, self.lf, self.crlf, self.cr, self.nuls, guessed
        )


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    stream.seek(0)
    while piece := stream.read(PIECE):
        yield piece


# --- text that is not UTF-8 ---------------------------------------------------------------------------------


def _not_utf8(
    stream: BinaryIO, name: str, scan: _Scan, encoding: str, expected: str, way: str
) -> FileEncoding:
    """Return the facts of a file in another encoding, or refuse it.

    Args:
        scan: the reading as UTF-8 that failed.
    """
    from seqtool.data.encoding_guess import Evidence, is_clear, likely_names, rank  # not needed for UTF-8

    evidence = Evidence().read(_pieces(stream))
    place = f"{name}:{scan.line}"
    message = f"expected utf-8 text, found {scan.failure}"
    if evidence.controls > MOST_CONTROLS * evidence.size:
        _refuse_binary(stream, name, way)
    if evidence.utf8_share > MIXED_UTF8:
        hint = (
            "most of it is UTF-8: repair the line, or drop wrong bytes with: iconv -c -f utf-8 -t utf-8 FILE"
        )
        raise DoubtfulEncodingError(message, place=place, hint=hint)
    if encoding == AUTO and expected not in ("", UTF8, AUTO):
        known = _Scan(expected)
        known.decode(stream)
        if not known.failure:
            return known.facts(name)
    guesses = rank(evidence.sample)
    if encoding == AUTO and evidence.beyond >= FEWEST_BYTES and is_clear(guesses):
        guess = _Scan(guesses[0].encoding)
        guess.decode(stream)
        if not guess.failure:
            return guess.facts(name, guessed=True)
    first, second = (f"`{way.format(each)}`" for each in likely_names(guesses))
    hint = f"the most likely encodings are {first} and {second}"
    if evidence.beyond < FEWEST_BYTES:
        hint += f" ({pluralize(evidence.beyond, 'byte')} beyond ASCII, too few to guess)"
    if way != OPTION:
        hint += "; a text model of bytes reads any file: `data.unit: byte`"
    raise DoubtfulEncodingError(message, place=place, hint=hint)


def _refuse_container(start: bytes, name: str) -> None:
    for offset, magic, title, remedy in CONTAINERS:
        if start[offset:].startswith(magic):
            raise DataError(f"expected text, found {title}", place=name, hint=remedy)


def _refuse_binary(stream: BinaryIO, name: str, way: str) -> None:
    """Refuse a file with many control characters or NULs: UTF-16 without a mark, or no text.

    Raises:
        DataError: always.
    """
    from seqtool.data.encoding_guess import Evidence

    evidence = Evidence().read(_pieces(stream))
    even, odd = evidence.nuls
    if even + odd > evidence.size / 8 and max(even, odd) > 4 * min(even, odd):
        order = ("utf-16-le", "utf-16-be") if odd > even else ("utf-16-be", "utf-16-le")
        first, second = (f"`{way.format(each)}`" for each in order)
        raise DataError(
            "expected UTF-8 text, found a NUL in every other byte, as in UTF-16 without a byte order mark",
            place=name,
            hint=f"the most likely encodings are {first} and {second}",
        )
    raise DataError(
        f"expected text, found binary data ({evidence.controls:,} control characters)",
        place=name,
        hint="give a text file; a model of bytes reads any file: `data.unit: byte`",
    )
