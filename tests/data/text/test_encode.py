"""Encoded text files: the cache, damaged entries, and files that change while they are read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqtool.data.text import encode
from seqtool.data.text.corpus import load_char_corpus
from seqtool.errors import DataError, SeqtoolError
from seqtool.settings.data import CharData
from tests.support.text_corpus import load_corpus


def entries(cache: Path) -> list[Path]:
    """Return the folders of all entries."""
    return sorted(cache.iterdir())


def test_text_is_encoded_once_for_equal_settings(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = load_corpus(tmp_path, "abc" * 50, cache=cache)
    assert isinstance(first.train, np.memmap)
    (entry,) = entries(cache)
    written = (entry / "text.bin").stat()
    second = load_corpus(tmp_path, "abc" * 50, seed=2, cache=cache, split=(0.5, 0.5))
    assert (entry / "text.bin").stat().st_mtime_ns == written.st_mtime_ns and entries(cache) == [entry]
    assert second.vocabulary.symbols == first.vocabulary.symbols and len(second.train) == 75
    for more in ({"unit": "byte"}, {"alphabet": "cba"}, {"normalize": "nfc"}, {"min_count": 2}):
        np.testing.assert_array_equal(
            load_corpus(tmp_path, "abc" * 50, cache=cache, **more).train,
            load_corpus(tmp_path, "abc" * 50, **more).train,
        )
    assert len(entries(cache)) == 4  # no symbol is rare, so min_count changes nothing
    load_corpus(tmp_path, "abd" * 50, cache=cache)
    assert len(entries(cache)) == 5


def test_text_with_replaced_symbols_is_a_second_entry(tmp_path: Path) -> None:
    for _ in range(2):
        corpus = load_corpus(
            tmp_path, "aab" * 50 + "c", cache=tmp_path / "cache", min_count=2, split=(1.0, 0.0)
        )
        assert (
            isinstance(corpus.train, np.memmap)
            and corpus.vocabulary.decode(corpus.train) == "aab" * 50 + "\ufffd"
        )
    assert len(entries(tmp_path / "cache")) == 2


@pytest.mark.parametrize("damage", ["shorter", "no facts", "other facts", "no numbers", "no array", "empty"])
def test_damaged_entry_is_replaced(tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    load_corpus(tmp_path, "abc" * 50, cache=cache)
    (entry,) = entries(cache)
    if damage == "shorter":
        (entry / "text.bin").write_bytes(b"\0")
    elif damage == "no facts":
        (entry / "facts.json").write_text("{", encoding="utf-8")
    elif damage == "no numbers":  # object pointers must never be read from a file
        facts = json.loads((entry / "facts.json").read_text(encoding="utf-8"))
        lengths = {name: length // 8 for name, length in facts["lengths"].items()}
        (entry / "facts.json").write_text(
            json.dumps({**facts, "dtype": "|O8", "lengths": lengths}), encoding="utf-8"
        )
    elif damage == "other facts":
        (entry / "facts.json").write_text(
            json.dumps({"dtype": "|u1", "lengths": 3, "symbols": []}), encoding="utf-8"
        )
    else:
        (entry / "text.bin").unlink()
        if damage == "empty":
            (entry / "facts.json").unlink()
    corpus = load_corpus(tmp_path, "abc" * 50, cache=cache)
    assert corpus.vocabulary.decode(corpus.train) == "abc" * 45
    assert entries(cache) == [entry]


def flip(path: Path, offset: int) -> None:
    """Change a byte of a file in place, as a failing disk does: size, times and inode stay."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def other_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the computer have been started again."""
    (tmp_path / "boot_id").write_text(f"{len(list(tmp_path.iterdir()))}-{os.urandom(4).hex()}\n")
    monkeypatch.setattr(encode, "_BOOT_ID", tmp_path / "boot_id")


@pytest.mark.parametrize("name", ["text.bin", "facts.json"])
@pytest.mark.parametrize("offset", [0, 57, -1])
def test_changed_byte_is_found_and_the_entry_replaced(tmp_path: Path, name: str, offset: int) -> None:
    expected = np.array(load_corpus(tmp_path, "abc" * 50, cache=tmp_path / "cache").train)
    (entry,) = entries(tmp_path / "cache")
    flip(entry / name, offset)
    found = load_corpus(tmp_path, "abc" * 50, cache=tmp_path / "cache")
    np.testing.assert_array_equal(np.array(found.train), expected)
    assert found.vocabulary.symbols == ("a", "b", "c")
    assert entries(tmp_path / "cache") == [entry]


def test_damage_of_the_disk_is_found_after_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    expected = np.array(load_corpus(tmp_path, "abc" * 50, cache=cache).train)
    (entry,) = entries(cache)
    flip(entry / "text.bin", 3)
    monkeypatch.setattr(encode, "_identity", lambda _: "as before")  # the disk changed the byte
    verified = {"boot": encode._boot_id(), "files": {"text": "as before"}}
    (entry / "verified.json").write_text(json.dumps(verified))
    damaged = load_corpus(tmp_path, "abc" * 50, cache=cache)
    assert np.array(damaged.train).tolist() != expected.tolist()  # not verified again before the next start
    other_start(monkeypatch, tmp_path)
    np.testing.assert_array_equal(np.array(load_corpus(tmp_path, "abc" * 50, cache=cache).train), expected)


def test_entry_is_verified_once_for_each_start_of_the_computer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []

    def file_digest(file: Any, name: str) -> Any:
        hashed.append(Path(file.name if isinstance(file.name, str) else "array").name)
        return file_digest_of_the_library(file, name)

    file_digest_of_the_library = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", file_digest)
    for starts in (1, 2):
        other_start(monkeypatch, tmp_path)
        for _ in range(3):
            load_corpus(tmp_path, "abc" * 50, cache=tmp_path / "cache")
        assert hashed.count("array") == starts


def test_entry_without_boot_number_or_of_another_user_is_verified_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "_BOOT_ID", tmp_path / "nonsuch")
    load_corpus(tmp_path, "abc" * 50, cache=tmp_path / "cache")
    (entry,) = entries(tmp_path / "cache")

    def refuse(path: Path, _: bytes) -> None:
        raise SeqtoolError("read-only", place=str(path))

    monkeypatch.setattr(encode, "write_file", refuse)
    flip(entry / "text.bin", 3)
    with pytest.raises(SeqtoolError, match="read-only"):  # it is damaged and cannot be replaced
        load_corpus(tmp_path, "abc" * 50, cache=tmp_path / "cache")
    flip(entry / "text.bin", 3)
    load_corpus(tmp_path, "abc" * 50, cache=tmp_path / "cache")


def test_entry_under_the_name_of_another_is_replaced(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load_corpus(tmp_path, "abc" * 50, cache=cache)
    (first,) = entries(cache)
    load_corpus(tmp_path, "bca" * 50, cache=cache)
    (second,) = set(entries(cache)) - {first}
    shutil.rmtree(second)
    first.rename(second)
    corpus = load_corpus(tmp_path, "bca" * 50, cache=cache)
    assert corpus.vocabulary.decode(corpus.train) == "bca" * 45


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("name", ["text.bin", "facts.json", "verified.json"])
def test_file_of_another_kind_does_not_block_and_is_replaced(
    tmp_path: Path, name: str, make: Callable[[Path], object]
) -> None:
    load_corpus(tmp_path, "abc" * 50, cache=tmp_path / "cache")
    (entry,) = entries(tmp_path / "cache")
    (entry / name).unlink()
    make(entry / name)
    corpus = load_corpus(tmp_path, "abc" * 50, cache=tmp_path / "cache")
    assert corpus.vocabulary.decode(corpus.train) == "abc" * 45


def test_everything_is_synced_before_an_entry_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    fsync, rename = os.fsync, Path.rename

    def record(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def check(path: Path, target: Path) -> Path:
        if path.is_dir():
            assert {file.stat().st_ino for file in (path, *path.iterdir())} <= synced
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", record)
    monkeypatch.setattr(Path, "rename", check)
    load_corpus(tmp_path, "abc" * 50, cache=tmp_path / "cache")
    assert (tmp_path / "cache").stat().st_ino in synced


def test_abandoned_entries_are_deleted_after_a_day(tmp_path: Path) -> None:
    old, new = tmp_path / "cache" / ".unfinished.1.2", tmp_path / "cache" / ".unfinished.3.4"
    for leftover in (old, new):
        leftover.mkdir(parents=True)
    os.utime(old, (0, 0))
    load_corpus(tmp_path, "abc" * 50, cache=tmp_path / "cache")
    assert not old.exists() and new.exists()


def test_error_leaves_no_entry(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        load_corpus(tmp_path, b"abc\xff", cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("ab" * 99, encoding="utf-8")

    def change(*_: Any) -> None:
        path.write_text("ba" * 50, encoding="utf-8")

    with pytest.raises(DataError, match="changed while it was read"):
        load_char_corpus(CharData(text=(str(path),)), 1, None, change)
