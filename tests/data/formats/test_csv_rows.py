"""Tables of one token per row: quotes, headers, ids of sentences, and labels replaced in place."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.formats.blocks import Block
from seqtool.data.formats.csv_rows import MOST_LINES, CsvFormat
from seqtool.errors import DataError

KAGGLE = CsvFormat(width=4, token=1, label=3, sentence=0, header_line=1)
PLAIN = CsvFormat()
CELL = st.text(st.sampled_from("abXé \"',;|_#"), min_size=1, max_size=5).filter(
    lambda cell: bool(cell.strip())
)


def read(text: str, file_format: CsvFormat = PLAIN) -> list[Block]:
    return [block for block in file_format.read(io.StringIO(text, newline="\n"), "f") if block.tokens]


def sentences(text: str, file_format: CsvFormat = PLAIN) -> list[list[str]]:
    return [block.tokens for block in read(text, file_format)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("Sentence: 1,In,IN,O\n,Rome,NNP,B-geo\nSentence: 2,Go,VB,O\n", [["In", "Rome"], ["Go"]]),
        ("1,In,IN,O\n1,Rome,NNP,B-geo\n2,Go,VB,O\n", [["In", "Rome"], ["Go"]]),
        ("1,In,IN,O\r\n,Rome,NNP,B-geo\r\n2,Go,VB,O\r\n", [["In", "Rome"], ["Go"]]),
        ("1,In,IN,O\n,,,\n,Rome,NNP,B-geo\n\n1,Go,VB,O\n", [["In"], ["Rome"], ["Go"]]),
        ('"s1","In","IN","O"\n"","a,b","NNP","O"\n"s2","""","``","O"', [["In", "a,b"], ['"']]),
    ],
    ids=["first row", "every row", "CRLF", "empty rows", "quotes"],
)
def test_sentences_follow_the_id_column(rows: str, expected: list[list[str]]) -> None:
    assert sentences("Sentence #,Word,POS,Tag\n" + rows, KAGGLE) == expected


def test_a_sentence_is_yielded_when_the_next_id_arrives() -> None:
    def endless() -> Iterator[str]:
        yield "Sentence #,Word,POS,Tag\n"
        for number in range(1, 10**9):
            yield f"Sentence: {number},a,X,O\n"

    blocks = islice(KAGGLE.read(endless(), "f"), 3)
    assert [(block.tokens, block.place) for block in blocks] == [(["a"], f"f:{n}") for n in (2, 3, 4)]


def test_blank_lines_end_sentences_without_an_id_column() -> None:
    assert sentences("a,O\nb,O\n\nc,O\n") == [["a", "b"], ["c"]]


def test_a_quoted_cell_may_contain_line_ends() -> None:
    (block,) = read('"a\nb",O\nc,"O"\n')
    assert (block.tokens, block.token_lines, block.place_of(1)) == (["a\nb", "c"], [0, 2], "f:3")
    assert "".join(PLAIN.fill(block, ["X", "Y"])) == '"a\nb",X\nc,"Y"\n'


def test_a_quote_inside_a_cell_is_a_character() -> None:
    assert sentences('5",O\na"b,O\n') == [['5"', 'a"b']]


def test_quotes_are_characters_if_the_file_has_no_quoted_cells() -> None:
    file_format = CsvFormat("tab", quoted=False)
    (block,) = read('"\tO\n"a\tO\n', file_format)
    assert block.tokens == ['"', '"a']
    assert "".join(file_format.fill(block, ["X", "O"])) == '"\tX\n"a\tO\n'


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a,O\nb\n", "f:2", "expected 2 columns separated by ',', found 1"),
        ("a,O\nb,O,O\n", "f:2", "expected 2 columns separated by ',', found 3"),
        ('a,O\n"b"c,O\n', "f:2", "expected a row of 2 columns, found wrong quotes (',' expected after '\"')"),
        ('a,O\n"b,O\n', "f:2", "expected a row of 2 columns, found wrong quotes (unexpected end of data)"),
        ("a,O\n,O\n", "f:2", "expected a token in column 1, found an empty cell"),
        ("a,O\nb,  \n", "f:2", "expected a label in column 2, found an empty cell"),
    ],
    ids=["short", "long", "text after a quote", "open quote", "no token", "no label"],
)
def test_a_wrong_row_is_refused_with_its_line(text: str, place: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        read(text)
    problem = error.value.problems[0]
    assert (problem.place, problem.message) == (place, message)
    assert problem.hint


def test_an_open_quote_does_not_read_the_rest_of_an_endless_file() -> None:
    def endless() -> Iterator[str]:
        yield '1,"a,X,O\n'
        for number in range(2, 10**9):
            yield f"{number},b,X,O\n"

    file_format = CsvFormat(width=4, token=1, label=3, sentence=0)
    with pytest.raises(DataError, match="wrong quotes"):
        next(file_format.read(endless(), "f"))
    assert len(next(file_format.split(endless()))[1]) == MOST_LINES


def test_blanks_around_labels_are_not_part_of_them() -> None:
    (block,) = read("a,O \nb, B-X\nc,O\u00a0\n")
    assert block.labels == ["O", "B-X", "O"]
    assert "".join(PLAIN.fill(block, ["O", "B-X", "B-X"])) == "a,O \nb, B-X\nc,B-X\n"


def test_labels_are_appended_if_the_file_has_none() -> None:
    file_format = CsvFormat(width=2, token=1, label=None, sentence=0, header_line=1)
    lines = "\ufeffid,word\r\n1,a\r\n,b\r\n,\r\n2,c"
    blocks = list(file_format.read(io.StringIO(lines, newline="\n"), "f"))
    written = "".join("".join(file_format.fill(block, ["X,Y"] * len(block.tokens))) for block in blocks)
    assert written == '\ufeffid,word,label\r\n1,a,"X,Y"\r\n,b,"X,Y"\r\n,,\r\n2,c,"X,Y"'


@st.composite
def tables(draw: st.DrawFn) -> tuple[CsvFormat, list[list[str]], list[list[str]]]:
    """Return a format, the cells of a table, and the same cells as they are written in the file."""
    separator = draw(st.sampled_from((",", ";", "|", "\t")))
    width = draw(st.integers(2, 5))
    token, label = draw(st.permutations(range(width)))[:2]
    rows = draw(st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=6))
    raw = [[draw(raw_cell(cell, separator)) for cell in row] for row in rows]
    name = "tab" if separator == "\t" else separator
    return CsvFormat(name, width, token, label, header_line=int(draw(st.booleans()))), rows, raw


def raw_cell(cell: str, separator: str) -> st.SearchStrategy[str]:
    """Return the forms in which a cell can be written; one that needs quotes has only one form."""
    quoted = '"' + cell.replace('"', '""') + '"'
    return st.just(quoted) if separator in cell or '"' in cell else st.sampled_from((quoted, cell))


@given(
    tables(),
    st.lists(CELL.map(str.strip), min_size=6, max_size=6),
    st.sampled_from(("\n", "\r\n")),
    st.sampled_from(("", "\ufeff")),
)
def test_written_labels_are_read_back_and_all_other_bytes_are_equal(
    table: tuple[CsvFormat, list[list[str]], list[list[str]]], labels: list[str], end: str, mark: str
) -> None:
    file_format, rows, raw = table
    separator = "\t" if file_format.separator == "tab" else file_format.separator
    header = separator.join("abcde"[: file_format.width]) + end if file_format.header_line else ""
    text = mark + header + "".join(separator.join(row) + end for row in raw)
    (block,) = file_format.read(io.StringIO(text, newline="\n"), "f")
    assert block.tokens == [row[file_format.token].strip(" ") for row in rows]
    assert block.labels == [row[file_format.label or 0].strip() for row in rows]
    assert "".join(file_format.fill(block, block.labels)) == text
    written = "".join(file_format.fill(block, labels[: len(rows)]))
    column = file_format.label or 0
    for row, label in zip(raw, labels, strict=False):
        row[column] = written_cell(row[column], label, separator)
    assert written == mark + header + "".join(separator.join(row) + end for row in raw)
    (again,) = file_format.read(io.StringIO(written, newline="\n"), "f")
    assert again.labels == labels[: len(rows)]


def written_cell(old: str, label: str, separator: str) -> str:
    """Return a label cell: the old one for an equal label, in quotes like the old one or if it needs them."""
    quoted = '"' + label.replace('"', '""') + '"'
    if next(csv.reader([old], delimiter=separator))[0].strip() == label:
        return old
    return quoted if old.startswith('"') or separator in label or '"' in label else label
