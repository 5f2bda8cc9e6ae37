"""Encoded text files: the cache, damaged entries, and files that change while they are read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqtool.data.text.corpus import load_char_corpus
from seqtool.errors import DataError
from seqtool.settings import CharData
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
