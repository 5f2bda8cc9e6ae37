"""The two consoles: results on stdout, everything else on stderr; and what kind of thing each of them is.

On a terminal there is colour (unless NO_COLOR says otherwise); in a pipe or a file plain lines without any escape code.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from seqtool.safe_text import visible

if TYPE_CHECKING:
    from rich.console import Console

JSON_VERSION = 1  # of what `--json` prints; docs/json.md says what its fields mean


def is_terminal(stream: IO[str]) -> bool:
    """Whether a person is looking at this stream."""
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # closed
        return False


def console(stream: IO[str]) -> Console:
    """A rich console on a stream, with markup and emoji codes switched off: what it prints is text."""
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


def say(message: str) -> None:
    """One line for the person, on stderr; control characters in it are made visible."""
    print(visible(message), file=sys.stderr, flush=True)


def drop_stdout() -> None:
    """After the reader of stdout has gone: let what is still buffered go nowhere, quietly."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, sys.stdout.fileno())
    except (OSError, ValueError):
        pass
    finally:
        os.close(devnull)


def write_line(text: str) -> None:
    """One line of result on stdout, flushed at once: visible signs on a terminal, the very bytes in a pipe."""
    print(visible(text) if is_terminal(sys.stdout) else text, flush=True)


def json_text(value: Mapping[str, Any]) -> str:
    """An object of `--json` in a line: its fields after the version that they belong to."""
    from json import dumps

    return dumps({"version": JSON_VERSION, **value}, ensure_ascii=False, allow_nan=False)


def write_json(value: Mapping[str, Any]) -> None:
    """The same on stdout, flushed at once."""
    print(json_text(value), flush=True)
