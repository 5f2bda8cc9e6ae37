"""The one error boundary: how an exception becomes a screen and an exit code. Only this floor ends the process."""

from __future__ import annotations

import errno
import functools
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, ParamSpec

import typer

from seqtool.errors import ExitCode, Problem, SeqtoolError, Stopped
from seqtool.reports.console import drop_stdout, print_problems, say

P = ParamSpec("P")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # of a disk that is full or failing


def command(function: Callable[P, None]) -> Callable[P, None]:
    """Wrap a command so that it ends with seqtool's exit codes.

    A user's mistake is shown as an error screen, a closed pipe ends quietly, Ctrl-C ends with 130. Anything else is a
    bug and keeps its traceback.
    """

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
            sys.stdout.flush()
        except SeqtoolError as error:
            _flush_quietly()
            if is_main_process():
                print_problems(error.problems)
            raise typer.Exit(error.exit_code) from None
        except Stopped as stop:
            if is_main_process():
                say(str(stop))
            raise typer.Exit(128 + stop.signal_number) from None
        except KeyboardInterrupt:
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except BrokenPipeError:
            drop_stdout()
            raise typer.Exit(ExitCode.OK) from None
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            drop_stdout()
            place = str(error.filename or "standard output")
            print_problems(
                [Problem(f"cannot write: {error.strerror}", place, "free some space, or write elsewhere")]
            )
            raise typer.Exit(ExitCode.USER) from None

    return guarded


def is_main_process() -> bool:
    """Whether this process talks to the person: of those that torchrun starts together, the first on each machine."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def _flush_quietly() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        drop_stdout()


def run(app: typer.Typer) -> int:
    """Run the application on the process's arguments and return its exit code."""
    # A reader that went away is noticed when writing, in one place, rather than by a signal that kills the process.
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(
                errors="surrogateescape" if stream is sys.stdout else "backslashreplace", encoding="utf-8"
            )
    try:
        code = app(standalone_mode=False, prog_name="seqtool")
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Exception as error:
        if type(error).__name__ == "Abort":  # what the parser makes of Ctrl-C
            return ExitCode.INTERRUPTED
        if not hasattr(error, "format_message"):  # only the parser's usage errors have one
            raise
        if (
            type(error).__name__ == "NoArgsIsHelpError"
        ):  # a group of commands without one of them: its message is the help
            print(error.format_message(), file=sys.stderr)
        else:
            print_problems([Problem(error.format_message().rstrip("."), hint=_usage_hint(error))])
        return ExitCode.USER
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        drop_stdout()
    return code if isinstance(code, int) else ExitCode.OK


def _open_closed_streams() -> None:
    """A stream that the caller closed (`>&-`) is None in Python: what is written to it goes nowhere."""
    nowhere = Path(os.devnull)
    sys.stdin = sys.stdin or nowhere.open()
    sys.stdout = sys.stdout or nowhere.open("w")
    sys.stderr = sys.stderr or nowhere.open("w")


def _usage_hint(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", "seqtool")
    return f"see {path} --help"


def leave(code: int) -> NoReturn:
    """End the process without the time that unloading large libraries can take; everything is written already."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
