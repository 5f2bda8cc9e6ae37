"""Encoding of words: every feature against its definition, unseen words, JSON, and loading time."""

from __future__ import annotations

import json
import os
import pickle
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.tagging.corpus import load_tagged_corpus
from seqtool.data.tagging.word_encoder import WordEncoder, shape
from seqtool.data.tagging.word_vectors import PretrainedVectors
from seqtool.settings.data import TaggerData
from seqtool.settings.model import RICH_FEATURES, Feature, TaggerModel

COUNTS = {"The": 2, "dog": 1, "the": 3, "Dogs": 1, "é": 4}
WORDS = st.text(min_size=1, max_size=70) | st.text(alphabet="abAB1é-", min_size=1, max_size=5)
COUNTED = st.dictionaries(
    WORDS.map(lambda word: unicodedata.normalize("NFC", word)), st.integers(1, 5), max_size=8
)


def column(feature: Feature, words: list[str], counts: dict[str, int] = COUNTS) -> list[int]:
    return [int(number) for number in WordEncoder.build((feature,), counts).encode(words).ids[:, 0]]


@pytest.mark.parametrize(
    ("feature", "expected", "rows"),
    [
        (Feature(name="form"), [1, 2, 3, 4, 5, 0], 6),
        (Feature(name="form", unknown=False), [0, 1, 2, 3, 4, -1], 5),
        (Feature(name="form", min_count=2), [1, 0, 2, 0, 3, 0], 4),
        (Feature(name="lower"), [1, 2, 1, 3, 4, 0], 5),
        (Feature(name="lower", min_count=2, unknown=False), [0, -1, 0, -1, 1, -1], 2),
        (Feature(name="prefix", length=2), [1, 2, 3, 4, 5, 0], 6),
        (Feature(name="suffix", length=1), [1, 2, 1, 3, 4, 2], 5),
        (Feature(name="shape"), [1, 2, 2, 3, 4, 2], 5),
    ],
    ids=["form", "no unknown row", "rare forms", "lower", "rare lower", "prefix", "suffix", "shape"],
)
def test_values_are_numbered_as_they_first_appear(feature: Feature, expected: list[int], rows: int) -> None:
    assert column(feature, [*COUNTS, "dig"]) == expected
    assert WordEncoder.build((feature,), COUNTS).rows(0) == rows


DEFINITIONS: dict[str, Callable[[Feature, str], str]] = {
    "form": lambda _, word: word,
    "lower": lambda _, word: word.lower(),
    "prefix": lambda feature, word: word[: feature.length],
    "suffix": lambda feature, word: word[-feature.length :],
    "shape": lambda _, word: shape(word),
}


@given(
    COUNTED,
    st.lists(WORDS, max_size=6),
    st.sampled_from(sorted(DEFINITIONS)),
    st.integers(1, 4),
    st.integers(1, 4),
    st.booleans(),
)
def test_every_feature_equals_its_definition(
    counts: dict[str, int], words: list[str], name: str, length: int, min_count: int, unknown: bool
) -> None:
    feature = Feature(name=name, length=length, min_count=min_count, unknown=unknown)  # type: ignore[arg-type]
    totals: Counter[str] = Counter()
    for word, count in counts.items():
        totals[DEFINITIONS[name](feature, word)] += count
    numbers = {
        value: number
        for number, value in enumerate((v for v, n in totals.items() if n >= min_count), int(unknown))
    }
    words += list(counts)
    normal = [unicodedata.normalize("NFC", word) for word in words]
    assert column(feature, words, counts) == [
        numbers.get(DEFINITIONS[name](feature, word), int(unknown) - 1) for word in normal
    ]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Berlin-2000", "Xxxxx-dddd"),
        ("AAAAAAA", "XXXX"),
        ("e.g.", "x.x."),
        ("......", "...."),
        ("ئۇيغۇر", "cccccc"[:4]),
        ("नमस्ते", "cccmcm"),
        ("北京", "cc"),
        ("٣٤", "dd"),
        ("ǅ", "X"),
        ("ab" * 20 + "-1" * 20, "xxxx" + "-d" * 10),
        ("", ""),
    ],
    ids=[
        "mixed",
        "long run",
        "points",
        "run of points",
        "Arabic",
        "Devanagari",
        "Han",
        "Arabic digits",
        "title case",
        "long",
        "empty",
    ],
)
def test_shape_maps_characters_to_kinds(word: str, expected: str) -> None:
    assert shape(word) == expected


@given(st.from_regex(r"[A-Za-z]{1,20}", fullmatch=True))
def test_fast_path_of_shape_equals_the_definition(word: str) -> None:
    assert shape(word) + "-" == shape(word + "-")


def test_words_are_looked_up_in_nfc() -> None:
    encoder = WordEncoder.build((Feature(name="form"),), COUNTS)
    assert encoder.encode(["e\u0301"]).ids.tolist() == [[5]]
    assert encoder.count("e\u0301") == encoder.count("é") == 4
    assert encoder.is_known("e\u0301") and not encoder.is_known("E")
    plain = WordEncoder.build((Feature(name="form"),), COUNTS, "none")
    assert plain.encode(["e\u0301"]).ids.tolist() == [[0]]
    assert plain.count("e\u0301") == 0


def test_vectors_are_looked_up_as_written_then_lower_cased() -> None:
    features = (Feature(name="form", dim=2), Feature(name="vectors", dim=2, unknown=False, path="x"))
    table = PretrainedVectors(("the", "Dog", "dog"), np.arange(8, dtype=np.float32).reshape(4, 2))
    encoder = WordEncoder.build(features, COUNTS, "nfc", {1: table})
    assert encoder.encode(["The", "the", "Dog", "DOG", "cat"]).ids[:, 1].tolist() == [1, 1, 2, 3, 0]
    assert encoder.rows(1) == len(table.matrix) == 4
    assert encoder.vectors[1] is table.matrix
    again = WordEncoder.from_json(features, encoder.to_json(), "nfc")
    assert again.encode(["The", "DOG"]).ids[:, 1].tolist() == [1, 3]


def test_characters_are_between_marks() -> None:
    encoder = WordEncoder.build((Feature(name="char_cnn"), Feature(name="form")), {"ba": 1, "é": 1})
    assert encoder.characters == ("a", "b", "é")
    encoded = encoder.encode(["ab", "", "xé"])
    assert encoded.characters is not None and encoded.lengths is not None
    assert encoded.characters.tolist() == [[1, 3, 4, 2], [1, 2, -1, -1], [1, 0, 5, 2]]
    assert encoded.lengths.tolist() == [4, 2, 4]
    assert encoded.ids.shape == (3, 1)
    assert encoder.rows(0) == 0


def test_long_word_is_cut_in_the_middle() -> None:
    word = "a" * 32 + "b" * 9 + "c" * 32
    encoder = WordEncoder.build((Feature(name="char_lstm"),), {word: 1})
    whole, cut = encoder.encode([word]), encoder.encode(["a" * 32 + "c" * 32])
    assert whole.characters is not None and cut.characters is not None
    np.testing.assert_array_equal(whole.characters, cut.characters)
    assert whole.characters.shape == (1, 66)


def test_rare_characters_are_unknown() -> None:
    features = (Feature(name="char_cnn", min_count=3), Feature(name="char_lstm", min_count=2))
    assert WordEncoder.build(features, {"ab": 1, "a": 1, "c": 5}).characters == ("a", "c")


@given(COUNTED, st.lists(WORDS, max_size=5))
def test_characters_equal_their_definition(counts: dict[str, int], words: list[str]) -> None:
    encoder = WordEncoder.build((Feature(name="char_cnn"),), counts)
    known = sorted({character for word in counts for character in word})
    encoded = encoder.encode(words)
    assert encoded.characters is not None and encoded.lengths is not None
    for word, row, length in zip(words, encoded.characters.tolist(), encoded.lengths.tolist(), strict=True):
        word = unicodedata.normalize("NFC", word)
        word = word if len(word) <= 64 else word[:32] + word[-32:]
        expected = [1, *(known.index(character) + 3 if character in known else 0 for character in word), 2]
        assert row == expected + [-1] * (len(row) - len(expected))
        assert length == len(expected)


@given(COUNTED, st.lists(WORDS, max_size=5))
def test_json_restores_the_encoder(counts: dict[str, int], words: list[str]) -> None:
    encoder = WordEncoder.build(RICH_FEATURES, counts)
    again = WordEncoder.from_json(RICH_FEATURES, json.loads(json.dumps(encoder.to_json())), "nfc")
    for copy in (again, pickle.loads(pickle.dumps(encoder))):
        ours, theirs = encoder.encode(words), copy.encode(words)
        np.testing.assert_array_equal(ours.ids, theirs.ids)
        np.testing.assert_array_equal(ours.characters, theirs.characters)
        assert copy.to_json() == encoder.to_json()
        assert [copy.count(word) for word in words] == [encoder.count(word) for word in words]
        assert [copy.rows(index) for index in range(11)] == [encoder.rows(index) for index in range(11)]


def test_encode_accepts_no_words_and_no_lookups() -> None:
    encoder = WordEncoder.build((Feature(name="char_cnn"),), COUNTS)
    assert encoder.encode(["a", "b"]).ids.shape == (2, 0)
    empty = WordEncoder.build((Feature(name="form"), Feature(name="char_cnn")), COUNTS).encode([])
    assert empty.ids.shape == (0, 1)
    assert empty.characters is not None and empty.characters.shape == (0, 2)


def test_loading_takes_no_function_call_per_word() -> None:
    few, many = (calls_to_load(words) for words in (200, 20_000))
    assert few == many


def calls_to_load(words: int) -> int:
    """Count the function calls in which a stored vocabulary of this size becomes an encoder."""
    counts = {f"w{index}o{index % 97}": 1 + index % 5 for index in range(words)}
    vocab = WordEncoder.build(RICH_FEATURES, counts).to_json()
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:  # noqa: ARG001 - a profile function
        nonlocal calls
        calls += event in ("call", "c_call")

    previous = sys.getprofile()
    sys.setprofile(count)
    try:
        WordEncoder.from_json(RICH_FEATURES, vocab, "nfc")
    finally:
        sys.setprofile(previous)
    return calls


@pytest.mark.skipif(
    "SEQTOOL_DATA" not in os.environ, reason="SEQTOOL_DATA is not set: needs the real data sets"
)
def test_real_data_has_unknown_words() -> None:
    folder = Path(os.environ["SEQTOOL_DATA"]) / "ud_uyghur_udt"
    train, test = (str(folder / f"ug_udt-ud-{split}.conllu") for split in ("train", "test"))
    corpus = load_tagged_corpus(TaggerData(train=(train,), test=(test,)), TaggerModel(), 1)
    tokens = [token for sentence in corpus.test for token in sentence.tokens]
    assert 0.25 < sum(not corpus.encoder.is_known(token) for token in tokens) / len(tokens) < 0.35
