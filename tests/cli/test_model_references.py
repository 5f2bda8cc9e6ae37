"""Arguments that name a model, and name a pipe, a config or another file instead."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.shell import seqtool_in_process
from tests.support.small_runs import text_file

COMMANDS = [
    "evaluate REFERENCE",
    "export REFERENCE --to onnx",
    "export REFERENCE --dtype float16",
    "inspect REFERENCE",
    "runs compare REFERENCE REFERENCE",
    "sample --model REFERENCE",
    "score --model REFERENCE text",
    "tag --model REFERENCE text",
    "train-char text.txt --init-from REFERENCE",
]
TASK = "task: char\nmodel: {hidden_size: 2}\ndata: {text: text.txt}\ntraining: {epochs: 1}\n"


@contextmanager
def substitution(content: str) -> Iterator[str]:
    """Return the path that a shell gives a command for `<(command)`."""
    reader, writer = os.pipe()
    os.write(writer, content.encode())
    os.close(writer)
    try:
        yield f"/dev/fd/{reader}"
    finally:
        os.close(reader)


def assert_refused(command: str, reference: str, found: str, folder: Path) -> None:
    text_file(folder)
    arguments = command.replace("REFERENCE", reference).split()
    done = seqtool_in_process(*arguments, cwd=folder)
    assert (done.code, done.stdout) == (2, "")
    assert f"{reference}  expected a {found}" in done.stderr
    assert done.stderr.count("\n hint: ") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_named_pipe_is_no_model_and_is_not_waited_for(command: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    found = "file, found a named pipe" if "inspect" in command else "model, found a pipe"
    assert_refused(command, "pipe", found, tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_process_substitution_is_no_model(command: str, tmp_path: Path) -> None:
    found = "file, found a pipe without a config" if "inspect" in command else "model, found a pipe"
    with substitution("some text\n") as reference:
        assert_refused(command, reference, found, tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_file_is_no_model(command: str, tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("text")
    assert_refused(command, "some.txt", "model, found a file", tmp_path)


@pytest.mark.parametrize("command", [command for command in COMMANDS if "inspect" not in command])
def test_config_is_no_model_until_it_is_trained(command: str, tmp_path: Path) -> None:
    (tmp_path / "some.yaml").write_text(TASK)
    assert_refused(command, "some.yaml", "model, found a config\n hint: train it first", tmp_path)


def test_inspect_reads_a_config_from_a_process_substitution(tmp_path: Path) -> None:
    text_file(tmp_path)
    with substitution(TASK) as reference:
        done = seqtool_in_process("inspect", reference, cwd=tmp_path)
    assert done.code == 0 and done.stdout.startswith(f"{reference} (untrained)\n")
