"""The command line in several ranks: the same result, one rank that speaks, kills and restarts under torchrun, errors, stops.

Where torchrun itself is not what is looked at, its ranks are started without it, in the environment that it would give them.
"""

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

from tests.support.rank_runs import free_port
from tests.support.shell import Result, environment, seqtool, start

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


def torchrun(folder: Path, *arguments: str, restarts: int = 0) -> subprocess.Popen[str]:
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        f"--max-restarts={restarts}",
    ]
    return subprocess.Popen(
        [*launcher, "-m", "seqtool", *arguments],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def started(folder: Path, *arguments: str, size: int = 2) -> list[subprocess.Popen[bytes]]:
    """The ranks alone."""
    known = {
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }
    return [
        start(*arguments, cwd=folder, **known, RANK=str(rank), LOCAL_RANK=str(rank)) for rank in range(size)
    ]


def ended(processes: list[subprocess.Popen[bytes]]) -> list[Result]:
    """How each rank ended."""
    said = [process.communicate(timeout=300) for process in processes]
    return [
        Result(process.returncode, out.decode(), err.decode())
        for process, (out, err) in zip(processes, said, strict=True)
    ]


def weights(run: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = load_file(run / "model" / "weights.safetensors")
    return found


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_two_ranks_end_where_one_process_ends_and_one_of_them_speaks(folder: Path) -> None:
    processes = started(folder, "train-char", "small.yaml", "--name", "two")
    alone = seqtool("train-char", "small.yaml", "--name", "one", cwd=folder)
    first, second = ended(processes)
    assert first.code == second.code == alone.code == 0, first.stderr + second.stderr
    assert len(first.lines) == len(alone.lines) == 4  # a head and three rows
    assert "2 ranks" in first.stderr and second == Result(0, "", "")
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
    left_alone = started(folder, "train-char", "small.yaml", "--name", "left", "--set", longer)
    killed = torchrun(folder, "train-char", "small.yaml", "--name", "killed", "--set", longer, restarts=2)
    checkpoints, deadline = folder / "runs/killed.partial/checkpoints", time.monotonic() + 200
    while (
        not (checkpoints.is_dir() and any(checkpoints.glob("*/manifest.json")))
        and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    os.kill(ranks_of(killed.pid)[1], signal.SIGKILL)
    _, said = killed.communicate(timeout=300)
    assert killed.returncode == 0, said
    assert [result.code for result in ended(left_alone)] == [0, 0]
    assert re.search(r"resumed after step \d", said)
    left, resumed = (folder / "runs" / name for name in ("left", "killed"))
    assert (left / "model/weights.safetensors").read_bytes() == (
        resumed / "model/weights.safetensors"
    ).read_bytes()
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
    first, second = ended(
        started(folder, "train-char", "small.yaml", "--name", "few", "--set", "training.batch_size=1")
    )
    assert first.code == second.code == 2
    assert (
        "a batch of 1 streams cannot be divided among 2 ranks" in first.stderr
        and "Traceback" not in first.stderr
    )
    assert second.stderr == ""


def test_a_stop_is_obeyed_by_all_ranks_and_gone_on_with_by_one(folder: Path) -> None:
    processes = started(
        folder, "train-char", "small.yaml", "--name", "stopped", "--set", "training.max_steps=100000"
    )
    partial, deadline = folder / "runs/stopped.partial", time.monotonic() + 200
    while not (partial / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGTERM)  # one is told; all stop after the same step
    first, second = ended(processes)
    assert first.code == second.code == 143, first.stderr + second.stderr
    step = re.search(r"stopped after step ([\d,]+)", first.stderr)
    assert step is not None
    limit = int(step[1].replace(",", "")) + 5
    alone = seqtool(
        "train-char",
        "small.yaml",
        "--name",
        "stopped",
        "--resume",
        "--set",
        f"training.max_steps={limit}",
        cwd=folder,
    )
    assert alone.code == 0 and "world_size: 2 before, 1 now" in alone.stderr, alone.stderr
