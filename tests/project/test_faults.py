"""The faults of `python -m tests.benchmarks.faults`, in small numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch  # noqa: F401 - imported before any fork, so that no child has to import it
import typer

from seqtool.cli.main import app
from tests.benchmarks.faults.__main__ import FAULTS
from tests.benchmarks.faults.commands import HEAVY, LIGHT, TRAINING, Command
from tests.benchmarks.faults.damages import damage_runs
from tests.benchmarks.faults.failures import fail_writes, fill_disk
from tests.benchmarks.faults.flips import flip_bytes
from tests.benchmarks.faults.kills import kill_runs
from tests.benchmarks.faults.lifetime import WAITING_TAG, signal_commands
from tests.benchmarks.faults.ownership import walk_outputs
from tests.benchmarks.faults.readers import tag_while_saving
from tests.benchmarks.faults.stops import stop_runs
from tests.benchmarks.faults.streams import fail_streams
from tests.benchmarks.faults.trials import kill_sweeps
from tests.benchmarks.faults.workers import Faults, disturb_workers
from tests.support.shell import PROJECT

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


def test_every_walk_has_a_row_in_the_documentation() -> None:
    rows = re.findall(
        r"^\| `(\w+)(?: (\d+))?`: ", (PROJECT / "docs/reliability.md").read_text(), re.MULTILINE
    )
    assert sorted(name for name, _ in rows) == sorted(FAULTS)


def leaf_commands(command: Any, name: str = "") -> Iterator[str]:
    """Yield the name of each command that has no subcommands."""
    if not (inner := getattr(command, "commands", {})):
        yield name
    for word, one in inner.items():
        yield from leaf_commands(one, f"{name} {word}".strip())


def test_walks_contain_every_command() -> None:
    lines = [f"{command} " for command in (*LIGHT, *HEAVY, *TRAINING) if "--help" not in command.arguments]
    missing = [
        name
        for name in leaf_commands(typer.main.get_command(app))
        if not any(line.startswith(f"{name} ") for line in lines)
    ]
    assert missing == []


def test_killed_runs_resume_without_loss(tmp_path: Path) -> None:
    report = kill_runs(6, tmp_path)
    assert report.passed and report.kills >= 6 and report.runs >= 1, report


def test_stopped_runs_end_in_the_same_bytes(tmp_path: Path) -> None:
    for name, report in stop_runs(tmp_path, steps=14, every=5).items():
        assert report.passed and report.stops >= 3, (name, report)


def test_failing_writes_lose_nothing(tmp_path: Path) -> None:
    report = fail_writes(tmp_path, every=37, first=3)
    assert report.passed and report.faults >= 3, report


def test_full_disks_lose_nothing(tmp_path: Path) -> None:
    report = fill_disk(tmp_path, range(0, 9000, 4000))
    assert report.passed and report.faults >= 2, report


def test_paths_of_the_user_are_unchanged(tmp_path: Path) -> None:
    report = walk_outputs(tmp_path, every=50)
    assert report.passed and report.paths >= 6, report


def test_every_damage_is_detected(tmp_path: Path) -> None:
    report = flip_bytes(200, tmp_path)
    assert report.passed and report.damages == 200, report


def test_damaged_files_end_in_no_traceback(tmp_path: Path) -> None:
    report = damage_runs(8, tmp_path, commands=1)
    assert report.passed and report.commands == 8, report


def test_no_process_outlives_a_signal(tmp_path: Path) -> None:
    commands = [WAITING_TAG, *(Command((word,)) for word in ("runs", "--help"))]
    report = signal_commands(5, tmp_path, longest=1.0, commands=commands, limit=60.0)
    assert report.passed and report.signals == 5, report


def test_failed_streams_end_as_documented(tmp_path: Path) -> None:
    commands = [Command(("runs",)), Command(("init", "tagger", "train.conll", "--dev", "dev.conll"))]
    report = fail_streams(6, tmp_path, commands)
    assert report.passed and report.faults == 6, report


def test_killed_and_paused_workers_lose_nothing(tmp_path: Path) -> None:
    report = disturb_workers(Faults(1, 0, 0), Faults(1, 0, 1), tmp_path, lines=5_000)
    assert report.passed and report.kills.total() == 1 and report.pauses.total() == 2, report


def test_killed_sweeps_lose_no_trial(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    report = kill_sweeps(tmp_path, every=20, first=6, actions=["stop"])
    assert report.passed and report.kills == 1, report


def test_tag_succeeds_while_the_model_is_saved(tmp_path: Path) -> None:
    report = tag_while_saving(16, tmp_path)
    assert report.passed and report.calls == 16, report
