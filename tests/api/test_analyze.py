"""`Model.analyze`: sentences, tokens with positions, words with all labels, with and without a tokenizer."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import seqtool
from seqtool.storage.model_directory import StoredModel, read_model, write_model
from tests.support.small_runs import run
from tests.support.small_treebank import LABELS, treebank_run
from tests.support.stored_models import store_tagger, store_tokenizer

TEXT = "The dogs. Aa reads, ba c!"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("analyze")
    run(treebank_run(folder), folder)
    store_tokenizer(folder / "tokenizer")
    store_tagger(folder / "single")
    joined = StoredModel.joined([read_model(folder / f"{name}/model") for name in ("tokenizer", "small")])
    write_model(folder / "both", joined.config, joined.vocab, joined.weights, {"name": "both"})
    return folder


def test_all_labels_have_their_names(here: Path) -> None:
    model = seqtool.load(here / "small")
    (sentence,) = model.analyze("The dogs .")
    assert [token.form for token in sentence] == ["The", "dogs", "."]
    assert ["The dogs ."[token.start : token.end] for token in sentence] == ["The", "dogs", "."]
    assert [tuple(word.labels) for token in sentence for word in token.words] == [LABELS] * 3
    assert [token.words[0].labels["upos"] for token in sentence] == model.tag([["The", "dogs", "."]])[0]
    for token in sentence:
        word = token.words[0]
        assert {name: getattr(word, name) for name in LABELS} == word.labels
        assert all(getattr(token, name) == getattr(word, name) for name in LABELS)
        assert word.label == word.upos
    with pytest.raises(AttributeError):
        sentence[0].form = "A"  # type: ignore[misc]
    assert model.analyze("") == []


def test_a_trained_tokenizer_splits_the_text(here: Path) -> None:
    model, tokenizer = seqtool.load(here / "both"), seqtool.load(here / "tokenizer")
    expected = tokenizer.sentences(TEXT)
    assert any(token.words for sentence in expected for token in sentence)
    found = model.analyze(TEXT)
    assert [[(token.form, token.start, token.end) for token in sentence] for sentence in found] == [
        [token[:3] for token in sentence] for sentence in expected
    ]
    words = [[word.form for token in sentence for word in token.words] for sentence in found]
    assert words == [
        [word for token in sentence for word in token.words or (token.form,)] for sentence in expected
    ]
    labels = [[word.labels["upos"] for token in sentence for word in token.words] for sentence in found]
    assert labels == model.tag(words)
    assert model.tokenize(TEXT) == tokenizer.tokenize(TEXT)
    assert pickle.loads(pickle.dumps(model)).analyze(TEXT) == found
    multiword = next(token for sentence in found for token in sentence if len(token.words) > 1)
    assert (multiword.word, multiword.upos, multiword.lemma) == (None, None, None)


@pytest.mark.parametrize("name", ["both", "small"])
def test_many_paragraphs_give_what_each_gives_alone(here: Path, name: str) -> None:
    model = seqtool.load(here / name)
    texts = ["", TEXT, "ab " * 30_000, " ", TEXT * 3, "a"]
    together = list(model.analyses(iter(texts)))
    assert together == [model.analyze(text) for text in texts]
    assert (together[0], together[3]) == ([], [])
    with pytest.raises(TypeError, match="found one string"):
        list(model.analyses(TEXT))


def test_a_single_label_is_called_label(here: Path) -> None:
    (sentence,) = seqtool.load(here / "single").analyze("The dog.")
    assert [tuple(word.labels) for token in sentence for word in token.words] == [("label",)] * 3
    assert sentence[0].words[0].label == sentence[0].words[0].labels["label"]
    assert sentence[0].upos is sentence[0].lemma is None


def test_other_models_are_refused(here: Path) -> None:
    with pytest.raises(seqtool.SeqtoolError, match="expected a tagger"):
        seqtool.load(here / "tokenizer").analyze(TEXT)
