"""Errors that a user can correct, and the exit codes of the command line.

All packages raise these errors; only `cli/` prints them and exits the process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from seqtool.safe_text import limited


class ExitCode(IntEnum):
    """Exit codes of the command line."""

    OK = 0
    BUG = 1
    USER = 2
    DIVERGED = 3
    HANGUP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class SourceLine(NamedTuple):
    """Line of a user's file that an error message shows with carets under it.

    Attributes:
        text: the whole line.
        line: line number, from 1.
        column: position of the first caret in characters, from 1.
        width: number of carets.
    """

    text: str
    line: int
    column: int
    width: int = 1


@dataclass(frozen=True)
class Problem:
    """One mistake of the user. Its texts are limited, however long the data are that they quote.

    Attributes:
        message: one sentence that states what was expected and what was found.
        place: location: a file, `file:line`, `file:line:column`, or an option.
        hint: one sentence that states how to correct it.
        source: the source line, if there is one to show.
    """

    message: str
    place: str = ""
    hint: str = ""
    source: SourceLine | None = None

    def __post_init__(self) -> None:
        """Shorten each text."""
        for name in ("message", "place", "hint"):
            object.__setattr__(self, name, limited(getattr(self, name)))


class SeqtoolError(Exception):
    """Error that the user can correct, with all its mistakes in the order of their locations.

    Its text has a line for the mistakes and a line for each hint.

    Attributes:
        problems: the mistakes.
        summary: the mistakes in one line, without hints.
    """

    exit_code = ExitCode.USER

    def __init__(self, message: str | Sequence[Problem], *, place: str = "", hint: str = "") -> None:
        if isinstance(message, str):
            self.problems: tuple[Problem, ...] = (Problem(message, place, hint),)
        else:
            self.problems = tuple(message)
        self.summary = "; ".join(f"{p.place}: {p.message}" if p.place else p.message for p in self.problems)
        hints = dict.fromkeys(p.hint for p in self.problems if p.hint)
        super().__init__("\n".join([self.summary, *(f"hint: {hint}" for hint in hints)]))

    def __reduce__(self) -> tuple[type[SeqtoolError], tuple[tuple[Problem, ...]]]:
        """Support pickling: worker processes (`tag --jobs N`) return errors with all their problems."""
        return type(self), (self.problems,)


class ConfigError(SeqtoolError):
    """YAML file or `--set` option that does not match the schema."""


class DataError(SeqtoolError):
    """Data file that cannot be read in the expected format."""


class ModelError(SeqtoolError):
    """Model or run directory that is missing, damaged or of the wrong kind."""


class OutputError(SeqtoolError):
    """Failed write to stdout, such as a full disk. A closed pipe is a `BrokenPipeError` instead."""


class WorkerEnded(SeqtoolError):
    """Worker process that ended before its work was done, for example by SIGKILL."""

    exit_code = ExitCode.BUG


class Diverged(SeqtoolError):
    """Loss or gradient that is not finite; the weights were not updated with it."""

    exit_code = ExitCode.DIVERGED


class Stopped(Exception):
    """Stop after a signal, raised once the state is saved.

    Attributes:
        signal_number: number of the signal; the exit code is 128 plus this number.
    """

    def __init__(self, signal_number: int, message: str = "") -> None:
        self.signal_number = signal_number
        super().__init__(message or f"stopped by signal {signal_number}")


def pluralize(count: int, noun: str) -> str:
    """Return a count with its noun, such as `1 line` or `2,000 lines`, for messages and notes."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
