"""Lock of a run directory: one owner, whose name others read, and tests that do not disturb each other."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from seqtool.errors import SeqtoolError
from seqtool.storage.lock import LOCK, acquire_lock, delete_lock, is_locked


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


def test_longer_owner_is_replaced_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text(f"process {'9' * 90} on {'long' * 30}\n")
    lock = acquire_lock(tmp_path)
    assert (tmp_path / LOCK).read_text() == f"process {os.getpid()} on {os.uname().nodename}\n"
    lock.release(tmp_path)


@pytest.mark.parametrize("content", [b"", b"process 12", b"process 123 on", b"\0" * 30, b"\0\0\0 on host\n"])
def test_lock_that_a_crash_cut_is_taken(content: bytes, tmp_path: Path) -> None:
    (tmp_path / LOCK).write_bytes(content)
    lock = acquire_lock(tmp_path)
    assert (tmp_path / LOCK).read_text() == f"process {os.getpid()} on {os.uname().nodename}\n"
    lock.release(tmp_path)
    assert not is_locked(tmp_path)


@pytest.mark.parametrize("content", [b"process 1 on host\nand more\n", b"my process", b"\0\n\0", b"x" * 600])
def test_file_of_the_user_is_no_lock(content: bytes, tmp_path: Path) -> None:
    (tmp_path / LOCK).write_bytes(content)
    with pytest.raises(SeqtoolError, match="expected a lock of seqtool"):
        acquire_lock(tmp_path)
    delete_lock(tmp_path)
    assert (tmp_path / LOCK).read_bytes() == content


def test_lock_of_a_killed_process_is_deleted(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("process 1 on host\n")
    delete_lock(tmp_path)
    assert not (tmp_path / LOCK).exists()


def test_release_keeps_the_lock_of_another_process(tmp_path: Path) -> None:
    first = acquire_lock(tmp_path)
    (tmp_path / LOCK).unlink()
    second = acquire_lock(tmp_path)
    first.release(tmp_path)
    assert is_locked(tmp_path)
    second.release(tmp_path)


def test_no_file_stays_open(tmp_path: Path) -> None:
    def attempts() -> None:
        lock = acquire_lock(tmp_path / "x")
        with pytest.raises(SeqtoolError):
            acquire_lock(tmp_path / "x")
        is_locked(tmp_path / "x")
        lock.release(tmp_path / "x")
        (tmp_path / LOCK).write_text("process 1 on host\n")
        delete_lock(tmp_path)

    attempts()
    before = len(list(Path("/dev/fd").iterdir()))
    attempts()
    assert len(list(Path("/dev/fd").iterdir())) == before
