"""A tokenizer and a tagger trained side by side: equal to one after the other; stops, errors, the screen."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from seqtool.config.dump import dump_settings
from seqtool.errors import Diverged, SeqtoolError, Stopped
from seqtool.reports.training import TrainingScreen
from seqtool.storage.model_directory import read_manifest
from seqtool.training.checkpoints import Checkpoint, Checkpoints
from seqtool.training.engine.events import StepEvent
from seqtool.training.engine.trainer import Trainer
from seqtool.training.listeners import Listener, Row
from seqtool.training.part import PartTraining
from seqtool.training.run import TrainOptions, train
from seqtool.training.session import TrainingSession
from tests.support.joint_runs import assert_same, rows, short_run, stop_at
from tests.support.shell import environment
from tests.support.small_runs import count_polls, metrics, run

ROWS = [(part, step) for part in ("tokenizer", "tagger") for step in (5, 10, 12)]
LONG = {"max_steps": 200, "eval_every": 40}


@pytest.fixture(autouse=True)
def _no_thread_and_no_setting_stays() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    assert "tokenizer" not in [thread.name for thread in threading.enumerate()]
    torch.set_num_threads(threads)


def trained(folder: Path, name: str, threads: int, **training: Any) -> Path:
    """Train the parts of a small run with some threads, and return its directory."""
    run(short_run(folder, threads=threads, **training), folder / name)
    return folder / name / "small"


@pytest.mark.parametrize("threads", [2, 3, 5])
@pytest.mark.parametrize("more", [{}, {"ema": 0.9, "accumulate": 2}, {"eval_every": None}])
def test_side_by_side_gives_the_bytes_of_one_after_the_other(
    threads: int, more: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = trained(tmp_path, "together", threads, **more)
    assert read_manifest(together / "model").to_json()["threads"] == threads // 2
    if threads < 4:  # each part has one thread
        assert_same(together, trained(tmp_path, "one", 1, **more))

    def one_after_the_other(self: TrainingSession, other: PartTraining, main: PartTraining) -> None:
        for part in (other, main):
            self._train_part(part)

    monkeypatch.setattr(TrainingSession, "_train_side_by_side", one_after_the_other)
    assert_same(together, trained(tmp_path, "apart", threads, **more))


def test_both_parts_are_trained_at_the_same_time(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    class Seen(Listener):
        def step(self, event: StepEvent, part: str = "") -> None:
            seen.append((part, event.step))

    settings = short_run(tmp_path, 100, threads=2, max_steps=100)
    train(settings, TrainOptions(tmp_path), [Seen()])
    changes = sum(left != right for (left, _), (right, _) in pairwise(seen))
    assert changes > 10
    last = seen.index(("tagger", 100))
    assert len({step for part, step in seen[:last] if part == "tokenizer"}) > 1


@pytest.mark.parametrize("seed", range(6))
def test_a_run_that_is_stopped_at_random_ends_with_equal_bytes(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    whole = trained(tmp_path, "whole", 1)
    checks = count_polls(short_run(tmp_path, threads=2), tmp_path / "count")
    for number in range(3):
        poll = draw.randint(1, max(2, checks // (number + 1) - 1))
        settings = short_run(tmp_path, threads=draw.choice([1, 2]))
        try:
            message = stop_at(settings, tmp_path / "cut", poll, resume=bool(number))
        except pytest.fail.Exception:  # it has ended before
            break
        assert re.search(
            r"stopped after step \d+ of the (tokenizer|tagger)( and step \d+ of the tagger)?;", message
        )
    run(short_run(tmp_path, threads=draw.choice([1, 2])), tmp_path / "cut", resume=True)
    assert_same(tmp_path / "cut/small", whole)


def test_every_checkpoint_resumes_to_equal_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trained(tmp_path, "whole", 1)
    save: Any = Checkpoints.save
    saved: list[list[str]] = []
    last = 0

    def save_and_fail(self: Checkpoints, checkpoint: Checkpoint) -> None:
        save(self, checkpoint)
        saved.append(list(checkpoint.parts))
        if len(saved) == last:
            raise SeqtoolError("killed")

    monkeypatch.setattr("seqtool.training.session.EPOCH_CHECKPOINT_AFTER", 0.0)
    monkeypatch.setattr(Checkpoints, "save", save_and_fail)
    settings = short_run(tmp_path, threads=2, checkpoint_minutes=1e-9)
    run(settings, tmp_path / "count")
    assert ["tokenizer", "tagger"] in saved
    for last in range(1, len(saved) + 1, 3):
        saved.clear()
        with pytest.raises(SeqtoolError, match="killed"):
            run(settings, tmp_path / str(last))
        run(settings, tmp_path / str(last), resume=True)
        assert_same(tmp_path / str(last) / "small", whole)


@pytest.mark.parametrize("part", ["tokenizer", "tagger"])
def test_an_error_in_a_part_ends_the_other(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = short_run(tmp_path, threads=2)
    training, trainer_run = settings.parts[0 if part == "tokenizer" else 1].training, Trainer.run

    def diverging(self: Trainer) -> Any:
        for number, event in enumerate(trainer_run(self)):
            if self.training == training and number == 3:
                raise Diverged("the loss is no longer finite at step 4", hint="lower training.lr")
            yield event
        if self.training != training:
            time.sleep(0.3)

    monkeypatch.setattr(Trainer, "run", diverging)
    with pytest.raises(Diverged) as raised:
        run(settings, tmp_path)
    assert raised.value.problems[0].message.startswith(f"{part}: the loss is no longer finite")


def test_a_listener_that_ends_the_run_ends_both_parts(tmp_path: Path) -> None:
    class Pruner(Listener):
        def row(self, row: Row) -> None:
            if row.part == "tagger":
                raise SeqtoolError("pruned")

    with pytest.raises(SeqtoolError, match="pruned"):
        train(short_run(tmp_path, threads=2), TrainOptions(tmp_path), [Pruner()])


def test_the_screen_shows_one_table_after_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = []
    for threads in (1, 2):
        train(short_run(tmp_path, threads=threads), TrainOptions(tmp_path / str(threads)), [TrainingScreen()])
        done = capsys.readouterr()
        outputs.append([[*line.split("\t")[:3], line.split("\t")[-1]] for line in done.out.splitlines()])
    assert outputs[0] == outputs[1]
    assert "training the tokenizer, part 1 of 2, with the tagger beside it" in done.err
    assert done.err.index("part 1 of 2") < done.err.index("part 2 of 2")
    assert rows(tmp_path / "2/small") == ROWS


def test_rows_of_a_stopped_run_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Slow(Listener):
        """Send a signal after the first row of the tagger, before the tokenizer has one."""

        def row(self, row: Row) -> None:
            if row.part == "tagger":
                os.kill(os.getpid(), signal.SIGTERM)

    settings = short_run(tmp_path, 4000, threads=2, max_steps=12, eval_every=5)
    with pytest.raises(Stopped, match=r"of the tokenizer and step 5 of the tagger"):
        train(settings, TrainOptions(tmp_path), [TrainingScreen(), Slow()])
    assert "tagger\t" in capsys.readouterr().out


def test_a_killed_process_resumes_with_another_number_of_threads(tmp_path: Path) -> None:
    whole = trained(tmp_path, "whole", 1, **LONG)
    settings = short_run(tmp_path, threads=2, checkpoint_minutes=1e-9, **LONG)
    (tmp_path / "small.yaml").write_text(dump_settings(settings), encoding="utf-8")
    command = [sys.executable, "-m", "seqtool", "train-tagger", "small.yaml", "--quiet"]
    child = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL)
    checkpoints, deadline = tmp_path / "runs/small.partial/checkpoints", time.monotonic() + 100
    while time.monotonic() < deadline and child.poll() is None:
        if checkpoints.is_dir() and any("000009" in entry.name for entry in checkpoints.iterdir()):
            break
        time.sleep(0.002)
    child.kill()
    child.wait()
    more = ["--resume", "--set", "training.threads=1"]
    subprocess.run([*command, *more], cwd=tmp_path, env=environment(), check=True, stdout=subprocess.DEVNULL)
    assert_same(tmp_path / "runs/small", whole)
    assert metrics(whole)
