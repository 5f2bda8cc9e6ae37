"""The command line under torchrun, as a user starts it: the same result, one rank that speaks, kills and restarts, errors."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.shell import environment, seqtool

CHAR = """
task: char
name: small
data: {text: text.txt}
model: {hidden_size: 16, embedding_dim: 6, dropout: 0.2, state_reset: 0.1}
training: {max_steps: 60, eval_every: 20, batch_size: 4, window: 16, threads: 1, device: cpu, checkpoint_minutes: 0.003}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("torchrun")
    draw = random.Random(1)
    words = ["the", "dog", "ate", "an", "apple", "and", "everybody", "read", "that", "book"]
    (made / "text.txt").write_text(" ".join(draw.choice(words) for _ in range(1500)), encoding="utf-8")
    (made / "small.yaml").write_text(CHAR, encoding="utf-8")
    return made


def torchrun(folder: Path, *arguments: str, ranks: int = 2, restarts: int = 0) -> subprocess.Popen[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", f"--max-restarts={restarts}"]
    return subprocess.Popen(
        [*launcher, "-m", "seqtool", *arguments],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def weights(run: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = load_file(run / "model" / "weights.safetensors")
    return found


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_two_ranks_end_where_one_process_ends_and_one_of_them_speaks(folder: Path) -> None:
    process = torchrun(folder, "train-char", "small.yaml", "--name", "two")
    alone = seqtool("train-char", "small.yaml", "--name", "one", cwd=folder)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0 == alone.code, stderr
    assert len(stdout.splitlines()) == len(alone.lines) == 4  # a head and three rows
    assert stderr.count("2 ranks") == 1 and stderr.count("best row") == 1
    runs = folder / "runs"
    assert json.loads((runs / "two/model/manifest.json").read_text())["world_size"] == 2
    assert json.loads((runs / "one/model/manifest.json").read_text())["world_size"] == 1
    for ours, theirs in zip(rows(runs / "two"), rows(runs / "one"), strict=True):
        for name in ("train_loss", "val_loss", "val_loss_blocks"):
            assert ours[name] == pytest.approx(theirs[name], abs=1e-5)
    for name, array in weights(runs / "one").items():
        np.testing.assert_allclose(weights(runs / "two")[name], array, atol=1e-4)


def test_a_killed_rank_is_started_again_and_the_run_ends_in_the_same_bytes(folder: Path) -> None:
    longer = "training.max_steps=400"
    left_alone = torchrun(folder, "train-char", "small.yaml", "--name", "left", "--set", longer)
    killed = torchrun(folder, "train-char", "small.yaml", "--name", "killed", "--set", longer, restarts=2)
    checkpoints, deadline = folder / "runs/killed.partial/checkpoints", time.monotonic() + 200
    while not (checkpoints.is_dir() and any(checkpoints.glob("*/manifest.json"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(ranks_of(killed.pid)[1], signal.SIGKILL)
    _, said = killed.communicate(timeout=300)
    _, alone = left_alone.communicate(timeout=300)
    assert killed.returncode == 0 == left_alone.returncode, said + alone
    assert re.search(r"going on after step \d", said)
    left, resumed = (folder / "runs" / name for name in ("left", "killed"))
    assert (left / "model/weights.safetensors").read_bytes() == (resumed / "model/weights.safetensors").read_bytes()
    assert [row["val_loss"] for row in rows(left)] == [row["val_loss"] for row in rows(resumed)]


def ranks_of(launcher: int) -> list[int]:
    """Process numbers of a launcher's ranks, in their order."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            variables = (entry / "environ").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        rank = next((int(item[5:]) for item in variables if item.startswith(b"RANK=")), None)
        if parent == launcher and rank is not None:
            found[rank] = int(entry.name)
    return [found[rank] for rank in sorted(found)]


def test_a_batch_that_cannot_be_divided_is_one_error_and_no_traceback(folder: Path) -> None:
    process = torchrun(folder, "train-char", "small.yaml", "--name", "few", "--set", "training.batch_size=1")
    _, stderr = process.communicate(timeout=300)
    assert process.returncode != 0
    assert stderr.count("a batch of 1 streams cannot be divided among 2 ranks") == 1
    assert "exitcode  : 2" in stderr and "seqtool/" not in stderr.replace("-m seqtool", "")


def test_a_stop_is_obeyed_by_all_ranks_and_gone_on_with_by_one(folder: Path) -> None:
    process = torchrun(folder, "train-char", "small.yaml", "--name", "stopped", "--set", "training.max_steps=100000")
    partial, deadline = folder / "runs/stopped.partial", time.monotonic() + 200
    while not (partial / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=300)
    assert re.search(r"stopped after step (\d+)", stderr), stderr
    step = re.search(r"stopped after step ([\d,]+)", stderr)
    assert step is not None
    limit = int(step[1].replace(",", "")) + 5
    alone = seqtool("train-char", "small.yaml", "--name", "stopped", "--resume", "--set", f"training.max_steps={limit}", cwd=folder)
    assert alone.code == 0 and "world_size: 2 before, 1 now" in alone.stderr, alone.stderr
