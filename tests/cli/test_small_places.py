"""Commands in a directory that is read-only, and on empty text."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.shell import seqtool_in_process
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
    where, message = source[1] or "--text", "expected text, found an empty file"
    expected = f"{where}  {message if source[1] else 'the text to inspect is empty'}"
    assert f"error: {expected}" in done.stderr and "\n hint: give " in done.stderr
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
