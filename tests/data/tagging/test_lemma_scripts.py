"""Lemma scripts: each gives its lemma back, words of one kind share one, and any form can be changed."""

from __future__ import annotations

from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.tagging.lemma_scripts import _longest_common_part, apply_script, is_script, lemma_script

# Letters whose other case is absent, longer, ambiguous or a third one; marks of the scripts; surrogates.
ODD = "İıßẞſςσΣǅǆŉΐﬁᾳḰ+-|=>,'’ \t0aAbBéÉ\ud800"
WORDS = st.text(max_size=12) | st.text(ODD, max_size=8) | st.text("abAB-'", max_size=8)


@given(WORDS, WORDS.filter(bool))
def test_a_script_gives_its_lemma_back(form: str, lemma: str) -> None:
    script = lemma_script(form, lemma)
    assert is_script(script)
    assert apply_script(script, form) == lemma


@given(st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_longest_common_part_is_the_first_one(form: str, lemma: str) -> None:
    match = SequenceMatcher(None, form, lemma, False).find_longest_match()
    assert _longest_common_part(form, lemma) == (match.a, match.b, match.size)


@given(WORDS.filter(bool), WORDS.filter(bool), WORDS.filter(bool))
def test_a_script_can_be_applied_to_any_form(form: str, lemma: str, other: str) -> None:
    assert apply_script(lemma_script(form, lemma), other)


@pytest.mark.parametrize(
    ("script", "pairs"),
    [
        pytest.param("l |", "the/the The/the 12/12", id="same word"),
        pytest.param("l |-", "dogs/dog Cats/cat", id="last character"),
        pytest.param("t |", "Paris/Paris PARIS/Paris I/I", id="name"),
        pytest.param("u |-", "DVDs/DVD", id="plural of an acronym"),
        pytest.param("p |", "Saint-Denis/Saint-Denis AIX-EN/Aix-En", id="parts"),
        pytest.param("k |", "McDonald/McDonald iPhone/iPhone", id="case of the form"),
        pytest.param("l =be", "am/be is/be", id="no common character"),
        pytest.param("l |-+v+e", "has/have", id="irregular"),
        pytest.param("t >-+a|--", "Häuser/Haus Häuten/Haut", id="changed vowel"),
        pytest.param("0,1,2,-3,-2,-1 |", "abcdef/AbCdEf", id="alternating case"),
        pytest.param("2,-1 =xyzzz", "ab/xyZZz", id="whole lemma with case"),
    ],
)
def test_words_of_one_kind_share_a_script(script: str, pairs: str) -> None:
    assert {lemma_script(*pair.split("/")) for pair in pairs.split()} == {script}


def test_a_short_form_is_returned_in_the_casing_of_the_script() -> None:
    assert apply_script("l >>-|--", "Ab") == "ab"
    assert apply_script("l |--", "Ab") == "ab"  # nothing would remain
    assert apply_script("u |----", "ab") == "AB"


@pytest.mark.parametrize("text", ["", "l", "l x", "q |", "l |+", "0, |", ", |", "l |>x", "1 2 |"])
def test_other_texts_are_no_scripts(text: str) -> None:
    assert not is_script(text)


def test_long_words_take_little_time() -> None:
    form = "ab" * 500
    assert apply_script(lemma_script(form, form[::-1]), form) == form[::-1]
