"""Nothing from outside reaches a terminal as a control character, and nothing readable is lost."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from seqtool.safe_text import shorten, visible, visible_lines


@given(st.text())
def test_no_control_character_survives(text: str) -> None:
    for shown in (visible(text), visible_lines(text).replace("\n", "").replace("\t", "")):
        assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in shown)
        assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(st.text(st.characters(categories=["L", "M", "N", "P", "Zs"])))
def test_readable_text_is_left_alone(text: str) -> None:
    assert visible(text) == text


def test_joiners_are_kept_and_controls_are_named() -> None:
    assert visible("می\u200cروم") == "می\u200cروم"
    assert visible("\x1b]0;x\x07") == "␛]0;x␇"
    assert visible("\u202eabc") == "<U+202E>abc"
    assert visible("\x7f\x9b") == "␡<U+009B>"


@given(st.text(max_size=30), st.integers(1, 40))
def test_shortened_text_fits(text: str, width: int) -> None:
    assert len(shorten(text, width)) <= width
    assert shorten(text, 30) == text
