"""Small files of the kinds that people have, where the data directory contains them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seqtool.data.formats.detect import detect_file
from seqtool.data.tagging.corpus import load_tagged_corpus
from seqtool.data.tagging.sentences import read_split
from seqtool.errors import DataError
from seqtool.settings.data import TaggerData
from seqtool.settings.model import TaggerModel

FOLDER = Path(os.environ.get("SEQTOOL_DATA", "no data")).parent / "cases" / "tagged"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the files are not included")
READ = {  # file: first sentence, number of sentences (0: not compared), doubt
    "03_comment_two_words_space.txt": ("In/O Leeds/B-LOC", 6, ""),
    "11_leading_tab.txt": ("In/O Leeds/B-LOC ./0", 8, "label 0 breaks the span scheme"),
    "12b_zero_mixed_bio.txt": ("Jag/O bor/0 i/O Lund/B-LOC Väster/I-LOC", 8, "label 0 breaks"),
    "26b_kaggle_utf8.csv": ("Thousands/O of/O people/O in/O London/B-geo", 3, ""),
    "28_utf16.tsv": ("#/O MondayMood/O in/O Leeds/B-LOC", 12, "line 1 starts with #"),
    "31_missing_label.tsv": ("In/O Leeds/B-LOC", 8, "4 lines do not have 2 cells, first line 3"),
    "32b_pos_first.tsv": ("In/ADP New/PROPN York/PROPN", 8, ""),
    "33_header.tsv": ("In/O Leeds/B-LOC", 8, ""),
    "36_index_col.conll": ("EU/I-ORG wins/O", 8, ""),
    "39b_word_tag_line.txt": ("The/DT dog/NN ran/VBD", 8, ""),
    "40_doccano.jsonl": ("Ann/B-PER lives/O in/O New/B-LOC York/I-LOC ./O", 2, ""),
    "41_prodigy.jsonl": ("Ann/B-PER ran/O", 2, ""),
    "42b_hf_strings.jsonl": ("Ann/B-PER ran/O", 2, "would fit, too"),
    "52_cr_only.tsv": ("#/O MondayMood/O in/O Leeds/B-LOC", 12, "the line ends are CR"),
    "53_no_blank.tsv": ("w0/O w1/O w2/O w3/B-LOC", 1, "no blank line among 300 tokens"),
    "60_label_trailing_space.tsv": ("law/B-Term is/O rule/B-Term", 8, ""),
    "61_mixed_sep.txt": ("In/O Leeds/B-LOC", 8, "separated by tabs in some lines"),
    "70_ontonotes.conll": ("Ann/NNP ran/VBD", 6, ""),
    "four_col.conll": ("EU/B-NP wins/B-VP", 1, "column 4 could also hold the labels"),
    "iob1.conll": ("English/I-MISC County/B-MISC Cup/I-MISC starts/O", 12, ""),
    "iob2.conll": ("English/B-MISC County/B-MISC Cup/I-MISC starts/O", 12, ""),
    "multiconer.conll": ("the/O town/O of/O leeds/B-LOC", 16, ""),
    "own_spans.jsonl": ("Ann/B-PER ran/O", 1, ""),
    "stray_small.conll": (
        "In/O Leeds/B-LOC",
        0,
        "label LOC breaks the span scheme (1 token, first",
    ),
    "tb_two.conll": ("In/O Leeds/B-LOC", 2, ""),
}


@pytest.mark.parametrize("name", READ)
def test_file_is_read_without_settings(name: str) -> None:
    first, count, doubt = READ[name]
    path = FOLDER / name
    data = TaggerData(train=(str(path),))
    detection, split = detect_file(path, data), read_split("train", [path], data, skip_wrong=True)
    found = split.sentences[0]
    pairs = [f"{token}/{label}" for token, label in zip(found.tokens, found.labels, strict=True)]
    assert detection.is_labeled and " ".join(pairs[:6]).startswith(first)
    assert count in (0, len(split.sentences))
    assert any(doubt in line for line in detection.doubts) if doubt else not detection.doubts


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("27_cp1252.tsv", "cp1252"),
        ("42_hf_ints.jsonl", "data.label_names"),
        ("index_token.conll", "expected a column with labels, found none"),
    ],
)
def test_file_is_refused_with_the_setting_that_helps(name: str, message: str) -> None:
    path = FOLDER / name
    with pytest.raises(DataError, match=message) as raised:
        read_split("train", [path], TaggerData(train=(str(path),)))
    assert name in raised.value.problems[0].place and raised.value.problems[0].hint


@pytest.mark.parametrize("label", ["-1", "5", "4"])
def test_naming_the_label_leaves_the_token_alone(label: str) -> None:
    path = FOLDER / "36_index_col.conll"
    split = read_split("train", [path], TaggerData(train=(str(path),), label=label))
    assert split.sentences[0].tokens == ("EU", "wins")


def test_missing_misc_key_is_outside() -> None:
    path = FOLDER / "ne_misc.conllu"
    split = read_split("train", [path], TaggerData(train=(str(path),), label="misc:NE"))
    assert split.sentences[0].labels == ("B-PER", "I-PER", "O")


@pytest.mark.parametrize("names", [("iob1.conll", "iob2.conll"), ("iob2.conll", "iob1.conll")])
def test_two_schemes_have_no_untrue_warning(names: tuple[str, str]) -> None:
    train, dev = (str(FOLDER / name) for name in names)
    data = TaggerData(train=(train,), dev=(dev,))
    warnings = load_tagged_corpus(data, TaggerModel(), seed=1).warnings
    assert not any("lacks" in warning or "does not allow" in warning for warning in warnings)
    assert any("the labels look like" in warning for warning in warnings)
