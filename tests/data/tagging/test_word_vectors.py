"""Files of word vectors: every layout, the rows kept, notes, warnings and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqtool.data.tagging.corpus import load_tagged_corpus
from seqtool.data.tagging.word_vectors import PretrainedVectors, read_vectors
from seqtool.errors import DataError
from seqtool.settings.data import TaggerData
from seqtool.settings.model import Feature, TaggerModel

COUNTS = {"The": 2, "dog": 1, "é": 1, "20 000": 1}
ROWS = "the 1 2\ndog -0.5 1e-1\ncat 3 4\n"


def read(folder: Path, content: str | bytes, dim: int = 2, **options: Any) -> PretrainedVectors:
    path = folder / "v.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_vectors(path, dim, COUNTS, **options)


def rows(vectors: PretrainedVectors) -> dict[str, list[float]]:
    assert len(vectors.matrix) == len(vectors.words) + 1 and vectors.matrix.dtype == np.float32
    return {
        word: [round(float(x), 6) for x in row]
        for word, row in zip(vectors.words, vectors.matrix[1:], strict=True)
    }


@pytest.mark.parametrize(
    "content",
    [
        ROWS,
        "3 2\n" + ROWS,
        "\ufeff3 2\n" + ROWS,
        ROWS.replace("\n", " \n"),
        ROWS.replace("\n", "\r\n"),
        ROWS.replace(" ", "\t"),
        ROWS[:-1],
    ],
    ids=["GloVe", "word2vec", "byte order mark", "fastText", "CRLF", "tabs", "no final newline"],
)
def test_every_layout_gives_the_same_rows(tmp_path: Path, content: str) -> None:
    vectors = read(tmp_path, content)
    assert rows(vectors) == {"the": [1, 2], "dog": [-0.5, 0.1], "cat": [3, 4]}
    np.testing.assert_allclose(vectors.matrix[0], [3.5 / 3, 6.1 / 3], rtol=1e-6)
    assert vectors.warnings == ()


def test_only_usable_words_are_kept(tmp_path: Path) -> None:
    text = "rare 9 9\n" + ROWS + "The 5 6\nDOG 7 7\n"
    assert list(rows(read(tmp_path, text, extra=0))) == ["the", "dog", "The"]
    vectors = read(tmp_path, text, extra=1)
    assert list(rows(vectors)) == ["rare", "the", "dog", "The"]
    assert vectors.notes == ("vectors: v.txt: 2 of 4 training words have a vector; 4 of 6 rows are kept",)


def test_words_may_have_spaces_and_are_normalized(tmp_path: Path) -> None:
    vectors = read(tmp_path, ". . 3 4\n20 000 1 2\ne\u0301 5 6\né 7 8\n")
    assert rows(vectors) == {". .": [3, 4], "20 000": [1, 2], "é": [5, 6]}
    assert "é" in rows(read(tmp_path, "é 7 8\n", normalize="none"))


def test_likely_mistakes_are_reported(tmp_path: Path) -> None:
    vectors = read(tmp_path, b"9 2\nx 1 2\n\xff 1 2\n")
    assert rows(vectors) == {"x": [1, 2]}
    assert [warning.partition(":")[2].strip() for warning in vectors.warnings] == [
        "only 0 of 4 training words have a vector: are language and spelling those of the training data?",
        "9 words by its first line, 2 found: is the file complete?",
        "1 words that are not UTF-8 skipped",
    ]


@pytest.mark.parametrize(
    ("content", "line", "message", "hint"),
    [
        (
            "5 300\n" + ROWS,
            ":1",
            "expected vectors of 2 numbers (`dim`), found a file of 300",
            "set `dim: 300`",
        ),
        (
            "the 1 2 3 4\ndog 1 2 3 4\n",
            ":1",
            "expected a word and 2 numbers, found 4 numbers",
            "set `dim: 4`",
        ),
        ("the 1 2\ndog 1\n", ":2", "expected a word and 2 numbers, found 1 number", "not the binary one"),
        ("the 1\n", ":1", "expected a word and 2 numbers, found 1 number", "set `dim: 1`"),
        ("the 1 x\n", ":1", "expected a word and 2 numbers, found 'x'", "`dim`"),
        ("the 1 nan\n", ":1", "expected finite numbers, found one that is not", ""),
        ("the 1 1e99\n", ":1", "expected finite numbers, found one that is not", ""),
        ("", "", "expected word vectors, found no usable row", "`dim`"),
        (
            b"3 2\nthe \x00\x01\x02\x03\ndog ",
            ":2",
            "expected a word and 2 numbers, found 1 number",
            "not the binary one",
        ),
    ],
    ids=[
        "dim of the header",
        "too many",
        "too few",
        "dim of the first line",
        "no number",
        "nan",
        "overflow",
        "empty",
        "binary",
    ],
)
def test_errors_name_the_line(
    tmp_path: Path, content: str | bytes, line: str, message: str, hint: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, content)
    (problem,) = caught.value.problems
    assert (problem.message, problem.place) == (message, f"{tmp_path / 'v.txt'}{line}")
    assert hint in problem.hint


def test_missing_file_names_its_source(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_vectors(tmp_path / "no.txt", 2, COUNTS, source="example.org")
    assert caught.value.problems[0].hint == "example.org"


def test_progress_counts_bytes(tmp_path: Path) -> None:
    reports: list[tuple[str, int, int]] = []
    read(tmp_path, ROWS, progress=lambda *report: reports.append(report))
    assert reports == [("reading v.txt", 8, len(ROWS))]


def test_corpus_of_a_tagger_has_the_vectors(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("The\tA\ndog\tB\n", encoding="utf-8")
    (tmp_path / "v.txt").write_text(ROWS, encoding="utf-8")
    features = (Feature(name="form"), Feature(name="vectors", dim=2, path=str(tmp_path / "v.txt")))
    corpus = load_tagged_corpus(
        TaggerData(train=(str(tmp_path / "t.tsv"),)), TaggerModel(features=features), 1
    )
    np.testing.assert_allclose(corpus.encoder.vectors[1][1:], [[1.0, 2.0], [-0.5, 0.1], [3.0, 4.0]])
    assert corpus.encoder.encode(["THE", "cat", "cow"]).ids[:, 1].tolist() == [1, 3, 0]
    assert [Path(path).name for path in corpus.files] == ["t.tsv", "v.txt"]
    assert corpus.notes[-1].startswith("vectors: v.txt: 2 of 2 training words")
