"""Corpus of a tagger: splits, labels, scheme, vocabulary, tokenizer, notes, warnings; also of real data."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.tagging.corpus import TaggedCorpus, hold_out, load_tagged_corpus, normalized
from seqtool.data.tagging.split import Sentence
from seqtool.errors import DataError
from seqtool.settings.data import TaggerData
from seqtool.settings.model import TaggerModel

NAMES = "Anna\tB-per\nBo\tI-per\ngeht\tO\n\nBo\tB-per\nruft\tO\nAnna\tB-per\n\n"
TREE = "# text = Ja.\n1\tJa\t_\tINTJ{0}\n2\t.\t_\tPUNCT{0}\n\n".format("\t_" * 6)


def load(folder: Path, train: str, name: str = "train.tsv", seed: int = 1, **options: Any) -> TaggedCorpus:
    """Load a corpus from files with these contents; `dev` and `test` are contents too."""
    (folder / name).write_text(train, encoding="utf-8", newline="")
    paths: dict[str, tuple[str, ...]] = {"train": (str(folder / name),)}
    for split in ("dev", "test"):
        if split in options:
            path = folder / f"{split}{Path(name).suffix}"
            path.write_text(options.pop(split), encoding="utf-8", newline="")
            paths[split] = (str(path),)
    return load_tagged_corpus(TaggerData(**{**paths, **options}), TaggerModel(), seed)


def test_spans_are_trained_as_bioes_and_kept_as_written(tmp_path: Path) -> None:
    corpus = load(tmp_path, NAMES)
    assert (corpus.scheme, corpus.inner_scheme) == ("iob2", "bioes")
    assert corpus.train[0].labels == ("B-per", "I-per", "O")
    assert corpus.inner_labels(corpus.train[0]) == ["B-per", "E-per", "O"]
    assert corpus.labels == ("B-per", "E-per", "O", "S-per")
    assert (corpus.tokenizer, corpus.tokenizer_f1) == ("whitespace", None)
    assert "train: 2 sentences, 6 words" in corpus.notes
    assert "labels: 4 (iob2, trained as bioes)" in corpus.notes
    assert corpus.warnings == ()


def test_labels_without_a_scheme_are_kept(tmp_path: Path) -> None:
    corpus = load(tmp_path, TREE, "train.conllu")
    assert (corpus.scheme, corpus.inner_scheme, corpus.labels) == ("none", "none", ("INTJ", "PUNCT"))
    assert corpus.inner_labels(corpus.train[0]) == ["INTJ", "PUNCT"]
    assert (corpus.tokenizer, corpus.tokenizer_f1) == ("basic", 1.0)
    assert corpus.train[0].place == f"{tmp_path / 'train.conllu'}:2"
    assert "tokenizer for raw text: basic (token F1 1.0000 on training sentences)" in corpus.notes


def test_scheme_of_the_settings_is_used(tmp_path: Path) -> None:
    assert load(tmp_path, NAMES, scheme="none").labels == ("B-per", "I-per", "O")


def test_vocabulary_and_labels_come_from_train_alone(tmp_path: Path) -> None:
    corpus = load(tmp_path, "a\tA\nb\tB\n", label="2", dev="c\tC\nc\tC\na\tA\n", test="d\tD\n")
    assert corpus.labels == ("A", "B")
    assert [corpus.encoder.is_known(form) for form in "abcd"] == [True, True, False, False]
    assert corpus.dev[0].labels == ("C", "C", "A")
    assert corpus.warnings == (
        "dev has labels that train lacks; their tokens count as wrong: C (2)",
        "test has labels that train lacks; their tokens count as wrong: D (1)",
    )
    assert [Path(path).name for path in corpus.files] == ["train.tsv", "dev.tsv", "test.tsv"]


def test_words_are_counted_in_nfc_and_kept_as_written(tmp_path: Path) -> None:
    corpus = load(tmp_path, "e\u0301\tA\né\tB\ne\tA\n")
    assert corpus.train[0].tokens == ("e\u0301", "é", "e")
    assert corpus.encoder.count("é") == 2
    assert normalized(corpus.splits["train"].forms, "nfc") == {"é": 2, "e": 1}
    assert normalized(corpus.splits["train"].forms, "none") == {"e\u0301": 1, "é": 1, "e": 1}


def test_dev_is_held_out_by_seed(tmp_path: Path) -> None:
    text = "".join(f"w{index}\tA\nx\tB\n\n" for index in range(20))
    corpus = load(tmp_path, text, split=0.1)
    assert (len(corpus.train), len(corpus.dev)) == (18, 2)
    assert corpus.dev == load(tmp_path, text, split=0.1).dev
    assert any(corpus.dev != load(tmp_path, text, split=0.1, seed=seed).dev for seed in (2, 3, 4))
    assert not any(corpus.encoder.is_known(sentence.tokens[0]) for sentence in corpus.dev)
    assert "dev: 2 sentences held out of train by seed 1 (data.split: 0.1)" in corpus.notes


def test_dev_file_has_priority_over_split(tmp_path: Path) -> None:
    corpus = load(tmp_path, NAMES, dev=NAMES, split=0.5)
    assert len(corpus.train) == 2
    assert "dev has its own files; data.split is not used" in corpus.notes
    assert corpus.warnings == (
        "dev: 2 of 2 sentences also occur in train; scores on them say little about new text",
    )


@given(st.integers(2, 60), st.floats(0.001, 0.999), st.integers(0, 2**63 - 1))
def test_hold_out_divides_the_sentences(size: int, fraction: float, seed: int) -> None:
    sentences = [Sentence((str(index),), ("A",), f"f:{index}") for index in range(size)]
    rest, held = hold_out(sentences, fraction, seed)
    assert rest and held
    assert sorted(rest + held, key=sentences.index) == sentences
    assert list(rest) == sorted(rest, key=sentences.index) and list(held) == sorted(held, key=sentences.index)
    assert abs(len(held) - fraction * size) <= 1


def test_pattern_reads_several_files(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.tsv").write_text(f"{name}\tA\n{name}{name}\tB\n", encoding="utf-8")
    corpus = load_tagged_corpus(TaggerData(train=(str(tmp_path / "*.tsv"),)), TaggerModel(), 1)
    assert [sentence.tokens[0] for sentence in corpus.train] == ["a", "b"]
    assert len(corpus.files) == 2


@pytest.mark.parametrize(
    ("train", "options", "message"),
    [
        ("a\t_\nb\t_\n", {}, "expected labels, found `_` for every token of the training data"),
        ("a\tA\nb\tB\n", {"split": 0.5}, "expected at least 2 sentences to hold some out, found 1"),
        ("a\tA\n", {"dev": ""}, "expected labeled sentences, found an empty file"),
    ],
    ids=["empty column", "one sentence to split", "empty dev"],
)
def test_data_without_anything_to_learn_is_refused(
    tmp_path: Path, train: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        load(tmp_path, train, **options)
    assert caught.value.problems[0].message == message
    assert str(tmp_path) in caught.value.problems[0].place


def test_missing_file_names_its_source(tmp_path: Path) -> None:
    data = TaggerData(train=(str(tmp_path / "no.tsv"),), source="see example.org")
    with pytest.raises(DataError) as caught:
        load_tagged_corpus(data, TaggerModel(), 1)
    assert "see example.org" in caught.value.problems[0].hint


# --- real data ----------------------------------------------------------------------------------------------

ROOT = Path(os.environ.get("SEQTOOL_DATA", ""))
real = pytest.mark.skipif(
    "SEQTOOL_DATA" not in os.environ, reason="SEQTOOL_DATA is not set: needs the real data"
)


def load_real(train: str, dev: str, test: str) -> TaggedCorpus:
    return load_tagged_corpus(
        TaggerData(train=(str(ROOT / train),), dev=(str(ROOT / dev),), test=(str(ROOT / test),)),
        TaggerModel(),
        1,
    )


def sizes(corpus: TaggedCorpus) -> list[int]:
    return [len(split) for split in (corpus.train, corpus.dev, corpus.test)]


@real
def test_ewt_has_known_sizes_and_labels() -> None:
    corpus = load_real(*(f"ud_english_ewt/en_ewt-ud-{split}.conllu" for split in ("train", "dev", "test")))
    assert sizes(corpus) == [12_544, 2_001, 2_077]
    assert sum(len(sentence.tokens) for sentence in corpus.train) == 204_577
    assert len(corpus.labels) == 17
    assert corpus.scheme == "none"
    assert corpus.tokenizer == "basic"
    assert corpus.tokenizer_f1 is not None and corpus.tokenizer_f1 > 0.97
    assert "_" in {token for sentence in corpus.train for token in sentence.tokens}
    assert (
        max(
            len(token)
            for split in (corpus.train, corpus.dev, corpus.test)
            for s in split
            for token in s.tokens
        )
        == 473
    )


@real
def test_wnut17_has_known_sizes_and_labels() -> None:
    corpus = load_real(
        "wnut17/wnut17train.conll", "wnut17/emerging.dev.conll", "wnut17/emerging.test.annotated"
    )
    assert sizes(corpus)[0] == 3_394
    assert (corpus.scheme, corpus.inner_scheme, corpus.tokenizer) == ("iob2", "bioes", "whitespace")
    assert {label[2:] for label in corpus.labels} == {
        "",
        "corporation",
        "creative-work",
        "group",
        "location",
        "person",
        "product",
    }
    invisible = Counter(
        char
        for sentence in corpus.dev
        for token in sentence.tokens
        for char in token
        if char in "\u200b\ufeff"
    )
    assert invisible["\u200b"] and invisible["\ufeff"]
    assert any("invisible character" in warning and warning.startswith("dev") for warning in corpus.warnings)


@real
def test_french_words_keep_their_spaces() -> None:
    corpus = load_real(
        *(f"ud_french_sequoia/fr_sequoia-ud-{split}.conllu" for split in ("train", "dev", "test"))
    )
    assert sizes(corpus) == [2_231, 412, 456]
    spaced = {token for sentence in corpus.train for token in sentence.tokens if " " in token}
    assert "20 000" in spaced
    assert all(corpus.encoder.is_known(unicodedata.normalize("NFD", token)) for token in spaced)
    with pytest.raises(DataError, match="found `_` for every token"):
        load_tagged_corpus(
            TaggerData(train=(str(ROOT / "ud_french_sequoia/fr_sequoia-ud-train.conllu"),), label="xpos"),
            TaggerModel(),
            1,
        )


@real
def test_chinese_needs_tokens() -> None:
    corpus = load_tagged_corpus(
        TaggerData(train=(str(ROOT / "ud_chinese_gsd_devtest/zh_gsd-ud-dev.conllu"),), split=0.1),
        TaggerModel(),
        1,
    )
    assert (len(corpus.train), len(corpus.dev)) == (450, 50)
    assert (corpus.tokenizer, corpus.tokenizer_f1) == (None, None)
    assert any("`tag` will need tokens as input" in note for note in corpus.notes)
