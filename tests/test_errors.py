"""Errors: their text contains the hint, and no text of the user makes them long."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool import errors
from seqtool.errors import Problem, SeqtoolError
from seqtool.reports.console import format_problems
from seqtool.safe_text import LONGEST_CELL, LONGEST_MESSAGE, LONGEST_WORD, cell, limited, visible

CLASSES = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, SeqtoolError)]
LONG = st.builds(
    lambda part, times, end: part * times + end,
    st.text(min_size=1, max_size=9),
    st.integers(0, 9999),
    st.text(),
)


@pytest.mark.parametrize("kind", CLASSES)
def test_text_of_an_exception_contains_place_message_and_hint(kind: type[SeqtoolError]) -> None:
    error = kind("it is wrong", place="a.txt:3", hint="write it right")
    assert str(error) == "a.txt:3: it is wrong\nhint: write it right"
    assert error.summary == "a.txt:3: it is wrong"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(kind("no hint")) == "no hint"


def test_equal_hints_of_several_mistakes_are_printed_once() -> None:
    error = SeqtoolError([Problem("one", hint="same"), Problem("two", hint="same"), Problem("three")])
    assert str(error) == "one; two; three\nhint: same"


@given(LONG, LONG, LONG)
def test_no_data_of_the_user_make_an_error_long(message: str, place: str, hint: str) -> None:
    for kind in CLASSES:
        error = kind(message, place=place, hint=hint)
        assert len(str(error)) <= 3 * LONGEST_MESSAGE + 20
        assert len(format_problems(error.problems)) <= 3 * 8 * LONGEST_MESSAGE + 40


@given(LONG)
def test_limited_text_keeps_short_texts_and_both_ends_of_long_ones(text: str) -> None:
    short = limited(text)
    assert len(short) <= LONGEST_MESSAGE
    assert max(map(len, short.split()), default=0) <= LONGEST_WORD
    assert short == text or "…" in short
    assert limited(short) == short
    if len(text) <= LONGEST_WORD:
        assert short == text


@given(LONG)
def test_cell_of_a_table_is_short(text: str) -> None:
    assert len(cell(text)) <= LONGEST_CELL
    assert cell(text) == visible(text) or len(visible(text)) > LONGEST_CELL
