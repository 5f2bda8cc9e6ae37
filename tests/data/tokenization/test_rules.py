"""Tokenizers: reversible on any text, correct on English and French, fast on hostile text; and the choice."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.tokenization.rules import (
    TOKENIZERS,
    GoldTokens,
    basic,
    choose_tokenizer,
    measure,
    place_tokens,
    whitespace,
)


def forms(text: str) -> list[str]:
    return [token.form for token in basic(text)]


@given(st.text() | st.text("ab.'’n't-@:/1,!?  \n\u200d\u0301"))
@pytest.mark.parametrize("name", ["whitespace", "basic"])
def test_tokens_are_reversible(name: str, text: str) -> None:
    at = 0
    for token in TOKENIZERS[name](text):
        assert token.form == text[token.start : token.end]
        assert token.form and not any(char.isspace() for char in token.form)
        assert not text[at : token.start].strip()
        at = token.end
    assert not text[at:].strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The dog ate the apple.", "The dog ate the apple ."),
        ('He said, "no"!', 'He said , " no " !'),
        (
            "I don't know, it's John's; we'll see. CAN'T!",
            "I do n't know , it 's John 's ; we 'll see . CA N'T !",
        ),
        ("I don’t, they’ve", "I do n’t , they ’ve"),
        ("cannot gonna", "can not gon na"),
        ("Ba'ath o'clock", "Ba'ath o'clock"),
        ("Mr. Smith of the U.S. at 5 p.m., etc.", "Mr. Smith of the U.S. at 5 p.m. , etc."),
        ("J. Smith and I.", "J. Smith and I ."),
        ("$1,200.50, 5%, 11/28/2000 at 5:00 or 7pm", "$ 1,200.50 , 5 % , 11/28/2000 at 5:00 or 7 pm"),
        ("Call 713-853-3989.", "Call 713-853-3989 ."),
        ("See http://a.b/c?d=1, or www.x.org.", "See http://a.b/c?d=1 , or www.x.org ."),
        ("me.you@x-y.org!", "me.you@x-y.org !"),
        ("Well... really?! -- yes", "Well ... really ?! -- yes"),
        ("a search-engine, pre-war", "a search - engine , pre-war"),
        ("L'eau qu'il n'a pas aujourd'hui", "L' eau qu' il n' a pas aujourd'hui"),
        ("می‌خواهم नमस्ते e\u0301te\u0301", "می‌خواهم नमस्ते e\u0301te\u0301"),
        ("(see [1])", "( see [ 1 ] )"),
    ],
)
def test_basic_splits_words_and_punctuation(text: str, expected: str) -> None:
    assert forms(text) == expected.split()


HOSTILE = [
    "a.",
    "a",
    "_",
    "1,",
    "1-",
    "a'",
    "a'bb",
    "n't",
    "www.",
    ".!",
    "a@",
    "a.a@",
    "http://.",
    "1:",
    "co-",
    "a_.",
    "\u0301",
    "[",
    "=-",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_grows_linearly_with_the_length(piece: str) -> None:
    """Eight times the length takes about 8 times as long in linear time, 64 times in quadratic time."""
    short, long = (least_time(piece * (length // len(piece)) + "!b") for length in (5_000, 40_000))
    assert long < 30 * short


def least_time(text: str) -> float:
    """Return the least processor time of three tokenizations, in seconds."""
    times = []
    for _ in range(3):
        start = time.process_time()
        list(basic(text))
        times.append(time.process_time() - start)
    return min(times)


def test_place_tokens_finds_tokens_in_order() -> None:
    assert place_tokens("au bar, au", ["à", "le", "bar", ",", "au"]) == {(3, 6), (6, 7), (8, 10)}
    assert place_tokens("a" * 100, ["", "b"]) == set()


def test_measure_compares_positions() -> None:
    examples = [GoldTokens("a b, c", {(0, 1), (2, 3), (3, 4), (5, 6)}, 4)]
    assert measure(basic, examples) == 1.0
    assert measure(whitespace, examples) == pytest.approx(2 * 2 / (3 + 4))
    assert measure(basic, []) == measure(basic, [GoldTokens("", set(), 0)]) == 0.0


def test_choose_tokenizer_returns_the_better_one() -> None:
    assert choose_tokenizer([("a b, c", ["a", "b", ",", "c"])]) == ("basic", 1.0)
    assert choose_tokenizer([("a b, c", ["a", "b,", "c"])]) == ("whitespace", 1.0)
    assert choose_tokenizer([("a b", ["a", "b"])]) == ("whitespace", 1.0)
    assert choose_tokenizer([(None, ["a", "b"])]) == ("whitespace", None)
    assert choose_tokenizer([]) == ("whitespace", None)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (("我爱你。", ["我", "爱", "你", "。"]), None),
        ((None, ["我", "爱", "你"]), None),
        (("ฉันรักคุณ", ["ฉัน", "รัก", "คุณ"]), None),
        (("これはペンです", ["これ", "は", "ペン", "です"]), None),
        (("我 爱 你", ["我", "爱", "你"]), "whitespace"),
        (("나는 밥을 먹었다", ["나는", "밥을", "먹었다"]), "whitespace"),
    ],
    ids=["Chinese", "Chinese without text", "Thai", "Japanese", "Chinese with spaces", "Korean"],
)
def test_script_without_spaces_has_no_tokenizer(
    sentence: tuple[str | None, list[str]], expected: str | None
) -> None:
    assert choose_tokenizer([sentence])[0] == expected
