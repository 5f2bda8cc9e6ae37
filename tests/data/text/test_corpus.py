"""What a character model learns from: pairs, text and lines as numbers, their parts, rare symbols, errors and warnings."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.text.corpus import CharCorpus, load_char_corpus
from seqtool.data.text.splits import LineSet, Sequences, split_ends, split_lines
from seqtool.errors import DataError
from seqtool.settings import CharData


def load(
    folder: Path, text: str | bytes, seed: int = 1, cache: Path | None = None, **given: Any
) -> CharCorpus:
    """A corpus of files written to a folder; `val` and `test` are contents too."""
    paths: dict[str, tuple[str, ...]] = {}
    for part, content in (("text", text), ("val", given.pop("val", None)), ("test", given.pop("test", None))):
        if content is not None:
            (folder / f"{part}.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
            paths[part] = (str(folder / f"{part}.txt"),)
    return load_char_corpus(CharData(**{**paths, **given}), seed, cache)


def decoded(corpus: CharCorpus, sequences: Sequences) -> list[tuple[str, str]]:
    decode = corpus.vocabulary.decode
    return [
        (decode(source), decode(target))
        for source, target in zip(sequences.inputs, sequences.targets, strict=True)
    ]


# --- pairs ------------------------------------------------------------------------------------------------------------


def test_the_lecture_pair_in_its_alphabet() -> None:
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
    assert decoded(corpus, corpus.train) == [("no", "ye"), ("é", "e")]


def test_pairs_in_nfc_in_bytes_and_with_rare_symbols() -> None:
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


STRANGE = "symbol 'x' (U+0078) is not in the alphabet"
UNEQUAL = "expected input and target of the same number of symbols, found "


@pytest.mark.parametrize(
    ("given", "message", "hint"),
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
def test_pairs_that_are_refused(given: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(DataError) as caught:
        load_char_corpus(CharData(**given), 1)
    (problem,) = caught.value.problems
    assert (problem.message, problem.place) == (message, "data.pairs[1]")
    assert hint in problem.hint


def test_nothing_to_learn_from() -> None:
    with pytest.raises(DataError, match="found neither"):
        load_char_corpus(CharData(alphabet="ab"), 1)


# --- running text -----------------------------------------------------------------------------------------------------


def test_text_is_parted_by_fraction(tmp_path: Path) -> None:
    text = "abcdefghij" * 5
    corpus = load(tmp_path, text, split=(0.8, 0.1, 0.1))
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


def test_parts_may_have_files_of_their_own(tmp_path: Path) -> None:
    corpus = load(tmp_path, "aab" * 10, val="bba", test="ab")
    decode = corpus.vocabulary.decode
    assert [decode(part) for part in (corpus.train, corpus.val, corpus.test)] == ["aab" * 10, "bba", "ab"]
    corpus = load(tmp_path, "aab" * 10, test="ab", split=(0.5, 0.4, 0.1))
    assert [len(part) for part in (corpus.train, corpus.val, corpus.test)] == [15, 12, 2]
    corpus = load(tmp_path, "aab" * 10, split=(1.0, 0.0))
    assert (len(corpus.train), corpus.val, corpus.test) == (30, None, None)
    assert corpus.warnings == ("val: no text is left for it (data.split); training runs without validation",)


def test_several_files_are_one_text(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.txt").write_text(name * 3, encoding="utf-8")
    corpus = load_char_corpus(CharData(text=(str(tmp_path / "*.txt"),), split=(1.0, 0.0)), 1)
    assert corpus.vocabulary.decode(corpus.train) == "aaabbb"
    lines = load_char_corpus(CharData(text=(str(tmp_path / "*.txt"),), per_line=True, split=(1.0, 0.0)), 1)
    assert decoded(lines, lines.train) == [("\naaa", "aaa\n"), ("\nbbb", "bbb\n")]


@given(st.integers(0, 10**6), st.lists(st.integers(0, 1000), min_size=2, max_size=3).filter(sum))
def test_fractions_are_rounded_down(length: int, shares: list[int]) -> None:
    split = [share / sum(shares) for share in shares]
    ends = split_ends(length, split)
    assert ends[-1] == length
    for place, end in enumerate(ends):
        exact = length * sum(shares[: place + 1])  # in units of 1 / sum(shares)
        assert end * sum(shares) <= exact < (end + 1) * sum(shares)


def test_the_fractions_of_other_programs() -> None:
    assert split_ends(1_115_394, (0.9, 0.1)) == [1_003_854, 1_115_394]  # nanoGPT
    assert split_ends(100_000_000, (0.9, 0.05, 0.05)) == [90_000_000, 95_000_000, 100_000_000]  # enwik8
    assert split_ends(100, (0.5, 0.25)) == [50, 75]


@given(st.text(min_size=4, max_size=80), st.sampled_from(["char", "byte"]), st.sampled_from(["none", "nfc"]))
def test_any_text_is_decoded_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, text: str, unit: str, normalize: str
) -> None:
    normal = unicodedata.normalize("NFC", text) if normalize == "nfc" and unit == "char" else text
    if unit == "char":
        normal = normal.removeprefix("\ufeff")
    if len(normal) < 2:
        return
    corpus = load(tmp_path_factory.mktemp("x"), text, unit=unit, normalize=normalize, split=(1.0, 0.0))
    assert corpus.vocabulary.decode(corpus.train) == normal
    np.testing.assert_array_equal(corpus.train, corpus.vocabulary.encode(normal))
    assert corpus.vocabulary.counts == tuple(
        np.bincount(corpus.train, minlength=len(corpus.vocabulary)).tolist()
    )
    assert list(corpus.vocabulary.symbols) == sorted(set(corpus.vocabulary.symbols))


def test_many_symbols_take_wider_numbers(tmp_path: Path) -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    corpus = load(tmp_path, text * 4, split=(1.0, 0.0))
    assert corpus.train.dtype == np.uint16 and corpus.vocabulary.decode(corpus.train) == text * 4


# --- alphabets and rare symbols ---------------------------------------------------------------------------------------


def test_a_given_alphabet_keeps_its_order(tmp_path: Path) -> None:
    corpus = load(tmp_path, "abba" * 5, alphabet="bxa")
    assert corpus.vocabulary.symbols == ("b", "x", "a") and corpus.train[:4].tolist() == [2, 0, 0, 2]
    lines = load(tmp_path, "ab\nba\n", alphabet=("b", "a"), per_line=True)
    assert lines.vocabulary.symbols == ("b", "a", "\n")


def test_rare_symbols_become_the_unknown_one(tmp_path: Path) -> None:
    corpus = load(tmp_path, "aabbaabbxc" + "abcdy", min_count=2, split=(2 / 3, 1 / 3))
    assert corpus.vocabulary.symbols == ("a", "b", "\ufffd")
    assert (corpus.vocabulary.unknown, corpus.vocabulary.counts) == (2, (4, 4, 2))
    assert corpus.val.tolist() == [0, 1, 2, 2, 2]
    assert corpus.warnings == ()
    assert (
        corpus.notes[-1]
        == "the unknown symbol, �, replaces 4 rare symbols (data.min_count), 20.000% of train"
    )


def test_the_unknown_symbol_of_bytes_and_of_text_that_has_it(tmp_path: Path) -> None:
    corpus = load(tmp_path, b"aaaa\x1ab\xffaa", unit="byte", min_count=3, split=(1.0, 0.0))
    assert corpus.vocabulary.to_json() == {"symbols": [97, 26], "unknown": 1, "counts": [6, 3]}
    corpus = load(tmp_path, "aaa\ufffd\ufffdb", min_count=2, split=(1.0, 0.0))
    assert (corpus.vocabulary.symbols, corpus.vocabulary.unknown, corpus.vocabulary.counts) == (
        ("a", "\ufffd"),
        1,
        (3, 3),
    )
    corpus = load(tmp_path, "aabb", min_count=2, split=(1.0, 0.0))
    assert (corpus.vocabulary.symbols, corpus.vocabulary.unknown) == (("a", "b"), None)


def test_the_end_of_lines_is_never_rare(tmp_path: Path) -> None:
    corpus = load(tmp_path, "aaab\naaaa", per_line=True, min_count=3, split=(1.0, 0.0))
    assert (corpus.vocabulary.symbols, corpus.vocabulary.counts) == (("\n", "a", "\ufffd"), (2, 7, 1))
    assert decoded(corpus, corpus.train) == [("\naaa\ufffd", "aaa\ufffd\n"), ("\naaaa", "aaaa\n")]


# --- lines ------------------------------------------------------------------------------------------------------------


def test_a_line_is_a_sequence_between_boundaries(tmp_path: Path) -> None:
    corpus = load(tmp_path, "emma\r\n\nolivia\navá", per_line=True, split=(1.0, 0.0))
    assert corpus.kind == "lines"
    assert decoded(corpus, corpus.train) == [
        ("\nemma", "emma\n"),
        ("\nolivia", "olivia\n"),
        ("\navá", "avá\n"),
    ]
    assert corpus.vocabulary.counts[0] == 3 and sum(corpus.vocabulary.counts) == 16
    assert "text: 1 empty line skipped" in corpus.notes
    assert "train: 3 lines, 16 symbols with the line ends" in corpus.notes
    assert len(corpus.train) == 3 and len(corpus.train.inputs[1:]) == 2


def test_lines_are_drawn_by_seed(tmp_path: Path) -> None:
    text = "".join(f"{number:03}\n" for number in range(100))
    corpus, again, other = (
        load(tmp_path, text, per_line=True),
        load(tmp_path, text, per_line=True),
        load(tmp_path, text, 2, per_line=True),
    )
    train, val = decoded(corpus, corpus.train), decoded(corpus, corpus.val)
    assert (len(train), len(val)) == (90, 10)
    assert sorted(train + val) == [(f"\n{number:03}", f"{number:03}\n") for number in range(100)]
    assert train == sorted(train) and val == sorted(val) and val != train[-10:]
    assert decoded(again, again.val) == val != decoded(other, other.val)
    assert "lines are divided at random with seed 1 (data.split)" in corpus.notes
    files = load(tmp_path, text, per_line=True, val="111\n222", test="333")
    assert (len(files.train), decoded(files, files.test)) == (100, [("\n333", "333\n")])


@given(
    st.integers(0, 30),
    st.lists(st.integers(0, 9), min_size=2, max_size=3).filter(lambda shares: shares[0] > 0),
    st.integers(0, 99),
)
def test_every_part_gets_a_line_if_there_are_enough(count: int, shares: list[int], seed: int) -> None:
    split = [share / sum(shares) for share in shares]
    parts = split_lines(LineSet("text", np.arange(count), np.ones(count, np.int64)), split, seed)
    assert sorted(place for part in parts.values() for place in part.starts.tolist()) == list(range(count))
    sizes = [len(part) for part in parts.values()]
    if count < sum(share > 0 for share in shares):
        assert sizes[0] == count
    else:
        assert all((size > 0) == (share > 0) for size, share in zip(sizes, shares, strict=True))


def test_lines_are_counted_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join("ab"[number % 2] * (number % 7) + "\n" for number in range(300))
    whole = load(tmp_path, text, per_line=True)
    monkeypatch.setattr("seqtool.data.text.splits.PIECE", 50)
    monkeypatch.setattr("seqtool.data.text.encode.PIECE", 50)
    portions = load(tmp_path, text, per_line=True)
    assert portions.vocabulary.counts == whole.vocabulary.counts
    assert decoded(portions, portions.train) == decoded(whole, whole.train)


# --- the cache --------------------------------------------------------------------------------------------------------


def entries(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


def test_a_text_is_encoded_once(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = load(tmp_path, "abc" * 50, cache=cache)
    assert isinstance(first.train, np.memmap)
    (entry,) = entries(cache)
    written = (entry / "text.bin").stat()
    second = load(tmp_path, "abc" * 50, seed=2, cache=cache, split=(0.5, 0.5))
    assert (entry / "text.bin").stat().st_mtime_ns == written.st_mtime_ns and entries(cache) == [entry]
    assert second.vocabulary.symbols == first.vocabulary.symbols and len(second.train) == 75
    for more in ({"unit": "byte"}, {"alphabet": "cba"}, {"normalize": "nfc"}, {"min_count": 2}):
        np.testing.assert_array_equal(
            load(tmp_path, "abc" * 50, cache=cache, **more).train, load(tmp_path, "abc" * 50, **more).train
        )
    assert len(entries(cache)) == 4  # no symbol is rare, so min_count changes nothing
    load(tmp_path, "abd" * 50, cache=cache)
    assert len(entries(cache)) == 5


def test_rare_symbols_are_put_together_in_a_copy(tmp_path: Path) -> None:
    for _ in range(2):
        corpus = load(tmp_path, "aab" * 50 + "c", cache=tmp_path / "cache", min_count=2, split=(1.0, 0.0))
        assert (
            isinstance(corpus.train, np.memmap)
            and corpus.vocabulary.decode(corpus.train) == "aab" * 50 + "\ufffd"
        )
    assert len(entries(tmp_path / "cache")) == 2


@pytest.mark.parametrize("damage", ["shorter", "no facts", "other facts", "no numbers", "no array", "empty"])
def test_a_broken_entry_is_made_anew(tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    load(tmp_path, "abc" * 50, cache=cache)
    (entry,) = entries(cache)
    if damage == "shorter":
        (entry / "text.bin").write_bytes(b"\0")
    elif damage == "no facts":
        (entry / "facts.json").write_text("{", encoding="utf-8")
    elif damage == "no numbers":  # pointers, to whoever would believe it
        facts = json.loads((entry / "facts.json").read_text(encoding="utf-8"))
        lengths = {name: length // 8 for name, length in facts["lengths"].items()}
        (entry / "facts.json").write_text(
            json.dumps({**facts, "dtype": "|O8", "lengths": lengths}), encoding="utf-8"
        )
    elif damage == "other facts":
        (entry / "facts.json").write_text(
            json.dumps({"dtype": "|u1", "lengths": 3, "symbols": []}), encoding="utf-8"
        )
    else:
        (entry / "text.bin").unlink()
        if damage == "empty":
            (entry / "facts.json").unlink()
    corpus = load(tmp_path, "abc" * 50, cache=cache)
    assert corpus.vocabulary.decode(corpus.train) == "abc" * 45
    assert entries(cache) == [entry]


def test_what_a_crash_left_is_swept_away(tmp_path: Path) -> None:
    old, new = tmp_path / "cache" / ".unfinished.1.2", tmp_path / "cache" / ".unfinished.3.4"
    for leftover in (old, new):
        leftover.mkdir(parents=True)
    os.utime(old, (0, 0))
    load(tmp_path, "abc" * 50, cache=tmp_path / "cache")
    assert not old.exists() and new.exists()


def test_an_error_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        load(tmp_path, b"abc\xff", cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "given", "place", "message", "hint"),
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
def test_what_cannot_be_learnt_from(
    tmp_path: Path, text: str | bytes, given: dict[str, Any], place: str, message: str, hint: str
) -> None:
    with pytest.raises(DataError) as caught:
        load(tmp_path, text, **given)
    (problem,) = caught.value.problems
    assert (problem.message, problem.place) == (message, str(tmp_path / place) if place else "")
    assert hint in problem.hint


def test_a_missing_file_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_char_corpus(CharData(text=(str(tmp_path / "no.txt"),), source="example.org"), 1)
    assert caught.value.problems[0].hint == "where to get it: example.org"


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("ab" * 99, encoding="utf-8")

    def change(*_: Any) -> None:
        path.write_text("ba" * 50, encoding="utf-8")

    with pytest.raises(DataError, match="changed while it was read"):
        load_char_corpus(CharData(text=(str(path),)), 1, None, change)


# --- warnings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        (
            "ab" * 20 + "xxyab",
            {"split": (8 / 9, 1 / 9)},
            "val has symbols that train lacks and no model can predict: x (2), y (1)",
        ),
        (
            "ab" * 20,
            {"val": "abé", "test": "ü "},
            "test has symbols that train lacks and no model can predict: ü (1), space (1)",
        ),
        ("ab\0" * 20, {}, "train has 18 NUL characters: is it a binary file, or encoded in utf-16?"),
        ("ab\ufffd" * 20, {}, "train has 18 U+FFFD, left by a wrong decoding"),
        ("abcdefghij", {}, "val: too short to be used (1 of its symbols)"),
        (
            "".join(map(chr, range(0x4E00, 0x4E00 + 2000))),
            {"split": (1.0, 0.0)},
            "2,000 symbols, 2,000 of which occur less than 5 times in train; `data.min_count: 5` replaces them by one unknown symbol",
        ),
        (
            "".join(map(chr, range(0x10000, 0x10000 + 31_000))),
            {"split": (1.0, 0.0)},
            "31,000 different symbols: is this text? `data.unit: byte` reads any file",
        ),
    ],
    ids=[
        "only in val",
        "only in test",
        "binary",
        "wrong decoding",
        "no val",
        "rare symbols",
        "too many symbols",
    ],
)
def test_what_looks_wrong(tmp_path: Path, text: str, given: dict[str, Any], expected: str) -> None:
    assert expected in load(tmp_path, text, **given).warnings


def test_a_file_that_is_read_twice(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abab", encoding="utf-8")
    path = (str(tmp_path / "a.txt"),)
    assert load_char_corpus(CharData(text=path, val=path), 1).warnings == ("a.txt is read for train and val",)


# --- real sets --------------------------------------------------------------------------------------------------------

ROOT = Path(os.environ.get("SEQTOOL_DATA", ""))
real = pytest.mark.skipif(
    "SEQTOOL_DATA" not in os.environ, reason="SEQTOOL_DATA is not set: needs the real data sets"
)


@real
def test_shakespeare_is_split_as_by_others(tmp_path: Path) -> None:
    corpus = load_char_corpus(CharData(text=(str(ROOT / "tinyshakespeare/input.txt"),)), 1, tmp_path)
    assert (len(corpus.vocabulary), len(corpus.train), len(corpus.val), corpus.warnings) == (
        65,
        1_003_854,
        111_540,
        (),
    )
    assert corpus.vocabulary.decode(corpus.train[:14]) == "First Citizen:"


@real
def test_names(tmp_path: Path) -> None:
    corpus = load_char_corpus(CharData(text=(str(ROOT / "names/names.txt"),), per_line=True), 1, tmp_path)
    assert (len(corpus.vocabulary), len(corpus.train) + len(corpus.val), len(corpus.val)) == (
        27,
        32_033,
        3_204,
    )
    assert decoded(corpus, corpus.train)[0] == ("\nemma", "emma\n") or decoded(corpus, corpus.val)[0] == (
        "\nemma",
        "emma\n",
    )


@real
def test_war_and_peace(tmp_path: Path) -> None:
    data = CharData(text=(str(ROOT / "war_and_peace/*"),))
    assert len(load_char_corpus(data, 1, tmp_path).vocabulary) == 104
