"""Characters: single spaces with positions in the original text, numbers of known and unknown characters."""

from __future__ import annotations

import sys
import unicodedata
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.tokenization.characters import (
    CATEGORIES,
    CLASS_COUNT,
    CLASS_NUMBERS,
    OUTSIDE,
    CharacterEncoder,
    count_characters,
    plain_text,
)


@given(st.text() | st.text(" \t\n\u00a0\u3000\u2028ab"))
def test_plain_text_is_the_text_with_single_spaces(text: str) -> None:
    plain = plain_text(text)
    assert "".join(map(chr, plain.codes)) == " ".join(text.split())
    originals = plain.original(np.arange(len(plain.codes)))
    for code, at in zip(plain.codes, originals, strict=True):
        assert text[at] == chr(code) or (code == ord(" ") and text[at].isspace())


def test_white_space_is_that_of_python() -> None:
    spaces = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]
    assert not len(plain_text("".join(spaces)).codes)


def test_categories_are_those_of_unicode() -> None:
    assert {unicodedata.category(chr(code)) for code in range(sys.maxunicode + 1)} == set(CATEGORIES)


def test_frequent_characters_are_known() -> None:
    encoder = CharacterEncoder.build(["abba", "a😀😀"], min_count=2)
    assert encoder.counts == {"a": 3, "b": 2, "😀": 2}
    assert len(encoder) == CLASS_COUNT + 3
    text = "ab😀cC1 😁\ud800"
    numbers = encoder.encode(np.array([ord(character) for character in text]))
    names = [None, None, None, "Ll", "Lu", "Nd", "Zs", "So", "Cs"]
    expected = [
        CLASS_COUNT,
        CLASS_COUNT + 1,
        CLASS_COUNT + 2,
        *(CLASS_NUMBERS[name] for name in names[3:] if name),
    ]
    assert numbers.tolist() == expected
    assert encoder.encode(np.array([ord(character) for character in text])).tolist() == expected
    assert encoder.classes[numbers].tolist()[:3] == [CLASS_NUMBERS["Ll"]] * 2 + [CLASS_NUMBERS["So"]]
    assert OUTSIDE not in numbers


def test_known_characters_of_an_earlier_model_stay_first() -> None:
    encoder = CharacterEncoder.build(["aabbc"], min_count=2, known={"z": 1, "b": 4})
    assert encoder.counts == {"z": 1, "b": 6, "a": 2}
    assert list(encoder.counts) == ["z", "b", "a"]


@given(st.text(min_size=1), st.text())
def test_numbers_do_not_depend_on_earlier_texts(text: str, other: str) -> None:
    encoder, fresh = (CharacterEncoder.build(["the text"], 1) for _ in range(2))
    codes = np.array([ord(character) for character in text])
    encoder.encode(np.array([ord(character) for character in other], np.int64))
    assert encoder.encode(codes).tolist() == fresh.encode(codes).tolist()


@given(st.lists(st.text(st.characters())))
def test_count_characters(texts: list[str]) -> None:
    counts = count_characters(texts)
    assert counts == Counter("".join(texts)) and list(counts) == sorted(counts)
