"""Division of a text into words: lossless for all of Unicode, equal piece by piece, and as documented."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seqtool.data.text.words import split_pieces, split_words

SPECIAL = (
    "ab '\u20191.,\n\r\t <unk>\u4e2d\u306f\u30fc\u0e44\u0e33\u0301"
    "\u200d\u200c\ud800\udfff\u0f0b\u0967\x85\xa0\u3000\ufeff"
)
TEXTS = st.text(st.one_of(st.characters(), st.sampled_from(SPECIAL)), max_size=40)


@given(TEXTS)
@example("".join(map(chr, [*range(0x300), *range(0x2000, 0x3100), *range(0xD7F0, 0xF900)])))
def test_concatenated_symbols_are_the_text(text: str) -> None:
    symbols = split_words(text)
    assert "".join(symbols) == text
    assert all(symbols) and all(" " not in symbol[1:] for symbol in symbols)


@given(TEXTS, st.integers(1, 5), st.booleans())
def test_text_in_pieces_has_the_same_symbols(text: str, size: int, tokenized: bool) -> None:
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    found = [symbol for part in split_pieces(pieces, tokenized=tokenized) for symbol in part]
    assert found == split_words(text, tokenized=tokenized)


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("Don't go!", ["Don't", " go", "!"]),
        ("l\u2019hôtel, 3,000.50 m", ["l\u2019hôtel", ",", " 3,000.50", " m"]),
        ("  a\n\nb\r\n", [" ", " a", "\n", "\n", "b", "\r", "\n"]),
        ("“well-known”", ["“", "well", "-", "known", "”"]),
        ("1. x2", ["1", ".", " x", "2"]),
        ("日本語のテスト コーヒー", ["日", "本", "語", "の", "テスト", " コーヒー"]),
        ("ที่นี่ ไทย", ["ที่", "นี่", " ไ", "ท", "ย"]),
        ("हिन्दी می\u200cخواهم e\u0301t", ["हिन्दी", " می\u200cخواهم", " e\u0301t"]),
        ("a <unk> b<c", ["a", " <unk>", " b", "<", "c"]),
        ("٣٫٤ ½", ["٣", "٫", "٤", " ½"]),
        ("'tis rock 'n' roll'", ["'", "tis", " rock", " '", "n", "'", " roll", "'"]),
    ],
)
def test_division_follows_the_documented_rules(text: str, symbols: list[str]) -> None:
    assert split_words(text) == symbols


def test_tokenized_text_is_divided_at_white_space_and_line_ends() -> None:
    text = " = Valkyria = \n\n the @-@ <unk>\t. \r\n"
    expected = [" =", " Valkyria", " =", "\n", "\n", " the", " @-@", " <unk>", " .", "\n"]
    assert split_words(text, tokenized=True) == expected
