"""Ranks that do not agree are refused before the first step, and the error of one rank reaches the others.

The ranks are two processes of this machine that take themselves for two machines: each prints its messages.
"""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import pytest

from tests.support.rank_runs import free_port
from tests.support.shell import PROJECT, Result, seqtool, start
from tests.training.test_torchrun import wait_for

CHAR = """
task: char
name: small
data: {text: TEXT}
model: {hidden_size: 8, embedding_dim: 4}
training: {max_steps: 20, eval_every: 10, batch_size: 4, window: 16, device: cpu}
"""
SECONDS = 30  # far below the patience of a rank; the machine may be busy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw = random.Random(1)
    text = "".join(draw.choice("abcd \n") for _ in range(4000))
    (tmp_path / "text.txt").write_text(text)
    (tmp_path / "equal_size.txt").write_text(text.replace("ab", "ba"))
    (tmp_path / "longer.txt").write_text(text + text)
    for name in ("text", "equal_size", "longer", "missing"):
        (tmp_path / f"{name}.yaml").write_text(CHAR.replace("TEXT", f"{name}.txt"))
    (tmp_path / "wrong.yaml").write_text(
        CHAR.replace("TEXT", "text.txt").replace("max_steps: 20", "max_steps: x")
    )
    return tmp_path


def two_machines(folder: Path, first: list[str], second: list[str], **variables: str) -> list[Result]:
    """Run a rank with each of two command lines.

    Args:
        variables: additional environment variables of the second rank.
    """
    shared = {
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "1",
    }
    return wait_for(
        [
            start(*first, cwd=folder, **shared, RANK="0"),
            start(*second, cwd=folder, **{**shared, "RANK": "1", **variables}),
        ]
    )


def assert_refused(results: list[Result], *parts: str) -> None:
    """Check that all ranks exit with 2 and that rank 0 names the cause, in one error each."""
    for result in results:
        assert result.code == 2 and result.stdout == "", result.stderr
        assert "Traceback" not in result.stderr and result.stderr.count("error: ") == 1, result.stderr
    for part in parts:
        assert part in results[0].stderr, results[0].stderr


SAME = ["train-char", "text.yaml"]
DIFFERENT = {
    "learning rate": ([*SAME, "--set", "training.lr=0.01"], "training.lr: 0.003 on rank 0"),
    "text of equal size": (
        ["train-char", "equal_size.yaml"],
        "the ranks differ in data.text: content of the files",
    ),
    "text of another size": (
        ["train-char", "longer.yaml"],
        "the ranks differ in data.text: content of the files",
    ),
    "seeds": ([*SAME, "--seeds", "2"], "--seeds: 1 on rank 0"),
    "missing text": (["train-char", "missing.yaml"], "missing.txt"),
    "wrong config": (["train-char", "wrong.yaml"], "training.max_steps: expected"),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_ranks_that_differ_are_refused(name: str, folder: Path) -> None:
    arguments, message = DIFFERENT[name]
    started = time.monotonic()
    assert_refused(two_machines(folder, SAME, arguments), message, "rank 1")
    assert time.monotonic() - started < SECONDS
    assert not list(folder.glob("runs/small*"))


def test_error_of_the_first_rank_ends_the_others(folder: Path) -> None:
    first, second = two_machines(folder, ["train-char", "wrong.yaml"], SAME)
    assert first.code == second.code == 2
    assert "expected" in first.stderr and "rank 0 on " in second.stderr, second.stderr


def test_another_version_is_refused(folder: Path) -> None:
    shutil.copytree(
        PROJECT / "seqtool", folder / "other/seqtool", ignore=shutil.ignore_patterns("pretrained")
    )
    (folder / "other/seqtool/version.py").write_text('"""Version."""\n\nVERSION = "0.0.9"\n')
    results = two_machines(folder, SAME, SAME, PYTHONPATH=str(folder / "other"))
    assert_refused(results, "the ranks differ in seqtool: ", "0.0.9")


def test_paths_threads_and_patience_may_differ(folder: Path) -> None:
    (folder / "copy").mkdir()
    shutil.copy(folder / "text.txt", folder / "copy/renamed.txt")
    (folder / "copy/text.yaml").write_text(CHAR.replace("TEXT", "renamed.txt"))
    other = [
        "train-char",
        "copy/text.yaml",
        "--set",
        "training.threads=2",
        "--set",
        "training.rank_timeout=100",
    ]
    first, second = two_machines(folder, SAME, other)
    assert first.code == second.code == 0, first.stderr + second.stderr


def test_rank_waits_no_longer_than_its_patience(folder: Path) -> None:
    variables = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    alone = start(
        *SAME, "--set", "training.rank_timeout=2", cwd=folder, **variables, RANK="0", LOCAL_RANK="0"
    )
    (result,) = wait_for([alone])
    assert_refused([result], "training.rank_timeout", "do not find each other")


# --- restarts -----------------------------------------------------------------------------------------------

TORCHRUN = {
    "RANK": "0",
    "WORLD_SIZE": "1",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "1",
    "TORCHELASTIC_RUN_ID": "none",
    "TORCHELASTIC_RESTART_COUNT": "0",
}


def test_run_that_torchrun_starts_again_resumes_although_no_restart_is_counted(folder: Path) -> None:
    """A machine that joins or leaves makes torchrun start the ranks again with a count of 0."""
    values = ("checkpoint_minutes=1e-9", "eval_every=1", "max_steps=4000")
    often = [f"--set=training.{value}" for value in values]
    stopped = start(*SAME, *often, cwd=folder)
    deadline = time.monotonic() + SECONDS
    while not list(folder.glob("runs/small.partial/checkpoints/*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    stopped.terminate()
    (result,) = wait_for([stopped])
    assert result.code == 143, result.stderr
    alone = seqtool(*SAME, *often, cwd=folder)
    assert alone.code == 2 and "--resume" in alone.stderr
    again = seqtool(*SAME, *often, "--set=training.max_steps=2", cwd=folder, timeout=120, **TORCHRUN)
    assert again.code == 0 and "resumed after step" in again.stderr, again.stderr
