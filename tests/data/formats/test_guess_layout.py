"""Guessed settings of a labeled file: separator, token and label columns, and fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seqtool.data.formats.detect import LABELED, detect_file, layout_of_file
from seqtool.data.formats.detection import settings_of, summary
from seqtool.data.formats.layout import Layout
from seqtool.data.tagging.sentences import read_split
from seqtool.settings.data import TaggerData

NAMES = [("Anna", "B-PER"), ("Meier", "I-PER"), ("saw", "O"), ("Rome", "B-LOC")]


def file_text(line: str, start: str = "", gap: str = "\n", end: str = "\n") -> str:
    """Return twelve sentences of names, one token per line."""
    one = "".join(
        line.format(n=number, token=token, label=label) + end
        for number, (token, label) in enumerate(NAMES, 1)
    )
    return start + gap.join([one] * 12)


COLUMNS: dict[str, tuple[str, str]] = {
    "tab": (
        file_text("{token}\t{label}"),
        "CoNLL columns separated by a tab, tokens in column 1, labels in column 2",
    ),
    "CoNLL-2003": (
        file_text("{token} NNP I-NP {label}", "-DOCSTART- -X- O O\n\n"),
        "CoNLL columns separated by spaces, tokens in column 1, labels in column 4",
    ),
    "counted tokens": (
        file_text("{n}\t{token}\t{label}"),
        "CoNLL columns separated by a tab, tokens in column 2, labels in column 3",
    ),
    "GermEval": (
        file_text("{n}\t{token}\t{label}\tO", "# http://x [2009]\n"),
        "CoNLL columns separated by a tab, tokens in column 2, labels in column 3",
    ),
    "empty columns": (
        file_text("{n}\t{token}\t{label}\t_\t_", "# id 1\n"),
        "CoNLL columns separated by a tab, tokens in column 2, labels in column 3",
    ),
    "labels first": (
        file_text("{label}\t{token}"),
        "CoNLL columns separated by a tab, tokens in column 2, labels in column 1",
    ),
    "trailing spaces, warnings gaps": (
        file_text("{token} {label}  ", gap=" \t \n"),
        "CoNLL columns separated by spaces, tokens in column 1, labels in column 2",
    ),
    "BOM and CRLF": (
        file_text("{token}\t{label}", "\ufeff", "\r\n", "\r\n"),
        "CoNLL columns separated by a tab, tokens in column 1, labels in column 2",
    ),
    "commas": (
        file_text("{token},{label}"),
        "CoNLL columns separated by ',', tokens in column 1, labels in column 2",
    ),
    "bars, no end": (
        file_text("{token}|{label}").rstrip("\n"),
        "CoNLL columns separated by '|', tokens in column 1, labels in column 2",
    ),
}


def guess_and_read(
    folder: Path, text: str, name: str = "f.txt", **known: Any
) -> tuple[TaggerData, list[str], list[str]]:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    known_data = TaggerData(train=(str(path),), **known)
    detection = detect_file(path, known_data, LABELED)
    data = settings_of(detection, known_data)
    sentences = read_split("train", [path], data).sentences
    return (
        data,
        [summary(detection), *detection.doubts],
        [f"{token}/{label}" for token, label in zip(sentences[0].tokens, sentences[0].labels, strict=True)],
    )


@pytest.mark.parametrize(("text", "summary"), COLUMNS.values(), ids=COLUMNS)
def test_settings_detects_columns(tmp_path: Path, text: str, summary: str) -> None:
    _, notes, first = guess_and_read(tmp_path, text)
    assert notes == [summary]
    assert first == ["Anna/B-PER", "Meier/I-PER", "saw/O", "Rome/B-LOC"]
    assert detect_file(tmp_path / "f.txt").is_labeled


def test_settings_of_a_table_with_a_header(tmp_path: Path) -> None:
    _, notes, first = guess_and_read(tmp_path, "Token,Tag\na,X\n\nb,Y\n")
    assert first == ["a/X"]
    assert notes == ["CSV separated by ',', tokens in column 1, labels in column 2"]


def test_known_settings_are_kept(tmp_path: Path) -> None:
    data, _, first = guess_and_read(
        tmp_path,
        file_text("{n}\t{token}\tx\t{label}"),
        columns=("number", "form", "label", "other"),
        label="label",
    )
    assert first[0] == "Anna/x" and data.separator == "tab"
    assert guess_and_read(tmp_path, "a\tX\tP\nb\tY\tQ\n", label="2")[2] == ["a/X", "b/Y"]


@pytest.mark.parametrize(
    ("row", "label"),
    [
        ("NOUN\tNN\tA=B\t0\troot", "upos"),
        ("_\tNN\t_\t0\troot", "xpos"),
        ("_\t_\tA=B\t0\troot", "deprel"),
        ("_\t_\tA=B\t0\t_", "feats"),
    ],
)
def test_conllu_label_is_the_first_column_that_is_not_empty(tmp_path: Path, row: str, label: str) -> None:
    assert guess_and_read(tmp_path, f"# c\n1\ta\ta\t{row}\t_\t_\n\n", "f.conllu")[0].label == label


def test_conllu_label_stays_if_all_columns_are_empty_or_it_is_known(tmp_path: Path) -> None:
    assert guess_and_read(tmp_path, "1\ta\ta\t_\t_\t_\t_\t_\t_\t_\n\n", "f.conllu")[0].label == "upos"
    assert (
        guess_and_read(tmp_path, "1\ta\ta\tN\tNN\t_\t_\t_\t_\t_\n\n", "f.conllu", label="xpos")[0].label
        == "xpos"
    )


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ('{"tokens": ["a"], "labels": ["X"]}', ("tokens", "labels")),
        ('{"id": 1, "tokens": ["a"], "ner_tags": ["X"]}', ("tokens", "ner_tags")),
        ('{"tags": ["X"], "words": ["a"]}', ("words", "tags")),
        ('{"text": ["a"], "spans": ["b", "c"], "pos": ["X"]}', ("text", "pos")),
    ],
)
def test_settings_finds_the_fields_of_json_lines(
    tmp_path: Path, record: str, fields: tuple[str, str]
) -> None:
    data, _, first = guess_and_read(tmp_path, f"{record}\n" * 3, "f.jsonl")
    assert (data.text_key, data.label_key) == fields and first == ["a/X"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "One day there was.\n\nA second paragraph of it.\n",
        "a\nb\n\nc\n",
        "To be\nor not\nto be that\n\nis the\n",
        "no blank line\n" * 9,
    ],
    ids=["empty", "prose", "one column", "verse", "no sentence breaks"],
)
def test_running_text_does_not_look_labeled(tmp_path: Path, text: str) -> None:
    (tmp_path / "f").write_text(text)
    assert not detect_file(tmp_path / "f").is_labeled


def test_file_with_the_layout_of_the_training_file_is_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "f.tsv"
    path.write_text("a\tX\tP\n")
    layout = Layout(label="2", width=3)
    assert layout_of_file(path, layout, frozenset()) == (TaggerData(train=(), label="2"), "")
    path.write_text("X\ta\tP\tQ\n")
    data, note = layout_of_file(path, layout, frozenset())
    assert (
        data.columns[3] == data.label == "column4"
        and "f.tsv does not have the layout of the training file" in note
    )
