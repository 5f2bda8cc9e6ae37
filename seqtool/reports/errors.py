"""The error screen: place, line shown, caret, one sentence, one hint; the same for everything the user can mend."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import IO

from seqtool.errors import Problem, SourceLine
from seqtool.reports.console import is_terminal
from seqtool.safe_text import shorten, visible

_WIDEST_LINE = 160
_RED, _BOLD, _DIM, _RESET = "\x1b[31m", "\x1b[1m", "\x1b[2m", "\x1b[0m"


def error_screen(problems: Sequence[Problem], *, colour: bool = False) -> str:
    """All problems as text, one after the other, with a count at the end where there are several."""
    screens = [_one(problem, colour) for problem in problems]
    if len(problems) > 1:
        screens.append(f"{len(problems)} mistakes")
    return "\n".join(screens) + "\n"


def print_problems(problems: Sequence[Problem], stream: IO[str] | None = None) -> None:
    """Write the error screen to stderr."""
    import os

    stream = stream or sys.stderr
    stream.write(error_screen(problems, colour=is_terminal(stream) and not os.environ.get("NO_COLOR")))
    stream.flush()


def _one(problem: Problem, colour: bool) -> str:
    def paint(text: str, *codes: str) -> str:
        return "".join(codes) + text + _RESET if colour else text

    place = paint(visible(problem.place), _BOLD) + "  " if problem.place else ""
    lines = [f"{paint('error:', _RED, _BOLD)} {place}{visible(problem.message)}"]
    if problem.source is not None:
        lines += _shown(problem.source, lambda text: paint(text, _RED))
    if problem.hint:
        lines.append(f"{paint(' hint:', _DIM)} {visible(problem.hint)}")
    return "\n".join(lines)


def _shown(source: SourceLine, paint: object) -> list[str]:
    """The line of the file, cut to a readable width around the mistake, and the carets under it."""
    assert callable(paint)
    start = max(0, source.column - 1 - _WIDEST_LINE // 2) if len(source.text) > _WIDEST_LINE else 0
    before = visible(source.text[start : source.column - 1])
    line = shorten(visible(source.text[start:]), _WIDEST_LINE)
    carets = "^" * max(1, min(source.width, len(line) - len(before)))
    gutter = f"{source.line:5d} | "
    return [gutter + line, " " * 5 + " | " + " " * _cells(before) + str(paint(carets))]


def _cells(text: str) -> int:
    """Terminal columns of a text: wide characters take two, combining marks none."""
    from rich.cells import cell_len

    return cell_len(text)
