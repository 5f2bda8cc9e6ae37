"""Input of commands: text arguments, files or standard input, by the same rule for all commands.

A text argument is always text, even if a file has this name. Files are given with --file. Standard input is
read for `-`, or if there is no text argument and standard input is not a terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from seqtool.errors import DataError, SeqtoolError
from seqtool.reports.console import say

LONGEST_PATH = 4096  # characters of a text argument that may also be the name of a file


def open_inputs(texts: Sequence[str] | None, files: Sequence[Path] | None) -> Iterator[tuple[str, BinaryIO]]:
    """Yield each byte stream to read with its name; none if the text arguments are the input.

    Raises:
        SeqtoolError: immediately, if both are given; on iteration, if there is nothing to read or a file
            cannot be opened.
    """
    if texts and files:
        raise SeqtoolError("both text arguments and --file are given", hint="give one of them")
    return iter(()) if texts and texts != ["-"] else _open_streams(texts, files)


def _open_streams(
    texts: Sequence[str] | None, files: Sequence[Path] | None
) -> Iterator[tuple[str, BinaryIO]]:
    if not files:
        if texts != ["-"] and sys.stdin.isatty():
            hint = "give text as an argument, a file with --file, or text through a pipe"
            raise SeqtoolError("nothing to read", hint=hint)
        yield "standard input", sys.stdin.buffer
        return
    for path in files:
        if str(path) == "-":
            yield "standard input", sys.stdin.buffer
            continue
        try:
            with path.open("rb") as stream:
                yield str(path), stream
        except OSError as error:
            raise DataError(
                f"cannot read: {error.strerror}", place=str(path), hint="check the path given with --file"
            ) from error


def text_arguments(texts: Sequence[str] | None) -> list[str]:
    """Return the text arguments, and print a note for each that is also the name of a file."""
    if not texts or texts == ["-"]:
        return []
    for text in texts:
        if len(text) < LONGEST_PATH and "\0" not in text and Path(text).is_file():
            say(f"note: {text!r} is read as text; to read the file of this name: --file {text}")
    return list(texts)


def input_lines(texts: Sequence[str] | None, files: Sequence[Path] | None) -> Iterator[str]:
    """Yield every line of the input without its line break.

    Raises:
        DataError: a line is not UTF-8.
    """
    yield from text_arguments(texts)
    for name, stream in open_inputs(texts, files):
        for number, line in enumerate(iter(stream.readline, b""), start=1):
            yield _decode_line(line, name, number).rstrip("\r\n")


def read_whole(path: Path) -> str:
    """Return the whole text of a file, or of standard input for `-`.

    Raises:
        DataError: the file cannot be read, or is not UTF-8.
    """
    return "".join(decode_whole(stream.read(), name) for name, stream in open_inputs(None, [path]))


def decode_whole(content: bytes, name: str) -> str:
    """Decode the content of a file without its byte order mark.

    Raises:
        DataError: the content is not UTF-8; the message names the line.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        for number, line in enumerate(content.split(b"\n"), start=1):
            _decode_line(line, name, number)
        raise


def _decode_line(line: bytes, name: str, number: int) -> str:
    """Decode one line; the byte order mark of the first line is removed.

    Raises:
        DataError: the line is not UTF-8.
    """
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"expected UTF-8, found byte 0x{error.object[error.start]:02x} at column {error.start + 1}",
            place=f"{name}:{number}",
            hint="convert the file first, for example with iconv",
        ) from error
