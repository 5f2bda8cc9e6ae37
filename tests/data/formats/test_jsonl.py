"""JSON lines: all forms of tokens and labels, errors by line and column, fields set in place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.formats.blocks import Block
from seqtool.data.formats.jsonl import JsonlFormat, set_fields
from seqtool.errors import DataError

FORMAT = JsonlFormat()


def read(line: str, file_format: JsonlFormat = FORMAT) -> Block:
    (block,) = file_format.read([line], "f")
    return block


@pytest.mark.parametrize(
    ("line", "tokens", "labels", "text"),
    [
        ('{"tokens": ["a", "b c"], "labels": ["A", "B"]}', ["a", "b c"], ["A", "B"], None),
        ('\ufeff{"tokens": ["a"]}\r\n', ["a"], None, None),
        ('{"tokens": [["a", "A"], ["b", "B"]]}', ["a", "b"], ["A", "B"], None),
        ('{"tokens": "a  b"}', ["a", "b"], None, "a  b"),
        ('{"tokens": []}', [], None, None),
        ('{"tokens": [], "labels": []}', [], [], None),
        ('{"tokens": ["\\u00e9\\ud83d\\ude00"]}', ["é😀"], None, None),
        (" \t\n", [], None, None),
    ],
    ids=["lists", "BOM", "pairs", "text", "empty", "empty, labeled", "escapes", "blank"],
)
def test_read_accepts_lists_pairs_and_text(
    line: str, tokens: list[str], labels: list[str] | None, text: str | None
) -> None:
    block = read(line)
    assert (block.tokens, block.labels, block.text) == (tokens, labels, text)
    assert FORMAT.fill(block, labels or []) == [line]


def test_read_uses_the_given_keys() -> None:
    assert read('{"w": ["a"], "t": ["A"]}', JsonlFormat("w", "t")).labels == ["A"]


@pytest.mark.parametrize(
    ("line", "place", "message"),
    [
        (
            '{"tokens": ["a"',
            "f:1:16",
            "expected a JSON object, found text that is not JSON (Expecting ',' delimiter)",
        ),
        (
            '{"tokens": [a]}',
            "f:1:13",
            "expected a JSON object, found text that is not JSON (Expecting value)",
        ),
        ("[1]", "f:1", "expected a JSON object, found a list"),
        ('"a"', "f:1", "expected a JSON object, found a string"),
        ('{"text": "a"}', "f:1", "expected a field 'tokens', found 'text'"),
        ("{}", "f:1", "expected a field 'tokens', found no field at all"),
        ('{"tokens": 1}', "f:1", "expected a list of strings in 'tokens', found a number"),
        ('{"tokens": ["a", null]}', "f:1", "expected a list of strings in 'tokens', found null in it"),
        (
            '{"tokens": ["a"], "labels": [3]}',
            "f:1",
            "expected a list of strings in 'labels', found a number in it",
        ),
        ('{"tokens": ["a"], "labels": null}', "f:1", "expected a list of strings in 'labels', found null"),
        ('{"tokens": ["a"], "labels": "A"}', "f:1", "expected a list of strings in 'labels', found a string"),
        (
            '{"tokens": ["a", "b"], "labels": ["A"]}',
            "f:1",
            "expected a label for each of the 2 tokens, found 1",
        ),
        ('{"tokens": ["a", ""]}', "f:1", "expected a token, found an empty one (token 2 of the line)"),
        ('{"tokens": ["a"], "labels": [""]}', "f:1", "expected a label, found an empty one for token 1"),
        ('{"tokens": ["\\ud800"]}', "f:1", "expected characters, found half of one (a lone surrogate)"),
        (
            '{"tokens": ["a"], "n": 1' + "0" * 5000 + "}",
            "f:1",
            "expected a JSON object, found a number too long to read",
        ),
        ("[" * 100_000, "f:1", "expected a JSON object, found one nested too deep to read"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("expected") else "",
)
def test_errors_name_line_and_column(line: str, place: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(line)
    assert (caught.value.problems[0].place, caught.value.problems[0].message) == (place, message)


def test_error_counts_the_lines_before() -> None:
    with pytest.raises(DataError, match=r"^f:3:1: "):
        list(FORMAT.read(['{"tokens": []}\n', "\n", "x\n"], "f"))


def test_empty_token_is_repaired() -> None:
    assert read('{"tokens": ["", "a"]}', JsonlFormat(empty_tokens="repair")).tokens == ["_", "a"]


@pytest.mark.parametrize(
    ("line", "filled"),
    [
        ('{"a": 1.0e5,  "labels" : ["A"],"tokens":["x"] , "z": {"labels": 1} }\r\n', None),
        ('{"tokens":[["\\u0078","A"]]}\n', '{"tokens":[["x", "N"]]}\n'),
        ('{"tokens":["x"]  }', '{"tokens":["x"], "labels": ["N"]  }'),
    ],
    ids=["in place", "pairs", "appended"],
)
def test_fill_sets_the_labels_in_place(line: str, filled: str | None) -> None:
    expected = filled or line.replace('["A"]', '["N"]')
    assert FORMAT.fill(read(line), ["N"]) == [expected]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(st.text('ab"\\é', max_size=2), JSON, max_size=4),
    st.text('ab"\\é', max_size=2),
    JSON,
    st.sampled_from([None, 1, "\t"]),
    st.booleans(),
)
def test_set_fields_changes_only_its_field(
    record: dict[str, Any], key: str, value: Any, indent: Any, ascii_only: bool
) -> None:
    line = json.dumps(record, ensure_ascii=ascii_only, indent=indent).replace("\n", " ") + "\r\n"
    new = set_fields(line, {key: value})
    assert json.loads(new) == {**record, key: value}
    assert list(json.loads(new)) == list({**record, key: value})
    assert new.endswith("}\r\n")
    assert set_fields(new, {key: value}) == new
