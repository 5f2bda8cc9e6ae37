"""Streams: commands whose stdout or stderr fails; training that loses its terminal or its log."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.benchmarks.faults.commands import LIGHT, Command, copy, prepare
from tests.benchmarks.faults.lifetime import Marked
from tests.benchmarks.faults.streams import FAULTS, outcome, problem
from tests.support.shell import SEQTOOL, environment
from tests.support.small_runs import weights

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
TRAIN = ("train-char", "char.yaml", "--name", "new")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("streams") / "place")


@pytest.fixture
def here(place: Path, tmp_path: Path) -> Path:
    return copy(place, tmp_path / "copy")


@pytest.mark.parametrize("command", LIGHT, ids=str)
def test_failed_write_ends_with_the_documented_code(command: Command, here: Path) -> None:
    expected = outcome(command, here)
    assert expected.code == 0, expected.stderr
    for fault in FAULTS:
        assert problem(command, fault, outcome(command, here, fault), expected) == "", fault


# --- training ---------------------------------------------------------------------------------------------


def test_training_survives_full_streams(here: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*SEQTOOL, *TRAIN], cwd=here, env=environment(), stdout=full, stderr=full, check=False
        )
    assert done.returncode == 0
    assert weights(here / "runs/new") == weights(here / "runs/text")


def test_result_that_cannot_be_written_exits_2_after_training(here: Path) -> None:
    found = outcome(Command((*TRAIN, "--json"), run="new"), here, "full stdout")
    assert found.code == 2
    assert found.stderr.splitlines()[-1] == "error: standard output  cannot write: No space left on device"
    assert found.weights == weights(here / "runs/text")


@dataclass
class Terminal:
    """A pseudo terminal that a process loses when `close` is called."""

    main: int
    side: int

    def control(self) -> None:
        """Make this the controlling terminal of a new session; called in the child."""
        os.setsid()
        fcntl.ioctl(self.side, termios.TIOCSCTTY, 0)
        for descriptor in (0, 1, 2):
            os.dup2(self.side, descriptor)

    def read_until(self, text: bytes) -> None:
        """Read what the process writes until a text appears."""
        written = b""
        while text not in written:
            written += os.read(self.main, 65536)

    def close(self) -> None:
        """Take the terminal away."""
        os.close(self.main)


def train_in_lost_terminal(here: Path, steps: int, *, ignore_hangup: bool) -> int:
    """Train in a terminal that disappears after the first row; return the exit code."""
    terminal = Terminal(*pty.openpty())

    def before() -> None:
        terminal.control()
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignore_hangup else signal.SIG_DFL)

    process = subprocess.Popen(
        [*SEQTOOL, *TRAIN, "--set", f"training.max_steps={steps}"],
        cwd=here,
        env=environment(TERM="xterm-256color"),
        preexec_fn=before,  # noqa: PLW1509 - it only sets signals and streams
    )
    os.close(terminal.side)
    terminal.read_until(b"epoch")
    terminal.close()
    return process.wait(timeout=120)


def test_training_without_its_terminal_saves_and_exits_129(here: Path) -> None:
    assert train_in_lost_terminal(here, 100_000, ignore_hangup=False) == 129
    assert list((here / "runs/new.partial/checkpoints").iterdir())


def test_training_under_nohup_survives_the_loss_of_its_terminal(here: Path) -> None:
    steps = 400
    assert train_in_lost_terminal(here, steps, ignore_hangup=True) == 0
    command = Command((*TRAIN, "--set", f"training.max_steps={steps}", "--name", "same"), run="same")
    assert weights(here / "runs/new") == outcome(command, here).weights


def test_hangup_saves_and_names_the_command_that_resumes(here: Path) -> None:
    command = Command((*TRAIN, "--set", "training.max_steps=100000"), trains=True)
    marked = Marked(command, here)
    marked.wait_for(lambda: marked.stdout)
    for _ in range(3):  # from the system, from the shell, and when the shell ends
        marked.process.send_signal(signal.SIGHUP)
    marked.wait_for(marked.is_gone)
    assert marked.process.returncode == 129
    assert "resume with: seqtool train-char char.yaml" in marked.stderr.splitlines()[-1]
    marked.kill()


# --- Python API ---------------------------------------------------------------------------------------------

API = """
import sys, seqtool
seqtool.train("char.yaml", {"name": "new"})
print("the program continues", file=sys.stdout)
"""


def test_api_trains_with_a_full_stdout_and_leaves_the_stream_to_the_program(here: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", API],
            cwd=here,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert weights(here / "runs/new") == weights(here / "runs/text")
    assert done.returncode != 0 and b"line 4" in done.stderr  # the write of the program itself
