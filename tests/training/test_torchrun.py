"""The command line with several ranks: equal results, output of one rank, restart after a kill, errors, stop.

Tests that do not concern torchrun itself start the ranks directly, with torchrun's environment variables.
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
training: {max_steps: 60, eval_every: 20, batch_size: 4, window: 16, threads: 1, device: cpu,
  checkpoint_minutes: 0.003}
"""

WORDS = CHAR.replace("text.txt", "text.txt, unit: word, spell_unknown: true, min_count: 2").replace(
    "embedding_dim: 6,",
    "embedding_dim: 6, tied: true, output: adaptive, cutoffs: [4, 8], embedding_dropout: 0.1,",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("torchrun")
    draw = random.Random(1)
    words = ["the", "dog", "ate", "an", "apple", "and", "everybody", "read", "that", "book"]
    (path / "text.txt").write_text(" ".join(draw.choice(words) for _ in range(1500)), encoding="utf-8")
    (path / "small.yaml").write_text(CHAR, encoding="utf-8")
    (path / "words.yaml").write_text(WORDS, encoding="utf-8")
    return path


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


def start_ranks(folder: Path, *arguments: str, size: int = 2) -> list[subprocess.Popen[bytes]]:
    """Start the ranks without torchrun."""
    variables = {
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }
    return [
        start(*arguments, cwd=folder, **variables, RANK=str(rank), LOCAL_RANK=str(rank))
        for rank in range(size)
    ]


def wait_for(processes: list[subprocess.Popen[bytes]]) -> list[Result]:
    """Wait for all ranks and return their exit codes and output."""
    output = [process.communicate(timeout=300) for process in processes]
    return [
        Result(process.returncode, out.decode(), err.decode())
        for process, (out, err) in zip(processes, output, strict=True)
    ]


def weights(run: Path) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = load_file(run / "model" / "weights.safetensors")
    return arrays


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("config", ["small", "words"])
def test_two_ranks_agree_with_one_process_and_one_of_them_prints(folder: Path, config: str) -> None:
    processes = start_ranks(folder, "train-char", f"{config}.yaml", "--name", "two", "--overwrite")
    alone = seqtool("train-char", f"{config}.yaml", "--name", "one", "--overwrite", cwd=folder)
    first, second = wait_for(processes)
    assert first.code == second.code == alone.code == 0, first.stderr + second.stderr
    assert len(first.lines) == len(alone.lines) == 4  # a header and three rows
    assert "2 ranks" in first.stderr and second == Result(0, "", "")
    runs = folder / "runs"
    assert json.loads((runs / "two/model/manifest.json").read_text())["world_size"] == 2
    assert json.loads((runs / "one/model/manifest.json").read_text())["world_size"] == 1
    for row, expected in zip(rows(runs / "two"), rows(runs / "one"), strict=True):
        for name in ("train_loss", "val_loss", "val_loss_blocks"):
            assert row[name] == pytest.approx(expected[name], abs=1e-5)
    for name, array in weights(runs / "one").items():
        np.testing.assert_allclose(weights(runs / "two")[name], array, atol=1e-4)


def test_run_restarted_after_a_killed_rank_ends_with_equal_bytes(folder: Path) -> None:
    longer = "training.max_steps=400"
    uninterrupted = start_ranks(
        folder, "train-char", "small.yaml", "--name", "uninterrupted", "--set", longer
    )
    killed = torchrun(folder, "train-char", "small.yaml", "--name", "killed", "--set", longer, restarts=2)
    checkpoints, deadline = folder / "runs/killed.partial/checkpoints", time.monotonic() + 200
    while (
        not (checkpoints.is_dir() and any(checkpoints.glob("*/manifest.json")))
        and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    os.kill(ranks_of(killed.pid)[1], signal.SIGKILL)
    _, output = killed.communicate(timeout=300)
    assert killed.returncode == 0, output
    assert [result.code for result in wait_for(uninterrupted)] == [0, 0]
    assert re.search(r"resumed after step \d", output)
    whole, resumed = (folder / "runs" / name for name in ("uninterrupted", "killed"))
    assert (whole / "model/weights.safetensors").read_bytes() == (
        resumed / "model/weights.safetensors"
    ).read_bytes()
    assert [row["val_loss"] for row in rows(whole)] == [row["val_loss"] for row in rows(resumed)]


def ranks_of(launcher: int) -> list[int]:
    """Return the process numbers of a launcher's ranks, in the order of the ranks."""
    processes = {}
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
            processes[rank] = int(entry.name)
    return [processes[rank] for rank in sorted(processes)]


def test_batch_smaller_than_the_ranks_is_one_error(folder: Path) -> None:
    first, second = wait_for(
        start_ranks(folder, "train-char", "small.yaml", "--name", "few", "--set", "training.batch_size=1")
    )
    assert first.code == second.code == 2
    assert (
        "a batch of 1 streams cannot be divided among 2 ranks" in first.stderr
        and "Traceback" not in first.stderr
    )
    assert second.stderr == ""


def test_stop_of_one_rank_stops_all_and_one_process_resumes(folder: Path) -> None:
    processes = start_ranks(
        folder, "train-char", "small.yaml", "--name", "stopped", "--set", "training.max_steps=100000"
    )
    partial, deadline = folder / "runs/stopped.partial", time.monotonic() + 200
    while not (partial / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGTERM)  # one rank receives the signal; all stop after the same step
    first, second = wait_for(processes)
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
