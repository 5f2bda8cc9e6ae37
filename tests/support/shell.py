"""The command line in a subprocess with pipes, in a pseudo terminal, or in this process.

Each result is checked: the options that its messages name exist.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.hints import check_options

PROJECT = Path(__file__).parent.parent.parent
ESCAPE_CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SEQTOOL = (sys.executable, "-m", "seqtool")


@dataclass(frozen=True)
class Result:
    """Exit code and output of a command."""

    code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        """Return the lines of stdout."""
        return self.stdout.splitlines()


def copy_examples(folder: Path) -> None:
    """Copy the configs of the project and the toy corpus to a directory."""
    shutil.copytree(PROJECT / "configs", folder / "configs")
    (folder / "data").mkdir()
    shutil.copyfile(PROJECT / "data/toy.conll", folder / "data/toy.conll")


def environment(**extra: str) -> dict[str, str]:
    """Return the environment without variables that change the output of seqtool."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SEQTOOL_") and name not in ("NO_COLOR", "FORCE_COLOR")
    }
    return {**kept, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "COLUMNS": "100", **extra}


def seqtool(
    *arguments: str | Path, cwd: Path, stdin: str | bytes | None = None, timeout: float = 120, **extra: str
) -> Result:
    """Run seqtool with pipes for stdout and stderr; without `stdin` its standard input is empty."""
    content = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [*SEQTOOL, *map(str, arguments)],
        cwd=cwd,
        input=content if content is not None else b"",
        capture_output=True,
        timeout=timeout,
        env=environment(**extra),
        check=False,
    )
    stderr = done.stderr.decode("utf-8", "replace")
    check_options(stderr, [*map(str, arguments)])
    return Result(done.returncode, done.stdout.decode("utf-8", "surrogateescape"), stderr)


def start(*arguments: str | Path, cwd: Path, **extra: str) -> subprocess.Popen[bytes]:
    """Start seqtool in the background, with pipes for all its streams."""
    return subprocess.Popen(
        [*SEQTOOL, *map(str, arguments)],
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**extra),
        preexec_fn=_accept_ctrl_c,  # noqa: PLW1509 - nothing else runs in the child
    )


def _accept_ctrl_c() -> None:
    """Restore the default action of SIGINT.

    Processes that a shell starts in the background ignore SIGINT, and their children inherit that.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def in_terminal(
    *arguments: str | Path, cwd: Path, columns: int = 100, timeout: float = 120, keys: str = "", **extra: str
) -> Result:
    """Run seqtool with a pseudo terminal for all its streams; `stdout` has all output with escape codes.

    `keys` is typed at once.
    """
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        variables = {**environment(TERM="xterm-256color", **extra)}
        del variables["COLUMNS"]
        os.execve(sys.executable, [*SEQTOOL, *map(str, arguments)], variables)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    os.write(master, keys.encode())
    written, deadline = b"", time.monotonic() + timeout
    while True:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            raise TimeoutError(written.decode("utf-8", "replace"))
        if not select.select([master], [], [], 0.5)[0]:
            continue
        try:
            chunk = os.read(master, 65536)
        except OSError:  # raised by Linux when the other end is closed
            break
        if not chunk:
            break
        written += chunk
    os.close(master)
    _, status = os.waitpid(pid, 0)
    output = written.decode("utf-8", "replace")
    check_options(shown_text(output), [*map(str, arguments)])
    return Result(os.waitstatus_to_exitcode(status), output, "")


def shown_text(output: str) -> str:
    """Return output to a terminal without escape codes; a return to the first column ends a line."""
    return ESCAPE_CODE.sub("", output).replace("\r\n", "\n").replace("\r", "\n")


class TerminalStream(io.TextIOWrapper):
    """A stream in memory that says it is a terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return True


def on_terminal_in_process(*arguments: str | Path, cwd: Path, columns: int, **extra: str) -> Result:
    """Run seqtool in this process with terminals of this width in memory as stdout and stderr."""
    from unittest import mock

    from seqtool.reports.progress import LiveArea

    size = os.terminal_size((columns, 40))
    with (
        mock.patch.object(LiveArea, "size", lambda _: size),
        mock.patch.object(shutil, "get_terminal_size", lambda *_: size),
    ):
        more: Any = {"TERM": "xterm-256color", "COLUMNS": str(columns), **extra}
        return seqtool_in_process(*arguments, cwd=cwd, terminal=True, **more)


def seqtool_in_process(
    *arguments: str | Path, cwd: Path, merged: bool = False, terminal: bool = False, **extra: str
) -> Result:
    """Run seqtool in this process, which takes milliseconds; standard input is empty.

    Args:
        merged: write stderr to `stdout`.
        terminal: stdout and stderr are terminals; the result has no escape codes.
    """
    from unittest import mock

    from seqtool.cli.exit_codes import run
    from seqtool.cli.main import app

    streams: list[Any] = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(3)]
    if terminal:
        streams[1:] = [TerminalStream(), TerminalStream()]
    stdin, stdout, stderr = streams[0], streams[1], streams[1] if merged else streams[2]
    with (
        contextlib.chdir(cwd),
        mock.patch.multiple(
            sys, argv=["seqtool", *map(str, arguments)], stdin=stdin, stdout=stdout, stderr=stderr
        ),
        mock.patch.dict(os.environ, environment(**extra), clear=True),
    ):
        code = run(app)
    texts = [stream.buffer.getvalue().decode("utf-8", "replace") for stream in streams[1:]]
    if terminal:
        texts = list(map(shown_text, texts))
    check_options(texts[1], [*map(str, arguments)])
    return Result(code, *texts)
