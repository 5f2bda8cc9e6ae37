"""Progress at the bottom of a terminal: in a terminal that is resized during training, and in plain mode."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seqtool.reports.progress import LiveArea
from tests.support.shell import PROJECT, environment, in_terminal

TMUX = shutil.which("tmux")

# The events of a run, without training. In the last step of an epoch and at the end, the script
# waits until the test has read the screen.
SCRIPT = """
import sys, time, pathlib
from seqtool.reports.training import TrainingScreen
from seqtool.tasks.interface import Column
from seqtool.training.engine.events import Prediction, RowEvent, StepEvent
from seqtool.training.listeners import Row
screen = TrainingScreen(plain="--plain" in sys.argv)
screen.message("before")
screen.run_started()
stop = pathlib.Path("stop")
for epoch in range(1, 4):
    for step in range(12):
        time.sleep(0.12)
        while step == 11 and not pathlib.Path(f"read{epoch}").exists():
            time.sleep(0.05)
        loss = 3 / (epoch + step / 12)
        screen.step(StepEvent(12 * (epoch - 1) + step, epoch, step, 12, loss, 1, 1e-3, 1.0, 36))
    event = RowEvent(12 * epoch, epoch, 1.0, 1e-3, 1.234, 1.0, 1.0, True, False)
    columns = (Column("epoch", epoch, "d"), Column("loss", 1.234, ".3f"))
    screen.row(Row(event, columns, Prediction(tuple("h\\x1b[31m"), tuple("hello")), {}))
    screen.message(f"message after {epoch}")
while not stop.exists():
    time.sleep(0.05)
screen.close()
screen.message("after")
"""
TRANSCRIPT = (
    ["before", " epoch    loss  prediction"]
    + [line for n in (1, 2, 3) for line in (f"     {n}   1.234  h␛[31m", f"message after {n}")]
    + ["after"]
)


@contextmanager
def tmux(folder: Path) -> Iterator[list[str]]:
    """Start a tmux server and yield the first arguments of commands to it."""
    command = [TMUX or "tmux", "-S", str(folder / "socket"), "-f", "/dev/null"]
    try:
        yield [*command]
    finally:
        subprocess.run([*command, "kill-server"], check=False, capture_output=True)


def screen_lines(command: list[str], *, transcript: bool = False) -> list[str]:
    """Return the lines that are not empty, on the screen or in the whole transcript."""
    history = ["-S", "-"] if transcript else []
    done = subprocess.run(
        [*command, "capture-pane", "-p", *history], check=True, capture_output=True, text=True
    )
    return [line.rstrip() for line in done.stdout.splitlines() if line.strip()]


def wait_for(command: list[str], text: str, seconds: float = 120) -> list[str]:
    """Wait until a text is on the screen, and return the lines of the screen."""
    deadline = time.monotonic() + seconds
    while not any(text in line for line in screen_lines(command)):
        assert time.monotonic() < deadline, "\n".join(screen_lines(command))
        time.sleep(0.1)
    return screen_lines(command)


@pytest.mark.skipif(TMUX is None, reason="needs tmux")
@pytest.mark.parametrize(("columns", "color"), [(80, True), (200, False)], ids=["80, color", "200, NO_COLOR"])
def test_live_area_survives_resizing_and_leaves_a_clean_transcript(
    tmp_path: Path, columns: int, color: bool
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    variables = {name: value for name, value in environment().items() if name not in ("COLUMNS", "TMUX")}
    setting = "" if color else "NO_COLOR=1 "
    with tmux(tmp_path) as command:
        shell = f"{setting}{sys.executable} script.py; sleep 60"
        size = ["-x", str(columns), "-y", "50"]
        subprocess.run([*command, "new-session", "-d", *size, shell], check=True, cwd=tmp_path, env=variables)
        lines = wait_for(command, "epoch 1")
        assert any("%" in line and "━" in line for line in lines)
        subprocess.run([*command, "resize-window", "-x", "60", "-y", "40"], check=True)
        (tmp_path / "read1").touch()
        lines = wait_for(command, "epoch 2")
        assert sum("%" in line for line in lines) == 1 and any("· loss" in line for line in lines)
        subprocess.run([*command, "resize-window", "-x", "120", "-y", "50"], check=True)
        (tmp_path / "read2").touch()
        assert sum("%" in line for line in wait_for(command, "epoch 3")) == 1
        (tmp_path / "read3").touch()
        wait_for(command, "message after 3")
        (tmp_path / "stop").touch()
        wait_for(command, "after")
        deadline = time.monotonic() + 60
        while "after" not in screen_lines(command, transcript=True) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert screen_lines(command, transcript=True) == TRANSCRIPT


def test_frame_is_one_write_over_the_previous_one() -> None:
    stream = io.StringIO()
    area = LiveArea(stream)
    area.draw(["one", "two"], [3, 3])
    first = stream.getvalue()
    area.draw(["three"], [5])
    second = stream.getvalue()[len(first) :]
    assert (
        "\x1b[2A" not in first
        and second.startswith("\x1b[?2026h\x1b[?7l\r\x1b[2A")
        and "three\x1b[K\n\x1b[J" in second
    )
    with area.output_above():
        stream.write("above\n")
    assert stream.getvalue().index("above") < stream.getvalue().rindex("three")
    area.clear()
    before = stream.getvalue()
    area.clear()
    assert stream.getvalue() == before


def test_plain_mode_prints_on_a_terminal_what_a_pipe_receives(tmp_path: Path) -> None:
    plain = in_terminal("train-char", PROJECT / "configs/hihell.yaml", "--plain", cwd=tmp_path)
    assert plain.code == 0 and "\x1b" not in plain.stdout
    assert "15\t0.312\tihello" in plain.stdout
