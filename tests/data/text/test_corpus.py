"""Corpus of a character model: pairs, text and lines as numbers, alphabets, rare symbols and errors."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.text.corpus import load_char_corpus
from seqtool.errors import DataError
from seqtool.settings.data import CharData
from tests.support.text_corpus import decode_sequences, load_corpus

STRANGE = "symbol 'x' (U+0078) is not in the alphabet"
UNEQUAL = "expected input and target of the same number of symbols, found "
ROOT = Path(os.environ.get("SEQTOOL_DATA", ""))
real = pytest.mark.skipif(
    "SEQTOOL_DATA" not in os.environ, reason="SEQTOOL_DATA is not set: the test needs the real data sets"
)


# --- pairs --------------------------------------------------------------------------------------------------


def test_pair_of_the_lecture_is_encoded_in_its_alphabet() -> None:
    corpus = load_char_corpus(CharData(pairs=(("hihell", "ihello"),), alphabet="hielo"), 1)
    assert (corpus.kind, corpus.vocabulary.symbols, corpus.vocabulary.counts) == (
        "pairs",
        tuple("hielo"),
        (3, 2, 2, 4, 1),
    )
    assert corpus.train.inputs[0].tolist() == [0, 1, 0, 2, 3, 3]
    assert corpus.train.targets[0].tolist() == [1, 0, 2, 3, 3, 4]
    assert (corpus.val, corpus.test, corpus.pairs) == (None, None, (("hihell", "ihello"),))
    assert corpus.notes == ("train: 1 pair, 6 symbols", "symbols: h i e l o")


def test_symbols_of_pairs_are_sorted() -> None:
    corpus = load_char_corpus(CharData(pairs=(("no", "ye"), ("é", "e")), min_count=1), 1)
    assert corpus.vocabulary.symbols == ("e", "n", "o", "y", "é")
    assert decode_sequences(corpus, corpus.train) == [("no", "ye"), ("é", "e")]


def test_pairs_are_normalized_read_as_bytes_or_get_the_unknown_symbol() -> None:
    assert load_char_corpus(CharData(pairs=(("e\u0301", "x"),), normalize="nfc"), 1).pairs == (("é", "x"),)
    corpus = load_char_corpus(CharData(pairs=(("é", "ab"),), unit="byte"), 1)
    assert [len(corpus.train.inputs[0]), corpus.vocabulary.to_json()["symbols"]] == [2, [97, 98, 0xA9, 0xC3]]
    corpus = load_char_corpus(CharData(pairs=(("aab", "aac"),), min_count=2), 1)
    assert corpus.vocabulary.symbols == ("a", "\ufffd")
    assert (corpus.vocabulary.unknown, corpus.vocabulary.counts, corpus.train.inputs[0].tolist()) == (
        1,
        (4, 2),
        [0, 0, 1],
    )


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"pairs": (("ab", "ab"), ("abc", "ab"))}, UNEQUAL + "'abc' of 3 and 'ab' of 2", "aligned"),
        ({"pairs": (("ab", "ab"), ("", ""))}, UNEQUAL + "'' of 0 and '' of 0", "aligned"),
        (
            {"pairs": (("ab", "ab"), ("ab", "xb")), "alphabet": "ab"},
            STRANGE,
            "alphabet is: a b; add it to `data.alphabet`",
        ),
    ],
    ids=["unequal", "empty", "not in the alphabet"],
)
def test_wrong_pairs_are_refused(settings: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(DataError) as caught:
        load_char_corpus(CharData(**settings), 1)
    (problem,) = caught.value.problems
    assert (problem.message, problem.place) == (message, "data.pairs[1]")
    assert hint in problem.hint


def test_settings_without_text_and_pairs_are_refused() -> None:
    with pytest.raises(DataError, match="found neither"):
        load_char_corpus(CharData(alphabet="ab"), 1)


# --- running text -------------------------------------------------------------------------------------------


def test_text_is_divided_by_fractions(tmp_path: Path) -> None:
    text = "abcdefghij" * 5
    corpus = load_corpus(tmp_path, text, split=(0.8, 0.1, 0.1))
    decode = corpus.vocabulary.decode
    assert [decode(part) for part in (corpus.train, corpus.val, corpus.test)] == [
        text[:40],
        text[40:45],
        text[45:],
    ]
    assert (corpus.kind, corpus.train.dtype, corpus.warnings) == ("text", np.uint8, ())
    assert corpus.notes == (
        "train: 40 symbols",
        "val: 5 symbols",
        "test: 5 symbols",
        "symbols: a b c d e f g h i j",
    )
    assert corpus.vocabulary.counts == (4,) * 10
    assert list(corpus.files) == [str(tmp_path / "text.txt")]


def test_val_and_test_may_be_separate_files(tmp_path: Path) -> None:
    corpus = load_corpus(tmp_path, "aab" * 10, val="bba", test="ab")
    decode = corpus.vocabulary.decode
    assert [decode(part) for part in (corpus.train, corpus.val, corpus.test)] == ["aab" * 10, "bba", "ab"]
    corpus = load_corpus(tmp_path, "aab" * 10, test="ab", split=(0.5, 0.4, 0.1))
    assert [len(part) for part in (corpus.train, corpus.val, corpus.test)] == [15, 12, 2]
    corpus = load_corpus(tmp_path, "aab" * 10, split=(1.0, 0.0))
    assert (len(corpus.train), corpus.val, corpus.test) == (30, None, None)
    assert corpus.warnings == ("val: no text is left for it (data.split); training runs without validation",)


def test_several_files_are_joined_to_one_text(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.txt").write_text(name * 3, encoding="utf-8")
    corpus = load_char_corpus(CharData(text=(str(tmp_path / "*.txt"),), split=(1.0, 0.0)), 1)
    assert corpus.vocabulary.decode(corpus.train) == "aaabbb"
    lines = load_char_corpus(CharData(text=(str(tmp_path / "*.txt"),), per_line=True, split=(1.0, 0.0)), 1)
    assert decode_sequences(lines, lines.train) == [("\naaa", "aaa\n"), ("\nbbb", "bbb\n")]


@given(st.text(min_size=4, max_size=80), st.sampled_from(["char", "byte"]), st.sampled_from(["none", "nfc"]))
def test_decoding_returns_any_text(
    tmp_path_factory: pytest.TempPathFactory, text: str, unit: str, normalize: str
) -> None:
    normal = unicodedata.normalize("NFC", text) if normalize == "nfc" and unit == "char" else text
    if unit == "char":
        normal = normal.removeprefix("\ufeff")
    if len(normal) < 2 or (unit == "char" and set(normal) & {"\r", "\0"}):  # CR may be a line end
        return
    corpus = load_corpus(tmp_path_factory.mktemp("x"), text, unit=unit, normalize=normalize, split=(1.0, 0.0))
    assert corpus.vocabulary.decode(corpus.train) == normal
    np.testing.assert_array_equal(corpus.train, corpus.vocabulary.encode(normal))
    assert corpus.vocabulary.counts == tuple(
        np.bincount(corpus.train, minlength=len(corpus.vocabulary)).tolist()
    )
    assert list(corpus.vocabulary.symbols) == sorted(set(corpus.vocabulary.symbols))


def test_more_than_256_symbols_use_16_bits(tmp_path: Path) -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    corpus = load_corpus(tmp_path, text * 4, split=(1.0, 0.0))
    assert corpus.train.dtype == np.uint16 and corpus.vocabulary.decode(corpus.train) == text * 4


# --- alphabets and rare symbols -----------------------------------------------------------------------------


def test_alphabet_keeps_its_order(tmp_path: Path) -> None:
    corpus = load_corpus(tmp_path, "abba" * 5, alphabet="bxa")
    assert corpus.vocabulary.symbols == ("b", "x", "a") and corpus.train[:4].tolist() == [2, 0, 0, 2]
    lines = load_corpus(tmp_path, "ab\nba\n", alphabet=("b", "a"), per_line=True)
    assert lines.vocabulary.symbols == ("b", "a", "\n")


def test_rare_symbols_are_replaced_by_the_unknown_one(tmp_path: Path) -> None:
    corpus = load_corpus(tmp_path, "aabbaabbxc" + "abcdy", min_count=2, split=(2 / 3, 1 / 3))
    assert corpus.vocabulary.symbols == ("a", "b", "\ufffd")
    assert (corpus.vocabulary.unknown, corpus.vocabulary.counts) == (2, (4, 4, 2))
    assert corpus.val.tolist() == [0, 1, 2, 2, 2]
    assert corpus.warnings == ()
    assert (
        corpus.notes[-1]
        == "the unknown symbol, �, replaces 4 rare symbols (data.min_count), 20.000% of train"
    )


def test_unknown_symbol_merges_with_its_own_occurrences(tmp_path: Path) -> None:
    corpus = load_corpus(tmp_path, b"aaaa\x1ab\xffaa", unit="byte", min_count=3, split=(1.0, 0.0))
    assert corpus.vocabulary.to_json() == {"symbols": [97, 26], "unknown": 1, "counts": [6, 3]}
    corpus = load_corpus(tmp_path, "aaa\ufffd\ufffdb", min_count=2, split=(1.0, 0.0))
    assert (corpus.vocabulary.symbols, corpus.vocabulary.unknown, corpus.vocabulary.counts) == (
        ("a", "\ufffd"),
        1,
        (3, 3),
    )
    corpus = load_corpus(tmp_path, "aabb", min_count=2, split=(1.0, 0.0))
    assert (corpus.vocabulary.symbols, corpus.vocabulary.unknown) == (("a", "b"), None)


def test_boundary_is_never_rare(tmp_path: Path) -> None:
    corpus = load_corpus(tmp_path, "aaab\naaaa", per_line=True, min_count=3, split=(1.0, 0.0))
    assert (corpus.vocabulary.symbols, corpus.vocabulary.counts) == (("\n", "a", "\ufffd"), (2, 7, 1))
    assert decode_sequences(corpus, corpus.train) == [("\naaa\ufffd", "aaa\ufffd\n"), ("\naaaa", "aaaa\n")]


# --- lines --------------------------------------------------------------------------------------------------


def test_line_is_a_sequence_between_boundaries(tmp_path: Path) -> None:
    corpus = load_corpus(tmp_path, "emma\r\n\nolivia\navá", per_line=True, split=(1.0, 0.0))
    assert corpus.kind == "lines"
    assert decode_sequences(corpus, corpus.train) == [
        ("\nemma", "emma\n"),
        ("\nolivia", "olivia\n"),
        ("\navá", "avá\n"),
    ]
    assert corpus.vocabulary.counts[0] == 3 and sum(corpus.vocabulary.counts) == 16
    assert "text: 1 empty line skipped" in corpus.notes
    assert "train: 3 lines, 16 symbols with the line ends" in corpus.notes
    assert len(corpus.train) == 3 and len(corpus.train.inputs[1:]) == 2


def test_lines_are_split_by_seed(tmp_path: Path) -> None:
    text = "".join(f"{number:03}\n" for number in range(100))
    corpus, again, other = (
        load_corpus(tmp_path, text, per_line=True),
        load_corpus(tmp_path, text, per_line=True),
        load_corpus(tmp_path, text, 2, per_line=True),
    )
    train, val = decode_sequences(corpus, corpus.train), decode_sequences(corpus, corpus.val)
    assert (len(train), len(val)) == (90, 10)
    assert sorted(train + val) == [(f"\n{number:03}", f"{number:03}\n") for number in range(100)]
    assert train == sorted(train) and val == sorted(val) and val != train[-10:]
    assert decode_sequences(again, again.val) == val != decode_sequences(other, other.val)
    assert "lines are divided at random with seed 1 (data.split)" in corpus.notes
    files = load_corpus(tmp_path, text, per_line=True, val="111\n222", test="333")
    assert (len(files.train), decode_sequences(files, files.test)) == (100, [("\n333", "333\n")])


# --- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "settings", "place", "message", "hint"),
    [
        (
            "ab\nbax",
            {"alphabet": "ab\n"},
            "text.txt:2:3",
            STRANGE,
            "alphabet is: a b \\n; add it to `data.alphabet`",
        ),
        (
            "abba",
            {"alphabet": "ab", "val": "bé"},
            "val.txt:1:2",
            "symbol 'é' (U+00E9) is not in the alphabet",
            "data.alphabet",
        ),
        (
            "ab\r\nb",
            {"alphabet": "a", "per_line": True},
            "text.txt:1:2",
            "symbol 'b' (U+0062) is not in the alphabet",
            "a \\n; add",
        ),
        (
            b"ab\nc\xff",
            {},
            "text.txt:2",
            "expected utf-8 text, found byte 0xff at offset 4",
            "data.encoding: latin-1",
        ),
        ("", {}, "text.txt", "expected text, found an empty file", ""),
        ("abc", {"val": ""}, "val.txt", "expected text, found an empty file", ""),
        ("abc", {"val": "a"}, "val.txt", "expected a text of at least 2 symbols, found 1 symbol", "longer"),
        (
            "a",
            {"split": (1.0, 0.0)},
            "text.txt",
            "expected a text of at least 2 symbols, found 1 symbol",
            "longer",
        ),
        (
            "ab",
            {},
            "text.txt",
            "expected a text of at least 2 symbols, found 1 symbol in its part for training",
            "longer",
        ),
        ("\n\r\n\n", {"per_line": True}, "text.txt", "expected lines, found only empty ones", ""),
        (
            "aabbcc",
            {"min_count": 9},
            "",
            "expected symbols that occur 9 times or more in train, found symbols that occur at most 2 times",
            "lower",
        ),
    ],
    ids=[
        "alphabet",
        "alphabet of val",
        "alphabet of lines",
        "not utf-8",
        "empty",
        "empty val",
        "short val",
        "short",
        "short train",
        "no lines",
        "min_count",
    ],
)
def test_unusable_text_is_refused(
    tmp_path: Path, text: str | bytes, settings: dict[str, Any], place: str, message: str, hint: str
) -> None:
    with pytest.raises(DataError) as caught:
        load_corpus(tmp_path, text, **settings)
    (problem,) = caught.value.problems
    assert (problem.message, problem.place) == (message, str(tmp_path / place) if place else "")
    assert hint in problem.hint


def test_error_about_a_missing_file_names_the_source(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_char_corpus(CharData(text=(str(tmp_path / "no.txt"),), source="example.org"), 1)
    assert caught.value.problems[0].hint == "where to get it: example.org"


# --- real data sets -----------------------------------------------------------------------------------------


@real
def test_shakespeare_is_split_as_by_other_programs(tmp_path: Path) -> None:
    corpus = load_char_corpus(CharData(text=(str(ROOT / "tinyshakespeare/input.txt"),)), 1, tmp_path)
    assert (len(corpus.vocabulary), len(corpus.train), len(corpus.val), corpus.warnings) == (
        65,
        1_003_854,
        111_540,
        (),
    )
    assert corpus.vocabulary.decode(corpus.train[:14]) == "First Citizen:"


@real
def test_names_have_27_symbols(tmp_path: Path) -> None:
    corpus = load_char_corpus(CharData(text=(str(ROOT / "names/names.txt"),), per_line=True), 1, tmp_path)
    assert (len(corpus.vocabulary), len(corpus.train) + len(corpus.val), len(corpus.val)) == (
        27,
        32_033,
        3_204,
    )
    assert decode_sequences(corpus, corpus.train)[0] == ("\nemma", "emma\n") or decode_sequences(
        corpus, corpus.val
    )[0] == (
        "\nemma",
        "emma\n",
    )


@real
def test_war_and_peace_has_104_symbols(tmp_path: Path) -> None:
    data = CharData(text=(str(ROOT / "war_and_peace/*"),))
    assert len(load_char_corpus(data, 1, tmp_path).vocabulary) == 104
