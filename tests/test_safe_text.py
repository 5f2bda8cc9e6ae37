"""Tests of safe text: control characters are replaced, and readable characters are kept."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from seqtool.safe_text import OUTPUT_ERRORS, shorten, visible, visible_lines


@given(st.text())
def test_visible_text_has_no_control_characters(text: str) -> None:
    for shown in (visible(text), visible_lines(text).replace("\n", "").replace("\t", "")):
        assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in shown)
        assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(st.text(st.characters(categories=["L", "M", "N", "P", "Zs"])))
def test_readable_text_is_unchanged(text: str) -> None:
    assert visible(text) == text


def test_joiners_are_kept_and_control_characters_become_symbols() -> None:
    assert visible("می\u200cروم") == "می\u200cروم"
    assert visible("\x1b]0;x\x07") == "␛]0;x␇"
    assert visible("\u202eabc") == "<U+202E>abc"
    assert visible("\x7f\x9b") == "␡<U+009B>"


@given(st.text(max_size=30), st.integers(1, 40))
def test_shortened_text_fits_the_width(text: str, width: int) -> None:
    assert len(shorten(text, width)) <= width
    assert shorten(text, 30) == text


@given(st.text(st.characters()) | st.text(st.characters(categories=["Cs"])))
def test_every_text_can_be_written_to_an_output_stream(text: str) -> None:
    written = text.encode("utf-8", OUTPUT_ERRORS)
    kept = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", text)
    assert written == kept.encode("utf-8", "surrogateescape")
