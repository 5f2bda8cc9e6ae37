"""`seqtool tag`, called again and again while a training process keeps saving the very model that it reads."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from seqtool.cli import inputs  # what `tag` imports, so that no child has to
from seqtool.cli.exit_codes import run as run_command
from seqtool.cli.main import app
from seqtool.inference import tag_stream
from seqtool.training import run_files
from tests.benchmarks.faults.common import ended, fork, telling
from tests.support.small_runs import run, tagger_run


@dataclass
class Reads:
    """What came of it."""

    calls: int = 0
    failed: int = 0
    saves: int = 0

    @property
    def good(self) -> bool:
        """Whether all is as promised."""
        return not self.failed and self.saves > 0


def tag_while_saving(count: int, folder: Path) -> Reads:
    """Half of the calls name the model of an unfinished run, half a run that is trained anew and replaced all the time."""
    folder.mkdir(parents=True, exist_ok=True)
    found, log = Reads(), folder / "saves"
    for reference, work in (("runs/small.partial/model", _save_on), ("small", _finish_on)):
        trainer = fork(partial(work, folder, log))
        try:
            while not (
                (folder / "runs" / "small.partial" if work is _save_on else folder / "runs" / "small")
                / "model"
            ).exists():
                assert os.waitpid(trainer, os.WNOHANG) == (0, 0)
                time.sleep(0.01)
            with telling(count // 2, "calls") as one:
                for _ in range(count // 2):
                    found.failed += ended(fork(partial(_tag, folder, reference))) != 0
                    found.calls += 1
                    one()
        finally:
            os.kill(trainer, signal.SIGKILL)
            ended(trainer)
    found.saves = log.stat().st_size
    return found


def _save_on(folder: Path, log: Path) -> None:
    """A run whose every row is the best so far, and is saved."""
    settings = tagger_run(folder, max_steps=None, epochs=100_000, eval_every=1)
    with (
        patch.object(run_files, "SAVE_EVERY", 0.0),
        patch.object(run_files.BestModel, "save", _counted(log)),
        patch("seqtool.tasks.tagger_training.TaggingTask.quality", lambda *_: time.monotonic()),
    ):
        run(settings, folder / "runs", overwrite=True)


def _finish_on(folder: Path, log: Path) -> None:
    """One run after the other in the same place."""
    settings = tagger_run(folder, max_steps=2)
    with patch.object(run_files.BestModel, "save", _counted(log)):
        for seed in range(1_000_000):
            run(replace(settings, seed=seed), folder / "runs", overwrite=True)


def _counted(log: Path) -> Callable[..., None]:
    real = run_files.BestModel.save

    def save(self: run_files.BestModel, **more: Any) -> None:
        real(self, **more)
        with log.open("ab") as file:
            file.write(b".")

    return save


def _tag(folder: Path, reference: str) -> None:
    """What `seqtool tag` does, without starting Python anew."""
    assert inputs and tag_stream
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = ["seqtool", "tag", "--model", reference, "the dog read"]
    os._exit(run_command(app))
