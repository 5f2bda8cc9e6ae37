"""Where a command's input comes from: arguments, files or standard input, by one rule for all commands.

Positional text is text, always, whatever files exist. Files come by --file; standard input by `-`, or when there is no
text argument and it is no terminal. With text arguments it is never read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from seqtool.errors import DataError, SeqtoolError
from seqtool.reports.console import say


def open_inputs(texts: Sequence[str] | None, files: Sequence[Path] | None) -> Iterator[tuple[str, BinaryIO]]:
    """The byte streams to read, each with its name; none where the text arguments are the input.

    Raises:
        SeqtoolError: at once, if both are given; when its turn comes, if there is nothing to read or a file cannot be opened.
    """
    if texts and files:
        raise SeqtoolError("both text arguments and --file are given", hint="give one of them")
    return iter(()) if texts and texts != ["-"] else _opened(texts, files)


def _opened(texts: Sequence[str] | None, files: Sequence[Path] | None) -> Iterator[tuple[str, BinaryIO]]:
    if not files:
        if texts != ["-"] and sys.stdin.isatty():
            raise SeqtoolError(
                "nothing to read", hint="give text as an argument, a file with --file, or pipe something in"
            )
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
    """The text arguments, with a hint for one that is a file's name too."""
    if not texts or texts == ["-"]:
        return []
    for text in texts:
        if len(text) < 4096 and "\0" not in text and Path(text).is_file():
            say(f"note: {text!r} is read as text; to read the file of that name: --file {text}")
    return list(texts)


def input_lines(texts: Sequence[str] | None, files: Sequence[Path] | None) -> Iterator[str]:
    """Every line of the input, without its end.

    Raises:
        DataError: if a line is not UTF-8.
    """
    yield from text_arguments(texts)
    for name, stream in open_inputs(texts, files):
        for number, line in enumerate(iter(stream.readline, b""), start=1):
            yield decode_line(line, name, number).rstrip("\r\n")


def decode_line(line: bytes, name: str, number: int) -> str:
    """One line as text, a byte order mark taken off the first.

    Raises:
        DataError: if it is not UTF-8.
    """
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"expected UTF-8, found byte 0x{error.object[error.start]:02x} at column {error.start + 1}",
            place=f"{name}:{number}",
            hint="convert the file first, for example with iconv",
        ) from error


def read_whole(path: Path) -> str:
    """The whole text of a file, or of standard input for `-`.

    Raises:
        DataError: if it cannot be read, or is not UTF-8.
    """
    return "".join(decode_whole(stream.read(), name) for name, stream in open_inputs(None, [path]))


def decode_whole(content: bytes, name: str) -> str:
    """A whole file's bytes as text, without a byte order mark.

    Raises:
        DataError: if they are not UTF-8, with the line.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        for number, line in enumerate(content.split(b"\n"), start=1):
            decode_line(line, name, number)
        raise
