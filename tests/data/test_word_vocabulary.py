"""Vocabulary of words: numbers and text, the unknown word, and spelled words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.text.words import split_words
from seqtool.data.vocabulary import SymbolVocabulary, text_bytes
from seqtool.data.word_vocabulary import WordSymbols, read_vocabulary
from seqtool.errors import DataError

WORDS = ("\n", " the", "The", " cat", ".", " ", "é", " <unk>")
CHARACTERS = (" ", "a", "c", "t", "é")
TEXTS = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("Thecat .é\n")), max_size=30)


def spelling() -> WordSymbols:
    return WordSymbols(WORDS, characters=CHARACTERS)


@given(TEXTS)
def test_every_text_has_numbers_and_is_decoded_with_spelling(text: str) -> None:
    vocabulary = spelling()
    numbers = vocabulary.encode(text)
    assert vocabulary.decode(numbers.tolist()) == text
    assert vocabulary.unit_sizes[numbers].sum() == len(split_words(text))
    assert vocabulary.byte_sizes[numbers].sum() == len(text.encode())
    assert vocabulary.character_sizes[numbers].sum() == len(text)


@given(st.lists(st.integers(0, len(WORDS) + 2 + len(CHARACTERS) + 255), max_size=30))
def test_bytes_of_any_numbers_are_those_of_the_decoded_text(numbers: list[int]) -> None:
    vocabulary = spelling()
    text = vocabulary.decode(numbers)
    assert len(text_bytes(text)) == sum(vocabulary.byte_sizes[numbers].tolist())


def test_unknown_word_is_written_as_characters_between_marks_and_as_bytes() -> None:
    vocabulary = spelling()
    names = [vocabulary.symbols[number] for number in vocabulary.encode("The tact 中.").tolist()]
    first = ["The", "<spell>", "< >", "<t>", "<a>", "<c>", "<t>", "</spell>"]
    second = ["<spell>", "< >", "<0xE4>", "<0xB8>", "<0xAD>", "</spell>", "."]
    assert names == [*first, *second]
    assert len(set(vocabulary.symbols)) == len(vocabulary) == len(WORDS) + 2 + 5 + 256


def test_unlisted_word_is_unknown_or_refused() -> None:
    known = WordSymbols(WORDS, unknown=7)
    assert known.encode("The dog.").tolist() == [2, 7, 4]
    assert known.lacking(known.split("The dog <unk>")) == {" dog", " <unk>"}
    closed = WordSymbols(WORDS)
    assert closed.numbers("The dog.").tolist() == [2, -1, 4]
    with pytest.raises(DataError, match=r"the word 'dog' at position 5 is not in the vocabulary"):
        closed.encode("The dog.")
    assert closed.first_unlisted("The cat. The dog") == (" The", 9)
    assert closed.without(closed.split("The dog."), {" dog"}) == "The."


@given(st.text("Thecat dog.\n", max_size=30))
def test_first_unlisted_word_is_at_its_place(text: str) -> None:
    vocabulary = WordSymbols(WORDS)
    words = split_words(text)
    place = next((place for place, word in enumerate(words) if word not in WORDS), None)
    if place is not None:
        before = len("".join(words[:place]))
        word = words[place]
        assert vocabulary.first_unlisted(text) == (word, before + (word.startswith(" ") and len(word) > 1))


def test_words_of_tokenized_text_have_no_mark_in_messages() -> None:
    assert [WordSymbols(WORDS, tokenized=True).show(word) for word in WORDS[:2]] == ["<eos>", "the"]
    assert [WordSymbols(WORDS).show(word) for word in WORDS[:3]] == ["\\n", "▁the", "The"]


@pytest.mark.parametrize("characters", [None, CHARACTERS])
def test_json_keeps_the_vocabulary(characters: tuple[str, ...] | None) -> None:
    vocabulary = WordSymbols(WORDS, 7, (3,) * len(WORDS), characters, tokenized=True)
    value = json.loads(json.dumps(vocabulary.to_json()))
    again = read_vocabulary(value, "word", tokenized=True)
    assert isinstance(again, WordSymbols)
    assert (again.symbols, again.unknown, again.counts) == (vocabulary.symbols, 7, vocabulary.counts)
    assert (again.characters, again.tokenized) == (characters, True)
    assert type(read_vocabulary({"symbols": [1]}, "byte")) is SymbolVocabulary


def test_vocabulary_that_follows_another_keeps_its_numbers() -> None:
    new = WordSymbols((" dog", " the", " <unk>"), 2, (5, 2, 1))
    longer = new.following(WordSymbols((" the", "."), None, (3, 4)))
    assert (longer.symbols, longer.unknown) == ((" the", ".", " dog", " <unk>"), 3)
    assert longer.counts == (5, 4, 5, 1)
    spelled = new.following(spelling())
    assert spelled.symbols == spelling().symbols and spelled.characters == CHARACTERS
