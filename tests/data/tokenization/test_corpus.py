"""Corpus of a tokenizer: splits, characters and expansions from train alone, encoded targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytest import MonkeyPatch

from seqtool.data.formats.blocks import Block
from seqtool.data.tagging.sentences import keep_reading, read_split
from seqtool.data.tokenization.boundaries import boundary_targets
from seqtool.data.tokenization.characters import CLASS_COUNT
from seqtool.data.tokenization.corpus import load_tokenizer_corpus, read_raw_text
from seqtool.errors import DataError
from seqtool.settings.data import TaggerData, TokenizerData
from seqtool.settings.model import TokenizerModel
from tests.support.random_tokenizers import write_treebank

MODEL = TokenizerModel(min_count=2)


def conllu(*rows: str) -> str:
    """Return one sentence; `~` is a space inside a form."""
    lines = [
        "\t".join([str(number), row.replace("~", " "), *"_" * 7, "SpaceAfter=No"])
        for number, row in enumerate(rows, 1)
    ]
    return "\n".join(lines) + "\n\n"


def test_splits_and_vocabularies(tmp_path: Path) -> None:
    train, dev = write_treebank(tmp_path / "a.conllu"), write_treebank(tmp_path / "b.conllu", repeats=1)
    corpus = load_tokenizer_corpus(TokenizerData(train=(str(train),), dev=(str(dev),)), MODEL, 1)
    assert corpus.expansions.forms == {"des": ("de", "les"), "du": ("de", "le")}
    assert not corpus.inner_spaces and not corpus.test
    assert set(corpus.files) == {str(train), str(dev)}
    assert "multiword tokens: 24 in train; the words of 2 forms are looked up" in corpus.notes
    assert sum(len(item.sentences) for item in corpus.train) == 36


def test_encoded_text_has_the_targets_of_its_paragraphs(tmp_path: Path) -> None:
    path = write_treebank(tmp_path / "a.conllu")
    corpus = load_tokenizer_corpus(TokenizerData(train=(str(path),)), MODEL, 1)
    text = corpus.encode(corpus.train)
    assert text.lengths.tolist() == [len(item.text) for item in corpus.train]
    first = boundary_targets(corpus.train[0])
    assert (text.classes[: len(first.classes)] == first.classes).all()
    assert (text.sentences[: len(first.sentences)] == first.sentences).all()
    known = list(corpus.characters.counts)
    assert known[text.symbols[0] - CLASS_COUNT] == corpus.train[0].text[0]
    assert np.isin(text.symbols, np.arange(len(corpus.characters))).all()


def test_spaces_inside_tokens_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text(conllu("20~000", "x"))
    corpus = load_tokenizer_corpus(TokenizerData(train=(str(path),)), MODEL, 1)
    assert corpus.inner_spaces
    assert corpus.train[0].text == "20 000x"


def test_raw_text_of_blocks_that_were_read_for_the_labels(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    path = write_treebank(tmp_path / "a.conllu")
    expected = read_raw_text(path)
    data = TaggerData(train=(str(path),), format="conllu", label="xpos")
    blocks: list[Block] = []
    split = read_split("train", [path], data, blocks=blocks)
    keep_reading(path, data, split, blocks)
    with monkeypatch.context() as context:
        context.setattr(Path, "open", None)  # the file is not read again
        assert read_raw_text(path) == expected
    assert read_raw_text(path) == expected  # from the file, since kept blocks serve once
    keep_reading(path, data, split, blocks)
    path.write_text(path.read_text() + conllu("new"))
    assert read_raw_text(path) != expected


def test_repaired_tokens_are_refused_in_raw_text(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text(conllu("a", ""))
    data = TaggerData(train=(str(path),), format="conllu", empty_tokens="repair")
    blocks: list[Block] = []
    keep_reading(path, data, read_split("train", [path], data, blocks=blocks), blocks)
    with pytest.raises(DataError, match="expected a form"):
        read_raw_text(path)


@pytest.mark.parametrize("content", ["", "a\tb\n\n", "1\ta\n\n"])
def test_other_files_are_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text(content)
    with pytest.raises(DataError):
        read_raw_text(path)


def test_file_of_other_columns_has_a_hint_about_the_tokenizer(tmp_path: Path) -> None:
    path = tmp_path / "train.conll"
    path.write_text("The\tDET\ndog\tNOUN\n\n")
    with pytest.raises(DataError, match="found 2") as caught:
        read_raw_text(path)
    (problem,) = caught.value.problems
    assert problem.place == f"{path}:1"
    assert "tokenizer: null trains the tagger alone" in problem.hint
