"""Lifetime: no process outlives its command, and a worker's death is one line."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.benchmarks.faults.commands import Command
from tests.benchmarks.faults.lifetime import LONG_SWEEP, SIGNALS, WAITING_TAG, Marked, end_of
from tests.support.shell import seqtool
from tests.support.small_runs import text_file
from tests.support.stored_models import store_tagger

LIMIT = 60.0  # seconds; a worker that outlives its command does so forever
LONG_TAG = Command(("tag", "--model", "words", "--file", "long.txt", "--jobs", "2"))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lifetime")
    store_tagger(folder / "runs/words")
    (folder / "long.txt").write_text("The dog ate the apple\n" * 40_000)
    return folder


CHAR = """
task: char
data: {text: text.txt}
model: {hidden_size: 8}
training: {eval_every: 10, batch_size: 4, window: 16, threads: 1, device: cpu}
"""
Started = Callable[[Command], Marked]


@pytest.fixture
def started(here: Path) -> Iterator[Started]:
    """Return a function that starts a command; what is left of it is killed at the end."""
    commands: list[Marked] = []

    def begin(command: Command) -> Marked:
        commands.append(Marked(command, here))
        return commands[-1]

    yield begin
    for marked in commands:
        marked.kill()


def waiting(started: Started) -> Marked:
    """Return a command whose workers have tagged one line and wait for the next one."""
    marked = started(WAITING_TAG)
    marked.send_line()
    marked.wait_for(lambda: marked.stdout)
    assert len(marked.workers()) == 3
    return marked


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_no_worker_of_tag_outlives_a_signal_to_its_parent(number: signal.Signals, started: Started) -> None:
    idle, busy = waiting(started), started(LONG_TAG)
    busy.wait_for(lambda: busy.stdout)
    for marked in (idle, busy):
        assert end_of(marked, number, LIMIT)[0] == ""
        assert marked.process.returncode in (-number, 128 + number)
        assert marked.stderr == ""


def test_paused_worker_ends_with_its_parent(started: Started) -> None:
    marked = waiting(started)
    os.kill(marked.workers()[0], signal.SIGSTOP)
    assert end_of(marked, signal.SIGKILL, LIMIT)[0] == ""


def test_paused_worker_ends_on_ctrl_c(started: Started) -> None:
    marked = waiting(started)
    os.kill(marked.workers()[-1], signal.SIGSTOP)
    assert end_of(marked, signal.SIGINT, LIMIT)[0] == ""


# --- sweep ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_no_worker_of_a_sweep_outlives_a_signal_to_its_parent(
    number: signal.Signals, workers: str, tmp_path: Path
) -> None:
    pytest.importorskip("optuna")
    text_file(tmp_path)
    (tmp_path / "char.yaml").write_text(CHAR)
    (tmp_path / "space.yaml").write_text("training.lr: [0.01, 0.02]\n")
    marked = Marked(Command((*LONG_SWEEP.arguments, "--workers", workers)), tmp_path)
    rows, trials = "runs/search/trial-*.partial/metrics.jsonl", int(workers)
    marked.wait_for(lambda: marked.process.poll() is not None or len(list(tmp_path.glob(rows))) == trials)
    assert end_of(marked, number, LIMIT)[0] == ""
    ends = number in (signal.SIGQUIT, signal.SIGKILL)  # without a message of seqtool
    assert marked.process.returncode == (-number if ends else 128 + number)
    assert ("the same command resumes this sweep" in marked.stderr) is not ends
    assert len(list(tmp_path.glob("runs/search/trial-*.partial/checkpoints/*/state.json"))) == trials
    marked.kill()


# --- death of a worker --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV], ids=lambda n: n.name)
def test_death_of_a_worker_of_tag_is_one_line(number: signal.Signals, started: Started, here: Path) -> None:
    marked = started(LONG_TAG)
    marked.wait_for(lambda: marked.stdout)
    os.kill(marked.workers()[0], number)
    marked.wait_for(marked.is_gone, LIMIT)
    assert marked.process.returncode == 1
    assert marked.stderr == f"error: a worker process was ended by {number.name}; the output is incomplete\n"
    whole = seqtool("tag", "--model", "words", "--file", "long.txt", cwd=here).stdout.encode()
    assert whole.startswith(marked.stdout) and len(marked.stdout) < len(whole)
    assert marked.stdout.endswith(b"\n\n")  # whole sentences


def test_death_of_an_idle_worker_is_reported_with_the_next_line(started: Started) -> None:
    marked = waiting(started)
    for worker in marked.workers():
        os.kill(worker, signal.SIGKILL)
    before = marked.stdout
    marked.send_line()
    marked.wait_for(marked.is_gone, LIMIT)
    assert marked.process.returncode == 1 and marked.stdout == before
    assert marked.stderr == "error: a worker process was ended by SIGKILL; the output is incomplete\n"
