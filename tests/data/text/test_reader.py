"""Text read in pieces: for every size of the pieces, the same text or error as for the whole file."""

from __future__ import annotations

import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.text import reader
from seqtool.data.text.reader import TextRules, composed, find_symbol, never_combines_backward
from seqtool.errors import DataError

COMBINING = st.text(
    alphabet="ae\u0301\u0323\u0308ä \n가\u1100\u1161\u11a8\u0915\u093c\u09c7\u09be"
    "\U0001d15e\U000110ba\U00011099",
    max_size=30,
)
SIZES = st.integers(1, 9)
ENCODINGS = [
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-32",
    "utf-16-le",
    "latin-1",
    "shift_jis",
    "gb18030",
    "cp1252",
]


@pytest.fixture(autouse=True)
def restore_piece_size() -> Iterator[None]:
    before = reader.PIECE
    yield
    reader.PIECE = before


def read(content: bytes, form: TextRules, size: int = 1 << 20) -> str:
    """Return the text of a file with this content, read in pieces of `size` bytes."""
    reader.PIECE = size
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(content)
        return "".join(form.pieces(Path(file.name)))


def with_line_feeds(text: str) -> str:
    """Return a text with LF for CR, if CRs alone outnumber other line ends."""
    pairs, feeds = text.count("\r\n"), text.count("\n")
    is_cr = text.count("\r") - pairs > feeds
    return text.replace("\r\n", "\n").replace("\r", "\n") if is_cr else text


@given(st.text(min_size=1), SIZES, st.sampled_from(["utf-8", "utf-16", "utf-32-be", "gb18030"]))
def test_characters_across_pieces_are_decoded(text: str, size: int, encoding: str) -> None:
    content = text.encode(encoding)
    expected = with_line_feeds(content.decode(encoding).removeprefix("\ufeff"))
    if expected:
        assert read(content, TextRules(encoding=encoding), size) == expected


@given(COMBINING, SIZES)
def test_characters_across_pieces_are_normalized(text: str, size: int) -> None:
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert "".join(composed(pieces)) == unicodedata.normalize("NFC", text)
    if text:
        assert read(text.encode(), TextRules(normalize="nfc"), size) == unicodedata.normalize("NFC", text)


def test_characters_at_which_text_is_cut_never_combine_backward() -> None:
    parts = [unicodedata.decomposition(chr(code)).split() for code in range(sys.maxunicode + 1)]
    second = {chr(int(part[1], 16)) for part in parts if len(part) == 2 and not part[0].startswith("<")}
    second |= {
        chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))
    }  # Hangul is composed by rule, not by table
    assert not [hex(ord(character)) for character in second if never_combines_backward(character)]
    for code in range(0x10000):
        first = unicodedata.normalize("NFD", chr(code))[0]
        if never_combines_backward(chr(code)):
            assert unicodedata.combining(first) == 0 and first not in second, hex(code)


def test_only_the_last_character_of_ordinary_text_is_held() -> None:
    for text in ("abc", "北京市", "كتاب", "книга", "ไทย", "한국어"):
        assert next(composed([text])) == text[:-1]


@pytest.mark.parametrize("size", [1, 2, 3, 1 << 20])
@pytest.mark.parametrize(
    ("content", "form", "expected"),
    [
        (b"a\r\nb\r\n", TextRules(lines=True), "a\nb\n"),
        (b"a\r\nb", TextRules(lines=True), "a\nb\n"),
        (b"a\rb\r", TextRules(lines=True), "a\nb\n"),
        (b"a\r\nb", TextRules(), "a\r\nb"),
        (b"\xef\xbb\xbfa\xef\xbb\xbf", TextRules(), "a\ufeff"),
        (b"\xef\xbb\xbfa", TextRules(unit="byte"), "\xef\xbb\xbfa"),
        (b"\x00\xff\r\n", TextRules(unit="byte", lines=True), "\x00\xff\n"),
        ("é".encode("utf-16"), TextRules(encoding="utf-16"), "é"),
        (b"\xe9", TextRules(encoding="latin-1"), "é"),
    ],
    ids=[
        "CR LF",
        "no final newline",
        "CR alone",
        "running text",
        "byte order mark",
        "bytes",
        "lines of bytes",
        "utf-16",
        "latin-1",
    ],
)
def test_line_ends_and_byte_order_marks_are_normalized(
    content: bytes, form: TextRules, expected: str, size: int
) -> None:
    assert read(content, form, size) == expected


@pytest.mark.parametrize("size", [1, 4, 1 << 20])
@pytest.mark.parametrize(
    ("content", "encoding", "line", "message"),
    [
        (b"ab\nc\xff", "utf-8", ":2", "expected utf-8 text, found byte 0xff at offset 4"),
        ("a\né".encode()[:-1], "utf-8", ":2", "expected utf-8 text, found byte 0xc3 at offset 2"),
        (b"abcdefg\xe9tait", "utf-8", ":1", "expected utf-8 text, found byte 0xe9 at offset 7"),
        (b"\n\n\xe2\x82x", "utf-8", ":3", "expected utf-8 text, found byte 0xe2 at offset 2"),
        (
            b"a\x00\n\x00\x00\xd8b\x00",
            "utf-16-le",
            ":2",
            "expected utf-16-le text, found byte 0x00 at offset 4",
        ),
        (b"a\x81", "cp1252", ":1", "expected cp1252 text, found byte 0x81 at offset 1"),
        (b"a\n\x82\xa0\x82", "shift_jis", ":2", "expected shift_jis text, found byte 0x82 at offset 4"),
        (b"a\x00", "utf-16", "", "expected utf-16 text with a byte order mark, found none"),
        (b"", "utf-8", "", "expected text, found an empty file"),
        (b"\xef\xbb\xbf", "utf-8", "", "expected text, found an empty file"),
    ],
    ids=[
        "stray byte",
        "broken off",
        "latin-1",
        "within a character",
        "half a pair",
        "no such character",
        "Japanese",
        "no mark",
        "empty",
        "only a mark",
    ],
)
def test_text_in_another_encoding_is_refused(
    tmp_path: Path, content: bytes, encoding: str, line: str, message: str, size: int
) -> None:
    reader.PIECE = size
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(TextRules(encoding=encoding).pieces(tmp_path / "x"))
    (problem,) = caught.value.problems
    assert (problem.message, problem.place) == (message, f"{tmp_path / 'x'}{line}")


@given(st.binary(max_size=40), st.sampled_from(ENCODINGS), SIZES)
def test_any_bytes_are_decoded_or_refused(content: bytes, encoding: str, size: int) -> None:
    try:
        whole: Any = with_line_feeds(content.decode(encoding).removeprefix("\ufeff"))
    except UnicodeError:
        whole = None
    try:
        assert read(content, TextRules(encoding=encoding), size) == whole
    except DataError as error:
        assert not whole or "with a byte order mark, found none" in str(error)


def test_progress_receives_the_bytes_read(tmp_path: Path) -> None:
    reader.PIECE = 4
    (tmp_path / "x.txt").write_bytes(b"0123456789")
    reports: list[tuple[str, int, int]] = []
    list(TextRules().pieces(tmp_path / "x.txt", lambda *report: reports.append(report)))
    assert reports == [("reading x.txt", done, 10) for done in (0, 4, 8)]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_find_symbol_returns_file_line_and_column(tmp_path: Path, size: int) -> None:
    reader.PIECE = size
    (tmp_path / "a").write_text("ab\na]\n", encoding="utf-8")
    (tmp_path / "b").write_text("ab\n\nba-^x", encoding="utf-8")
    paths = [tmp_path / "a", tmp_path / "b"]
    assert find_symbol(paths, TextRules(), "ab]\n-^") == ("x", paths[1], 3, 5)
    assert find_symbol(paths, TextRules(), "ab\n") == ("]", paths[0], 2, 2)
    assert find_symbol(paths, TextRules(), "") == ("a", paths[0], 1, 1)
    with pytest.raises(ValueError, match="every symbol is known"):
        find_symbol(paths, TextRules(), "abx]\n-^")
