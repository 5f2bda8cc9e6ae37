"""Layouts of public corpora and flawed files, and random tables: all are read correctly without settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqtool.data.formats.detect import LABELED, detect_file
from seqtool.data.formats.detection import Detection, settings_of
from seqtool.data.tagging.sentences import read_split
from seqtool.errors import DataError
from seqtool.settings.data import TaggerData
from tests.support.random_tables import random_table

ANN = (("Ann", "lives", "in", "New", "York"), ("B-PER", "O", "O", "B-LOC", "I-LOC"))
BOB = (("Bob", "Lee", "met", "her"), ("B-PER", "I-PER", "O", "O"))
TAGS = {"Ann": "NNP", "Bob": "NNP", "Lee": "NNP", "New": "NNP", "York": "NNP", "in": "IN", "her": "PRP"}


def corpus(line: str, *, before: str = "", start: str = "", end: str = "\n", gap: str = "\n") -> str:
    """Return sentences with one token per line; `before` opens each of them."""
    parts = []
    for number, (tokens, labels) in enumerate([ANN, BOB] * 4):
        rows = [
            line.format(n=index + 1, i=index, token=token, label=label, pos=TAGS.get(token, "VBD"))
            for index, (token, label) in enumerate(zip(tokens, labels, strict=True))
        ]
        parts.append(before.format(n=number) + "".join(row + end for row in rows))
    return start + gap.join(parts) + gap


def read(
    folder: Path, content: str | bytes, name: str = "f.txt"
) -> tuple[Detection, list[tuple[object, object]]]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    data = TaggerData(train=(str(path),))
    split = read_split("train", [path], data, skip_wrong=True)
    return detect_file(path, data), [(sentence.tokens, sentence.labels) for sentence in split.sentences]


LOOK_ALIKES = {
    "UniversalNER": corpus("{n}\t{token}\t{label}\t-\t-", before="# sent_id = s{n}\n# text = x y\n"),
    "GermEval 2014": corpus("{n}\t{token}\t{label}\tO", before="#\thttp://x/{n} [2009]\n"),
    "MultiCoNER": corpus("{token} _ _ {label}", before="# id 0{n}\tdomain=train\n"),
    "CoNLL-2003": corpus("{token} {pos} B-NP {label}", start="-DOCSTART- -X- -X- O\n\n"),
    "CoNLL-2002": corpus("{token} {label}"),
    "WikiANN": corpus("en:{token}\t{label}"),
    "WNUT-17": corpus("{token}\t{label}", gap="\t\n"),
    "BTC": corpus("{token}\t{label}", end="\r\n", gap="\r\n"),
    "litbank": corpus("{token}\t{label}\tO\tO\tO"),
    "leNER-Br": corpus("{token} {label}", gap="\n\n"),
}


@pytest.mark.parametrize("text", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
def test_look_alikes_of_public_corpora_are_read_without_settings(tmp_path: Path, text: str) -> None:
    detection, sentences = read(tmp_path, text)
    assert sentences == [ANN, BOB] * 4
    assert detection.is_labeled and detection.scheme == "iob2" and not detection.doubts


def test_look_alike_of_conll_2000_has_chunks(tmp_path: Path) -> None:
    detection, sentences = read(
        tmp_path, corpus("{token} {pos} {label}").replace("PER", "NP").replace("LOC", "VP")
    )
    assert sentences[0] == (ANN[0], ("B-NP", "O", "O", "B-VP", "I-VP")) and not detection.doubts


def test_look_alike_of_conll_2012_has_sentences_of_several_widths(tmp_path: Path) -> None:
    row = "bc/x/01   0   {i}   {token}   {pos}   (TOP*   -   -   -   Sp   *   "
    blocks = corpus(row).split("\n\n")
    text = "\n\n".join(
        "\n".join(line + "*   " * (number % 3) + "-" for line in block.splitlines())
        for number, block in enumerate(blocks)
        if block.strip()
    )
    detection, sentences = read(tmp_path, f"#begin document (bc/x/01); part 000\n{text}\n\n#end document\n")
    assert sentences[0] == (ANN[0], ("NNP", "VBD", "IN", "NNP", "NNP"))
    assert detection.varying and detection.comments == 2


def test_look_alike_of_kaggle_has_sentence_ids_in_the_first_row(tmp_path: Path) -> None:
    lines = corpus(
        ",{token},{pos},{label}", start="Sentence #,Word,POS,Tag\n", before="Sentence: {n}"
    ).splitlines()
    detection, sentences = read(tmp_path, "\n".join(line for line in lines if line) + "\n", "ner_dataset.csv")
    assert sentences == [ANN, BOB] * 4 and detection.kind == "csv"


FLAWED = {
    "comment with two cells": (corpus("{token} {label}", before="# doc{n}\n"), None),
    "comment with two cells and tabs": (corpus("{token}\t{label}", before="#\tdoc{n}\n"), None),
    "stray label": (
        corpus("{token} {label}") + "Rome LOC\n",
        "label LOC breaks the span scheme (1 token, first in line 45)",
    ),
    "zero for O": (
        corpus("{token} {label}").replace("met O", "met 0"),
        "label 0 breaks the span scheme (4 tokens",
    ),
    "header": (corpus("{token}\t{label}", start="token\tner_tag\n"), None),
    "header of other words": (
        corpus("{token}\t{label}", start="Wort\tKlasse\n"),
        "line 1 (Wort Klasse) is read as a header",
    ),
    "missing label": (
        corpus("{token}\t{label}") + "now\n",
        "1 line does not have 2 cells, first line 45 (1 cell)",
    ),
    "mixed separators": (
        corpus("{token} {label}").replace("Ann ", "Ann\t"),
        "separated by tabs in some lines",
    ),
    "label first": (corpus("{label}\t{token}"), None),
    "leading tab": (corpus("\t{token}\t{label}"), None),
    "blanks around labels": (corpus("{token}\t {label} "), None),
    "CR": (corpus("{token}\t{label}", end="\r", gap="\r"), "the line ends are CR"),
    "counter and layers": (corpus("{n}\t{token}\t{pos}\t{label}\tO"), None),
}


@pytest.mark.parametrize("variant", ["as it is", "CRLF", "byte order mark"])
@pytest.mark.parametrize(("text", "doubt"), FLAWED.values(), ids=FLAWED)
def test_flaws_are_named_and_the_sentences_are_read(
    tmp_path: Path, text: str, doubt: str | None, variant: str
) -> None:
    text = text.replace("\n", "\r\n") if variant == "CRLF" else text
    text = "\ufeff" + text if variant == "byte order mark" else text
    detection, sentences = read(tmp_path, text)
    assert [tokens for tokens, _ in sentences][:8] == [ANN[0], BOB[0]] * 4
    assert sentences[0] == ANN and detection.scheme == "iob2"
    assert any(doubt in line for line in detection.doubts) if doubt else not detection.doubts


@pytest.mark.parametrize(
    ("row", "end"),
    [("{token}\t{label}", "\n"), ("{token} {label}", "\n"), ("{token}\t{pos}\t{label}", "\r\n")],
)
def test_missing_blank_lines_are_named(tmp_path: Path, row: str, end: str) -> None:
    detection, _ = read(tmp_path, corpus(row, end=end, gap="") * 4)
    assert detection.is_labeled and "no blank line among 144 tokens" in detection.doubts[0]


def test_hash_token_with_a_label_stays_a_token(tmp_path: Path) -> None:
    detection, sentences = read(tmp_path, "#\tO\n1\tO\n\n" + corpus("{token}\t{label}"))
    assert sentences[0] == (("#", "1"), ("O", "O"))
    assert "line 1 starts with # and opens a sentence" in detection.doubts[0]


@pytest.mark.parametrize("label", ["3", "-1"])
def test_naming_the_label_leaves_the_detection_of_the_token_alone(tmp_path: Path, label: str) -> None:
    path = tmp_path / "f.txt"
    path.write_text(corpus("{n} {token} {label}"))
    split = read_split("train", [path], TaggerData(train=(str(path),), label=label))
    assert [(sentence.tokens, sentence.labels) for sentence in split.sentences] == [ANN, BOB] * 4


CONSTANTS = ["_", "-", "0", "x"]


@pytest.mark.parametrize("heads", ["counter", "document", "zero"])
@pytest.mark.parametrize("label", [3, 4, 5, 8])
def test_ten_columns_without_trees_are_not_conllu(tmp_path: Path, label: int, heads: str) -> None:
    lines = []
    for number, (tokens, labels) in enumerate([ANN, BOB] * 4):
        for index, pair in enumerate(zip(tokens, labels, strict=True), 1):
            cells = [str(index), pair[0], *[CONSTANTS[label % 4]] * 8]
            cells[6] = {"counter": str(index), "document": str(100 + number), "zero": "0"}[heads]
            cells[label] = pair[1]
            lines.append("\t".join(cells))
        lines.append("")
    detection, sentences = read(tmp_path, "\n".join(lines) + "\n")
    assert sentences == [ANN, BOB] * 4 and detection.kind == "columns"


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 1 << 30))
@example(306_726)  # ten columns with numbers in place of dependency relations
def test_random_tables_are_read_correctly_or_with_a_doubt(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    table = random_table(seed)
    path = tmp_path_factory.mktemp("tables") / "f.txt"
    path.write_bytes(table.content)
    data = TaggerData(train=(str(path),))
    try:
        detection, split = detect_file(path, data, LABELED), read_split("train", [path], data)
    except DataError:
        return  # refused with its location
    found = tuple((sentence.tokens, sentence.labels) for sentence in split.sentences)
    assert found == table.sentences or detection.doubts
    again = read_split("train", [path], settings_of(detection, data))  # as a config of `init` reads it
    assert again.sentences == split.sentences
