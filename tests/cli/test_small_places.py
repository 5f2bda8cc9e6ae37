"""Commands in a directory that is read-only, on a narrow terminal, and on empty text."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqtool.reports.formatting import line_chart
from seqtool.reports.progress import ProgressLine
from tests.support.shell import in_terminal, seqtool_in_process
from tests.support.small_runs import char_run, run, sentences_file, tagger_run, text_file
from tests.support.unreadable import read_only


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data, a text model `text` and a tagger `small`."""
    from dataclasses import replace

    folder = tmp_path_factory.mktemp("small")
    run(tagger_run(folder, max_steps=6, warmup_steps=1), folder / "runs")
    run(replace(char_run(folder, max_steps=6, warmup_steps=1), name="text"), folder / "runs")
    (folder / "empty.txt").touch()
    return folder


READING = [
    "check text.txt",
    "check train.conll",
    "config show text.txt",
    "config show runs/small/config.yaml",
    "evaluate text",
    "evaluate small dev.conll",
    "inspect text --units h1",
    "inspect small --text dog",
    "runs",
    "runs compare small text",
    "sample --model text --length 3",
    "schema",
    "score --model text the",
    "tag --model small dog",
]
WRITING = [
    "train-char text.txt",
    "train-tagger train.conll",
    "init char text.txt",
    "init --example hihell",
    "export text --to onnx",
    "export text --dtype float16",
    "runs rm text --yes",
    "inspect text --states states.npz",
]


@pytest.mark.parametrize("command", READING)
def test_commands_that_only_read_work_in_a_read_only_directory(command: str, folder: Path) -> None:
    writable = seqtool_in_process(*command.split(), cwd=folder)
    cache = folder / "runs" / ".cache"
    for state in ("with a cache", "without"):
        with read_only(folder):
            done = seqtool_in_process(*command.split(), cwd=folder)
        assert (done.code, done.stdout) == (0, writable.stdout), state
        if cache.exists():
            cache.rename(folder / "cache-of-a-test")
    if (folder / "cache-of-a-test").exists():
        (folder / "cache-of-a-test").rename(cache)


@pytest.mark.parametrize("command", WRITING)
def test_commands_that_write_say_so_in_a_read_only_directory(command: str, folder: Path) -> None:
    with read_only(folder):
        done = seqtool_in_process(*command.split(), cwd=folder)
    assert done.code == 2
    assert "cannot write: Read-only file system" in done.stderr
    assert "hint: choose a directory that you may write to" in done.stderr
    assert ("--runs-dir" in done.stderr) == command.startswith("train-")


# --- narrow terminals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", range(-12, 13))
def test_chart_of_any_size_is_drawn_or_left_out(width: int) -> None:
    curves = {"loss": [(0.0, 1.0), (1.0, 0.5), (2.0, 3.0)]}
    for height in range(-1, 4):
        lines = line_chart(curves, width, height)
        assert len(lines) in (0, height + 3)


@pytest.mark.parametrize("columns", [1, 11])
@pytest.mark.parametrize(
    "command",
    [
        "tag --model small dog",
        "inspect text --units h1,surprisal",
        "inspect small --text dog",
        "evaluate small dev.conll",
    ],
)
def test_commands_draw_on_a_narrow_terminal(command: str, columns: int, folder: Path) -> None:
    done = in_terminal(*command.split(), cwd=folder, columns=columns)
    assert done.code == 0 and "Traceback" not in done.stdout


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


# --- empty text ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [("--text", ""), ("--file", "empty.txt")])
@pytest.mark.parametrize(
    "wanted", [("--units", "h1"), ("--units", "surprisal"), ("--find", "quotes"), ("--states", "s.npz")]
)
def test_inspect_of_empty_text_is_refused(
    wanted: tuple[str, str], source: tuple[str, str], folder: Path
) -> None:
    done = seqtool_in_process("inspect", "text", *wanted, *source, cwd=folder)
    assert (done.code, done.stdout) == (2, "")
    assert f"error: {source[1] or '--text'}  the text to inspect is empty" in done.stderr
    assert not (folder / "s.npz").exists()


# --- columns and labels in any combination ------------------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "config show", "train-tagger"])
def test_columns_and_labels_in_any_combination_give_no_traceback(command: str, tmp_path: Path) -> None:
    sentences_file(tmp_path)
    text_file(tmp_path)
    for columns in ("[]", "[form, pos]", "[pos, form]", "[a, b]", "[form, x, pos]"):
        for label in ("", "2", "3", "-1", "form", "pos", "upos"):
            options = ["--set", f"data.columns={columns}"]
            options += ["--set", f"data.label={label}"] if label else []
            if command == "train-tagger":  # stops before training
                options += ["--set", "training.max_steps=1", "--device", "cuda"]
            done = seqtool_in_process(*command.split(), "train.conll", *options, cwd=tmp_path)
            assert done.code in (0, 2)
            assert done.code == 0 or done.stderr.count("\n hint: ")
