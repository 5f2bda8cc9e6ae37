"""The lossless structure under every sentence format: raw lines beside the tokens that were read from them.

A file is a sequence of blocks, and the lines of all its blocks joined give back the file, byte for byte. A block ends
with its blank line and is yielded as soon as that came, so the same reader serves a training file and an endless pipe.
What columns or JSON fields mean is left to `conll.py`, `conllu.py` and `jsonl.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import chain
from typing import BinaryIO, Protocol

from seqtool.errors import DataError

BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Block:
    """Some lines of a file and the sentence they hold; a block without tokens is comments or a blank line.

    Attributes:
        lines: raw lines, each with its own line end; a byte order mark stays in the first.
        tokens: the words, in order.
        labels: one for each token, or None where the file has none.
        token_lines: index into `lines` of the line of each token.
        name: the file, as messages call it.
        first_line: number of `lines[0]` in the file, from 1.
        text: the raw text of the sentence where the file gives it.
        comments: how many lines were read as comments or document marks.
    """

    lines: list[str]
    tokens: list[str]
    labels: list[str] | None
    token_lines: list[int]
    name: str
    first_line: int
    text: str | None = None
    comments: int = 0

    @property
    def place(self) -> str:
        """`file:line` of the first token, or of the block where it has none."""
        return self.place_of(0) if self.token_lines else f"{self.name}:{self.first_line}"

    def place_of(self, token: int) -> str:
        """`file:line` of a token, counted from 0."""
        return f"{self.name}:{self.first_line + self.token_lines[token]}"


class SentenceFormat(Protocol):
    """What the three formats have in common."""

    def read(self, lines: Iterable[str], name: str) -> Iterator[Block]:
        """Blocks of raw lines, with their tokens and labels; raises DataError with `file:line`."""
        ...

    def split(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """The raw lines of each block, as soon as they came, with the number of the first."""
        ...

    def block(self, raw: list[str], name: str, first: int) -> Block:
        """One block from its raw lines; raises DataError with `file:line`."""
        ...

    def fill(self, block: Block, labels: Sequence[str]) -> list[str]:
        """The block's lines with these labels in place and every other byte as it was."""
        ...


def raw_lines(stream: BinaryIO, encoding: str = "utf-8", name: str = "standard input") -> Iterator[str]:
    """Lines of a binary stream, each with its own end, as soon as they come. Only a line feed ends a line.

    Raises:
        DataError: bytes that are not in `encoding`, with the line.
    """
    if "\n".encode(encoding) != b"\n":  # UTF-16 and its like cannot be cut at the byte of a line feed
        yield from _wide_lines(stream, encoding, name)
        return
    for number, line in enumerate(stream, 1):
        try:
            yield line.decode(encoding)
        except UnicodeDecodeError as error:
            raise _undecodable(f"{name}:{number}", encoding, line[error.start : error.start + 1]) from None


def _wide_lines(stream: BinaryIO, encoding: str, name: str) -> Iterator[str]:
    number = 0
    text = TextIOWrapper(stream, encoding=encoding, newline="\n")
    try:
        for line in text:
            number += 1
            yield line
    except UnicodeError:
        raise _undecodable(f"{name}:{number + 1}", encoding, b"") from None
    finally:
        if not stream.closed:
            text.detach()  # the stream belongs to the caller


def _undecodable(place: str, encoding: str, byte: bytes) -> DataError:
    found = f"byte 0x{byte.hex()}" if byte else "other bytes"
    hint = "say how the file is encoded: `data.encoding: latin-1`, for example"
    return DataError(f"expected {encoding} text, found {found}", place=place, hint=hint)


def split_blocks(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Blocks of raw lines with the number of their first line. Every blank line ends a block, so that none is waited for."""
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


def is_blank(line: str) -> bool:
    """A lone TAB or some spaces are a blank line too; other invisible characters may be a token."""
    return not line.strip(" \t\r\n")


def split_end(line: str) -> tuple[str, str]:
    """A raw line as its content and its line end (possibly none)."""
    content = line.rstrip("\r\n")
    return content, line[len(content) :]


def peek(lines: Iterable[str], limit: int) -> tuple[list[str], Iterator[str]]:
    """The first raw lines, to find out a format by, and all the lines as if none had been read.

    Reading stops after `limit` lines, or, so that a pipe need not be filled first, at the end of the first block that
    has a line of content beside comments.
    """
    rest = iter(lines)
    seen: list[str] = []
    content = False
    for line in rest:
        seen.append(line)
        if len(seen) >= limit or (content and is_blank(line)):
            break
        content = content or not (
            is_blank(line.removeprefix(BOM)) or line.removeprefix(BOM).startswith(("# ", "-DOCSTART-"))
        )
    return seen, chain(seen, rest)
