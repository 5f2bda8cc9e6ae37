"""Failures of the Nth write, fsync or rename, for every N until a run meets none; limits of the file size.

After each fault, a finished run of the same name is still usable, the interrupted run can be resumed, and the
next start deletes all leftover files.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from seqtool.settings.experiment import Settings
from seqtool.storage.atomic import present
from tests.benchmarks.faults.common import (
    BUG,
    check_model,
    counter,
    differences,
    exit_code,
    fork,
    leftover_files,
    newest_step,
    uninterrupted_run,
)
from tests.benchmarks.faults.kills import EVERY_STEP
from tests.support.small_runs import StopAt, char_run, run, stopping, tagger_run

NO_FAULT = 71  # exit code of a child that met no fault


@dataclass
class FaultReport:
    """Number of faults, and descriptions of broken promises."""

    faults: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Return whether all promises were kept."""
        return not self.wrong


@contextmanager
def failing_at(number: int, code: int = errno.ENOSPC) -> Iterator[list[int]]:
    """Let the `number`-th write, fsync or rename of this process fail.

    Yields:
        A list whose only element is the number of operations so far.
    """
    count = [0]

    def count_operation() -> None:
        count[0] += 1
        if count[0] == number:
            raise OSError(code, os.strerror(code))

    def guard(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            count_operation()
            return function(*args, **kwargs)

        return call

    def opening(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            opened = function(file, mode, *args, **kwargs)
            return opened if mode in ("r", "rb") else _FailingFile(opened, count_operation)

        return call

    with (
        patch.object(os, "fsync", guard(os.fsync)),
        patch.object(os, "rename", guard(os.rename)),
        patch.object(os, "replace", guard(os.replace)),
        patch.object(os, "fdopen", opening(os.fdopen)),
        patch.object(io, "open", opening(io.open)),
        patch.object(builtins, "open", opening(builtins.open)),
    ):
        yield count


class _FailingFile:
    """File that calls a function before each write; the function can raise an error."""

    def __init__(self, file: Any, count_operation: Callable[[], None]) -> None:
        self._file, self._count_operation = file, count_operation

    def write(self, data: Any) -> int:
        self._count_operation()
        return int(self._file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _FailingFile:
        return self

    def __exit__(self, *args: object) -> None:
        self._file.close()


def fail_writes(folder: Path, every: int = 1, first: int = 1) -> FaultReport:
    """Let each operation fail in turn, alternately in a character run and in a tagger run."""
    report, number, without_fault = FaultReport(), first, 0
    both_tasks = [Runs(char_run, folder / "char"), Runs(tagger_run, folder / "tagger")]
    with counter(400, "operations") as advance:
        while without_fault < len(both_tasks):
            runs = both_tasks[number % 2]
            code = runs.call(partial(_resume_with_failure, runs, number))
            without_fault = without_fault + 1 if code == NO_FAULT else 0
            report.faults += code != NO_FAULT
            report.wrong += [f"operation {number}: {line}" for line in runs.broken_promises(code)]
            number += every if every % 2 or without_fault else every + 1
            advance()
    return report


def _resume_with_failure(runs: Runs, number: int) -> None:
    with failing_at(number) as count:
        run(runs.settings, runs.root, resume=True)
    if count[0] < number:
        os._exit(NO_FAULT)


def fill_disk(folder: Path, limits: range) -> FaultReport:
    """Limit the size of files to each number of bytes in turn."""
    report, runs = FaultReport(), Runs(char_run, folder)
    with counter(len(limits), "limits") as advance:
        for limit in limits:
            code = runs.call(partial(_resume_with_limit, runs, limit))
            report.faults += code == 2
            report.wrong += [f"limit {limit}: {line}" for line in runs.broken_promises(code)]
            advance()
    return report


def _resume_with_limit(runs: Runs, limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    run(runs.settings, runs.root, resume=True)


class Runs:
    """Directory with a finished run, and an interrupted run of the same name with other settings."""

    def __init__(self, make: Callable[..., Settings], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.settings = make(folder, max_steps=9, eval_every=4, checkpoint_minutes=EVERY_STEP)
        self.expected = uninterrupted_run(self.settings, folder / "whole")
        self.template, self.root = folder / "template", folder / "root"
        assert exit_code(fork(lambda: run(make(folder, max_steps=3, eval_every=1), self.template))) == 0
        assert exit_code(fork(self._interrupt)) == 128 + signal.SIGTERM
        self.step = newest_step(self.template / "small.partial")

    def _interrupt(self) -> None:
        with stopping(StopAt(6)):
            run(self.settings, self.template)

    def call(self, work: Callable[[], object]) -> int:
        """Restore both runs, call a function in a child process, and return the exit code."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.template, self.root)
        return exit_code(fork(work))

    def broken_promises(self, code: int) -> Iterator[str]:
        """Yield the broken promises after a fault and after the next start."""
        if code not in (0, 2, NO_FAULT):
            yield "a traceback" if code == BUG else f"exit code {code}"
        partial, final = self.root / "small.partial", self.root / "small"
        try:
            check_model(present(final / "model"))
            if partial.exists() and newest_step(partial) < self.step:
                yield "the checkpoint is lost"
            if not partial.exists() and differences(final, self.expected):
                yield "neither a checkpoint nor the finished run"
        except Exception as error:
            yield f"{type(error).__name__}: {error}"
        if exit_code(fork(lambda: run(self.settings, self.root, resume=True))) != 0:
            yield "the next start fails"
        elif differences(final, self.expected):
            yield "the next start gives other bytes"
        yield from (f"left behind: {name}" for name in leftover_files(self.root))
