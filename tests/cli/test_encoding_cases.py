"""Texts and tables in each encoding, with NULs, CR line ends or binary content: read as they are, or refused.

Every kind has variants. A directory `cases` beside SEQTOOL_DATA is read, too.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.shell import seqtool_in_process

WORDS = ["came", "wind", "old", "lantern", "down", "night", "nobody", "river", "hills", "why"]
LATIN = {"night": "nächt", "river": "rivière", "nobody": "niño"}
TABLE = (("“", "O"), ("Café", "B-ORG"), ("ouvre", "O")), (("Zoë", "B-PER"), ("rit", "O")), (("“", "O"),)
CASES = Path(os.environ.get("SEQTOOL_DATA", "/nonexistent")).parent / "cases"


def _text(seed: int, replaced: Mapping[str, str] | None = None, lines: int = 60) -> str:
    """Return running text; the first occurrence of each word may be replaced."""
    draw = random.Random(seed)
    text = "".join(" ".join(draw.choices(WORDS, k=draw.randint(4, 9))) + ".\n" for _ in range(lines))
    for word, other in (replaced or {}).items():
        text = text.replace(word, other, 4)
    return text


def _names(seed: int, end: str) -> str:
    draw = random.Random(seed)
    return "".join(f"{draw.choice(WORDS)}{draw.choice(WORDS)}{end}" for _ in range(300))


def _table(separator: str, end: str, comment: str = "") -> str:
    """Return sentences of a word and a label per line."""
    sentences = (
        comment + "".join(f"{token}{separator}{label}{end}" for token, label in sentence)
        for sentence in TABLE * 4
    )
    return end.join(sentences) + end


def _bytes(seed: int) -> bytes:
    return random.Random(seed).randbytes(4000)


@dataclass(frozen=True)
class Case:
    """A file, and what `check` says about it.

    Attributes:
        content: its bytes, or the path of a file in the directory of cases.
        says: parts of the output of `check`.
        code: exit code of `check`.
        encoding: setting of the encoding.
        words: tokens of the first sentence of a table.
    """

    content: bytes | str
    says: tuple[str, ...] = ()
    code: int = 0
    encoding: str = ""
    words: tuple[str, ...] = ()

    def write(self, folder: Path, suffix: str) -> Path:
        """Write the file."""
        content = self.content
        if isinstance(content, str):
            if not (CASES / content).is_file():
                pytest.skip("the directory of cases is not here")
            content = (CASES / content).read_bytes()
        path = folder / f"file{suffix}"
        path.write_bytes(content)
        return path


FEW = ("data.encoding=cp1252", "data.encoding=latin-1", "too few to guess", "data.unit: byte")
ZIP = ("expected text, found a zip archive", "unzip it")
BINARY = ("expected text, found binary data", "data.unit: byte")
ONE_LINE = "a" * 500
TEXTS = {
    "few bytes of latin-1": Case(_text(1, LATIN).encode("latin-1"), FEW, 2),
    "few bytes of cp1252": Case(_text(2, {"why": "“why”"}).encode("cp1252"), FEW, 2),
    "latin-1 by name": Case(_text(3, LATIN).encode("latin-1"), ("in latin-1",), 0, "latin-1"),
    "cp1252 by name": Case(_text(4, {"why": "“why”"}).encode("cp1252"), ("in cp1252",), 0, "cp1252"),
    "NULs in words": Case(_text(5, {"old": "o\0d"}).encode(), ("4 NUL characters",)),
    "NULs at the end": Case(_text(6).encode() + b"\0\0", ("2 NUL characters",)),
    "one NUL": Case(_text(7).encode() + b"\0" + _text(8).encode(), ("1 NUL character,",)),
    "random bytes": Case(_bytes(1), BINARY, 2),
    "control characters": Case(bytes(range(32)) * 100, BINARY, 2),
    "zip": Case(b"PK\x03\x04" + _bytes(2), ZIP, 2),
    "docx": Case(b"PK\x03\x04\x14\0\6\0\x08\0\0\0!\0" + b"[Content_Types].xml" + _bytes(3), ZIP, 2),
    "CR text": Case(_text(9).replace("\n", "\r").encode(), ("line ends are CR (60)",)),
    "CR text without last line end": Case(
        _text(10).replace("\n", "\r").strip().encode(), ("line ends are CR (59)",)
    ),
    "CR names": Case(_names(1, "\r").encode(), ("lines, LSTM", "270 lines", "line ends are CR (300)")),
    "CR names in UTF-16": Case(
        _names(2, "\r").encode("utf-16"), ("lines, LSTM", "270 lines", "line ends are CR (300)")
    ),
    "empty": Case(b"", ("empty file",), 2),
    "white space": Case(b" \n\t\r\n", ("expected a text, found nothing",), 2),
    "byte order mark only": Case(b"\xef\xbb\xbf", ("expected a text, found nothing",), 2),
    "case latin1": Case("text/latin1.txt", FEW, 2),
    "case latin1 by name": Case("text/latin1.txt", ("in latin-1",), 0, "latin-1"),
    "case bin": Case("text/bin.dat", BINARY, 2),
    "case docx": Case("text/d.docx", ZIP, 2),
    "case cr": Case("text/cr.txt", ("line ends are CR (82)",)),
    "case names_cr": Case("text/names_cr.txt", ("lines, LSTM", "450 lines", "line ends are CR (500)")),
    "case empty": Case("text/empty.txt", ("empty file",), 2),
}
QUOTED = ("“", "Café", "ouvre")
MARKED = "by its byte order mark"
TABLES = {
    "few bytes of cp1252": Case(_table("\t", "\n").encode("cp1252"), FEW[:3], 2),
    "few bytes of cp1252, CR LF": Case(_table(" ", "\r\n").encode("cp1252"), FEW[:3], 2),
    "cp1252 by name": Case(_table("\t", "\n").encode("cp1252"), (), 0, "cp1252", QUOTED),
    "cp1252 by name, CR LF": Case(_table(" ", "\r\n").encode("cp1252"), (), 0, "cp1252", QUOTED),
    "UTF-16": Case(_table("\t", "\n").encode("utf-16"), (MARKED, "utf-16"), 0, "", QUOTED),
    "UTF-16, big endian": Case(
        b"\xfe\xff" + _table("\t", "\r\n").encode("utf-16-be"), (MARKED, "utf-16"), 0, "", QUOTED
    ),
    "UTF-32": Case(_table(" ", "\n").encode("utf-32"), (MARKED, "utf-32"), 0, "", QUOTED),
    "CR": Case(_table("\t", "\r").encode(), ("line ends are CR",), 0, "", QUOTED),
    "CR, comments": Case(_table(" ", "\r", "# id\r").encode(), ("line ends are CR",), 0, "", QUOTED),
    "CR, UTF-16": Case(_table("\t", "\r").encode("utf-16"), (MARKED, "line ends are CR"), 0, "", QUOTED),
    "case cp1252": Case("tagged/27_cp1252.tsv", FEW[:3], 2),
    "case cp1252 by name": Case("tagged/27_cp1252.tsv", (), 0, "cp1252", QUOTED),
    "case UTF-16": Case("tagged/28_utf16.tsv", (MARKED,), 0, "", ("#", "MondayMood", "in", "Leeds")),
    "case CR": Case(
        "tagged/52_cr_only.tsv", ("line ends are CR",), 0, "", ("#", "MondayMood", "in", "Leeds")
    ),
}


def _check(path: Path, case: Case, *options: str) -> str:
    named = ("--set", f"data.encoding={case.encoding}") if case.encoding else ()
    done = seqtool_in_process("check", path.name, *options, *named, cwd=path.parent)
    assert done.code == case.code, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", TEXTS)
def test_text_is_read_as_it_is_or_refused(name: str, tmp_path: Path) -> None:
    path = TEXTS[name].write(tmp_path, ".txt")
    output = _check(path, TEXTS[name])
    assert path.name in output
    for part in TEXTS[name].says:
        assert part in output


@pytest.mark.parametrize("name", TABLES)
def test_table_is_read_as_it_is_or_refused(name: str, tmp_path: Path) -> None:
    path = TABLES[name].write(tmp_path, ".tsv")
    output = _check(path, TABLES[name])
    for part in (*TABLES[name].says, *TABLES[name].words):
        assert part in output
    if TABLES[name].words:
        (found, *_) = json.loads(_check(path, TABLES[name], "--json").splitlines()[0])["files"]
        assert tuple(found["sentences"][0]["tokens"]) == TABLES[name].words
