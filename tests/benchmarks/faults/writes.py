"""Write faults at the Nth write, fsync or rename, for every N until a run passes untouched; and a disk that is full at N bytes.

Each time: a finished run of another name and one of the same name stay usable, the interrupted run can be gone on with, and the
next start leaves nothing lying about.
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

from seqtool.settings import Settings
from tests.benchmarks.faults.common import (
    BUG,
    differences,
    ended,
    fork,
    litter,
    loads,
    newest_step,
    telling,
    whole,
)
from tests.benchmarks.faults.kills import OFTEN
from tests.support.small_runs import StopAt, char_run, run, stopping, tagger_run

UNTOUCHED = 71  # exit code of a child that met no fault


@dataclass
class Faults:
    """What came of it."""

    faults: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether all is as promised."""
        return not self.wrong


@contextmanager
def failing_at(number: int, code: int = errno.ENOSPC) -> Iterator[list[int]]:
    """Let the `number`-th write, fsync or rename of this process fail; the list's only element counts them."""
    count = [0]

    def strike() -> None:
        count[0] += 1
        if count[0] == number:
            raise OSError(code, os.strerror(code))

    def guard(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            strike()
            return function(*args, **kwargs)

        return call

    def opening(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            opened = function(file, mode, *args, **kwargs)
            return opened if mode in ("r", "rb") else _Struck(opened, strike)

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


class _Struck:
    """A file whose writes can fail."""

    def __init__(self, file: Any, strike: Callable[[], None]) -> None:
        self._file, self._strike = file, strike

    def write(self, data: Any) -> int:
        self._strike()
        return int(self._file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Struck:
        return self

    def __exit__(self, *args: object) -> None:
        self._file.close()


def fail_writes(folder: Path, every: int = 1, first: int = 1) -> Faults:
    """Let each operation fail in turn, by turns in a character run and in a tagger's."""
    found, number, untouched = Faults(), first, 0
    places = [_Place(char_run, folder / "char"), _Place(tagger_run, folder / "tagger")]
    with telling(400, "operations") as one:
        while untouched < len(places):
            place = places[number % 2]
            code = place.resumed(partial(_fail, place, number))
            untouched = untouched + 1 if code == UNTOUCHED else 0
            found.faults += code != UNTOUCHED
            found.wrong += [f"operation {number}: {line}" for line in place.wrongs(code)]
            number += every if every % 2 or untouched else every + 1
            one()
    return found


def _fail(place: _Place, number: int) -> None:
    with failing_at(number) as count:
        run(place.settings, place.root, resume=True)
    if count[0] < number:
        os._exit(UNTOUCHED)


def fill_disk(folder: Path, limits: range) -> Faults:
    """Let no file grow beyond a number of bytes."""
    found, place = Faults(), _Place(char_run, folder)
    with telling(len(limits), "limits") as one:
        for limit in limits:
            code = place.resumed(partial(_limited, place, limit))
            found.faults += code == 2
            found.wrong += [f"limit {limit}: {line}" for line in place.wrongs(code)]
            one()
    return found


def _limited(place: _Place, limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    run(place.settings, place.root, resume=True)


class _Place:
    """Runs under a root: a finished one, and an interrupted one of the same name and other settings."""

    def __init__(self, make: Callable[..., Settings], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.settings = make(folder, max_steps=9, eval_every=4, checkpoint_minutes=OFTEN)
        self.expected = whole(self.settings, folder / "whole")
        self.template, self.root = folder / "template", folder / "root"
        assert ended(fork(lambda: run(make(folder, max_steps=3, eval_every=1), self.template))) == 0
        assert ended(fork(self._interrupt)) == 128 + signal.SIGTERM
        self.step = newest_step(self.template / "small.partial")

    def _interrupt(self) -> None:
        with stopping(StopAt(6)):
            run(self.settings, self.template)

    def resumed(self, work: Callable[[], object]) -> int:
        """Go on with the interrupted run in a child that does `work`; its exit code."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.template, self.root)
        return ended(fork(work))

    def wrongs(self, code: int) -> Iterator[str]:
        """What is not as promised, after the fault and after the next start."""
        if code not in (0, 2, UNTOUCHED):
            yield "a traceback" if code == BUG else f"exit code {code}"
        partial, final = self.root / "small.partial", self.root / "small"
        try:
            loads(final / "model") if final.exists() else loads(self.root / "small.old" / "model")
            if partial.exists() and newest_step(partial) < self.step:
                yield "the checkpoint is lost"
            if not partial.exists() and differences(final, self.expected):
                yield "neither a checkpoint nor the finished run"
        except Exception as error:
            yield f"{type(error).__name__}: {error}"
        if ended(fork(lambda: run(self.settings, self.root, resume=True))) != 0:
            yield "the next start fails"
        elif differences(final, self.expected):
            yield "the next start ends in other bytes"
        yield from (f"left lying: {name}" for name in litter(self.root))
