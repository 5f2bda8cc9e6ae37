"""Terminals of any width: no command fails, and no line of a report is wider than the terminal.

`NARROWEST` is the stated minimum. Messages on stderr are one line each, which the terminal wraps, so that a
command in a message can be copied.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from seqtool.reports.console import NARROWEST
from seqtool.reports.formatting import cell_width, line_chart, wrapped
from seqtool.reports.progress import ProgressLine
from seqtool.reports.sweep import SweepScreen
from seqtool.sweep.run import TrialRow
from tests.support.shell import TerminalStream, in_terminal, on_terminal_in_process, shown_text
from tests.support.small_runs import char_run, run, tagger_run

WIDTHS = [1, 5, 11, 12, 20, 40, 60]
COMMANDS = [
    "runs",
    "runs compare small text",
    "config diff runs/small/config.yaml runs/text/config.yaml",
    "check text.txt",
    "check train.conll",
    "evaluate text",
    "evaluate small dev.conll",
    "inspect text --units h1,surprisal",
    "inspect text --text dog",
    "inspect text --find regex:dog",
    "inspect small --text dog",
    "tag --model small the dog",
    "tag --model small --probs the dog",
    "tag --model small --probs internationalizationstandardization",
    "check long.conll",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data, a text model `text` and a tagger `small`."""
    folder = tmp_path_factory.mktemp("narrow")
    run(tagger_run(folder, max_steps=6, warmup_steps=1), folder / "runs")
    (folder / "long.conll").write_text("a\tNOUN-with-a-very-long-name-of-a-label\nb\tVERB\n\n" * 12)
    run(replace(char_run(folder, max_steps=6, warmup_steps=1), name="text"), folder / "runs")
    return folder


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_line_of_a_report_is_wider_than_the_terminal(command: str, columns: int, folder: Path) -> None:
    done = on_terminal_in_process(*command.split(), cwd=folder, columns=columns)
    assert (done.code, done.stderr.count("Traceback")) == (0, 0)
    assert max(map(cell_width, done.lines), default=0) <= max(columns, NARROWEST)


@pytest.mark.parametrize("columns", [1, 40, 60, 80])
def test_rows_of_tables_are_cut_and_not_broken(columns: int, folder: Path) -> None:
    done = on_terminal_in_process("check", "long.conll", cwd=folder, columns=columns)
    start = next(number for number, line in enumerate(done.lines) if line.startswith("  label"))
    rows = [line.split() for line in done.lines[start + 1 : start + 3]]
    assert all(row[2].endswith("%") for row in rows) and rows[1][0] == "VERB"
    assert not done.lines[start + 3] and ("▇" in done.lines[start + 1]) == (columns >= 80)
    token = "internationalizationstandardization"
    done = on_terminal_in_process("tag", "--model", "small", "--probs", token, cwd=folder, columns=columns)
    assert (token in done.stdout) == (columns >= 60)
    *table, legend = done.stdout.split("\n\n")[0].splitlines()
    assert len(table) == 2 and legend == "* not in the training data"


def test_asterisk_is_explained_once_where_it_is_shown(folder: Path) -> None:
    done = on_terminal_in_process(
        "tag", "--model", "small", "dog", "zzz dog", "the yyy", cwd=folder, columns=60
    )
    assert "zzz*" in done.stdout and "yyy*" in done.stdout
    assert done.stdout.count("* not in the training data") == 1
    known = on_terminal_in_process("tag", "--model", "small", "dog", cwd=folder, columns=60)
    assert known.code == 0 and "*" not in known.stdout


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("command", ["train-char text.txt", "train-tagger train.conll"])
def test_table_and_progress_of_training_fit(
    command: str, columns: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqtool.reports import progress

    monkeypatch.setattr(progress, "FIRST_AFTER", -1)
    monkeypatch.setattr(progress, "FRAME_EVERY", -1)
    options = "--set training.max_steps=3 --set model.hidden_size=4 --name new --overwrite"
    done = on_terminal_in_process(*f"{command} {options}".split(), cwd=folder, columns=columns)
    assert done.code == 0 and "Traceback" not in done.stderr
    assert max(map(cell_width, done.lines)) <= max(columns, NARROWEST)


@pytest.mark.parametrize("columns", WIDTHS)
def test_table_of_a_sweep_fits(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = TerminalStream()
    monkeypatch.setattr(sys, "stdout", stream)
    screen = SweepScreen()
    keys = ["training.lr", "model.hidden_size", "data.text"]
    screen.begin("small", "sqlite:///sweep.db", keys, "loss")
    values = {"training.lr": "0.001", "model.hidden_size": "8", "data.text": "long " * 1_000}
    screen.show([TrialRow(place, "done", 1.5, values, 3, 8.5) for place in range(4)])
    screen.close()
    lines = shown_text(stream.buffer.getvalue().decode()).splitlines()  # type: ignore[attr-defined]
    assert len(lines) >= 5 and max(map(cell_width, lines)) <= max(columns, NARROWEST)


@pytest.mark.parametrize("columns", [1, 11])
def test_real_terminal_may_be_narrow(columns: int, folder: Path) -> None:
    done = in_terminal("inspect", "text", "--units", "h1,surprisal", cwd=folder, columns=columns)
    assert done.code == 0 and "Traceback" not in done.stdout


# --- parts of reports ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [16, 17, 20, 40, 200])
@pytest.mark.parametrize(
    "text", ["", "a", "  two  words", "x" * 90, "    deep " + "word " * 30, "犬が走る。" * 20, "a " * 50]
)
def test_wrapped_line_keeps_its_words(text: str, width: int) -> None:
    parts = list(wrapped(text, width))
    assert max(map(cell_width, parts)) <= width
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(part.strip() for part in parts) or not text


@pytest.mark.parametrize("width", range(-12, 13))
def test_chart_of_any_size_is_drawn_or_left_out(width: int) -> None:
    curves = {"loss": [(0.0, 1.0), (1.0, 0.5), (2.0, 3.0)]}
    for height in range(-1, 4):
        lines = line_chart(curves, width, height)
        assert len(lines) in (0, height + 3)


@pytest.mark.parametrize("columns", range(1, 14))
def test_progress_is_drawn_on_a_terminal_of_any_width(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import sys

    from seqtool.reports import progress

    monkeypatch.setattr(progress, "is_terminal", lambda _: True)
    monkeypatch.setattr(progress, "FIRST_AFTER", -1)
    monkeypatch.setattr(progress, "FRAME_EVERY", -1)
    monkeypatch.setattr(progress.LiveArea, "size", lambda _: os.terminal_size((columns, 40)))
    line = ProgressLine()
    for step in range(4):
        line.point("loss", step, 1 / (step + 1))
        line.update(step, 4, {"loss": "1.000"})
    line.clear()
    assert sys.stderr.isatty() is False
