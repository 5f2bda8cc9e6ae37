"""Files of labeled sentences: reading, errors, and notes on skipped lines."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.tagging.sentences import read_split
from seqtool.errors import DataError
from seqtool.settings.data import TaggerData


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def settings(**options: Any) -> TaggerData:
    return TaggerData(train=("x",), **options)


def test_files_of_a_split_are_read_each_in_its_format(tmp_path: Path) -> None:
    first = write(tmp_path, "a.tsv", "\ufeffa\tA\r\nb\tB\r\n\r\n")
    second = write(tmp_path, "b.txt", "\nc C\n")
    reports: list[tuple[str, int, int]] = []
    split = read_split(
        "train", [first, second], settings(label="2"), progress=lambda *report: reports.append(report)
    )
    assert [(sentence.tokens, sentence.labels) for sentence in split.sentences] == [
        (("a", "b"), ("A", "B")),
        (("c",), ("C",)),
    ]
    assert [sentence.place for sentence in split.sentences] == [f"{first}:1", f"{second}:2"]
    assert [note.split(";")[1] for note in split.notes if note.startswith("train: ")] == [
        " 2 columns separated by a tab",
        " 2 columns separated by spaces",
    ]
    assert reports == [("reading a.tsv", 0, 2), ("reading b.txt", 1, 2)]
    assert split.warnings == ()


def test_read_split_decodes_other_encodings(tmp_path: Path) -> None:
    for encoding in ("latin-1", "utf-16", "utf-8-sig"):
        path = write(tmp_path, "x.tsv", "é\tA\n\nb\tB".encode(encoding))
        split = read_split("train", [path], settings(encoding=encoding))
        assert [sentence.tokens for sentence in split.sentences] == [("é",), ("b",)]


@pytest.mark.parametrize(
    ("name", "content", "options", "place", "message"),
    [
        ("x.tsv", "", {}, "", "expected labeled sentences, found an empty file"),
        ("x.tsv", "\n\t\n", {}, "", "expected labeled sentences, found blank lines"),
        ("x.conllu", "# text = a\n\n", {}, "", "expected labeled sentences, found no token in the file"),
        ("x.tsv", b"a\tA\nb\xff\tB\n", {}, ":2", "expected utf-8 text, found byte 0xff at offset 5"),
        ("x.tsv", "a\tA\nb\tB\n\nc\n", {}, ":4", "expected 2 columns separated by a tab, found 1"),
        ("x.tsv", "a\tA\n", {"label": "pos"}, "", "expected the label in a column (1 to 2), found 'pos'"),
        ("x.jsonl", '{"tokens": ["a"]}\n', {}, ":1", "expected labels, found a sentence without them"),
        ("x.jsonl", '{"tokens": ["a"], "labels": ["A"]}\n{"tokens"\n', {}, ":2:10", None),
    ],
    ids=[
        "empty",
        "blank",
        "no tokens",
        "not UTF-8",
        "wrong columns",
        "unknown label",
        "no labels",
        "not JSON",
    ],
)
def test_errors_name_file_and_line(
    tmp_path: Path, name: str, content: str | bytes, options: dict[str, Any], place: str, message: str | None
) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(DataError) as caught:
        read_split("train", [path], settings(**options))
    (problem,) = caught.value.problems
    assert problem.place == f"{path}{place}"
    assert message is None or problem.message == message


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_split("train", [tmp_path], settings())


def test_skipped_lines_are_counted(tmp_path: Path) -> None:
    columns = write(tmp_path, "x.tsv", "-DOCSTART-\tO\n\n# a\n#b\na\tA\n")
    assert (
        "train: x.tsv: 3 comment and document lines skipped, first in the block at line 1"
        in read_split("train", [columns], settings()).notes
    )
    lines = write(tmp_path, "x.jsonl", '{"tokens": ["a"], "labels": ["A"]}\n\n{"tokens": []}\n')
    assert "dev: x.jsonl: 1 sentence without a token skipped" in read_split("dev", [lines], settings()).notes


def test_other_label_column_than_train_is_refused_unless_named(tmp_path: Path) -> None:
    train = read_split("train", [write(tmp_path, "a.tsv", "a\tA\n")], settings())
    other = write(tmp_path, "b.tsv", "a\tx\tA\n")
    with pytest.raises(
        DataError,
        match="expected 2 columns, label in column 2, as in the training file, "
        "found 3 columns, label in column 3",
    ):
        read_split("dev", [other], settings(), train.format)
    split = read_split("dev", [other], settings(label="2"), train.format)
    assert split.sentences[0].labels == ("x",)
    assert split.warnings == (
        "b.tsv has 3 columns, label in column 2; the training file has 2 columns, label in column 2",
    )
    objects = write(tmp_path, "c.jsonl", '{"tokens": ["a"], "labels": ["A"]}')
    assert read_split("dev", [objects], settings(), train.format).warnings == (
        "c.jsonl has another format than the training file",
    )


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("XY")), min_size=1, max_size=3),
        min_size=2,
        max_size=4,
    )
)
def test_sentences_as_read_are_shown_with_their_labels(sentences: list[list[tuple[str, str]]]) -> None:
    """Also those that equal an earlier sentence or its labels."""
    text = "".join("".join(f"{token}\t{label}\n" for token, label in one) + "\n" for one in sentences)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("a.conll", "b.conll")]
        for path in paths:
            path.write_text(text + "c\tZ\n\n" * 9)
        data = TaggerData(
            train=tuple(map(str, paths)), format="conll", columns=("form", "label"), label="label"
        )
        notes = read_split("train", paths, data).notes
    shown = [note.split() for note in notes if note.startswith(("  as read ", " " * 10))]
    expected = []
    for one in sentences[:2]:
        tokens, labels = zip(*one, strict=True)
        expected += [["as", "read", *tokens], [*labels]]
    assert shown == expected  # of the first file
