"""Vocabulary of symbols: encoding and decoding, the unknown symbol, and the error about unlisted symbols."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.vocabulary import UNKNOWN, SymbolVocabulary, Unit
from seqtool.errors import DataError

TEXTS = st.text(max_size=60)


@given(TEXTS)
def test_decoding_returns_the_text(text: str) -> None:
    vocabulary = SymbolVocabulary(sorted(set(text)))
    numbers = vocabulary.encode(text)
    assert numbers.dtype == np.int64
    assert vocabulary.decode(numbers) == vocabulary.decode(numbers.tolist()) == text
    assert [vocabulary.symbols[number] for number in numbers] == list(text)


@given(TEXTS)
def test_decoding_returns_the_text_of_bytes(text: str) -> None:
    vocabulary = SymbolVocabulary([chr(byte) for byte in range(256)], "byte")
    assert vocabulary.encode(text).tolist() == list(text.encode())
    assert vocabulary.decode(vocabulary.encode(text)) == vocabulary.decode(list(text.encode())) == text


def test_any_bytes_are_decoded_and_encoded_again() -> None:
    vocabulary = SymbolVocabulary([chr(byte) for byte in range(256)], "byte")
    for content in (bytes(range(256)), "é".encode()[:1] + "é".encode(), b"\xed\xa0\x80", b"\xf0\x9f"):
        assert vocabulary.encode(vocabulary.decode(content)).tolist() == list(content)


def test_incomplete_character_is_decoded_as_a_surrogate() -> None:
    vocabulary = SymbolVocabulary([chr(byte) for byte in range(256)], "byte")
    assert vocabulary.decode([0xC3]) == vocabulary.decode(np.array([0xC3])) == "\udcc3"


@given(TEXTS, st.text(alphabet="abcé😀", max_size=20))
def test_unlisted_symbols_are_encoded_as_the_unknown_one(text: str, more: str) -> None:
    vocabulary = SymbolVocabulary([*"abcé", UNKNOWN["char"]], unknown=4)
    known = {"a": 0, "b": 1, "c": 2, "é": 3}
    assert vocabulary.encode(text + more).tolist() == [known.get(symbol, 4) for symbol in text + more]


@pytest.mark.parametrize("unit", ["char", "byte"])
@pytest.mark.parametrize("unknown", [None, 1])
def test_json_keeps_the_vocabulary(unit: Unit, unknown: int | None) -> None:
    vocabulary = SymbolVocabulary("\né\x1aa", unit, unknown, (3, 1, 0, 9))
    again = SymbolVocabulary.from_json(json.loads(json.dumps(vocabulary.to_json())), unit)
    assert (again.symbols, again.unit, again.unknown, again.counts) == (
        vocabulary.symbols,
        unit,
        unknown,
        (3, 1, 0, 9),
    )
    assert again.encode("aa\n").tolist() == [3, 3, 0]
    assert pickle.loads(pickle.dumps(again)).encode("a").tolist() == [3]
    assert "é" in again and "x" not in again and len(again) == 4


def test_appending_keeps_the_numbers_of_the_base() -> None:
    base, more = (
        SymbolVocabulary("ab", counts=(3, 2)),
        SymbolVocabulary(["b", UNKNOWN["char"], "c"], unknown=1, counts=(1, 1, 5)),
    )
    both = more.appended_to(base)
    assert both.symbols == ("a", "b", UNKNOWN["char"], "c")
    assert (both.counts, both.unknown) == ((3, 3, 1, 5), 2)
    assert base.appended_to(more).unknown == 1


@pytest.mark.parametrize(
    ("symbols", "unit", "text", "message", "hint"),
    [
        (
            "helo",
            "char",
            "hexe",
            "symbol 'x' (U+0078) at position 3 is not in the alphabet",
            "the alphabet is: h e l o",
        ),
        (
            " \n",
            "char",
            " \t",
            "symbol '\\t' (U+0009) at position 2 is not in the alphabet",
            "the alphabet is: space \\n",
        ),
        (
            "a",
            "char",
            "😀",
            "symbol '😀' (U+1F600) at position 1 is not in the alphabet",
            "the alphabet is: a",
        ),
        ("a\xe9", "byte", "aé", "byte 0xC3 at position 2 is not in the alphabet", "the alphabet is: a 0xE9"),
        (
            "".join(map(chr, range(0x4E00, 0x4E64))),
            "char",
            "a",
            "symbol 'a' (U+0061) at position 1 is not in the alphabet",
            "and 20 more",
        ),
        ("", "char", "a", "symbol 'a' (U+0061) at position 1 is not in the alphabet", "the alphabet is: "),
    ],
    ids=["letter", "white space", "beyond the table", "byte", "long alphabet", "no alphabet"],
)
def test_error_names_the_unlisted_symbol_and_the_alphabet(
    symbols: str, unit: Unit, text: str, message: str, hint: str
) -> None:
    with pytest.raises(DataError) as caught:
        SymbolVocabulary(symbols, unit).encode(text)
    assert caught.value.problems[0].message == message
    assert hint in caught.value.problems[0].hint
