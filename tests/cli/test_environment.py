"""Faults of the environment and of input streams: one error each, never a traceback."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seqtool.errors import Diverged
from seqtool.storage.model_directory import read_model, write_model
from seqtool.tasks.character_training import CharacterTask
from tests.support.shell import Result, environment, seqtool_in_process
from tests.support.small_runs import char_run, run, tagger_run, text_file


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory with a text model `runs/text` and a tagger `runs/tagger`."""
    folder = tmp_path_factory.mktemp("trained")
    run(replace(char_run(folder, max_steps=6), name="text"), folder / "runs")
    run(replace(tagger_run(folder, max_steps=6), name="tagger"), folder / "runs")
    return folder


def in_shell(before: str, *arguments: str, cwd: Path) -> Result:
    """Run a command in a shell after another command line, which sets limits."""
    line = f"{before}; exec {shlex.join([sys.executable, '-m', 'seqtool', *arguments])}"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def test_deleted_working_directory_is_one_error(tmp_path: Path) -> None:
    text, gone = text_file(tmp_path), tmp_path / "gone"
    gone.mkdir()
    done = in_shell(f"cd {gone}; rmdir {gone}", "check", str(text), cwd=tmp_path)
    assert done.code == 2
    assert "error: the current directory no longer exists" in done.stderr
    assert "Traceback" not in done.stderr


def test_too_few_open_files_are_one_error(trained: Path) -> None:
    done = in_shell("ulimit -n 5", "tag", "--model", "tagger", "-j", "2", "hello", cwd=trained)
    assert done.code in (1, 2)
    assert "Traceback" not in done.stderr
    assert "Too many open files" in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "tag --model tagger --file /dev/zero",
        "tag --model tagger --input-format jsonl --file /dev/zero",
        "score --model text --file /dev/zero",
        "sample --model text --prompt-file /dev/zero",
        "evaluate text /dev/zero",
        "inspect text --file /dev/zero",
    ],
)
def test_device_without_end_is_refused(line: str, trained: Path) -> None:
    done = seqtool_in_process(*line.split(), cwd=trained)
    assert done.code == 2
    assert "error: /dev/zero  expected a file or a pipe, found a device" in done.stderr


@pytest.mark.parametrize("name", ["text", "tagger"])
@pytest.mark.parametrize(("size", "code"), [(3e38, 2), (2e6, 2), (9e5, 0)])
def test_weights_are_refused_or_give_finite_scores(name: str, size: float, code: int, trained: Path) -> None:
    stored = read_model(trained / "runs" / name / "model")
    large = {
        key: np.where(np.arange(array.size).reshape(array.shape) % 2, size, -size).astype(np.float32)
        for key, array in stored.weights.items()
    }
    folder = trained / f"large-{name}-{code}"
    write_model(folder, stored.config, stored.vocab, large, {"kind": stored.manifest.kind})
    words = ("score", "--json") if name == "text" else ("tag", "--format", "jsonl", "--probs")
    done = in_shell(":", *words, "--model", str(folder), "the dog", cwd=trained)
    assert done.code == code, done.stderr
    assert "Warning" not in done.stderr
    assert "NaN" not in done.stdout and "null" not in done.stdout
    assert ("a weight is larger than 1,000,000" in done.stderr) == (code == 2)


def test_diverged_run_without_a_row_claims_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = CharacterTask.loss
    monkeypatch.setattr(
        CharacterTask,
        "loss",
        lambda self, batch, index, draw: real(self, batch, index, draw) * (float("nan") if draw == 4 else 1),
    )
    with pytest.raises(Diverged) as caught:
        run(char_run(tmp_path), tmp_path)
    assert "best model" not in caught.value.problems[0].hint
    with pytest.raises(Diverged) as caught:
        run(replace(char_run(tmp_path, eval_every=2), name="rows"), tmp_path)
    assert "the best model so far is kept" in caught.value.problems[0].hint


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_json_lines_with_a_constant_that_is_not_json_are_refused(constant: str, trained: Path) -> None:
    path = trained / "words.jsonl"
    path.write_text(
        f'{{"tokens": ["a"]}}\n{{"x": "NaN", "y": {constant}, "tokens": ["b"]}}\n{{"tokens": ["c"]}}\n'
    )
    arguments = (
        "tag",
        "--model",
        "tagger",
        "--input-format",
        "jsonl",
        "--format",
        "jsonl",
        "--file",
        path.name,
    )
    done = seqtool_in_process(*arguments, cwd=trained)
    assert done.code == 2
    assert f"error: words.jsonl:2:19  expected a JSON object, found {constant}" in done.stderr
    done = seqtool_in_process(*arguments, "--errors", "keep", cwd=trained)
    assert len(done.lines) == 3
    assert "error" in done.lines[1]
    assert '"labels"' in done.lines[2]
