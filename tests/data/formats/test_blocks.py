"""Raw lines, blocks that end with their blank line, and lines of a pipe."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.formats.blocks import Block, LineStream, is_blank, peek, raw_lines, split_blocks, split_end
from seqtool.errors import DataError

LINE_ENDS = st.sampled_from(["\n", "\r\n", "\n\n", "\n\t\n", "\r", ""])
TEXTS = st.lists(st.tuples(st.text("aé#\u200b\u2028\x0b\x1c\xa0 \t", max_size=5), LINE_ENDS)).map(
    lambda parts: "".join(map("".join, parts))
)


@given(TEXTS)
def test_lines_and_blocks_joined_are_the_file(text: str) -> None:
    lines = list(raw_lines(io.BytesIO(text.encode())))
    assert "".join(lines) == text
    blocks = list(split_blocks(lines))
    assert [line for _, block in blocks for line in block] == lines
    assert [number for number, _ in blocks] == [
        1 + sum(len(block) for _, block in blocks[:i]) for i in range(len(blocks))
    ]
    assert all(not is_blank(line) for _, block in blocks for line in block[:-1])


@given(TEXTS)
def test_split_end_loses_nothing(text: str) -> None:
    content, end = split_end(text)
    assert content + end == text
    assert not content.endswith(("\r", "\n"))


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16-le", "utf-16", "utf-32"])
def test_raw_lines_decodes_other_encodings(encoding: str) -> None:
    assert list(raw_lines(io.BytesIO("é\tA\r\nb\n\nc".encode(encoding)), encoding)) == [
        "é\tA\r\n",
        "b\n",
        "\n",
        "c",
    ]


@pytest.mark.parametrize(
    ("content", "encoding", "place"),
    [
        (b"a\nb\xffc\n", "utf-8", "f:2"),
        (b"a\n\nb\xc3", "utf-8", "f:3"),
        ("a\nb\n".encode("utf-16-le") + b"\x00\xd8", "utf-16-le", "f:3"),
    ],
    ids=["wrong byte", "cut short", "wide"],
)
def test_raw_lines_reports_the_line_of_wrong_bytes(content: bytes, encoding: str, place: str) -> None:
    with pytest.raises(DataError) as caught:
        list(raw_lines(io.BytesIO(content), encoding, "f"))
    assert caught.value.problems[0].place == place
    assert "data.encoding" in caught.value.problems[0].hint


def test_split_blocks_reads_no_line_after_the_blank_line() -> None:
    def pipe() -> Iterator[str]:
        yield from ("a\n", "\n")
        raise AssertionError("a line after the blank line was read")

    assert next(split_blocks(pipe())) == (1, ["a\n", "\n"])


def test_split_blocks_takes_a_lone_byte_order_mark_for_a_blank_line() -> None:
    assert list(split_blocks(["\ufeff\n", "a\n"])) == [(1, ["\ufeff\n"]), (2, ["a\n"])]


@pytest.mark.parametrize(
    ("lines", "limit", "sample_size"),
    [
        (["\n", "# c\n", "\n", "a\n", "b\n", "\n", "x\n"], 100, 6),
        (["a\n", "b\n", "\n"], 1, 1),
        (["-DOCSTART- O\n", "\n", "a\n"], 100, 3),
        ([], 5, 0),
    ],
    ids=["first block with content", "limit", "document mark", "nothing"],
)
def test_peek_reads_one_block_and_returns_all_lines(lines: list[str], limit: int, sample_size: int) -> None:
    sample, rest = peek(iter(lines), limit)
    assert sample == lines[:sample_size]
    assert list(rest) == lines


def test_block_place_counts_from_its_first_line() -> None:
    block = Block(["# c\n", "a\n", "b\n"], ["a", "b"], None, [1, 2], "f", 10)
    assert (block.place, block.place_of(1)) == ("f:11", "f:12")
    assert Block(["# c\n"], [], None, [], "f", 10).place == "f:10"


def test_line_stream_calls_back_only_before_a_read_that_blocks() -> None:
    reader, writer = os.pipe()
    calls: list[int] = []

    def before_blocking() -> None:
        calls.append(len(calls))
        os.write(writer, b"c\nd") if len(calls) == 1 else os.close(writer)

    os.write(writer, b"a\nb\n")
    with os.fdopen(reader, "rb") as stream:
        lines = LineStream(stream, "f", before_blocking)
        assert [next(lines), next(lines)] == ["a\n", "b\n"] and calls == []
        assert list(lines) == ["c\n", "d"]
    assert calls == [0, 1]


def test_line_stream_reports_lines_that_are_not_utf_8_on_request() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"a\nb\xffc\n")
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        lines = LineStream(stream, "f", lambda: None)
        assert list(lines) == ["a\n", "b\udcffc\n"]
    lines.check(1)
    with pytest.raises(DataError, match=r"^f:2: expected UTF-8, found byte 0xff at column 2"):
        lines.check(1, 2)
