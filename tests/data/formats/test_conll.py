"""CoNLL columns: tokens, comments and errors; new labels change no other byte."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.formats.blocks import Block
from seqtool.data.formats.conll import ConllFormat
from seqtool.errors import DataError

TAB = ConllFormat()
SPACE = ConllFormat("space")


def read(layout: ConllFormat, text: str) -> list[Block]:
    return list(layout.read(io.StringIO(text, newline="\n"), "f"))


def tokens(layout: ConllFormat, text: str) -> list[tuple[list[str], list[str] | None]]:
    return [(block.tokens, block.labels) for block in read(layout, text) if block.tokens]


@pytest.mark.parametrize(
    ("layout", "text", "expected"),
    [
        (TAB, "a\tA\nb\tB\n\nc\tC\n", [(["a", "b"], ["A", "B"]), (["c"], ["C"])]),
        (TAB, "a\tA\n\t\nb\tB\n  \nc\tC", [(["a"], ["A"]), (["b"], ["B"]), (["c"], ["C"])]),
        (TAB, "\ufeffa\tA\r\n\r\nb\tB\r\n", [(["a"], ["A"]), (["b"], ["B"])]),
        (TAB, "20 000\tNUM\nx\ty z\n", [(["20 000", "x"], ["NUM", "y z"])]),
        (TAB, "a\u200b\tA\n\ufeff\tB\n\u200d\tC\n", [(["a\u200b", "\ufeff", "\u200d"], ["A", "B", "C"])]),
        (TAB, " a \tA \n", [(["a"], ["A"])]),
        (SPACE, "a  \t A\nb B \n", [(["a", "b"], ["A", "B"])]),
        (SPACE, "1\xa0000 A\n", [(["1\xa0000"], ["A"])]),
        (SPACE, "  a A\n", [(["a"], ["A"])]),
        (ConllFormat("|", 3, 1, 0), "A|a|x\nB|b|y\n", [(["a", "b"], ["A", "B"])]),
        (ConllFormat("tab", 1, 0, None), "a b\n#x\n", [(["a b", "#x"], None)]),
    ],
    ids=[
        "plain",
        "lone tab and spaces",
        "BOM and CRLF",
        "inner spaces",
        "zero width",
        "edges",
        "runs",
        "no-break",
        "indented",
        "other",
        "one",
    ],
)
def test_read_returns_tokens_and_labels(
    layout: ConllFormat, text: str, expected: list[tuple[list[str], list[str] | None]]
) -> None:
    assert tokens(layout, text) == expected


@pytest.mark.parametrize(
    ("layout", "line", "is_token"),
    [
        (TAB, "# a comment", False),
        (TAB, "#\tA", True),
        (TAB, "#tag\tA", True),
        (TAB, "# a\tb\tc", False),
        (SPACE, "# O", True),
        (SPACE, "# id = 5", False),
        (ConllFormat("tab", 1, 0, None), "#", True),
        (ConllFormat("tab", 1, 0, None), "# id = 5", False),
        (TAB, "-DOCSTART-\tO", False),
        (TAB, "-DOCSTART- -X- O O", False),
        (SPACE, "-DOCSTART- -X- O O", False),
        (SPACE, "-DOCSTART-X O", True),
        (TAB, "-\tO", True),
    ],
)
def test_comment_has_another_number_of_columns(layout: ConllFormat, line: str, is_token: bool) -> None:
    (block,) = read(layout, line)
    assert bool(block.tokens) == is_token
    assert block.comments == (not is_token)


@pytest.mark.parametrize(
    ("layout", "text", "place", "message"),
    [
        (TAB, "a\tA\nb\n", "f:2", "expected 2 columns separated by a tab, found 1"),
        (TAB, "a\tA\n\nb\tB\tC\n", "f:3", "expected 2 columns separated by a tab, found 3"),
        (SPACE, "a b c\n", "f:1", "expected 2 columns separated by spaces, found 3"),
        (TAB, "a\tA\n\tB\n", "f:2", "expected a token, found an empty one"),
        (SPACE, " B\n", "f:1", "expected a token, found an empty one"),
        (TAB, "a\t\n", "f:1", "expected a label, found an empty one"),
        (ConllFormat(","), "a;A\n", "f:1", "expected 2 columns separated by ',', found 1"),
    ],
    ids=[
        "too few",
        "too many",
        "spaces",
        "empty token",
        "empty first column",
        "empty label",
        "other separator",
    ],
)
def test_errors_name_the_line(layout: ConllFormat, text: str, place: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(layout, text)
    assert (caught.value.problems[0].place, caught.value.problems[0].message) == (place, message)
    assert caught.value.problems[0].hint


@pytest.mark.parametrize(
    "layout", [ConllFormat(empty_tokens="repair"), ConllFormat("space", empty_tokens="repair")]
)
def test_empty_token_is_repaired_in_the_tokens_and_kept_in_the_file(layout: ConllFormat) -> None:
    (block,) = read(layout, "\tA\n")
    assert block.tokens == ["_"]
    assert layout.fill(block, ["B"]) == ["\tB\n"]


@pytest.mark.parametrize(
    ("layout", "line", "filled"),
    [
        (TAB, "\ufeffa\tA\r\n", "\ufeffa\tX\r\n"),
        (ConllFormat("tab", 2, 1, 0), "\ufeffA\ta\n", "\ufeffX\ta\n"),
        (ConllFormat("tab", 4, 0, 2), "a\tb\tc\td", "a\tb\tX\td"),
        (SPACE, "  a \t A  \n", "  a \t X  \n"),
        (ConllFormat("space", 3, 1, 2), " b C\n", None),
        (ConllFormat("tab", 1, 0, None), "a b\r\n", "a b\tX\r\n"),
        (ConllFormat("space", 2, 0, None), "a b\n", "a b X\n"),
        (ConllFormat(";", 2, 0, None), "a;b", "a;b;X"),
    ],
    ids=[
        "BOM",
        "label first",
        "middle",
        "spaces",
        "empty first of three",
        "append",
        "append to spaces",
        "append to other",
    ],
)
def test_fill_changes_only_the_label(layout: ConllFormat, line: str, filled: str | None) -> None:
    (block,) = read(layout, line)
    assert layout.fill(block, ["X"]) == [filled if filled is not None else " b X\n"]


CELL = st.text("aB#-é\u200b\xa0\ufeff", min_size=1, max_size=4)
ROW = st.tuples(CELL, CELL, CELL)
LAYOUT = st.builds(
    ConllFormat,
    st.sampled_from(["tab", "space", "|", ";;"]),
    st.just(3),
    st.just(0),
    st.sampled_from([None, 1, 2]),
)


@given(
    LAYOUT,
    st.lists(st.lists(ROW, max_size=4), max_size=4),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\n", "\t \n"]),
    st.booleans(),
)
def test_fill_is_lossless_and_can_be_read_again(
    layout: ConllFormat, sentences: list[list[tuple[str, str, str]]], end: str, gap: str, bom: bool
) -> None:
    between = {"tab": "\t", "space": " \t "}.get(layout.separator, layout.separator)
    text = (gap or end).join("".join(between.join(row) + end for row in rows) for rows in sentences)
    mark = (
        "\ufeff" if bom or text.startswith("\ufeff") else ""
    )  # a first character U+FEFF is a byte order mark
    lines = list(io.StringIO(mark + text, newline="\n"))
    blocks = list(layout.read(lines, "f"))
    assert [token for block in blocks for token in block.tokens] == [
        row[0] for rows in sentences for row in rows
    ]
    if layout.label is not None:
        assert [line for block in blocks for line in layout.fill(block, block.labels or [])] == lines
    new = [[f"L{index}" for index, _ in enumerate(block.tokens)] for block in blocks]
    filled = [line for block, labels in zip(blocks, new, strict=True) for line in layout.fill(block, labels)]
    after = layout if layout.label is not None else ConllFormat(layout.separator, 4, 0, 3)
    again = list(after.read(filled, "f"))
    assert [block.labels for block in again if block.tokens] == [labels for labels in new if labels]
    assert [block.tokens for block in again] == [block.tokens for block in blocks]
