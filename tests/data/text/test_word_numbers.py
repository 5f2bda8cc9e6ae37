"""Corpus of words: vocabulary by counts, unknown and spelled words, parts at their places, cached texts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtool.data.text.corpus import CharCorpus, load_char_corpus
from seqtool.data.text.words import split_words
from seqtool.data.word_vocabulary import WordSymbols
from seqtool.errors import DataError
from seqtool.settings.data import CharData

TEXT = "the cat saw the dog.\nthe dog saw the cat.\na bird saw a 中 worm\n" * 3 + "the odd end\n"


def load(folder: Path, text: str = TEXT, **keys: Any) -> CharCorpus:
    (folder / "a.txt").write_text(text, encoding="utf-8", newline="")
    data = CharData(text=(str(folder / "a.txt"),), unit="word", **keys)
    return load_char_corpus(data, 1, folder / "cache")


def words_of(corpus: CharCorpus) -> WordSymbols:
    assert isinstance(corpus.vocabulary, WordSymbols)
    return corpus.vocabulary


def test_words_are_numbered_by_their_counts(tmp_path: Path) -> None:
    corpus = load(tmp_path, split=(1.0, 0.0))
    counts = Counter(split_words(TEXT))
    vocabulary = words_of(corpus)
    assert dict(zip(vocabulary.symbols, vocabulary.counts, strict=True)) == counts
    assert list(vocabulary.counts) == sorted(counts.values(), reverse=True)
    assert vocabulary.decode(corpus.train.tolist()) == TEXT


@pytest.mark.parametrize("keys", [{"min_count": 4}, {"max_symbols": 6}], ids=["min_count", "max_symbols"])
def test_rare_words_become_the_unknown_word(tmp_path: Path, keys: dict[str, Any]) -> None:
    corpus = load(tmp_path, **keys)
    vocabulary, whole = words_of(corpus), split_words(TEXT)
    train = whole[: int(0.9 * len(whole))]
    counts = Counter(train)
    listed = {word for word, count in counts.items() if count >= keys.get("min_count", 0)}
    if "max_symbols" in keys:
        assert vocabulary.words == 7 and min(
            counts[word] for word in vocabulary.symbols[:6] if word != " <unk>"
        )
    else:
        assert {*vocabulary.symbols} == {*listed, " <unk>"}
    assert vocabulary.unknown is not None
    expected = [word if word in vocabulary.symbols else " <unk>" for word in whole]
    ids = [*corpus.train.tolist(), *corpus.val.tolist()]
    assert [vocabulary.symbols[number] for number in ids] == expected
    assert list(vocabulary.counts) == sorted(vocabulary.counts, reverse=True)
    assert any("the unknown word, <unk>, replaces" in note for note in corpus.notes)


LINES = st.lists(st.text("abc dé中.'1", min_size=1, max_size=12), min_size=3, max_size=12)


@settings(max_examples=60, deadline=None)
@given(LINES, st.integers(2, 4), st.booleans())
def test_spelled_text_keeps_every_part(
    tmp_path_factory: Any, lines: list[str], least: int, per_line: bool
) -> None:
    text = "\n".join(["end " * 10, *lines]) + "\n"
    folder = tmp_path_factory.mktemp("spelled")
    keys = {"min_count": least, "spell_unknown": True, "per_line": per_line, "split": (0.6, 0.4)}
    corpus, plain = load(folder, text, **keys), load(folder, text, per_line=per_line, split=(0.6, 0.4))
    for name in ("train", "val"):
        part, other = getattr(corpus, name), getattr(plain, name)
        if part is None:
            assert other is None
        elif per_line:
            for ids, expected in zip(part.targets, other.targets, strict=True):
                assert words_of(corpus).decode(ids.tolist()) == plain.vocabulary.decode(expected.tolist())
        else:
            assert words_of(corpus).decode(part.tolist()) == plain.vocabulary.decode(other.tolist())
    again = load(folder, text, **keys)
    assert (
        np.array_equal(np.concatenate(again.train.targets), np.concatenate(corpus.train.targets))
        if per_line
        else (np.array_equal(again.train, corpus.train))
    )


def test_tokenized_text_has_the_unknown_word_of_its_file(tmp_path: Path) -> None:
    corpus = load(tmp_path, " the <unk> sat \n <unk> sat the \n" * 4, tokenized=True, split=(0.5, 0.5))
    vocabulary = words_of(corpus)
    assert sorted(vocabulary.symbols) == ["\n", " <unk>", " sat", " the"]
    assert vocabulary.unknown == vocabulary.symbols.index(" <unk>")
    assert vocabulary.encode("the worm").tolist() == [vocabulary.number(" the"), vocabulary.unknown]


def test_texts_without_frequent_words_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected words that occur 99 times or more in train"):
        load(tmp_path, min_count=99)


def test_words_seen_once_cause_a_warning(tmp_path: Path) -> None:
    text = " ".join(f"word{chr(97 + a)}{chr(97 + b)}" for a in range(26) for b in range(26)) * 2 + TEXT
    corpus = load(
        tmp_path,
        " ".join(
            f"w{chr(97 + a)}{chr(97 + b)}{chr(97 + c)}"
            for a in range(20)
            for b in range(20)
            for c in range(5)
        ),
    )
    assert any("occur once in train; `data.min_count: 2`" in warning for warning in corpus.warnings)
    assert not load(tmp_path, text, min_count=2).warnings
