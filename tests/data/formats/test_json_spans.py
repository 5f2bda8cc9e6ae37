"""Character spans in JSON lines: labels over tokens, flaws by line, spans written in the form of the file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.formats.blocks import Block
from seqtool.data.formats.jsonl import JsonlFormat
from seqtool.data.tokenization.rules import basic
from seqtool.errors import DataError
from seqtool.types import Json

TRIPLES = JsonlFormat("text", "label", span_keys=())
OBJECTS = JsonlFormat("text", "spans", span_keys=("start", "end", "label"))


def read(record: Json, file_format: JsonlFormat = TRIPLES) -> Block:
    (block,) = file_format.read([json.dumps(record, ensure_ascii=False) + "\n"], "f")
    return block


@pytest.mark.parametrize(
    ("spans", "labels", "flaw"),
    [
        ([], ["O", "O", "O", "O"], ""),
        (None, ["O", "O", "O", "O"], ""),
        ([[0, 8, "LOC"]], ["B-LOC", "I-LOC", "O", "O"], ""),
        ([[3, 9, "LOC"]], ["O", "B-LOC", "O", "O"], ""),
        ([[0, 3, "A"], [4, 8, "A"]], ["B-A", "B-A", "O", "O"], ""),
        ([[0, 8, "A"], [0, 8, "A"]], ["B-A", "I-A", "O", "O"], ""),
        ([[0, 6, "A"]], ["B-A", "I-A", "O", "O"],
         "f:1: the span 0-6 'New Yo' (A) cuts the token 'York', which is labeled as a whole"),
        ([[1, 3, "A"]], ["B-A", "O", "O", "O"],
         "f:1: the span 1-3 'ew' (A) cuts the token 'New', which is labeled as a whole"),
        ([[4, 8, "B"], [0, 8, "A"]], ["B-A", "I-A", "O", "O"],
         "f:1: the span 4-8 'York' (B) overlaps another span and is not read"),
        ([[0, 8, "A"], [0, 8, "B"]], ["B-A", "I-A", "O", "O"],
         "f:1: the span 0-8 'New York' (B) overlaps another span and is not read"),
    ],
    ids=["none", "null", "two tokens", "blanks at both ends", "adjacent", "twice", "cut end", "cut start",
         "nested", "two labels"],
)  # fmt: skip
def test_spans_become_labels_of_tokens(spans: Any, labels: list[str], flaw: str) -> None:
    block = read({"id": 1, "text": "New York is é.", "label": spans})
    assert block.tokens[:3] == ["New", "York", "is"]
    assert (block.labels or [])[:4] == labels
    assert block.flaws == ((flaw,) if flaw else ())
    assert TRIPLES.fill(block, block.labels or []) == block.lines


@pytest.mark.parametrize(
    "tokens",
    [
        ["Ann-Lee", "ran"],
        [{"text": "Ann-Lee", "start": 0, "end": 7, "id": 0}, {"start": 8, "end": 11, "id": 1}],
    ],
    ids=["strings", "objects"],
)
def test_the_tokens_of_the_record_are_used(tokens: list[Any]) -> None:
    block = read({"text": "Ann-Lee ran", "tokens": tokens, "label": [[0, 7, "PER"]]})
    assert (block.tokens, block.labels) == (["Ann-Lee", "ran"], ["B-PER", "O"])


def test_a_text_without_the_field_has_no_labels() -> None:
    assert read({"text": "Ann ran"}).labels is None
    assert TRIPLES.fill(read({"text": "Ann ran"}), ["B-PER", "O"]) == [
        '{"text": "Ann ran", "label": [[0, 3, "PER"]]}\n'
    ]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"text": "Ann", "label": [[0, 4, "A"]]}, "within the 3 characters of the text, found 0-4"),
        ({"text": "Ann", "label": [[2, 2, "A"]]}, "within the 3 characters of the text, found 2-2"),
        ({"text": "Ann", "label": [[-1, 2, "A"]]}, "found -1-2"),
        ({"text": "a  b", "label": [[1, 3, "A"]]}, "found white space"),
        ({"text": "Ann", "label": [[0, 3]]}, "expected a span such as"),
        ({"text": "Ann", "label": [[True, 3, "A"]]}, "expected a span such as"),
        ({"text": "Ann", "label": [[0, 3, " "]]}, "expected a label in the span 0-3"),
        ({"text": "Ann", "label": "A"}, "expected a list of spans, found 'A'"),
        ({"text": 3, "label": []}, "expected a text in the field 'text'"),
        ({"label": []}, "expected a text in the field 'text', found 'label'"),
        ({"text": "Ann", "tokens": ["Bob"], "label": []}, "expected the token 'Bob' in the text"),
        ({"text": "Ann", "tokens": [3], "label": []}, "expected strings or objects with text and start"),
        ({"text": "Ann", "label": [{"start": 0, "end": 2, "label": "A", "text": "Ann"}]},
         "expected the text 'Ann' of the span 0-2, found 'An'"),
    ],
    ids=["outside", "empty", "negative", "blanks", "short", "boolean", "no label", "no list", "no text",
         "no field", "other token", "no token", "other text"],
)  # fmt: skip
def test_a_wrong_span_is_refused_with_its_line(record: Json, message: str) -> None:
    with pytest.raises(DataError) as error:
        list(TRIPLES.read(['{"text": "", "label": []}\n', json.dumps(record)], "f"))
    problem = error.value.problems[0]
    assert problem.place == "f:2"
    assert message in problem.message


def test_spans_are_written_in_the_form_of_the_file() -> None:
    tokens = [{"text": "Ann", "start": 0, "end": 3, "id": 0}, {"text": "ran", "start": 4, "end": 7, "id": 1}]
    old = {"start": 0, "end": 3, "label": "PER", "note": 1}
    block = read({"text": "Ann ran", "tokens": tokens, "spans": [old], "answer": "accept"}, OBJECTS)
    (line,) = OBJECTS.fill(block, ["B-PER", "B-X"])
    new = {"start": 4, "end": 7, "label": "X", "token_start": 1, "token_end": 1}
    assert json.loads(line) == {"text": "Ann ran", "tokens": tokens, "spans": [old, new], "answer": "accept"}


def test_labels_without_a_prefix_are_spans_of_one_token() -> None:
    (line,) = TRIPLES.fill(read({"text": "a b c", "label": []}), ["NN", "O", "NN"])
    assert json.loads(line)["label"] == [[0, 1, "NN"], [4, 5, "NN"]]


@given(
    st.text(st.sampled_from("ab Cé.\n'"), min_size=1, max_size=30).filter(lambda text: bool(text.strip())),
    st.data(),
)
def test_written_spans_are_read_back_and_all_other_bytes_are_equal(text: str, data: st.DataObject) -> None:
    count = len(list(basic(text)))
    draws = st.lists(st.sampled_from(("B-x", "I-x", "O", "B-y")), min_size=count, max_size=count)
    first, second = (_valid(data.draw(draws)) for _ in range(2))
    value = data.draw(st.sampled_from(("[]", "[ ]", "null")))
    start, end = '{"id":1e0, "text" : ' + json.dumps(text) + ',"label":', ' , "more": [ 1.50 ]}\r\n'
    (block,) = TRIPLES.read([start + value + end], "f")
    for labels in (first, second, first):
        (line,) = TRIPLES.fill(block, labels)
        assert line.startswith(start)
        assert line.endswith(end)
        (block,) = TRIPLES.read([line], "f")
        assert block.labels == labels
        assert not block.flaws


def _valid(labels: list[str]) -> list[str]:
    """Return labels in which I-x follows a label of its type."""
    for index, label in enumerate(labels):
        if label == "I-x" and (index == 0 or labels[index - 1][1:] != "-x"):
            labels[index] = "B-x"
    return labels
