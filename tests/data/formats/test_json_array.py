"""JSON arrays of objects: read object by object, with their lines, and written back without loss."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.formats.jsonl import JsonlFormat
from seqtool.errors import DataError

FORMAT = JsonlFormat()
TEXT = st.text(st.sampled_from('ab{}[],"\\: é'), min_size=1, max_size=6)


def lines(text: str) -> io.StringIO:
    return io.StringIO(text, newline="\n")


@pytest.mark.parametrize("indent", [None, 0, 1, 4], ids=["one line", "lines", "indented", "wide"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "BOM"])
def test_an_array_is_read_object_by_object(indent: int | None, mark: str) -> None:
    records = [{"tokens": ["a", "}{"], "labels": ["X", "Y"]}, {"tokens": ["b]"], "labels": ["Z"]}]
    text = mark + json.dumps(records, indent=indent) + "\n"
    blocks = [block for block in FORMAT.read(lines(text), "f") if block.tokens]
    assert [(block.tokens, block.labels) for block in blocks] == [(["a", "}{"], ["X", "Y"]), (["b]"], ["Z"])]
    starts = [
        number
        for number, line in enumerate(text.split("\n"), 1)
        for _ in range(line.count('{"tokens') or line.strip(" ,[") == "{")
    ]
    assert [block.place for block in blocks] == [f"f:{number}" for number in starts] or indent is None


def test_an_object_is_yielded_as_soon_as_it_is_complete() -> None:
    def endless() -> Iterator[str]:
        yield "[\n"
        for number in count():
            yield f'{{"tokens": ["{number}"]}},\n'

    assert [block.tokens for block in islice(FORMAT.read(endless(), "f"), 3)] == [["0"], ["1"], ["2"]]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[\n{"tokens": ["a"]},\n{"tokens": 3}\n]', "f:3"),
        ('[{"tokens": ["a"]},\n{"tokens": ["b"}\n]', "f:2:16"),
        ('[{"tokens": ["a"]},\n{"tokens": ["b"', "f:2:16"),
        ('[\n {\n  "tokens": [1 2]\n }\n]', "f:3:16"),
        ('[{"tokens": ["a"]}, 3\n]', "f:2:1"),
    ],
    ids=["wrong field", "wrong brace", "cut", "indented", "no object"],
)
def test_a_wrong_object_is_refused_with_its_line(text: str, place: str) -> None:
    with pytest.raises(DataError) as error:
        list(FORMAT.read(lines(text), "f"))
    assert error.value.problems[0].place.startswith(place)


@given(
    st.lists(st.lists(TEXT, min_size=1, max_size=3), min_size=1, max_size=4),
    st.sampled_from((None, 0, 2)),
    st.sampled_from(("", " ", "\n")),
    st.sampled_from(("", "\ufeff")),
)
def test_written_labels_leave_all_other_bytes_of_an_array(
    sentences: list[list[str]], indent: int | None, gap: str, mark: str
) -> None:
    def text_of(label: str) -> str:
        records = [{"tokens": tokens, "labels": [label] * len(tokens), "n": 1} for tokens in sentences]
        if indent is None:
            return mark + gap + json.dumps(records) + gap
        fields = [
            f'{gap}{{"tokens":{json.dumps(r["tokens"])}, "labels" :{json.dumps(r["labels"])}}}'
            for r in records
        ]
        return f"{mark}[{gap}{(gap + ',' + ' ' * indent).join(fields)}{gap}]\n"

    blocks = list(FORMAT.read(lines(text_of("X")), "f"))
    assert [block.tokens for block in blocks if block.tokens] == sentences
    assert "".join(line for block in blocks for line in block.lines) == text_of("X")
    written = "".join("".join(FORMAT.fill(block, ["Y"] * len(block.tokens))) for block in blocks)
    assert written == text_of("Y")
