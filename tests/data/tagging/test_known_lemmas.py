"""Known words keep the lemma of the training data, if a form with a part of speech has only one there."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seqtool
from seqtool.data.tagging.corpus import KnownWords, TaggedCorpus, load_tagged_corpus
from seqtool.data.tagging.known_lemmas import FREQUENT, without_frequent
from seqtool.data.tagging.lemma_scripts import apply_script
from seqtool.errors import ModelError
from seqtool.settings.data import TaggerData
from seqtool.settings.model import Feature, TaggerModel
from seqtool.storage.model_directory import read_model, write_model
from tests.support.random_models import multilabel_parts

Word = tuple[str, str, str]
LABELS = ("upos", "lemma")
FORMS = ("Dogs", "dogs", "saw", "e\u0301", "\u00e9", "is")
LEMMAS = ("dog", "see", "saw", "be", "é", "_")
WORDS = st.lists(
    st.tuples(st.sampled_from(FORMS), st.sampled_from(["NOUN", "VERB"]), st.sampled_from(LEMMAS)), min_size=1
)


def corpus_of(folder: Path, words: list[Word], base: KnownWords | None = None) -> TaggedCorpus:
    rows = (
        f"{number}\t{form}\t{lemma}\t{upos}\t_\t_\t_\t_\t_\t_\n"
        for number, (form, upos, lemma) in enumerate(words, 1)
    )
    (folder / "train.conllu").write_text("".join(rows) + "\n", encoding="utf-8")
    data = TaggerData(train=(str(folder / "train.conllu"),), labels=LABELS)
    return load_tagged_corpus(data, TaggerModel(), 1, base=base)


def named(corpus: TaggedCorpus) -> dict[tuple[str, str], str]:
    """Return the known lemmas by form and part of speech."""
    assert corpus.columns is not None and corpus.columns.lemma is not None
    scripts = corpus.columns.lemma.labels
    return {
        (form, corpus.labels[label]): apply_script(scripts[script], form)
        for form, row in corpus.lemmas.items()
        for label, script in zip(row[::2], row[1::2], strict=True)
    }


@settings(max_examples=60)
@given(WORDS)
def test_a_lemma_is_known_if_training_has_no_other(
    tmp_path_factory: pytest.TempPathFactory, words: list[Word]
) -> None:
    fixed: list[Word] = [("was", "VERB", "be"), ("cats", "NOUN", "cat"), ("cats", "NOUN", "cat")]
    corpus = corpus_of(tmp_path_factory.mktemp("words"), fixed + words)
    lemmas: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for form, upos, lemma in fixed + words:
        if lemma != "_" and form != "e\u0301":
            lemmas[form, upos].add(lemma)
    found = named(corpus)
    for key, lemma in found.items():
        assert lemmas[key] == {lemma}
    assert found["cats", "NOUN"] == "cat"
    assert all(len(lemmas[key]) > 1 for key in lemmas.keys() - found.keys())


@settings(max_examples=60)
@given(WORDS)
def test_the_network_does_not_learn_frequent_known_lemmas(
    tmp_path_factory: pytest.TempPathFactory, words: list[Word]
) -> None:
    fixed: list[Word] = [("was", "VERB", "be"), *[("cats", "NOUN", "cat")] * FREQUENT]
    corpus = corpus_of(tmp_path_factory.mktemp("words"), fixed + words)
    assert corpus.columns is not None
    labels = list(corpus.columns.encode(corpus.train))
    learned = without_frequent(corpus.lemmas, corpus.train, labels, 1)
    known, counts = named(corpus), Counter((form, upos) for form, upos, _ in fixed + words)
    tokens = [token for sentence in corpus.train for token in sentence.tokens]
    rows = zip(tokens, np.concatenate(labels).tolist(), np.concatenate(learned).tolist(), strict=True)
    for form, (upos, script), after in rows:
        key = form, corpus.labels[upos]
        is_left_out = key in known and counts[key] >= FREQUENT
        assert after == [upos, -1 if is_left_out else script]


def test_an_ambiguous_word_and_a_missing_lemma_are_not_known(tmp_path: Path) -> None:
    words: list[Word] = [
        ("saw", "VERB", "see"),
        ("saw", "VERB", "saw"),
        ("saw", "NOUN", "saw"),
        ("n't", "PART", "_"),
    ]
    assert named(corpus_of(tmp_path, words)) == {("saw", "NOUN"): "saw"}


def test_new_training_data_replace_earlier_lemmas(tmp_path: Path) -> None:
    first = corpus_of(tmp_path, [("saw", "VERB", "see"), ("dogs", "NOUN", "dog"), ("is", "VERB", "be")])
    assert first.columns is not None
    base = KnownWords(
        first.labels,
        dict.fromkeys(first.encoder.to_json()["forms"], 1),
        tuple(column.labels for column in first.columns.columns[1:]),
        first.columns.combinations,
        first.lemmas,
    )
    later: list[Word] = [
        ("saw", "VERB", "saw"),
        ("is", "VERB", "be"),
        ("is", "VERB", "is"),
        ("cat", "NOUN", "cat"),
    ]
    expected = {("saw", "VERB"): "saw", ("dogs", "NOUN"): "dog", ("cat", "NOUN"): "cat"}
    assert named(corpus_of(tmp_path, later, base)) == expected


def test_known_words_get_their_lemma_in_any_context(tmp_path: Path) -> None:
    config, vocab, weights = multilabel_parts(
        TaggerModel(hidden_size=5, features=(Feature(name="form", dim=4),)), seed=3
    )
    write_model(tmp_path / "model", config, vocab, weights, {})
    model = seqtool.load(tmp_path / "model")
    assert model.runtime.lemmas is not None  # type: ignore[union-attr]
    scripts = vocab["heads"]["columns"][2]
    lemmas = {
        (form, label): script
        for form, row in zip(vocab["forms"], vocab["heads"]["lemmas"], strict=True)
        for label, script in zip(row[::2], row[1::2], strict=True)
    }
    compared = 0
    for form in vocab["forms"]:
        for sentence in ([form], ["x", form], [form, "unseen", form]):
            for token, columns in zip(
                sentence, zip(*model.tag_columns([sentence])[0], strict=True), strict=True
            ):
                script = lemmas.get((token, vocab["labels"].index(columns[0])))
                if script is not None:
                    assert columns[3] == apply_script(scripts[script], token)
                    compared += 1
    assert compared > 5


@pytest.mark.parametrize("wrong", [None, [], [[0]], [[0, 99]], [[9, 0]], [["0", 0]], [0]])
def test_wrong_rows_are_refused(tmp_path: Path, wrong: Any) -> None:
    config, vocab, weights = multilabel_parts(
        TaggerModel(hidden_size=5, features=(Feature(name="form", dim=4),))
    )
    size = len(vocab["forms"])
    rows = wrong if wrong is None or not wrong else wrong * size
    vocab["heads"] |= {"lemmas": rows}
    write_model(tmp_path / "model", config, vocab, weights, {})
    assert read_model(tmp_path / "model")
    with pytest.raises(ModelError, match=r"heads\.lemmas"):
        seqtool.load(tmp_path / "model")
