"""Raw lines, and blocks that are yielded as soon as their blank line came."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.formats.blocks import Block, is_blank, peek, raw_lines, split_blocks, split_end
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
def test_line_ends_are_split_off_without_loss(text: str) -> None:
    content, end = split_end(text)
    assert content + end == text
    assert not content.endswith(("\r", "\n"))


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16-le", "utf-16", "utf-32"])
def test_lines_of_other_encodings(encoding: str) -> None:
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
def test_wrong_bytes_are_named_by_their_line(content: bytes, encoding: str, place: str) -> None:
    with pytest.raises(DataError) as caught:
        list(raw_lines(io.BytesIO(content), encoding, "f"))
    assert caught.value.problems[0].place == place
    assert "data.encoding" in caught.value.problems[0].hint


def test_a_block_does_not_wait_for_the_line_after_its_blank_line() -> None:
    def pipe() -> Iterator[str]:
        yield from ("a\n", "\n")
        raise AssertionError("read on")

    assert next(split_blocks(pipe())) == (1, ["a\n", "\n"])


def test_a_byte_order_mark_before_a_blank_line_does_not_make_it_content() -> None:
    assert list(split_blocks(["\ufeff\n", "a\n"])) == [(1, ["\ufeff\n"]), (2, ["a\n"])]


@pytest.mark.parametrize(
    ("lines", "limit", "seen"),
    [
        (["\n", "# c\n", "\n", "a\n", "b\n", "\n", "x\n"], 100, 6),
        (["a\n", "b\n", "\n"], 1, 1),
        (["-DOCSTART- O\n", "\n", "a\n"], 100, 3),
        ([], 5, 0),
    ],
    ids=["first block with content", "limit", "document mark", "nothing"],
)
def test_peek_reads_one_block_and_gives_all_lines(lines: list[str], limit: int, seen: int) -> None:
    sample, rest = peek(iter(lines), limit)
    assert sample == lines[:seen]
    assert list(rest) == lines


def test_places_count_from_the_block() -> None:
    block = Block(["# c\n", "a\n", "b\n"], ["a", "b"], None, [1, 2], "f", 10)
    assert (block.place, block.place_of(1)) == ("f:11", "f:12")
    assert Block(["# c\n"], [], None, [], "f", 10).place == "f:10"
