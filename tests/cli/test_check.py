"""`check`: statistics of the training data, warnings, and errors, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seqtool.data.tagging import sentences
from tests.support.shell import PROJECT, seqtool_in_process

TRAIN = "Anna\tB-PER\nMeier\tI-PER\nsaw\tO\nRome\tB-LOC\n\nBob\tI-PER\nleft\tO\n\n"
DEV = "Anna\tB-PER\nMeier\tI-PER\nsaw\tO\nRome\tB-LOC\n\nEva\tB-ORG\nleft\tO\n\n"


def config(folder: Path, more: str = "", train: str = TRAIN, dev: str = DEV) -> Path:
    (folder / "t.conll").write_text(train)
    (folder / "d.conll").write_text(dev)
    path = folder / "c.yaml"
    path.write_text(
        "task: tagger\ndata:\n  train: t.conll\n  dev: d.conll\n"
        f"training:\n  epochs: 200\n  batch_size: 1\n{more}"
    )
    return path


def test_check_lists_sizes_labels_words_spans_and_warnings(tmp_path: Path) -> None:
    found = seqtool_in_process("check", config(tmp_path), cwd=tmp_path)
    assert found.code == 0
    out = found.stdout
    assert "train: 2 sentences, 6 words" in out and "dev: 2 sentences, 6 words" in out
    rows = {
        line.split()[0]: line.split()[1:4] for line in found.lines if line.startswith("  ") and "%" in line
    }
    assert (
        rows["O"] == ["2", "33.3%", "2"]
        and rows["B-PER"] == ["1", "16.7%", "1"]
        and rows["I-PER"] == ["2", "33.3%", "1"]
    )
    assert "dev: 16.7% of 6 words are not in train" in out
    assert "dev: 1 of 2 sentences also occur in train" in out
    assert "train: 3 spans (PER 2, LOC 1)" in out and "dev: 3 spans (PER 1, LOC 1, ORG 1)" in out
    assert f"train: 1 label malformed in iob2, first in {tmp_path}/t.conll:6: Bob/I-PER left/O" in out
    assert "dev: every span is well-formed in iob2" in out
    assert "warning: dev has labels that train lacks; their tokens count as wrong: B-ORG (1)" in out
    assert found.lines[-1].endswith("warnings")


@pytest.mark.parametrize(
    ("given", "warning"),
    [
        (("model.decoder=softmax",), "decoder: softmax can break spans"),
        (("training.epochs=2",), "only about 4 updates in all"),
        (
            ("training.warmup_steps=9999",),
            "training.warmup_steps: 9999 steps of warm-up are not complete when the run ends",
        ),
        (("training.lr=0.5",), "training.lr: 0.5 is very high for adamw"),
        (("data.dev=[]",), "nothing is held out"),
        (("training.momentum=0.9",), "training.momentum has no effect with optimizer: adamw"),
        (("data.dev=t.conll",), "names a file that data.train names too"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_doubtful_settings_give_a_warning(tmp_path: Path, given: tuple[str, ...], warning: str) -> None:
    path = config(tmp_path)
    plain = seqtool_in_process("check", path, cwd=tmp_path)
    found = seqtool_in_process(
        "check", path, *(part for one in given for part in ("--set", one)), cwd=tmp_path
    )
    assert found.code == 0 and warning not in plain.stdout
    assert any(line.startswith("warning: ") and warning in line for line in found.lines), found.stdout


def test_check_without_warnings_states_that_nothing_looks_wrong(tmp_path: Path) -> None:
    clean = "".join(f"w{n}\tX\nv{n}\tY\n\n" for n in range(30))
    dev = "".join(f"w{n}\tX\nv{n + 1}\tY\n\n" for n in range(12))
    found = seqtool_in_process("check", config(tmp_path, train=clean, dev=dev), cwd=tmp_path)
    assert found.lines[-1] == "nothing looks wrong" and "well-formed" not in found.stdout


def test_data_file_is_checked_with_suggested_settings(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("".join(f"w{n} X\nv{n} Y\n\n" for n in range(30)))
    found = seqtool_in_process("check", "names.txt", cwd=tmp_path)
    assert (
        found.code == 0
        and "dev: 3 sentences, 6 words" in found.stdout
        and "tokens in column 1, labels in column 2" in found.stderr
    )
    (tmp_path / "prose.txt").write_text("It was a day.\n\nAnd then it was another one.\n" * 40)
    assert "symbols" in seqtool_in_process("check", "prose.txt", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("train", "place", "message"),
    [
        ("a\tX\n\tY\n", "t.conll:2", "expected a token, found an empty one"),
        ("a\tX\nb\t\n", "t.conll:2", "expected a label, found an empty one"),
        ("", "t.conll", "expected labeled sentences, found an empty file"),
    ],
    ids=["empty token", "empty label", "empty file"],
)
def test_malformed_data_exit_2_with_file_and_line(
    tmp_path: Path, train: str, place: str, message: str
) -> None:
    found = seqtool_in_process("check", config(tmp_path, train=train), cwd=tmp_path)
    assert found.code == 2 and found.stdout == ""
    assert place in found.stderr and message in found.stderr


def test_lines_with_a_wrong_number_of_cells_are_counted_and_refused_in_training(tmp_path: Path) -> None:
    path = config(tmp_path, train="a\tX\nb\n\nc\tX\nd\tY\n")
    found = seqtool_in_process("check", path, cwd=tmp_path)
    assert found.code == 0
    assert "warning: t.conll: 1 line does not have 2 cells, first line 2 (1 cell)" in found.lines
    found = seqtool_in_process("train-tagger", path, cwd=tmp_path)
    assert found.code == 2 and "t.conll:2" in found.stderr
    assert "expected 2 columns separated by a tab, found 1" in found.stderr


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ("s1,Anna,O\n,saw,O\ns2,Rome\ns2,left,O\n", 4),
        ("s1,Anna,O\n,saw\n,left,O\ns2,Rome,O\n,now,O\n", 3),
        ('s1,"a,b",O\n,saw,O\n\ns2,Rome,O,x\n,left,O\n', 5),
    ],
    ids=["first row of a sentence", "row inside", "too many cells"],
)
def test_rows_of_a_table_with_a_wrong_number_of_cells_are_counted_and_refused_in_training(
    rows: str, line: int, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("sentence,word,tag\n" + rows + "s3,Bob,X\n,ran,O\n")
    found = seqtool_in_process("check", "t.csv", cwd=tmp_path)
    assert found.code == 0 and f"1 line does not have 3 cells, first line {line}" in found.stdout
    found = seqtool_in_process("train-tagger", "t.csv", cwd=tmp_path)
    assert found.code == 2 and f"t.csv:{line}" in found.stderr and "expected 3 columns" in found.stderr


@pytest.mark.parametrize(
    ("name", "row", "doubt"),
    [
        ("t.txt", "{token} NN B-{type} B-MISC\n", "could also hold the labels"),
        (
            "t.jsonl",
            '{{"tokens": ["{token}"], "pos": ["N"], "ner": ["B-{type}"]}}\n',
            "would fit, too",
        ),
    ],
    ids=["layers", "fields"],
)
def test_doubts_about_a_data_file_are_printed_by_check_init_and_training(
    name: str, row: str, doubt: str, tmp_path: Path
) -> None:
    rows = [row.format(token=f"{'abc'[n % 3]}w{n}", type="XY"[n % 2]) for n in range(30)]
    (tmp_path / name).write_text("\n".join(rows) if name == "t.txt" else "".join(rows))
    options = ("--set", "training.max_steps=1", "--set", "model.hidden_size=4")
    for command in (("check", name), ("init", "tagger", name), ("train-tagger", name, *options)):
        done = seqtool_in_process(*command, cwd=tmp_path)
        assert done.code == 0 and doubt in done.stdout + done.stderr
        assert "nothing looks wrong" not in done.stdout


def test_data_file_is_read_once_for_its_settings_and_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.txt").write_text(TRAIN * 9)
    opened = []
    read = sentences._read_file

    def counted(*given: Any) -> Any:
        opened.append(given[1])
        return read(*given)

    monkeypatch.setattr(sentences, "_read_file", counted)
    assert seqtool_in_process("check", "t.txt", cwd=tmp_path).code == 0
    assert len(opened) == 1 and not sentences._KEPT
    (tmp_path / "t.txt").write_text(TRAIN * 8)
    assert seqtool_in_process("check", "t.txt", cwd=tmp_path).code == 0
    assert len(opened) == 2


def test_empty_tokens_are_repaired_on_request_with_their_lines(tmp_path: Path) -> None:
    path = config(tmp_path, train="a\tX\n\tY\n\n_\tX\n\n\tY\n")
    found = seqtool_in_process("check", path, "--set", "data.empty_tokens=repair", cwd=tmp_path)
    assert found.code == 0
    assert "train: t.conll: empty tokens read as `_` in 2 sentences, first at line 2, 6" in found.lines


def test_missing_file_of_a_shipped_config_names_its_source(tmp_path: Path) -> None:
    found = seqtool_in_process(
        "check", PROJECT / "configs/ewt.yaml", "--set", "data.train=no.conllu", cwd=tmp_path
    )
    assert found.code == 2 and "no.conllu" in found.stderr and "universaldependencies.org" in found.stderr
