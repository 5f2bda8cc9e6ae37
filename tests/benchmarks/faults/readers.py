"""Calls of `seqtool tag` while a training process keeps saving the model that they read."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from seqtool.cli import inputs  # `tag` imports this and the next ones; no child has to import them again
from seqtool.cli.exit_codes import run as run_command
from seqtool.cli.main import app
from seqtool.inference import tag_stream
from seqtool.training import run_files
from tests.benchmarks.faults.common import Background, counter, exit_code, fork
from tests.support.small_runs import run, tagger_run


@dataclass
class ReadReport:
    """Numbers of calls, of failed calls, and of models that were saved in the meantime."""

    calls: int = 0
    failed: int = 0
    saves: int = 0

    @property
    def passed(self) -> bool:
        """Return whether every call succeeded."""
        return not self.failed and self.saves > 0


def tag_while_saving(count: int, folder: Path) -> ReadReport:
    """Call `tag` with a model that is being written.

    Half of the calls name the model of an unfinished run, which is saved after every step. The others name a
    finished run, which is trained and replaced again and again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report, log, runs = ReadReport(), folder / "saves", folder / "runs"
    for reference, model, work in (
        ("runs/small.partial/model", runs / "small.partial/model", _save_every_step),
        ("small", runs / "small/model", _replace_run_repeatedly),
    ):
        with Background(partial(work, folder, log)) as trainer, counter(count // 2, "calls") as advance:
            trainer.wait_for(model)
            for _ in range(count // 2):
                report.failed += exit_code(fork(partial(_tag, folder, reference))) != 0
                report.calls += 1
                advance()
    report.saves = log.stat().st_size
    return report


def _save_every_step(folder: Path, log: Path) -> None:
    """Train a run in which every row is the best so far and is saved."""
    settings = tagger_run(folder, max_steps=None, epochs=100_000, eval_every=1)
    with (
        patch.object(run_files, "SAVE_EVERY", 0.0),
        patch.object(run_files.BestModel, "save", _logged_save(log)),
        patch("seqtool.tasks.tagger_training.TaggingTask.quality", lambda *_: time.monotonic()),
    ):
        run(settings, folder / "runs", overwrite=True)


def _replace_run_repeatedly(folder: Path, log: Path) -> None:
    """Train short runs of the same name, one after the other."""
    settings = tagger_run(folder, max_steps=2)
    with patch.object(run_files.BestModel, "save", _logged_save(log)):
        for seed in range(1_000_000):
            run(replace(settings, seed=seed), folder / "runs", overwrite=True)


def _logged_save(log: Path) -> Callable[..., None]:
    """Return the method that saves the best model, extended to append a byte to a log after each call."""
    original = run_files.BestModel.save

    def save(self: run_files.BestModel, **fields: Any) -> None:
        original(self, **fields)
        with log.open("ab") as file:
            file.write(b".")

    return save


def _tag(folder: Path, reference: str) -> None:
    """Run `seqtool tag` in this process, without a new interpreter."""
    assert inputs and tag_stream
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = ["seqtool", "tag", "--model", reference, "the dog read"]
    os._exit(run_command(app))
