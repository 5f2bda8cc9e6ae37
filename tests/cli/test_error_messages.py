"""Mistakes of a new user before the first model: one clear message, exit code 2, no files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.shell import PROJECT, seqtool

HIHELL = str(PROJECT / "configs/hihell.yaml")


class Case(NamedTuple):
    """A command, the files in its directory, and its message."""

    command: str
    says: tuple[str, ...]
    files: dict[str, str | bytes] = {}  # noqa: RUF012 - never changed


CONFIG = "task: tagger\ndata: {{train: {file}}}\ntraining: {{epochs: 1, device: cpu}}\n"
CASES = {
    "no such command": Case("trane-char x.yaml", ("No such command 'trane-char'", "seqtool --help")),
    "nothing to train": Case("train-char", ("Missing argument 'CONFIG'", "seqtool train-char --help")),
    "no such config": Case(
        "train-char hihel.yaml",
        ("hihel.yaml  there is no such file", "did you mean hihell.yaml?"),
        {"hihell.yaml": "x"},
    ),
    "the other command's config": Case(
        f"train-tagger {HIHELL}", ("task: expected tagger, found char", "seqtool train-char")
    ),
    "an option without value": Case(f"train-char {HIHELL} --set training.lr", ("expected key=value",)),
    "a key of --set": Case(
        f"train-char {HIHELL} --set training.lrr=1", ("training.lrr: unknown key", "did you mean lr?")
    ),
    "a value of --set": Case(
        f"train-char {HIHELL} --set training.lr=-1",
        ("training.lr: expected a number above 0 and", "found -1"),
    ),
    "seed out of range": Case(
        f"train-char {HIHELL} --seed -1", ("seed: expected a whole number of at least 0",)
    ),
    "all mistakes at once": Case(
        "train-tagger c.yaml",
        (
            "c.yaml:1:1  tsk: unknown key",
            "did you mean task?",
            "data.labl",
            "model.cell: expected rnn, lstm or gru",
            "^^^^",
            "5 mistakes",
        ),
        {
            "c.yaml": "tsk: tagger\ndata: {train: x, labl: upos}\n"
            "model: {cell: lstn}\ntraining: {epochs: many}\n"
        },
    ),
    "an empty section": Case(
        "train-char c.yaml",
        ("c.yaml:2:1", "write keys under it", "or delete training:"),
        {"c.yaml": "task: char\ntraining:\n"},
    ),
    "an anchor": Case("train-char c.yaml", ("anchors (&a) are not allowed",), {"c.yaml": "task: &a char\n"}),
    "a duplicate key": Case(
        "train-char c.yaml",
        ("c.yaml:2:1  the key task is given twice", "its first value is in line 1"),
        {"c.yaml": "task: char\ntask: char\n"},
    ),
    "missing data": Case(
        "train-char c.yaml",
        ("t.txt", "where to get it: a friend"),
        {"c.yaml": "task: char\ndata: {text: t.txt, source: a friend}\ntraining: {epochs: 1}\n"},
    ),
    "not UTF-8": Case(
        "train-tagger c.yaml",
        ("t.tsv:2", "utf-8", "0xe9", "data.encoding: latin-1"),
        {"c.yaml": CONFIG.format(file="t.tsv"), "t.tsv": b"a\tX\ncaf\xe9\tX\n"},
    ),
    "an empty file": Case(
        "train-tagger c.yaml", ("t.tsv",), {"c.yaml": CONFIG.format(file="t.tsv"), "t.tsv": ""}
    ),
    "a wrong number of columns": Case(
        "train-tagger c.yaml",
        ("t.tsv:3", "2 columns"),
        {"c.yaml": CONFIG.format(file="t.tsv"), "t.tsv": "a\tX\nb\tY\nc\n"},
    ),
    "a pair of unequal lengths": Case(
        "train-char c.yaml",
        ("c.yaml:2:16", 'found "abc" of 3 and "ab" of 2'),
        {"c.yaml": "task: char\ndata: {pairs: [[abc, ab]]}\ntraining: {epochs: 1}\n"},
    ),
    "no model yet": Case(
        "predict hello", ("no trained aligned character model (trained on pairs) here", "train one first")
    ),
    "no such model": Case(
        "tag --model nonsuch hello",
        ("nonsuch  no model directory, run directory or run of this name", "runs here: none; pretrained: "),
    ),
    "no such input": Case("score --file nonsuch.txt", ("nonsuch.txt  cannot read",)),
    "no such device": Case(f"train-char {HIHELL} --device tpu", ("tpu", "--help")),
    "a runs folder that is a file": Case(f"train-char {HIHELL} --runs-dir file", ("file",), {"file": ""}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_error_names_place_message_and_hint(case: Case, tmp_path: Path) -> None:
    for name, content in case.files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    found = seqtool(*case.command.split(), cwd=tmp_path)
    assert found.code == 2, found.stderr
    assert found.stdout == ""
    assert "Traceback" not in found.stderr
    assert found.stderr.startswith("error: ") or "\nerror: " in found.stderr
    for part in case.says:
        assert part in found.stderr
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(case.files)  # no incomplete file
