"""Streams of the shell: results on stdout, everything else on stderr, and the format of errors.

A terminal gets color unless NO_COLOR is set. A pipe or a file gets plain lines without escape codes.

A write may fail: the disk is full, the terminal is gone, the reader has closed the pipe. `OutputStream` is
the one place that handles it. Its policy decides whether the command ends, or continues without the stream.
"""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import IO, TYPE_CHECKING, cast

from seqtool.errors import OutputError
from seqtool.safe_text import OUTPUT_ERRORS, limited, shorten, visible

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from rich.console import Console
    from rich.text import Text

    from seqtool.errors import Problem, SourceLine

JSON_VERSION = 1  # version of the objects that `--json` prints; docs/json.md describes their fields
WIDEST = 200  # columns of colored text
NARROWEST = 40  # columns; lines of a report are not broken further on a narrower terminal
MAX_SOURCE_WIDTH = 160  # columns of a source line in an error
SURROGATE = re.compile("[\ud800-\udfff]")
_RED, _BOLD, _DIM, _RESET = "\x1b[31m", "\x1b[1m", "\x1b[2m", "\x1b[0m"


def is_terminal(stream: IO[str]) -> bool:
    """Return true if a stream goes to a terminal that understands escape codes."""
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # the stream is closed
        return False


def console(stream: IO[str]) -> Console:
    """Return a rich console for a stream that prints text as it is, without markup and emoji codes."""
    from rich.console import Console

    terminal = is_terminal(stream)
    return Console(
        file=stream,
        markup=False,
        emoji=False,
        highlight=False,
        force_terminal=terminal,
        soft_wrap=not terminal,
    )


# --- output -----------------------------------------------------------------------------------------------


@dataclass
class _Verbosity:
    """State of `--quiet`, which the command line sets for one command."""

    quiet: bool = False


_verbosity = _Verbosity()


def set_quiet(*, quiet: bool) -> None:
    """Silence `say`, or not."""
    _verbosity.quiet = quiet


def is_quiet() -> bool:
    """Return whether `--quiet` was given."""
    return _verbosity.quiet


def say(message: str) -> None:
    """Print one line on stderr, unless the command is quiet."""
    if not _verbosity.quiet:
        notice(message)


def notice(message: str) -> None:
    """Print one line of limited length on stderr, with control characters made visible, even if quiet."""
    print(limited(visible(message)), file=sys.stderr, flush=True)


def write_line(text: str) -> None:
    """Print one line of the result on stdout and flush it.

    A terminal gets control characters made visible; a pipe gets the exact text.
    """
    print(visible(text) if is_terminal(sys.stdout) else text, flush=True)


def print_lines(lines: Iterable[str | Text]) -> None:
    """Print a report on stdout. On a terminal, no line is wider than it, or than `NARROWEST` columns."""
    if not is_terminal(sys.stdout):
        for line in lines:
            write_line(line if isinstance(line, str) else line.plain.rstrip())
        return
    from seqtool.reports.formatting import wrapped

    screen = console(sys.stdout)
    for line in lines:
        if isinstance(line, str):
            for part in wrapped(visible(line), max(NARROWEST, screen.width)):
                write_line(part)
        else:
            screen.print(line, no_wrap=True, overflow="crop", crop=True)


def report_width() -> int:
    """Return the columns of a report: those of the terminal, at least `NARROWEST`; `WIDEST` for a pipe."""
    return max(NARROWEST, console(sys.stdout).width) if is_terminal(sys.stdout) else WIDEST


def color_and_width() -> tuple[bool, int]:
    """Return whether stdout is a terminal with colors, and its columns, at most `WIDEST`."""
    screen = console(sys.stdout)
    color = screen.is_terminal and screen.color_system is not None and not screen.no_color
    return color, min(screen.width, WIDEST)


def json_text(value: Mapping[str, object]) -> str:
    """Return one line of JSON with the version of the format as its first field."""
    from json import dumps

    text = dumps({"version": JSON_VERSION, **value}, ensure_ascii=False, allow_nan=False)
    return escape_surrogates(text)


def escape_surrogates(text: str) -> str:
    """Return JSON in which escapes replace lone surrogates, as UTF-8 cannot contain them."""
    if text.isascii():
        return text
    return SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def write_json(value: Mapping[str, object]) -> None:
    """Print one line of JSON on stdout and flush it."""
    print(json_text(value), flush=True)


def drop_stdout() -> None:
    """Discard buffered and later output of a stdout that is no `OutputStream`, after a failed write."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, sys.stdout.fileno())
    except (OSError, ValueError):
        pass
    finally:
        os.close(devnull)


# --- failed writes ----------------------------------------------------------------------------------------


class OnFailure(Enum):
    """Consequence of a failed write to stdout or stderr."""

    END = "end"  # the write raises an exception, which ends the command
    FAIL_LATER = "fail later"  # the command does its work, and then exits with a code for the failure
    CONTINUE = "continue"  # the command does its work; the failure has no other consequence


class OutputStream(io.FileIO):
    """Raw stdout or stderr. After the first failed write, it discards what is written.

    Attributes:
        title: name of the stream in messages.
        on_failure: consequence of a failed write.
        failure: the error of the first failed write.
    """

    def __init__(self, descriptor: int, title: str, on_failure: OnFailure) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.title = title
        self.on_failure = on_failure
        self.failure: OSError | None = None

    def write(self, data: ReadableBuffer) -> int:
        """Write bytes and return their number.

        Raises:
            BrokenPipeError: the reader has closed the pipe, and a failure ends the command.
            OutputError: the write failed for another reason, and a failure ends the command.
        """
        size = memoryview(data).nbytes
        if self.failure is not None:
            return size
        try:
            return self._write_blocking(data)
        except OSError as error:
            self.failure = error
        if self.on_failure is OnFailure.END:
            self.raise_failure()
        return size

    def _write_blocking(self, data: ReadableBuffer) -> int:
        """Write to the descriptor. Wait for the reader if another process has made it non-blocking."""
        while (written := cast("int | None", super().write(data))) is None:
            from select import select

            select([], [self.fileno()], [])
        return written

    def raise_failure(self) -> None:
        """Raise the error of the failed write, if there is one.

        Raises:
            BrokenPipeError, OutputError: as `write`.
        """
        if self.failure is None:
            return
        if self.failure.errno == errno.EPIPE:
            raise BrokenPipeError  # without a number, which the command line parser would handle itself
        raise OutputError(f"cannot write: {self.failure.strerror}", place=self.title)


def open_output_streams() -> None:
    """Let stdout and stderr of the interpreter write through an `OutputStream`, in UTF-8.

    A failed write to stdout ends the command. One to stderr does not, since the result may still be complete.
    """
    if sys.platform == "win32":
        return
    if sys.stdout is sys.__stdout__ and sys.stdout is not None:
        sys.stdout = _through(sys.stdout, "standard output", OnFailure.END, OUTPUT_ERRORS)
    if sys.stderr is sys.__stderr__ and sys.stderr is not None:
        sys.stderr = _through(sys.stderr, "standard error", OnFailure.FAIL_LATER, "backslashreplace")


def _through(stream: IO[str], title: str, on_failure: OnFailure, errors: str) -> io.TextIOWrapper:
    stream.flush()
    raw = OutputStream(stream.fileno(), title, on_failure)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding="utf-8",
        errors=errors,
        line_buffering=bool(getattr(stream, "line_buffering", False)),
        write_through=bool(getattr(stream, "write_through", False)),
    )


def output_stream(stream: IO[str]) -> OutputStream | None:
    """Return the raw stream below a text stream; None if it is of another kind, for example in a test."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw if isinstance(raw, OutputStream) else None


@contextmanager
def continuing_without_output() -> Iterator[None]:
    """Continue after failed writes inside the block: training matters more than its table and its messages.

    A Python program that trains gets its own streams back after the block.
    """
    outer = sys.stdout, sys.stderr
    open_output_streams()
    streams = list(filter(None, map(output_stream, (sys.stdout, sys.stderr))))
    before = [stream.on_failure for stream in streams]
    for stream in streams:
        stream.on_failure = OnFailure.CONTINUE
    try:
        yield
    finally:
        sys.stdout.flush()
        for stream, on_failure in zip(streams, before, strict=True):
            if stream.failure is None:
                stream.on_failure = on_failure
        sys.stdout, sys.stderr = outer


def write_final_json(value: Mapping[str, object]) -> None:
    """Print the result of a training command. A failed write ends the command, whose work is done.

    Raises:
        BrokenPipeError: the reader has closed the pipe.
        OutputError: the write failed for another reason.
    """
    stream = output_stream(sys.stdout)
    if stream is None:
        write_json(value)
        return
    stream.on_failure = OnFailure.END
    write_json(value)
    stream.raise_failure()


# --- errors -----------------------------------------------------------------------------------------------


def print_problems(problems: Sequence[Problem], stream: IO[str] | None = None) -> None:
    """Write problems to stderr, or to another stream."""
    stream = stream or sys.stderr
    stream.write(format_problems(problems, color=is_terminal(stream) and not os.environ.get("NO_COLOR")))
    stream.flush()


def format_problems(problems: Sequence[Problem], *, color: bool = False) -> str:
    """Return all problems as text, with their number at the end if there are several.

    Each problem has a place, one sentence and, where they exist, the source line with a caret and a hint.
    """
    texts = [_problem(problem, color) for problem in problems]
    if len(problems) > 1:
        texts.append(f"{len(problems)} mistakes")
    return "\n".join(texts) + "\n"


def _problem(problem: Problem, color: bool) -> str:
    def paint(text: str, *codes: str) -> str:
        return "".join(codes) + text + _RESET if color else text

    place = paint(visible(problem.place), _BOLD) + "  " if problem.place else ""
    lines = [f"{paint('error:', _RED, _BOLD)} {place}{visible(problem.message)}"]
    if problem.source is not None:
        lines += _source_lines(problem.source, lambda text: paint(text, _RED))
    if problem.hint:
        lines.append(f"{paint(' hint:', _DIM)} {visible(problem.hint)}")
    return "\n".join(lines)


def _source_lines(source: SourceLine, paint: Callable[[str], str]) -> list[str]:
    """Return the source line, cut to a readable width around the mistake, and the carets below it."""
    start = 0
    if len(source.text) > MAX_SOURCE_WIDTH:
        start = max(0, source.column - 1 - MAX_SOURCE_WIDTH // 2)
    before = visible(source.text[start : source.column - 1])
    line = shorten(visible(source.text[start:]), MAX_SOURCE_WIDTH)
    carets = "^" * max(1, min(source.width, len(line) - len(before)))
    from seqtool.reports.formatting import cell_width  # only an error needs it

    return [f"{source.line:5d} | {line}", " " * 5 + " | " + " " * cell_width(before) + paint(carets)]
