"""Encoding, line ends, NULs and container formats of files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seqtool.data.encoding import PIECE, examine
from seqtool.errors import DataError
from tests.support.shell import environment


def _file(folder: Path, content: bytes, name: str = "file.txt") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def _refusal(path: Path, encoding: str = "auto") -> str:
    with pytest.raises(DataError) as caught:
        examine(path, encoding)
    problem = caught.value.problems[0]
    return f"{problem.place}: {problem.message}; {problem.hint}"


@pytest.mark.parametrize(
    ("content", "line_ends", "counts"),
    [
        (b"", "none", (0, 0, 0)),
        (b"one line", "none", (0, 0, 0)),
        (b"a\nb\n", "lf", (2, 0, 0)),
        (b"a\r\nb\r\n", "crlf", (0, 2, 0)),
        (b"a\rb\r", "cr", (0, 0, 2)),
        (b"a\rb\rc\n", "mixed", (1, 0, 2)),
        (b"a\nb\r\nc\n", "mixed", (2, 1, 0)),
        (b"a\nb\rc\nd\n", "lf", (3, 0, 1)),
        (b"x" * (PIECE - 1) + b"\r\n", "crlf", (0, 1, 0)),  # the CR LF is cut between two pieces
        (b"x" * (PIECE - 1) + b"\r\r\n", "mixed", (0, 1, 1)),
    ],
)
def test_examine_counts_line_ends(
    tmp_path: Path, content: bytes, line_ends: str, counts: tuple[int, int, int]
) -> None:
    facts = examine(_file(tmp_path, content))
    assert (facts.lf, facts.crlf, facts.cr) == counts
    if line_ends != "mixed" or facts.cr_lines or facts.cr == 0:
        assert facts.line_ends == line_ends


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"PK\x03\x04\x14\0", "zip"),
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"BZh91AY&SY", "bzip2"),
        (b"\xfd7zXZ\0\0", "xz"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Office"),
        (b"x" * 257 + b"ustar\0", "tar"),
    ],
)
def test_container_is_refused_by_name(tmp_path: Path, start: bytes, name: str) -> None:
    path = _file(tmp_path, start + bytes(range(256)))
    assert name in _refusal(path)


@pytest.mark.parametrize("content", [bytes(range(256)) * 20, b"\0" * 1000 + b"text"])
def test_binary_data_is_refused_with_the_setting_for_bytes(tmp_path: Path, content: bytes) -> None:
    assert "data.unit: byte" in _refusal(_file(tmp_path, content))


def test_library_of_encodings_is_imported_only_for_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = _file(tmp_path, "Où ?\n".encode())
    code = (
        "import sys; from pathlib import Path; from seqtool.data.encoding import examine;"
        "from seqtool.data.formats.detect import detect_file; path = Path(sys.argv[1]);"
        "examine(path); detect_file(path);"
        "sys.exit('charset_normalizer' in sys.modules or 'seqtool.data.encoding_guess' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True, env=environment())
