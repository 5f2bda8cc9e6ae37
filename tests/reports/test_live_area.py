"""What stands at the foot of a terminal during training, and what is left behind, in a real terminal that is resized meanwhile."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seqtool.reports.progress import LiveArea
from seqtool.settings import CharModel
from seqtool.storage.model_directory import write_model
from tests.support.random_models import character_parts, tagger_parts
from tests.support.shell import PROJECT, environment, in_terminal

TMUX = shutil.which("tmux")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

# A run without training: what the loop would tell the screen, for five seconds or until the test has looked.
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
        loss = 3 / (epoch + step / 12)
        screen.step(StepEvent(12 * (epoch - 1) + step, epoch, step, 12, loss, 1, 1e-3, 1.0, 36))
    event = RowEvent(12 * epoch, epoch, 1.0, 1e-3, 1.234, 1.0, 1.0, True, False)
    columns = (Column("epoch", epoch, "d"), Column("loss", 1.234, ".3f"))
    screen.row(Row(event, columns, Prediction(tuple("h\\x1b[31m"), tuple("hello")), {}))
    screen.message(f"said after {epoch}")
while not stop.exists():
    time.sleep(0.05)
screen.close()
screen.message("after")
"""
LEFT = (
    ["before", " epoch    loss  prediction"]
    + [line for n in (1, 2, 3) for line in (f"     {n}   1.234  h␛[31m", f"said after {n}")]
    + ["after"]
)


@contextmanager
def tmux(folder: Path) -> Iterator[list[str]]:
    """A terminal of its own; yields the beginning of commands to it."""
    command = [TMUX or "tmux", "-S", str(folder / "socket"), "-f", "/dev/null"]
    try:
        yield [*command]
    finally:
        subprocess.run([*command, "kill-server"], check=False, capture_output=True)


def shown(command: list[str], *, everything: bool = False) -> list[str]:
    """The lines on the screen, or of the whole transcript."""
    whole = ["-S", "-"] if everything else []
    done = subprocess.run(
        [*command, "capture-pane", "-p", *whole], check=True, capture_output=True, text=True
    )
    return [line.rstrip() for line in done.stdout.splitlines() if line.strip()]


def wait_for(command: list[str], text: str, seconds: float = 30) -> list[str]:
    deadline = time.monotonic() + seconds
    while not any(text in line for line in shown(command)):
        assert time.monotonic() < deadline, "\n".join(shown(command))
        time.sleep(0.1)
    return shown(command)


@pytest.mark.skipif(TMUX is None, reason="needs tmux")
@pytest.mark.parametrize(
    ("columns", "colour"), [(80, True), (200, False)], ids=["80, colour", "200, NO_COLOR"]
)
def test_the_live_view_survives_resizing_and_leaves_a_clean_transcript(
    tmp_path: Path, columns: int, colour: bool
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    variables = {name: value for name, value in environment().items() if name not in ("COLUMNS", "TMUX")}
    setting = "" if colour else "NO_COLOR=1 "
    with tmux(tmp_path) as command:
        shell = f"{setting}{sys.executable} script.py; sleep 60"
        size = ["-x", str(columns), "-y", "50"]
        subprocess.run([*command, "new-session", "-d", *size, shell], check=True, cwd=tmp_path, env=variables)
        lines = wait_for(command, "epoch 1")
        assert any("%" in line and "━" in line for line in lines)
        subprocess.run([*command, "resize-window", "-x", "60", "-y", "40"], check=True)
        lines = wait_for(command, "epoch 2")
        assert sum("%" in line for line in lines) == 1 and any("· loss" in line for line in lines)
        subprocess.run([*command, "resize-window", "-x", "120", "-y", "50"], check=True)
        assert sum("%" in line for line in wait_for(command, "epoch 3")) == 1
        wait_for(command, "said after 3")
        (tmp_path / "stop").touch()
        wait_for(command, "after")
        deadline = time.monotonic() + 10
        while "after" not in shown(command, everything=True) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert shown(command, everything=True) == LEFT


def test_a_frame_is_one_write_over_the_earlier_one() -> None:
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
        stream.write("said\n")
    assert stream.getvalue().index("said") < stream.getvalue().rindex("three")
    area.clear()
    before = stream.getvalue()
    area.clear()
    assert stream.getvalue() == before


def test_plain_on_a_terminal_is_what_a_pipe_gets(tmp_path: Path) -> None:
    plain = in_terminal("train-char", PROJECT / "configs/hihell.yaml", "--plain", cwd=tmp_path)
    assert plain.code == 0 and "\x1b" not in plain.stdout
    assert "15\t0.312\tihello" in plain.stdout


# --- inspect on a terminal --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("inspect")
    model = CharModel(hidden_size=12, embedding_dim=4)
    write_model(root / "runs/char/model", *character_parts(model, "\n abcdefgh\x1bAB(<>)"), {"kind": "text"})
    from seqtool.settings import Feature
    from seqtool.settings import TaggerModel as TaggerSettings

    settings = TaggerSettings(features=(Feature(name="form", dim=4),), hidden_size=5, decoder="crf")
    write_model(root / "runs/tagger/model", *tagger_parts(settings), {"kind": "tagger"})
    return root


@pytest.mark.parametrize("colour", [True, False], ids=["colour", "NO_COLOR"])
@pytest.mark.parametrize("columns", [80, 200])
def test_units_on_a_terminal(runs: Path, columns: int, colour: bool) -> None:
    text = "abc (def) A<b>\x1bgh " * 12
    wanted = ("inspect", "char", "--text", text, "--find", "brackets", "--units", "c,surprisal")
    result = in_terminal(*wanted, cwd=runs, columns=columns, **({} if colour else {"NO_COLOR": "1"}))  # type: ignore[arg-type]
    assert result.code == 0
    assert ("48;2;" in result.stdout or "48;5;" in result.stdout) == colour
    assert ("▁" in result.stdout) != colour
    lines = ESCAPE.sub("", result.stdout).replace("\r", "").splitlines()
    assert max(map(len, lines)) <= columns and "\x1b" not in "".join(lines) and "␛" in "".join(lines)
    assert any(re.fullmatch(r" +[0-9.]+ bits, [0-9.]+ per symbol", line) for line in lines)
    assert lines[0] == "units that follow brackets, by correlation over 216 symbols" and "  1  c" in lines[1]


@pytest.mark.parametrize("columns", [80, 200])
def test_a_taggers_mind_on_a_terminal(runs: Path, columns: int) -> None:
    result = in_terminal(
        "inspect", "tagger", "--text", "The dog ate \x1b[31m the apple", cwd=runs, columns=columns
    )
    lines = ESCAPE.sub("", result.stdout).replace("\r", "").splitlines()
    assert result.code == 0 and "48;" in result.stdout
    strip = lines.index(next(line for line in lines if line.startswith("probability")))
    assert len(lines[strip]) <= columns and lines[strip + 4].startswith("␛[31m")
    assert any(line.startswith("what each label loses") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("char", "--text", "abc", "--units", "q9"), "an lstm has no 'q'"),
        (("char", "--text", "abc", "--find", "qoutes"), "there is no such pattern"),
        (("char", "--units", "h1"), "there is no text"),
        (("tagger", "--text", "a b", "--units", "h1"), "are for character models"),
        (("tagger", "--states", "x.npz"), "one sentence, found 0"),
        (("char", "--text", "abc", "--states", "no/where.npz"), "no"),
    ],
)
def test_mistakes_end_with_one_error(runs: Path, arguments: tuple[str, ...], part: str) -> None:
    result = in_terminal("inspect", *arguments, cwd=runs)
    assert result.code == 2 and part in result.stdout and "Traceback" not in result.stdout
    assert [path.name for path in runs.iterdir()] == ["runs"]
