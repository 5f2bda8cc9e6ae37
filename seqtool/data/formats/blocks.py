"""Lines and blocks: the lossless structure that all sentence formats share.

A file is a sequence of blocks. The lines of all blocks, joined, are the file byte for byte. A blank line ends
a block, and the block is yielded as soon as its blank line has been read, so the same code reads a training
file and an endless pipe. The formats are the other modules of this package.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from io import TextIOWrapper
from itertools import chain
from typing import BinaryIO, ClassVar, Literal, NamedTuple, Protocol

from seqtool.errors import DataError

FormatName = Literal["conll", "conllu", "jsonl", "csv", "word_tag"]
EmptyTokens = Literal["refuse", "repair"]  # refuse an empty token, or read it as `_`

BOM = "\ufeff"
CHUNK = 1 << 16  # bytes of one read from a stream


class Block(NamedTuple):
    """Consecutive lines of a file and the sentence in them.

    A block without tokens holds comments or a blank line.

    Attributes:
        lines: raw lines, each with its line end; the first keeps a byte order mark.
        tokens: tokens of the sentence, in order.
        labels: one label for each token, or None if the file has no labels.
        token_lines: for each token, the index of its line in `lines`.
        name: name of the file in messages.
        first_line: number of `lines[0]` in the file, from 1.
        text: raw text of the sentence, or None if the file does not give it.
        comments: number of comment lines and document marks.
        is_left_out: whether the annotators rejected the sentence or skipped it; it has no tokens then.
        flaws: annotation that is not read as it is in the file, such as a span that cuts a token; one line
            each, with its location.
    """

    lines: list[str]
    tokens: list[str]
    labels: list[str] | None
    token_lines: list[int]
    name: str
    first_line: int
    text: str | None = None
    comments: int = 0
    flaws: tuple[str, ...] = ()
    is_left_out: bool = False

    @property
    def place(self) -> str:
        """Location `file:line` of the first token, or of the block if it has no tokens."""
        return self.place_of(0) if self.token_lines else f"{self.name}:{self.first_line}"

    def place_of(self, token: int) -> str:
        """Return the location `file:line` of a token, counted from 0."""
        return f"{self.name}:{self.first_line + self.token_lines[token]}"


class SentenceFormat(Protocol):
    """Interface of the formats."""

    format_name: ClassVar[FormatName]

    def describe(self) -> str:
        """Return the places of tokens and labels in one line, for the notes on a file."""
        ...

    def read(self, lines: Iterable[str], name: str) -> Iterator[Block]:
        """Yield the blocks of a file.

        Raises:
            DataError: a line is malformed; the location is `file:line`.
        """
        ...

    def split(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of the first line and the raw lines of each block as soon as it is complete."""
        ...

    def block(self, raw: list[str], name: str, first: int) -> Block:
        """Read one block from its raw lines; `first` is the number of the first line.

        Raises:
            DataError: a line is malformed; the location is `file:line`.
        """
        ...

    def fill(self, block: Block, labels: Sequence[str]) -> list[str]:
        """Return the lines of a block with new labels and no other byte changed."""
        ...


# --- lines --------------------------------------------------------------------------------------------------


def raw_lines(
    stream: BinaryIO, encoding: str = "utf-8", name: str = "standard input", ends_with_cr: bool = False
) -> Iterator[str]:
    """Yield the lines of a binary stream as they arrive, each with its line end.

    Only a line feed ends a line; with `ends_with_cr`, so does `\\r`.

    Raises:
        DataError: a line is not valid in `encoding`; the location is its line.
    """
    if ends_with_cr or "\n".encode(encoding) != b"\n":  # bytes of UTF-16 cannot be split at a byte
        yield from _wide_lines(stream, encoding, name, "" if ends_with_cr else "\n")
        return
    for number, line in enumerate(stream, 1):
        try:
            yield line.decode(encoding)
        except UnicodeDecodeError as error:
            raise _undecodable(f"{name}:{number}", encoding, line[error.start : error.start + 1]) from None


def _wide_lines(stream: BinaryIO, encoding: str, name: str, newline: str) -> Iterator[str]:
    number = 0
    text = TextIOWrapper(stream, encoding=encoding, newline=newline)
    try:
        for line in text:
            number += 1
            yield line
    except UnicodeError:
        raise _undecodable(f"{name}:{number + 1}", encoding, b"") from None
    finally:
        if not stream.closed:
            text.detach()  # the caller owns the stream and closes it


def _undecodable(place: str, encoding: str, byte: bytes) -> DataError:
    found = f"byte 0x{byte.hex()}" if byte else "other bytes"
    hint = "set the encoding of the file, for example `data.encoding: latin-1`"
    return DataError(f"expected {encoding} text, found {found}", place=place, hint=hint)


def is_blank(line: str) -> bool:
    """Return whether a line has only spaces and tabs. Other invisible characters can be a token."""
    return not line.strip(" \t\r\n")


def split_end(line: str) -> tuple[str, str]:
    """Split a raw line into its content and its line end, which may be empty."""
    content = line.rstrip("\r\n")
    return content, line[len(content) :]


def split_blocks(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield blocks of raw lines with the number of their first line. Every blank line ends a block."""
    block: list[str] = []
    first = 1
    for line in lines:
        block.append(line)
        if is_blank(line) or (first == 1 and len(block) == 1 and is_blank(line.removeprefix(BOM))):
            yield first, block
            first += len(block)
            block = []
    if block:
        yield first, block


def peek(lines: Iterable[str], limit: int) -> tuple[list[str], Iterator[str]]:
    """Return the first raw lines, and an iterator of all lines including these.

    A format is detected from the first lines. Reading stops after `limit` lines, or at the end of the first
    block that has a line other than comments. A pipe thus needs to deliver only one sentence.
    """
    rest = iter(lines)
    sample: list[str] = []
    has_content = False
    for line in rest:
        sample.append(line)
        if len(sample) >= limit or (has_content and is_blank(line)):
            break
        has_content = has_content or not (
            is_blank(line.removeprefix(BOM)) or line.removeprefix(BOM).startswith(("# ", "-DOCSTART-"))
        )
    return sample, chain(sample, rest)


# --- lines of a pipe ----------------------------------------------------------------------------------------


class LineStream:
    """Iterator of the lines of a byte stream, each with its line end. Only a line feed ends a line.

    A line that is not in the encoding of the stream is read in the second one, if there is one.
    It calls `before_blocking` before each read that would wait. The caller can thus process a full pipe in
    large batches and still answer at once when the pipe is empty. A line that cannot be decoded is yielded
    as UTF-8 with lone surrogates in place of the wrong bytes; `check` turns it into an error.

    Attributes:
        name: name of the stream in messages.
        encoding: encoding of the stream.
        second: encoding of lines that are not in it.
        in_second: number of lines so far that were read in the second encoding.
        undecodable: first wrong byte and its column, by the number (from 1) of each line so far that cannot
            be decoded.
        refusal: error to raise for the first such line, instead of one that names its first wrong byte.
    """

    refusal: DataError | None = None

    def __init__(
        self,
        stream: BinaryIO,
        name: str,
        before_blocking: Callable[[], None],
        second: str = "utf-8",
        encoding: str = "utf-8",
    ) -> None:
        self.name = name
        self.encoding = encoding
        self.second = second
        self.in_second = 0
        self.undecodable: dict[int, tuple[int, int]] = {}
        self._descriptor = stream.fileno()
        self._before_blocking = before_blocking
        self._lines = self._decoded_lines()

    @classmethod
    def of_lines(cls, lines: Iterator[str], name: str, encoding: str = "utf-8") -> LineStream:
        """Return a stream of decoded lines of a file, for which no read waits."""
        stream = cls.__new__(cls)
        stream.encoding, stream.second, stream.in_second = encoding, encoding, 0
        stream.name, stream.undecodable, stream._lines = name, {}, lines
        return stream

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._lines)

    def check(self, first: int, count: int = 1) -> None:
        """Check that `count` lines from number `first` on could be decoded.

        Raises:
            DataError: at the first wrong byte.
        """
        if not self.undecodable:
            return
        for number in range(first, first + count):
            if number in self.undecodable and self.refusal is not None:
                raise self.refusal
            if number in self.undecodable:
                byte, column = self.undecodable[number]
                encoding = "UTF-8" if self.encoding == "utf-8" else self.encoding
                raise DataError(
                    f"expected {encoding}, found byte 0x{byte:02x} at column {column}",
                    place=f"{self.name}:{number}",
                    hint="convert the file first, for example with iconv",
                )

    def _decoded_lines(self) -> Iterator[str]:
        for number, line in enumerate(self._raw_lines(), 1):
            try:
                yield line.decode(self.encoding)
            except UnicodeDecodeError as error:
                with suppress(UnicodeDecodeError):
                    text = line.decode(self.second)
                    self.in_second += 1
                    yield text
                    continue
                self.undecodable[number] = (line[error.start], error.start + 1)
                yield line.decode(errors="surrogateescape")

    def _raw_lines(self) -> Iterator[bytes]:
        parts: list[bytes] = []  # pieces of the line whose end has not arrived yet
        while chunk := self._read():
            *complete, rest = chunk.split(b"\n")
            if complete:
                parts.append(complete[0])
                yield b"".join(parts) + b"\n"
                parts = []
                for line in complete[1:]:
                    yield line + b"\n"
            if rest:
                parts.append(rest)
        if parts:
            yield b"".join(parts)

    def _read(self) -> bytes:
        if not _is_ready(self._descriptor):
            self._before_blocking()
        return os.read(self._descriptor, CHUNK)


def _is_ready(descriptor: int) -> bool:
    """Return whether a read would return at once; False if the system does not know it."""
    try:
        return bool(select.select([descriptor], [], [], 0)[0])
    except (OSError, ValueError):
        return False
