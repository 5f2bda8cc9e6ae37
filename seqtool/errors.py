"""One error type for what the user can mend, and the exit codes of the command line.

Every floor raises these; only `cli/` turns them into a screen and an exit code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What a script learns from how seqtool ended."""

    OK = 0
    BUG = 1
    USER = 2
    DIVERGED = 3
    INTERRUPTED = 130
    TERMINATED = 143


@dataclass(frozen=True)
class SourceLine:
    """The line of a user's file that a problem is about, for the caret under it."""

    text: str
    line: int  # counted from 1
    column: int  # counted from 1, in characters
    width: int = 1  # how many characters the carets cover


@dataclass(frozen=True)
class Problem:
    """One mistake: where it is, what it is, and what to do about it."""

    message: str
    place: str = ""  # a file, `file:line`, `file:line:column`, or an option
    hint: str = ""
    source: SourceLine | None = None


class SeqtoolError(Exception):
    """Something the user can mend; carries every mistake that was found, in the order of their places."""

    exit_code = ExitCode.USER

    def __init__(self, message: str | Sequence[Problem], *, place: str = "", hint: str = "") -> None:
        if isinstance(message, str):
            self.problems: tuple[Problem, ...] = (Problem(message, place, hint),)
        else:
            self.problems = tuple(message)
        super().__init__(
            "; ".join(f"{p.place}: {p.message}" if p.place else p.message for p in self.problems)
        )

    def __reduce__(self) -> tuple[type[SeqtoolError], tuple[tuple[Problem, ...]]]:
        """Errors cross process borders (`tag --jobs N`) with all their problems."""
        return type(self), (self.problems,)


class ConfigError(SeqtoolError):
    """A YAML file or a `--set` that does not fit the schema."""


class DataError(SeqtoolError):
    """A data file that cannot be read as what it was said to be."""


class ModelError(SeqtoolError):
    """A model or run directory that is missing, damaged or of the wrong kind."""


class Diverged(SeqtoolError):
    """Training met a loss or gradient that is not finite; nothing was updated with it."""

    exit_code = ExitCode.DIVERGED


class Stopped(Exception):
    """A stop signal was obeyed, after saving.

    Attributes:
        signal_number: the signal's number; the process exits with 128 plus it.
    """

    def __init__(self, signal_number: int, message: str = "") -> None:
        self.signal_number = signal_number
        super().__init__(message or f"stopped by signal {signal_number}")
