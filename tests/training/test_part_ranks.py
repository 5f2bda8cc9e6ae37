"""Two ranks that train a tokenizer and a tagger: agreement with one process, exact resume in either part."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import numpy as np
import pytest

from seqtool.config.dump import dump_settings
from tests.support.shell import seqtool
from tests.support.small_runs import metrics
from tests.support.small_runs import weights as weight_bytes
from tests.support.small_treebank import joint_run
from tests.training.test_torchrun import rows, start_ranks, wait_for, weights

TRAIN = ("train-tagger", "small.yaml", "--name")
LIMITS = {"epochs": None, "max_steps": 150, "eval_every": 30}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ranks")
    (path / "small.yaml").write_text(dump_settings(joint_run(path, steps=150, **LIMITS)), encoding="utf-8")
    return path


def test_two_ranks_agree_with_one_process(folder: Path) -> None:
    limits = ("--set", "training.max_steps=30", "--set", "tokenizer.training.max_steps=10")
    first, second = wait_for(start_ranks(folder, *TRAIN, "two", *limits))
    alone = seqtool(*TRAIN, "one", *limits, cwd=folder)
    assert first.code == second.code == alone.code == 0, first.stderr + second.stderr
    two, one = folder / "runs/two", folder / "runs/one"
    for row, expected in zip(rows(two), rows(one), strict=True):
        assert row["part"] == expected["part"]
        assert row["train_loss"] == pytest.approx(expected["train_loss"], abs=1e-5)
    for name, array in weights(one).items():
        np.testing.assert_allclose(weights(two)[name], array, atol=1e-4)


@pytest.fixture(scope="module")
def whole(folder: Path) -> Path:
    """Train without a stop."""
    results = wait_for(start_ranks(folder, *TRAIN, "whole"))
    assert [result.code for result in results] == [0, 0], results[0].stderr
    return folder / "runs/whole"


@pytest.mark.parametrize("part", ["tokenizer", "tagger"])
def test_ranks_stopped_in_a_part_resume_to_equal_bytes(part: str, whole: Path, folder: Path) -> None:
    processes = start_ranks(folder, *TRAIN, part)
    log, deadline = folder / f"runs/{part}.partial/metrics.jsonl", time.monotonic() + 200
    while not (log.exists() and f'"{part}"' in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    processes[1].send_signal(signal.SIGTERM)
    results = wait_for(processes)
    assert [result.code for result in results] == [143, 143], results[0].stderr
    assert f" of the {part}; resume with" in results[0].stderr
    results = wait_for(start_ranks(folder, *TRAIN, part, "--resume"))
    assert [result.code for result in results] == [0, 0], results[0].stderr
    run = folder / "runs" / part
    assert weight_bytes(run) == weight_bytes(whole)
    assert metrics(run) == metrics(whole)
