"""Atomic writes: a failure of any operation leaves the old or the new content and no temporary files."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqtool.errors import SeqtoolError
from seqtool.storage.atomic import (
    commit_directory,
    directories,
    exchange,
    file_hash,
    kept_name,
    make_directory,
    new_name,
    old_name,
    present,
    recover,
    replaced_file,
    write_file,
)
from seqtool.storage.ownership import Contents

AB = Contents("a|b")


class Fault(OSError):
    """Error of the operating system that these tests cause."""


def failing_at(monkeypatch: pytest.MonkeyPatch, number: int) -> list[int]:
    """Make the write, fsync or rename with this number fail; the only element of the list counts them."""
    count = [0]

    def guard(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            count[0] += 1
            if count[0] == number:
                raise Fault(28, "No space left on device")
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(os, "fsync", guard(os.fsync))
    monkeypatch.setattr(Path, "rename", guard(Path.rename))
    monkeypatch.setattr(Path, "replace", guard(Path.replace))
    monkeypatch.setattr(Path, "write_bytes", guard(Path.write_bytes))
    return count


def fill_with(text: bytes) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        for name in ("a", "b"):
            (folder / name).write_bytes(text)

    return fill


def content(folder: Path) -> set[bytes]:
    return {(present(folder) / name).read_bytes() for name in ("a", "b")}


def test_directory_is_old_or_new_if_any_operation_fails(tmp_path: Path) -> None:
    target = tmp_path / "model"
    commit_directory(target, fill_with(b"old"), AB)
    for number in range(1, 100):
        with pytest.MonkeyPatch.context() as patch:
            count = failing_at(patch, number)
            try:
                commit_directory(target, fill_with(b"new"), AB)
            except SeqtoolError as error:
                assert "No space left" in str(error)
        assert content(target) in ({b"old"}, {b"new"})
        assert not new_name(target).exists()
        if count[0] < number:
            break
        commit_directory(target, fill_with(b"old"), AB)
        assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert number > 6
    assert content(target) == {b"new"}


def test_file_is_old_or_new_if_any_operation_fails(tmp_path: Path) -> None:
    target = tmp_path / "config.yaml"
    write_file(target, b"old")
    for number in range(1, 50):
        with pytest.MonkeyPatch.context() as patch:
            count = failing_at(patch, number)
            try:
                write_file(target, b"new")
            except SeqtoolError as error:
                assert error.problems[0].place == str(target)
        assert target.read_bytes() in (b"old", b"new")
        assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
        if count[0] < number:
            break
        write_file(target, b"old")
    assert number > 3


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        pytest.param({".model.seqtool-old": b"1"}, b"1", id="interrupted between the two renames"),
        pytest.param(
            {"model": b"2", ".model.seqtool-old": b"1"},
            b"2",
            id="interrupted before the old directory was deleted",
        ),
        pytest.param(
            {"model": b"1", ".model.seqtool-new": b"2"},
            b"1",
            id="interrupted while the new directory was written",
        ),
    ],
)
def test_recover_finishes_or_undoes_an_interrupted_exchange(
    tmp_path: Path, entries: dict[str, bytes], expected: bytes
) -> None:
    for name, text in entries.items():
        (tmp_path / name).mkdir()
        fill_with(text)(tmp_path / name)
    assert content(tmp_path / "model") == {expected}
    recover(tmp_path / "model", AB)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert content(tmp_path / "model") == {expected}


def test_error_while_a_file_is_written_reaches_the_caller(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), replaced_file(tmp_path / "a") as file:
        file.write(b"new")
        raise ValueError("mine")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EACCES, "you may write to"),
        (errno.EROFS, "you may write to"),
        (errno.EIO, "earlier files are unchanged"),
    ],
)
def test_error_of_a_write_has_a_hint_for_its_cause(code: int, hint: str, tmp_path: Path) -> None:
    with pytest.raises(SeqtoolError) as caught, replaced_file(tmp_path / "a"):
        raise OSError(code, os.strerror(code))
    (problem,) = caught.value.problems
    assert problem.hint.startswith(hint) or hint in problem.hint.partition(";")[0]


def test_closed_pipe_is_no_failed_write(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError), replaced_file(tmp_path / "a"):
        raise BrokenPipeError


@pytest.mark.parametrize("keep", [False, True])
def test_failed_exchange_restores_the_previous_name(keep: bool, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(OSError, match="missing"):
        exchange(tmp_path / "missing", tmp_path / "model", AB, keep=keep)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_readers_find_both_directories_of_an_exchange_that_keeps_one(tmp_path: Path) -> None:
    model = tmp_path / "model"
    kept_name(model).mkdir()
    (kept_name(model) / "a").write_bytes(b"1")
    assert present(model) == kept_name(model)
    assert list(directories(tmp_path)) == [("model", kept_name(model))]
    model.mkdir()
    assert present(model) == model
    assert present(tmp_path / "model~1") == kept_name(model)
    assert present(tmp_path / "model~2") == tmp_path / "model~2"
    assert sorted(directories(tmp_path)) == [("model", model), ("model~1", kept_name(model))]
    recover(model, AB)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "model~1"]


def test_previous_directory_is_not_listed_after_an_exchange(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    old_name(tmp_path / "model").mkdir()
    (tmp_path / ".hidden").mkdir()
    assert list(directories(tmp_path)) == [("model", tmp_path / "model")]


def test_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    for _ in range(2):
        make_directory(tmp_path / "a/b/c")
    assert (tmp_path / "a/b/c").is_dir()
    (tmp_path / "file").touch()
    for path in ("file", "file/inner"):
        with pytest.raises(OSError, match=r"exists|Not a directory"):
            make_directory(tmp_path / path)


def test_hash_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_hash(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
