"""Lines of a byte stream, as soon as they come, with a word to the caller before a read that would block.

So a pipe can be worked on in large batches as long as it is full, and answered at once when it runs dry. What a line
that is no UTF-8 means is left to the caller, who may want to go on after it.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from typing import BinaryIO

from seqtool.errors import DataError

CHUNK = 1 << 16


class LineStream:
    """An iterator of lines, each with its own end; only a line feed ends a line.

    Attributes:
        name: the stream, as messages call it.
        undecodable: for each line so far that is no UTF-8, by its number from 1, its first wrong byte and the column of
            it. Such a line is given with its wrong bytes as lone surrogates.
    """

    def __init__(self, stream: BinaryIO, name: str, before_blocking: Callable[[], None]) -> None:
        self.name = name
        self.undecodable: dict[int, tuple[int, int]] = {}
        self._descriptor = stream.fileno()
        self._before_blocking = before_blocking
        self._lines = self._decoded()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._lines)

    def check(self, first: int, count: int = 1) -> None:
        """See that `count` lines from number `first` on are UTF-8.

        Raises:
            DataError: with the place of the first mistake.
        """
        if not self.undecodable:
            return
        for number in range(first, first + count):
            if number in self.undecodable:
                byte, column = self.undecodable[number]
                message = f"expected UTF-8, found byte 0x{byte:02x} at column {column}"
                raise DataError(
                    message,
                    place=f"{self.name}:{number}",
                    hint="convert the file first, for example with iconv",
                )

    def _decoded(self) -> Iterator[str]:
        for number, line in enumerate(self._raw(), 1):
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                self.undecodable[number] = (line[error.start], error.start + 1)
                yield line.decode(errors="surrogateescape")

    def _raw(self) -> Iterator[bytes]:
        parts: list[bytes] = []  # of a line whose end has not come yet
        while chunk := self._read():
            *ended, rest = chunk.split(b"\n")
            if ended:
                parts.append(ended[0])
                yield b"".join(parts) + b"\n"
                parts = []
                for line in ended[1:]:
                    yield line + b"\n"
            if rest:
                parts.append(rest)
        if parts:
            yield b"".join(parts)

    def _read(self) -> bytes:
        if not _ready(self._descriptor):
            self._before_blocking()
        return os.read(self._descriptor, CHUNK)


def _ready(descriptor: int) -> bool:
    """Whether a read would return at once; where nothing can tell, no."""
    try:
        return bool(select.select([descriptor], [], [], 0)[0])
    except (OSError, ValueError):
        return False
