"""The short form of what `python -m tests.benchmarks.faults` does in large numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch  # noqa: F401 - before any fork, so that no child has to

from tests.benchmarks.faults.flips import flip_bytes
from tests.benchmarks.faults.kills import kill_runs
from tests.benchmarks.faults.readers import tag_while_saving
from tests.benchmarks.faults.stops import stop_runs
from tests.benchmarks.faults.writes import fail_writes, fill_disk

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


def test_killed_runs_go_on(tmp_path: Path) -> None:
    found = kill_runs(6, tmp_path)
    assert found.good and found.kills >= 6 and found.runs >= 1, found


def test_stopped_runs_end_in_the_same_bytes(tmp_path: Path) -> None:
    for name, found in stop_runs(tmp_path, steps=14, every=5).items():
        assert found.good and found.stops >= 3, (name, found)


def test_failing_writes_lose_nothing(tmp_path: Path) -> None:
    found = fail_writes(tmp_path, every=29, first=3)
    assert found.good and found.faults >= 3, found


def test_full_disks_lose_nothing(tmp_path: Path) -> None:
    found = fill_disk(tmp_path, range(0, 9000, 4000))
    assert found.good and found.faults >= 2, found


def test_damage_is_found(tmp_path: Path) -> None:
    found = flip_bytes(200, tmp_path)
    assert found.good and found.damages == 200, found


def test_readers_beside_a_writer(tmp_path: Path) -> None:
    found = tag_while_saving(16, tmp_path)
    assert found.good and found.calls == 16, found
