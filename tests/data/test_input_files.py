"""Expansion of paths and patterns: the files, their order, and errors; hashes of files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from seqtool.data.input_files import expand, file_hashes
from seqtool.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.txt", "a.txt", "c.tsv", "x[1].txt", "deep/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["b.txt", "a.txt"], ["b.txt", "a.txt"]),
        (["[ab].txt"], ["a.txt", "b.txt"]),
        (["**/*.txt"], ["a.txt", "b.txt", "deep/d.txt", "x[1].txt"]),
        (["*.tsv", "?.*"], ["c.tsv", "a.txt", "b.txt"]),
        (["x[1].txt"], ["x[1].txt"]),
        (["./a.txt", "deep/../a.txt"], ["a.txt"]),
    ],
    ids=["as given", "pattern", "deep", "each once", "brackets in a name", "two names of one file"],
)
def test_expand_returns_files_in_order(folder: Path, paths: list[str], expected: list[str]) -> None:
    files = expand([str(folder / path) for path in paths])
    assert [os.path.relpath(path.resolve(), folder) for path in files] == expected


@pytest.mark.parametrize(
    ("path", "message", "hint"),
    [
        ("no.txt", "expected a file, found none with this name", "where to get it: example.org"),
        ("*.md", "expected files, found none that match the pattern", "where to get it: example.org"),
        ("deep", "expected a file, found a folder", "/deep/*"),
        ("pipe", "expected a file, found a pipe or device", "write them to a file first"),
    ],
    ids=["missing", "no match", "folder", "pipe"],
)
def test_expand_reports_what_is_not_a_file(folder: Path, path: str, message: str, hint: str) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(DataError) as caught:
        expand([str(folder / "a.txt"), str(folder / path)], "example.org")
    (problem,) = caught.value.problems
    assert (problem.message, problem.place) == (message, str(folder / path))
    assert hint in problem.hint


def test_expand_reports_all_missing_files_at_once(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        expand([str(folder / "no.txt"), str(folder / "nor.txt")])
    assert [Path(problem.place).name for problem in caught.value.problems] == ["no.txt", "nor.txt"]
    assert "relative to that file" in caught.value.problems[0].hint


def test_file_hashes_are_sha256(folder: Path) -> None:
    path = folder / "a.txt"
    assert file_hashes([path]) == {str(path): hashlib.sha256(b"a.txt").hexdigest()}
    with pytest.raises(DataError, match="cannot be read"):
        file_hashes([folder])
