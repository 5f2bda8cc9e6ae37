"""Lock of a run directory: one owner, whose name others read, and tests that do not disturb each other."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from seqtool.errors import SeqtoolError
from seqtool.storage.lock import LOCK, acquire_lock, is_locked


def test_second_owner_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "x.partial"
    lock = acquire_lock(folder)
    with pytest.raises(
        SeqtoolError, match=f"held by process {os.getpid()} on {os.uname().nodename}"
    ) as caught:
        acquire_lock(folder)
    assert "--name" in caught.value.problems[0].hint
    lock.release(folder)
    assert not folder.exists()
    acquire_lock(folder).release(folder)


def test_release_keeps_a_directory_with_files(tmp_path: Path) -> None:
    lock = acquire_lock(tmp_path)
    (tmp_path / "metrics.jsonl").touch()
    lock.release(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_is_locked_only_while_an_owner_holds_the_lock(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    lock = acquire_lock(tmp_path)
    assert is_locked(tmp_path)
    lock.release(tmp_path)
    assert not is_locked(tmp_path)


def test_is_locked_does_not_mistake_another_test_for_an_owner(tmp_path: Path) -> None:
    with (tmp_path / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert not is_locked(tmp_path)


def test_lock_is_taken_anew_if_its_directory_is_renamed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, real = tmp_path / "x.partial", fcntl.flock

    def rename_first(*arguments: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        folder.rename(tmp_path / "x")
        real(*arguments)

    monkeypatch.setattr(fcntl, "flock", rename_first)
    lock = acquire_lock(folder)
    assert is_locked(folder)
    lock.release(folder)
