"""Crashes of the computer: after lost, torn and reordered writes, the earlier or the new content is found."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from seqtool.storage.atomic import exchange, write_file
from seqtool.storage.ownership import RUN_CONTENTS
from seqtool.storage.run_directory import move_inner_entries
from tests.benchmarks.faults.lost_writes import SAVES, lose_writes
from tests.benchmarks.faults.recorder import crash_states, final_states, recorded


@pytest.mark.parametrize("name", SAVES)
def test_crash_leaves_the_earlier_or_the_new_content(name: str) -> None:
    report = lose_writes([name], most=25)
    assert report.passed and report.states >= 6, report


# --- the simulation itself ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("synced", "expected"),
    [
        pytest.param((), {b"", b"earlier", b"abcd", b"ab", b"\0\0cd", b"\0" * 4}, id="nothing"),
        pytest.param(("file",), {b"earlier", b"abcd"}, id="file"),
        pytest.param(("directory",), {b"", b"abcd", b"ab", b"\0\0cd", b"\0" * 4}, id="directory"),
        pytest.param(("file", "directory"), {b"abcd"}, id="both"),
    ],
)
def test_simulation_loses_tears_and_reorders_what_is_not_synced(
    synced: tuple[str, ...], expected: set[object], tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"earlier")
    with recorded(tmp_path) as recording:
        (tmp_path / "b").write_bytes(b"abcd")
        if "file" in synced:
            sync(tmp_path / "b")
        (tmp_path / "b").replace(tmp_path / "a")
        if "directory" in synced:
            sync(tmp_path)
    found = {tree.get("a") for tree in final_states(recording, random.Random(1), 1000)}
    assert found == expected


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def test_simulation_changes_two_directories_by_one_rename(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a/x").write_bytes(b"1")
    with recorded(tmp_path) as recording:
        (tmp_path / "a/x").rename(tmp_path / "b/x")
        (tmp_path / "b/x").unlink()
    states = [tree for _, tree in crash_states(recording, random.Random(1), 1000)]
    assert states == [
        {"a": {"x": b"1"}, "b": {}},
        {"a": {}, "b": {"x": b"1"}},
        {"a": {}, "b": {}},
    ]


def test_missing_sync_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"earlier")
    monkeypatch.setattr(os, "fsync", lambda _: None)
    with recorded(tmp_path) as recording:
        write_file(tmp_path / "a", b"new")
    recording.operations = [one for one in recording.operations if type(one).__name__ != "Sync"]
    found = {tree["a"] for _, tree in crash_states(recording, random.Random(1), 1000)}
    assert found > {b"earlier", b"new"}


def test_file_of_the_user_survives_a_crash_while_its_run_is_replaced(tmp_path: Path) -> None:
    for name in ("x", "x.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(name)
    (tmp_path / "x/notes.txt").write_text("the user's")
    with recorded(tmp_path) as recording:
        exchange(tmp_path / "x.partial", tmp_path / "x", RUN_CONTENTS, move_inner_entries)
    states = [tree for _, tree in crash_states(recording, random.Random(1), 100_000)]
    assert len(states) >= 6
    assert all(any("notes.txt" in folder for folder in tree.values()) for tree in states)
