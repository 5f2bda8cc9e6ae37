"""Error boundary: message and exit code of each exception."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Callable
from typing import Any

import pytest
import typer

from seqtool.cli.exit_codes import command, run
from seqtool.errors import DataError, Diverged, Stopped


def ending(raised: BaseException, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Return exit code and stderr of an application whose only command raises an exception."""
    app = typer.Typer()

    @app.command()
    @command
    def only() -> None:
        raise raised

    return ended(app, monkeypatch)


def ended(app: Any, monkeypatch: pytest.MonkeyPatch, stdout: Any = None) -> tuple[int, str]:
    said = io.StringIO()
    monkeypatch.setattr(sys, "argv", ["seqtool"])
    monkeypatch.setattr(sys, "stderr", said)
    monkeypatch.setattr(sys, "stdout", stdout or io.StringIO())
    return run(app), said.getvalue()


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        pytest.param(
            DataError("it is empty", place="a.txt", hint="fill it"),
            2,
            "error: a.txt  it is empty\n hint: fill it\n",
            id="user's mistake",
        ),
        pytest.param(Diverged("the loss is no number"), 3, "error: the loss is no number\n", id="diverged"),
        pytest.param(Stopped(15, "saved"), 143, "saved\n", id="SIGTERM"),
        pytest.param(KeyboardInterrupt(), 130, "", id="Ctrl-C"),
        pytest.param(BrokenPipeError(), 0, "", id="closed pipe"),
        pytest.param(
            OSError(errno.ENOSPC, "No space left on device", "out.tsv"),
            2,
            "error: out.tsv  cannot write: No space left on device\n"
            " hint: free some space, or write to another disk\n",
            id="full disk",
        ),
        pytest.param(
            PermissionError(errno.EACCES, "Permission denied", "runs/other"),
            2,
            "error: runs/other  Permission denied\n"
            " hint: change its permissions, or use another file or directory\n",
            id="directory of another user",
        ),
    ],
)
def test_expected_exception_ends_with_its_exit_code(
    raised: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ending(raised, monkeypatch) == (code, said)


@pytest.mark.parametrize(
    "raised",
    [RuntimeError("a bug"), PermissionError(errno.EACCES, "Permission denied")],
    ids=["bug", "no file"],
)
def test_bug_keeps_its_traceback(raised: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(type(raised)):
        ending(raised, monkeypatch)


def test_ctrl_c_outside_a_command_exits_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def application(raised: BaseException) -> Callable[..., None]:
        def called(**_: object) -> None:
            raise raised

        return called

    for raised in (KeyboardInterrupt(), typer.Abort()):
        assert ended(application(raised), monkeypatch) == (130, "")


class Gone(io.StringIO):
    """A stdout whose reader has closed the pipe."""

    def flush(self) -> None:
        raise BrokenPipeError


@pytest.mark.parametrize(
    ("raised", "code"), [(None, 0), (DataError("wrong"), 2)], ids=["no error", "user error"]
)
def test_pipe_closed_before_the_last_flush_ends_silently(
    raised: Exception | None, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = []

    def drop() -> None:
        dropped.append(True)
        monkeypatch.setattr(sys, "stdout", io.StringIO())

    monkeypatch.setattr("seqtool.cli.exit_codes.drop_stdout", drop)
    app = typer.Typer()

    @app.command()
    @command
    def only() -> None:
        if raised:
            raise raised

    assert ended(app, monkeypatch, Gone())[0] == code
    assert dropped == [True]


def test_pipe_closed_after_output_of_the_parser_ends_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[bool] = []
    monkeypatch.setattr("seqtool.cli.exit_codes.drop_stdout", lambda: dropped.append(True))
    assert ended(lambda **_: None, monkeypatch, Gone()) == (0, "")
    assert dropped == [True]
