"""Files of a run that are damaged: the report shows the rest and names them, and never another file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqtool.errors import ModelError
from seqtool.reports.html.evaluations import read_evaluation
from seqtool.reports.html.run_data import read_samples
from seqtool.storage.verified_directory import MANIFEST
from tests.reports.html.test_page import character_run, tagger_run
from tests.storage.test_model_directory import forge
from tests.support.shell import seqtool_in_process

SECRET = "root:secret:19000:0:99999:7:::"
FILES = ("config.yaml", "metrics.jsonl", "samples.jsonl", "evaluation.json")


def page_of(root: Path, name: str) -> str:
    done = seqtool_in_process("report", name, "--out", "page.html", cwd=root.parent)
    assert done.code == 0, done.stderr
    return (root.parent / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FILES)
def test_page_never_contains_the_target_of_a_link(tmp_path: Path, name: str) -> None:
    run = character_run(tmp_path / "runs")
    (tmp_path / "shadow").write_text(SECRET)
    (run / name).unlink()
    (run / name).symlink_to(tmp_path / "shadow")
    page = page_of(tmp_path / "runs", "char")
    assert SECRET not in page
    assert f"{name}: expected a plain file, found a symbolic link" in page


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("make", "kind"), [(os.mkfifo, "a FIFO"), (Path.mkdir, "a directory")], ids=["FIFO", "directory"]
)
def test_other_kinds_of_files_do_not_block(
    tmp_path: Path, name: str, make: Callable[[Path], None], kind: str
) -> None:
    run = character_run(tmp_path / "runs")
    (run / name).unlink()
    make(run / name)
    assert f"expected a plain file, found {kind}" in page_of(tmp_path / "runs", "char")


@pytest.mark.parametrize("name", FILES[1:])
@pytest.mark.parametrize(
    "line",
    [b"[" * 5000, b'{"epoch": NaN}', b"\xff\xfe", b'{"a": 1, "a": 2}', b'{"epoch": 1' + b"0" * 40 + b"}"],
)
def test_damaged_lines_are_named_and_the_rest_is_shown(tmp_path: Path, name: str, line: bytes) -> None:
    run = character_run(tmp_path / "runs")
    (run / name).write_bytes(line + b"\n")
    assert f"{name}" in page_of(tmp_path / "runs", "char")
    shown = seqtool_in_process("inspect", "char", cwd=tmp_path)
    assert shown.code == 0
    assert ("the training curve is not shown" in shown.stderr) == (name == "metrics.jsonl")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tokens", "10"),
        ("tokens", -1),
        ("accuracy", [0.5]),
        ("accuracy", 1e99),
        ("accuracy_interval_95", [0.1]),
        ("accuracy_interval_95", 3),
        ("known", None),
        ("known", {"tokens": 1.5, "accuracy": 0.5}),
        ("labels", []),
        ("labels", {"O": {"precision": "x"}}),
        ("confusions", [{"gold": 1, "predicted": "x", "count": 1}]),
        ("confusions", {"gold": 1}),
        ("spans", [1]),
        ("worst", [{"place": "x", "tokens": ["a"], "gold": [], "predicted": ["a"], "wrong": 1}]),
        ("worst", 7),
    ],
)
def test_evaluation_of_a_tagger_with_other_values_is_refused(tmp_path: Path, key: str, value: object) -> None:
    run = tagger_run(tmp_path)
    report: dict[str, Any] = json.loads((run / "evaluation.json").read_text())["test"]
    (run / "evaluation.json").write_text(json.dumps({"test": {**report, key: value}}))
    with pytest.raises(ModelError, match="not an evaluation of this version"):
        read_evaluation(run)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("symbols", None),
        ("carried", {"nats": True, "bits_per_char": 1, "bits_per_byte": 1}),
        ("blocks", [1]),
        ("classes", {"letters": {"nats": 1.4, "count": 0.5}}),
        ("contexts", {"x": 1.5}),
        ("contexts", {"-1": 1.5}),
        ("ngrams", {"9" * 5000: 1.5}),
        ("ngrams", {"9" * 30: 1.5}),
    ],
)
def test_evaluation_of_a_text_with_other_values_is_refused(tmp_path: Path, key: str, value: object) -> None:
    run = character_run(tmp_path)
    report: dict[str, Any] = json.loads((run / "evaluation.json").read_text())["val"]
    (run / "evaluation.json").write_text(json.dumps({"val": {**report, key: value}}))
    with pytest.raises(ModelError, match="not an evaluation of this version"):
        read_evaluation(run)


@pytest.mark.parametrize(
    "row", [{"text": 1}, {"epoch": "1"}, {"step": -1}, {"expected": []}, {"epoch": True}]
)
def test_sample_with_other_values_is_refused(tmp_path: Path, row: dict[str, object]) -> None:
    (tmp_path / "samples.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(ModelError, match="damaged: expected"):
        list(read_samples(tmp_path))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("step", "x"),
        ("epoch", None),
        ("parameters", ""),
        ("versions", {"torch": "\ud800"}),
        ("data", {"\ud800": 1}),
    ],
)
def test_forged_manifest_is_shown_without_a_traceback(tmp_path: Path, key: str, value: object) -> None:
    run = character_run(tmp_path / "runs")
    manifest = json.loads((run / "model" / MANIFEST).read_bytes())
    (run / "model" / MANIFEST).write_bytes(json.dumps({**manifest, key: value}).encode())
    forge(run / "model", "config.json", (run / "model/config.json").read_bytes())
    page_of(tmp_path / "runs", "char")
    for command in (("inspect", "char"), ("inspect", "char", "--json"), ("runs",), ("runs", "--json")):
        assert seqtool_in_process(*command, cwd=tmp_path).code == 0
