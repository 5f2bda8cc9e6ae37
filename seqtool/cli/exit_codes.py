"""Error boundary: converts exceptions into messages and exit codes. Only `cli` ends the process."""

from __future__ import annotations

import errno
import functools
import os
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, ParamSpec

import typer

from seqtool.errors import ExitCode, OutputError, Problem, SeqtoolError, Stopped
from seqtool.reports.console import (
    OnFailure,
    drop_stdout,
    notice,
    open_output_streams,
    output_stream,
    print_problems,
    set_quiet,
)
from seqtool.safe_text import OUTPUT_ERRORS

P = ParamSpec("P")
ENVIRONMENT_HINTS = {
    errno.EMFILE: "raise the limit of open files: ulimit -n 1024",
    errno.ENFILE: "this machine has too many open files: close other programs",
    errno.ENOMEM: "there is not enough memory: use smaller input, or close other programs",
    errno.EAGAIN: "raise the limit of processes and threads: ulimit -u",
    errno.ELOOP: "remove one of the symbolic links that point at each other",
    errno.ENAMETOOLONG: "use a shorter name",
}
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # a disk that is full or failing


def command(function: Callable[P, None]) -> Callable[P, None]:
    """Wrap a command so that it ends with an exit code of seqtool.

    A user error is printed as a message. A closed pipe ends the command silently. Any other exception is a
    bug and keeps its traceback.
    """

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
            sys.stdout.flush()
        except (SeqtoolError, Stopped, KeyboardInterrupt, OSError, MemoryError) as error:
            code = _report(error)
            if code is None:
                raise
            raise typer.Exit(code) from None

    return guarded


def _report(error: BaseException) -> int | None:
    """Print the message of an exception and return its exit code; return None for a bug."""
    match error:
        case SeqtoolError():
            _flush_stdout()
            if is_main_process():
                print_problems(error.problems)
            return error.exit_code
        case Stopped():
            if is_main_process():
                notice(str(error))
            return 128 + error.signal_number
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case BrokenPipeError():
            drop_stdout()
            return ExitCode.OK
        case OSError() if error.errno in DISK_ERRORS:
            drop_stdout()
            place = str(error.filename or "standard output")
            hint = "free some space, or write to another disk"
            print_problems([Problem(f"cannot write: {error.strerror}", place, hint)])
            return ExitCode.USER
        case OSError() if error.errno in ENVIRONMENT_HINTS or _is_directory_gone():
            print_problems([_environment_problem(error)])
            return ExitCode.USER
        case PermissionError() if error.filename is not None:  # a directory of another user
            hint = "change its permissions, or use another file or directory"
            print_problems([Problem(str(error.strerror), str(error.filename), hint)])
            return ExitCode.USER
        case MemoryError():
            hint = "use smaller input, or raise the limit (ulimit -v)"
            print_problems([Problem("there is not enough memory", hint=hint)])
            return ExitCode.USER
        case _:
            return None


def _environment_problem(error: OSError) -> Problem:
    """Describe an error whose cause is the environment of the process and not one of its files."""
    if _is_directory_gone():
        return Problem("the current directory no longer exists", hint="change to another directory: cd")
    place = str(error.filename or "")
    return Problem(str(error.strerror), place, ENVIRONMENT_HINTS[error.errno or 0])


def _is_directory_gone() -> bool:
    try:
        Path.cwd()
    except OSError:
        return True
    return False


def is_main_process() -> bool:
    """Return whether this process prints messages: under torchrun, the first process of each machine."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def _flush_stdout() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        drop_stdout()
    except OutputError:
        pass  # the error that ends the command is reported instead


def run(app: typer.Typer) -> int:
    """Run the application on the arguments of the process and return its exit code."""
    # Without a signal, a closed pipe is an exception that `command` handles.
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    set_quiet(quiet=False)
    _prepare_streams()
    # Weights near the end of the number range overflow. The result shows this; numpy's source line does not.
    warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"seqtool\.")
    try:
        result = app(standalone_mode=False, prog_name="seqtool")
        sys.stdout.flush()
        code = result if isinstance(result, int) else ExitCode.OK
    except SystemExit as end:  # the parser ends the process after shell completion
        _flush_stdout()
        code = end.code if isinstance(end.code, int) else ExitCode.OK
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except Exception as error:
        code = _report_outside_command(error)
    return _with_failed_writes(code)


def _with_failed_writes(code: int) -> int:
    """Return the exit code of a command, or that of a failed write if the command itself succeeded."""
    for stream in map(output_stream, (sys.stdout, sys.stderr)):
        if code != ExitCode.OK or stream is None or stream.on_failure is OnFailure.CONTINUE:
            continue
        try:
            stream.raise_failure()
        except (BrokenPipeError, OutputError) as error:
            code = _report(error) or ExitCode.OK
    return code


def _prepare_streams() -> None:
    """Set the encoding of stdout and stderr, and open streams that the caller closed (`>&-`)."""
    devnull = Path(os.devnull)
    sys.stdin = sys.stdin or devnull.open()
    sys.stdout = sys.stdout or devnull.open("w")
    sys.stderr = sys.stderr or devnull.open("w")
    open_output_streams()
    for stream, errors in ((sys.stdout, OUTPUT_ERRORS), (sys.stderr, "backslashreplace")):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=errors, encoding="utf-8")


def _report_outside_command(error: Exception) -> int:
    """Print the message of an error of the parser or of its output, such as help, and return the exit code.

    Any other error is raised again.
    """
    code = _report(error)
    if code is not None:
        return code
    name = type(error).__name__
    if name == "Abort":  # the parser converts KeyboardInterrupt
        return ExitCode.INTERRUPTED
    if not hasattr(error, "format_message"):  # only usage errors of the parser have it
        raise error
    if name == "NoArgsIsHelpError":  # a group without a command: the message is its help
        print(error.format_message(), file=sys.stderr)
    else:
        from seqtool.cli.suggestions import usage_hint, usage_message

        print_problems([Problem(usage_message(error.format_message()), hint=usage_hint(error))])
    return ExitCode.USER


def leave(code: int) -> NoReturn:
    """End the process after flushing its streams, without the time that unloading large libraries takes."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, OutputError):
            stream.flush()
    os._exit(code)
