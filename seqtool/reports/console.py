"""Streams of the shell: results on stdout, everything else on stderr, and the format of errors.

A terminal gets color unless NO_COLOR is set. A pipe or a file gets plain lines without escape codes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING

from seqtool.reports.formatting import cell_width
from seqtool.safe_text import shorten, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from seqtool.errors import Problem, SourceLine

JSON_VERSION = 1  # version of the objects that `--json` prints; docs/json.md describes their fields
WIDEST = 200  # columns of colored text
MAX_SOURCE_WIDTH = 160  # columns of a source line in an error
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


def say(message: str) -> None:
    """Print one line on stderr, with control characters made visible."""
    print(visible(message), file=sys.stderr, flush=True)


def write_line(text: str) -> None:
    """Print one line of the result on stdout and flush it.

    A terminal gets control characters made visible; a pipe gets the exact text.
    """
    print(visible(text) if is_terminal(sys.stdout) else text, flush=True)


def print_lines(lines: Sequence[str | Text]) -> None:
    """Print lines on stdout, colored ones on a terminal without line breaks."""
    screen = console(sys.stdout) if any(not isinstance(line, str) for line in lines) else None
    for line in lines:
        if isinstance(line, str) or screen is None:
            write_line(str(line))
        elif screen.is_terminal:
            screen.print(line, no_wrap=True, overflow="crop", crop=True)
        else:
            write_line(line.plain.rstrip())


def color_and_width() -> tuple[bool, int]:
    """Return whether stdout is a terminal with colors, and its columns, at most `WIDEST`."""
    screen = console(sys.stdout)
    color = screen.is_terminal and screen.color_system is not None and not screen.no_color
    return color, min(screen.width, WIDEST)


def json_text(value: Mapping[str, object]) -> str:
    """Return one line of JSON with the version of the format as its first field."""
    from json import dumps

    return dumps({"version": JSON_VERSION, **value}, ensure_ascii=False, allow_nan=False)


def write_json(value: Mapping[str, object]) -> None:
    """Print one line of JSON on stdout and flush it."""
    print(json_text(value), flush=True)


def drop_stdout() -> None:
    """Discard buffered and later output after the reader of stdout has closed the pipe."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, sys.stdout.fileno())
    except (OSError, ValueError):
        pass
    finally:
        os.close(devnull)


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
    return [f"{source.line:5d} | {line}", " " * 5 + " | " + " " * cell_width(before) + paint(carets)]
