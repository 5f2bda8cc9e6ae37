"""Tagger of the lecture on the command line, and a tagger on realistic files: training and use."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.shell import PROJECT, Result, in_terminal, seqtool

TOY = PROJECT / "configs/toy_tagger.yaml"
TAGGED = "The\tDET\ndog\tNN\nate\tV\nthe\tDET\napple\tNN\n\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("toy")


@pytest.fixture(scope="module")
def trained(folder: Path) -> Result:
    return seqtool("train-tagger", TOY, cwd=folder)


def test_training_prints_ten_rows_and_the_labels_of_both_sentences(trained: Result) -> None:
    assert trained.code == 0, trained.stderr
    assert trained.lines[0] == "epoch\tloss\taccuracy\tprediction"
    assert [line.split("\t")[0] for line in trained.lines[1:]] == [str(epoch) for epoch in range(30, 301, 30)]
    assert trained.lines[-1] == "300\t0.036\t100.0%\tDET NN V DET NN"
    assert "LSTM tagger, 411 parameters" in trained.stderr
    for token, label in [
        *zip(["The", "dog", "ate", "the", "apple"], ["DET", "NN", "V", "DET", "NN"], strict=True),
        ("Everybody", "NN"),
        ("book", "NN"),
    ]:
        assert re.search(rf"^  {token} +{label} +{label}$", trained.stderr, re.MULTILINE)
    assert trained.stderr.endswith('next: seqtool tag "The dog ate the apple"\n')


def test_pipe_gets_tsv_lines(trained: Result, folder: Path) -> None:
    assert trained.code == 0
    found = seqtool("tag", "The dog ate the apple", "Everybody read that book", cwd=folder)
    assert found.stdout == TAGGED + "Everybody\tNN\nread\tV\nthat\tDET\nbook\tNN\n\n"
    assert seqtool("tag", cwd=folder, stdin="The dog ate the apple\n").stdout == TAGGED
    assert seqtool("tag", "-", cwd=folder, stdin="The dog ate the apple").stdout == TAGGED


def test_terminal_gets_a_table_that_marks_unseen_words(trained: Result, folder: Path) -> None:
    assert trained.code == 0
    shown = in_terminal("tag", "The cat ate the apple", cwd=folder)
    assert shown.code == 0
    assert "'cat' is not in the training data; the mean of all words is used instead" in shown.stdout
    assert "\x1b[33mcat\x1b[0m\x1b[2m*\x1b[0m" in shown.stdout
    plain = in_terminal("tag", "The cat ate the apple", cwd=folder, NO_COLOR="1").stdout
    assert "\x1b" not in plain
    assert re.search(r"^cat\* +\w+\r?$", plain, re.MULTILINE)


def test_unseen_word_is_named_once(trained: Result, folder: Path) -> None:
    assert trained.code == 0
    found = seqtool("tag", "The cat ate the cat", "cat", cwd=folder)
    assert found.code == 0
    assert found.stderr.count("'cat'") == 1


def test_argument_is_text_even_if_a_file_has_this_name(trained: Result, folder: Path) -> None:
    assert trained.code == 0
    (folder / "dog").write_text("The dog ate the apple\n")
    as_text = seqtool("tag", "dog", cwd=folder)
    assert as_text.stdout == "dog\tNN\n\n"
    assert "--file dog" in as_text.stderr
    assert seqtool("tag", "--file", "dog", cwd=folder).stdout == TAGGED
    both = seqtool("tag", "dog", "--file", "dog", cwd=folder)
    assert (both.code, both.stdout) == (2, "")


def test_numbers_and_shapes_are_shown(trained: Result, folder: Path) -> None:
    assert trained.code == 0
    shown = seqtool("inspect", "toy_tagger", "--text", "The dog ate the apple", cwd=folder).stdout
    numbers = re.findall(r"^  (The|dog|ate|the|apple) +(\d) ", shown, re.MULTILINE)
    assert numbers == [("The", "0"), ("dog", "1"), ("ate", "2"), ("the", "3"), ("apple", "4")]
    for shape in ("input          1x5x6", "output         1x5x6", "scores         1x5x3"):
        assert shape in shown


LINES = "I\tPRON\nsee\tVERB\nit\tPRON\n.\tPUNCT\n\nDogs\tNOUN\nrun\tVERB\n.\tPUNCT\n\n"
SMALL = """
task: tagger
name: small
data: {train: train.tsv, dev: dev.tsv, test: dev.tsv}
model: {hidden_size: 8, projection: 8, features: [{name: lower, dim: 8}, {name: suffix, length: 2, dim: 4}]}
training: {epochs: 4, batch_words: 20, lr: 0.02, device: cpu}
"""


def test_validation_chooses_the_kept_epoch(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text(LINES * 6)
    (tmp_path / "dev.tsv").write_text(LINES)
    (tmp_path / "small.yaml").write_text(SMALL)
    found = seqtool("train-tagger", "small.yaml", "--json", cwd=tmp_path)
    assert found.code == 0, found.stderr
    value = json.loads(found.stdout)
    rows = [json.loads(line) for line in (tmp_path / "runs/small/metrics.jsonl").read_text().splitlines()]
    best = max(rows, key=lambda row: (row["val_accuracy"], -row["epoch"]))
    assert value["epoch"] == best["epoch"]
    assert value["scores"]["val_accuracy"] == best["val_accuracy"] == value["scores"]["test_accuracy"]
    report = json.loads((tmp_path / "runs/small/evaluation.json").read_text())
    assert set(report) == {"dev", "test"}
    again = seqtool("train-tagger", "runs/small/config.yaml", "--runs-dir", "more", cwd=tmp_path)
    assert again.code == 0, again.stderr
    first, second = (tmp_path / root / "small/model/weights.safetensors" for root in ("runs", "more"))
    assert first.read_bytes() == second.read_bytes()
