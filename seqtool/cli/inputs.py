"""Texts that commands read, by the same rules for all commands.

A text argument is always text, even if a file has this name. Files are given with --file. Standard input is
read for `-`, or if there is no text argument and standard input is not a terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, BinaryIO

from seqtool.errors import DataError, SeqtoolError
from seqtool.reports.console import say
from seqtool.storage.plain_files import expect_end

if TYPE_CHECKING:
    from seqtool.data.formats.blocks import LineStream
    from seqtool.inference.character import CharacterModel

LONGEST_PATH = 4096  # characters of a text argument that may also be the name of a file


def open_inputs(
    texts: Sequence[str] | None, files: Sequence[Path] | None, option: str = "--file"
) -> Iterator[tuple[str, BinaryIO]]:
    """Yield each byte stream to read with its name; none if the text arguments are the input.

    Args:
        option: name of the option that gives the files, for messages.

    Raises:
        SeqtoolError: immediately, if both are given; on iteration, if there is nothing to read or a file
            cannot be opened.
    """
    if texts and files:
        raise SeqtoolError(f"both text arguments and {option} are given", hint="give one of them")
    return iter(()) if texts and texts != ["-"] else _open_streams(texts, files, option)


def _open_streams(
    texts: Sequence[str] | None, files: Sequence[Path] | None, option: str
) -> Iterator[tuple[str, BinaryIO]]:
    if not files:
        if texts != ["-"] and sys.stdin.isatty():
            hint = "give text as an argument, a file with --file, or text through a pipe"
            raise SeqtoolError("nothing to read", hint=hint)
        expect_end(sys.stdin.buffer, "standard input")
        yield "standard input", sys.stdin.buffer
        return
    for path in files:
        if str(path) == "-":
            expect_end(sys.stdin.buffer, "standard input")
            yield "standard input", sys.stdin.buffer
            continue
        try:
            with path.open("rb") as stream:
                expect_end(stream, str(path))
                yield str(path), stream
        except OSError as error:
            hint = f"check the path given with {option}"
            raise DataError(f"cannot read: {error.strerror}", place=str(path), hint=hint) from error


def text_arguments(texts: Sequence[str] | None) -> list[str]:
    """Return the text arguments, and print a note for each that is also the name of a file."""
    if not texts or texts == ["-"]:
        return []
    for text in texts:
        if len(text) < LONGEST_PATH and "\0" not in text and Path(text).is_file():
            say(f"note: {text!r} is read as text; to read the file of this name: --file {text}")
    return list(texts)


def input_lines(
    texts: Sequence[str] | None, files: Sequence[Path] | None, model: CharacterModel
) -> Iterator[str]:
    """Yield every line of the input without its line break. A model of bytes reads any bytes.

    Raises:
        DataError: a line is not UTF-8.
    """
    from seqtool.data.vocabulary import bytes_text

    yield from text_arguments(texts)
    as_bytes = model.vocabulary.unit == "byte"
    for name, stream in open_inputs(texts, files):
        for number, line in enumerate(iter(stream.readline, b""), start=1):
            text = bytes_text(line) if as_bytes else _decode_line(line, name, number)
            yield text.rstrip("\r\n")


def read_whole(path: Path, option: str, model: CharacterModel, encoding: str = "auto") -> str:
    """Return the whole text of a file that an option gives, or of standard input for `-`.

    Raises:
        DataError: as `decode_whole`.
    """
    streams = open_inputs(None, [path], option)
    return "".join(decode_whole(stream.read(), name, model, encoding) for name, stream in streams)


def decode_whole(content: bytes, name: str, model: CharacterModel, encoding: str = "auto") -> str:
    """Decode the content of a file without its byte order mark.

    A model of bytes reads any bytes; those that are not UTF-8 become lone surrogates. Otherwise the encoding
    is UTF-8, or that of the training files, or the one that fits, which stderr names.

    Raises:
        DataError: the content is not in its encoding; the message names the line.
    """
    if model.vocabulary.unit == "byte":
        from seqtool.data.vocabulary import bytes_text

        return bytes_text(content, lines=bool(model.boundary))
    if encoding == "auto" and b"\r" not in content and b"\0" not in content:
        with suppress(UnicodeDecodeError):
            return content.decode("utf-8-sig")
    from seqtool.data.encoding import decode

    text, facts = decode(content, name, encoding, expected=model.encoding)
    for note in [*facts.notes(), *facts.warnings()]:
        say(f"note: {note}")
    return text


def is_file(stream: BinaryIO) -> bool:
    """Return whether a stream is a regular file that can be read twice: nothing of it has been read."""
    try:
        return S_ISREG(os.fstat(stream.fileno()).st_mode) and stream.tell() == 0
    except OSError:  # a stream without a file
        return False


def open_lines(
    stream: BinaryIO,
    name: str,
    before_blocking: Callable[[], None],
    encoding: str,
    expected: str,
    *,
    keep_errors: bool = False,
) -> LineStream:
    """Return the lines of a stream; of a file in its encoding and with its line ends, which stderr names.

    Args:
        before_blocking: called before each read that would wait.
        encoding: value of --encoding, or `auto`.
        expected: encoding of the training files, for lines that are not UTF-8.
        keep_errors: the caller reports each line that is not UTF-8.

    Raises:
        DataError: a file is not in its encoding. A doubtful encoding is an error of the first line in it.
    """
    from seqtool.data.formats.blocks import LineStream, raw_lines

    if not is_file(stream):
        if encoding == "auto":
            return LineStream(stream, name, before_blocking, expected)
        if "\n".encode(encoding) == b"\n":
            return LineStream(stream, name, before_blocking, encoding, encoding)
        return LineStream.of_lines(raw_lines(stream, encoding, name), name)
    from seqtool.data.encoding import OPTION, UTF8, DoubtfulEncodingError, examine_stream, ordered

    try:
        facts = examine_stream(stream, name, encoding, expected=expected, way=OPTION)
    except DoubtfulEncodingError as error:
        stream.seek(0)
        lines = LineStream(stream, name, before_blocking, expected)
        lines.refusal = None if keep_errors else error  # at its line; the lines before it are read
        return lines
    for note in [*facts.notes(), *facts.warnings()]:
        say(f"note: {note}")
    stream.seek(0)
    if facts.encoding == UTF8 and not facts.cr_lines:
        return LineStream(stream, name, before_blocking)
    found = ordered(stream, facts)  # keeps the byte order mark in the first line
    return LineStream.of_lines(raw_lines(stream, found, name, facts.cr_lines), name, found)


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
