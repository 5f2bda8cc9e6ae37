"""Conditions of lines: file names, prefixes and columns; their numbers, splits and errors."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.batches import SequenceBatches
from seqtool.data.sharding import Shard
from seqtool.data.text.conditions import ConditionRule, whole_lines
from seqtool.data.text.corpus import CharCorpus, load_char_corpus
from seqtool.data.text.splits import LineSet, split_lines
from seqtool.errors import DataError
from seqtool.settings.data import CharData
from tests.support.conditional import COUNTS, lines, write_files
from tests.support.text_corpus import decode_sequences

COLUMN: dict[str, Any] = {"condition": "column", "condition_column": "language", "text_column": "word"}


def load(folder: Path, text: str, seed: int = 1, **settings: Any) -> CharCorpus:
    settings = {"per_line": True, "split": (0.8, 0.2), **settings}
    for name in ("val", "test"):
        if name in settings:
            settings[name] = (str(folder / settings[name]),)
    return load_char_corpus(CharData(text=(str(folder / text),), **settings), seed)


def pairs(corpus: CharCorpus, part: str) -> Counter[tuple[str, str]]:
    assert corpus.conditions is not None
    sequences = getattr(corpus, part)
    names = [corpus.conditions.names[number] for number in sequences.conditions]
    texts = [target.removesuffix("\n") for _, target in decode_sequences(corpus, sequences)]
    return Counter(zip(names, texts, strict=True))


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("*.txt", {"condition": "file"}),
        ("prefix.tsv", {"condition": "prefix"}),
        ("prefix.tsv", {"condition": "prefix", "separator": "tab"}),
        ("prefix.tsv", {"condition": "column"}),
        ("table.csv", COLUMN),
        ("table.csv", {"condition": "column", "condition_column": "language", "text_column": "2"}),
    ],
)
@pytest.mark.parametrize("unit", ["char", "byte"])
def test_conditions_of_all_places_are_the_same(
    text: str, settings: dict[str, Any], unit: str, tmp_path: Path
) -> None:
    write_files(tmp_path)
    corpus = load(tmp_path, text, unit=unit, **settings)
    assert corpus.conditions is not None
    assert corpus.conditions.names == ("Ana", "Kiki", "Oro")
    assert corpus.conditions.counts == tuple(count * 8 // 10 for count in COUNTS.values())
    expected = Counter((name, line) for name, own in lines().items() for line in own)
    assert pairs(corpus, "train") + pairs(corpus, "val") == expected
    assert Counter(corpus.val.conditions.tolist()) == {0: 12, 1: 6, 2: 2}
    assert "3 conditions (training lines): Ana 48, Kiki 24, Oro 8" in corpus.notes
    assert not [note for note in corpus.notes if "empty line" in note]


def test_bytes_of_conditions_are_read_as_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("é\tab\né\tb\nñ\tba\nñ\ta\n")
    corpus = load(tmp_path, "a.tsv", condition="prefix", unit="byte", split=(1.0, 0.0))
    assert corpus.conditions is not None and corpus.conditions.names == ("é", "ñ")
    assert corpus.vocabulary.symbols == ("\n", "a", "b")


def test_cells_may_be_quoted_and_spaces_around_a_condition_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('x ,"a, ""b"""\n y,c\nx,d\n\ny,e\n')
    corpus = load(tmp_path, "a.csv", condition="column", split=(1.0, 0.0))
    expected = [("x", 'a, "b"'), ("y", "c"), ("x", "d"), ("y", "e")]
    assert pairs(corpus, "train") == Counter(expected)
    assert "text: 1 empty line skipped" in corpus.notes


def test_quotes_are_ordinary_characters_in_a_table_with_tabs(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('x\t"a\ny\tb"\n')
    corpus = load(tmp_path, "a.tsv", condition="column", split=(1.0, 0.0))
    assert pairs(corpus, "train") == Counter([("x", '"a'), ("y", 'b"')])


WRONG: dict[str, tuple[str, dict[str, Any], str, str, str]] = {
    "no separator": ("a\tb\nc\n", {"condition": "prefix"}, ":2", "expected a tab between", "data.separator"),
    "no colon": ("a: b\nc\n", {"condition": "prefix", "separator": ": "}, ":2", "expected ': '", ""),
    "no condition": ("a\tb\n \tc\n", {"condition": "prefix"}, ":2", "found an empty one", ""),
    "cells": ("a,b\nc,d,e\n", {"condition": "column"}, ":2", "expected 2 cells", "double quotes"),
    "one column": ("a b\n", {"condition": "column"}, ":1", "expected cells separated by", "data.separator"),
    "few columns": ("a,b\n", {"condition": "column", "text_column": "3"}, ":1", "at least 3 columns", ""),
    "quotes": ('a,"b\n', {"condition": "column"}, ":1", "wrong quotes", "doubled"),
    "unknown column": ("word,languages\na,b\n", COLUMN, ":1", "column 'language'", "did you mean languages?"),
    "one condition": ("a\tb\na\tc\n", {"condition": "prefix"}, "", "found only 'a'", "data.condition"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_lines_are_refused_with_their_place(case: str, tmp_path: Path) -> None:
    content, settings, place, message, hint = WRONG[case]
    (tmp_path / "a.txt").write_text(content)
    with pytest.raises(DataError) as raised:
        load(tmp_path, "a.txt", **settings)
    (problem,) = raised.value.problems
    assert problem.place == f"{tmp_path}/a.txt{place}"
    assert message in problem.message and hint in problem.hint


def test_condition_of_test_lines_that_training_lacks_is_refused(tmp_path: Path) -> None:
    write_files(tmp_path)
    (tmp_path / "test.tsv").write_text("Ana\taa\nAna\tab\nKikki\tki\n")
    with pytest.raises(DataError, match="'Kikki' does not occur in the training") as raised:
        load(tmp_path, "prefix.tsv", condition="prefix", test="test.tsv")
    assert raised.value.problems[0].hint == "did you mean Kiki?"
    (tmp_path / "test.tsv").write_text("Oro\too\nAna\tab\n")
    corpus = load(tmp_path, "prefix.tsv", condition="prefix", test="test.tsv")
    assert np.asarray(corpus.test.conditions).tolist() == [2, 0]


def test_symbol_outside_the_alphabet_is_found_in_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("word,language\nab,x\naé,y\n")
    with pytest.raises(DataError, match="symbol 'é'") as raised:
        load(tmp_path, "a.csv", alphabet="ab", **COLUMN)
    assert raised.value.problems[0].place == f"{tmp_path}/a.csv:3"


def test_rare_conditions_and_wrong_columns_cause_a_warning(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("x\ta\n" * 30 + "y\tb\n" * 3)
    corpus = load(tmp_path, "a.tsv", condition="prefix", split=(1.0, 0.0))
    assert "1 condition with fewer than 5 training lines: y (3)" in corpus.warnings
    (tmp_path / "b.tsv").write_text("".join(f"word{number}\tx\n" for number in range(40)))
    corpus = load(tmp_path, "b.tsv", condition="prefix", split=(1.0, 0.0))
    assert any("does `data.condition` name the class" in warning for warning in corpus.warnings)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 99))
def test_lines_are_divided_within_each_condition(conditions: list[int], seed: int) -> None:
    count = len(conditions)
    whole = LineSet("text", np.arange(count), np.full(count, 3), np.array(conditions))
    parts = split_lines(whole, (0.7, 0.2, 0.1), seed)
    assert sorted(np.concatenate([part.starts for part in parts.values()]).tolist()) == list(range(count))
    for part in parts.values():
        assert part.conditions is not None
        assert part.conditions.tolist() == [conditions[start] for start in part.starts]
        assert sorted(part.starts) == part.starts.tolist()
    counts = {name: Counter(np.asarray(part.conditions).tolist()) for name, part in parts.items()}
    for condition, number in Counter(conditions).items():
        own = {name: counted[condition] for name, counted in counts.items()}
        assert own["train"] >= 1
        assert own["train"] == number if number < 3 else min(own.values()) >= 1


@given(st.lists(st.tuples(st.sampled_from("xy"), st.text("ab", min_size=1, max_size=3)), min_size=4))
def test_repeated_lines_of_a_condition_can_be_skipped(rows: list[tuple[str, str]]) -> None:
    rows = [("x", "a"), ("y", "a"), *rows]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.tsv").write_text("".join(f"{name}\t{line}\n" for name, line in rows))
        corpus = load(Path(folder), "a.tsv", condition="prefix", unique=True, split=(1.0, 0.0))
        assert pairs(corpus, "train") == Counter(set(rows))
        repeated = len(rows) - len(set(rows))
        assert any(note.startswith(f"text: {repeated} repeated line") for note in corpus.notes) == (
            repeated > 0
        )
        (Path(folder) / "b.txt").write_text("".join(f"{line}\n" for _, line in rows))
        plain = load(Path(folder), "b.txt", unique=True, split=(1.0, 0.0))
        found = [target.removesuffix("\n") for _, target in decode_sequences(plain, plain.train)]
        assert found == list(dict.fromkeys(line for _, line in rows))


@given(st.text("ab\n", max_size=30), st.integers(1, 5))
def test_lines_of_pieces_are_those_of_the_text(text: str, size: int) -> None:
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert list(whole_lines(pieces)) == text.splitlines()


def test_file_name_without_its_ending_is_the_condition() -> None:
    rule = ConditionRule("file")
    assert list(rule.lines(["a\n", "b"], "names/de.AT.txt")) == [("de.AT", "a"), ("de.AT", "b")]


def test_every_rank_gets_the_conditions_of_its_lines() -> None:
    inputs = [np.full(length, length) for length in range(1, 12)]
    conditions = np.arange(1, 12)
    for rank in range(2):
        batches = SequenceBatches(inputs, inputs, 4, 1, True, Shard(rank, 2), conditions)
        for index in range(batches.steps(3)):
            batch = batches.batch(3, index)
            assert batch.conditions is not None
            assert (batch.inputs[0] == batch.conditions).all()
