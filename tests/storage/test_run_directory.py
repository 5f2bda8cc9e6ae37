"""Run directories: a finished run replaces an equal one, and other runs of its name are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqtool.errors import SeqtoolError
from seqtool.storage.atomic import old_name, recover
from seqtool.storage.model_directory import write_model
from seqtool.storage.ownership import RUN_CONTENTS
from seqtool.storage.run_directory import RunDirectory, move_inner_entries


def finish_run(
    root: Path, name: str, config: str = "a", data: str = "d", *, overwrite: bool = False, kind: str = "text"
) -> Path | None:
    """Make a finished run, and return the new path of an earlier one that was kept."""
    run = RunDirectory(root, name)
    run.start(overwrite=overwrite)
    (run.path / "config.yaml").write_text(config)
    write_model(
        run.model,
        {"task": "char", "kind": kind},
        {},
        {"w": np.zeros(1, np.float32)},
        {"data": {"x": data}, "kind": kind},
    )
    return run.finish(overwrite=overwrite)


def entries(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_equal_experiment_replaces_the_earlier_run(tmp_path: Path) -> None:
    assert finish_run(tmp_path, "x") is None
    assert finish_run(tmp_path, "x") is None
    assert entries(tmp_path) == ["x"]
    assert entries(tmp_path / "x") == ["config.yaml", "model"]


@pytest.mark.parametrize("change", [{"config": "b"}, {"data": "e"}], ids=["other config", "other data"])
def test_different_experiment_keeps_the_earlier_run(tmp_path: Path, change: dict[str, str]) -> None:
    finish_run(tmp_path, "x")
    assert finish_run(tmp_path, "x", **change) == tmp_path / "x~1"  # type: ignore[arg-type]
    assert finish_run(tmp_path, "x") == tmp_path / "x~2"
    assert entries(tmp_path) == ["x", "x~1", "x~2"]


def test_overwrite_replaces_a_different_run(tmp_path: Path) -> None:
    finish_run(tmp_path, "x")
    assert finish_run(tmp_path, "x", config="b", overwrite=True) is None
    assert (tmp_path / "x/config.yaml").read_text() == "b"
    assert entries(tmp_path) == ["x"]


def test_inner_runs_are_kept_when_their_run_is_replaced(tmp_path: Path) -> None:
    finish_run(tmp_path, "x")
    finish_run(tmp_path / "x", "seed-1")
    finish_run(tmp_path, "x")
    assert entries(tmp_path / "x") == ["config.yaml", "model", "seed-1"]
    finish_run(tmp_path / "x", "seed-1")
    finish_run(tmp_path, "x", config="b", overwrite=True)
    assert entries(tmp_path / "x/seed-1") == ["config.yaml", "model"]


def test_inner_runs_are_kept_after_a_crash_in_the_exchange(tmp_path: Path) -> None:
    finish_run(tmp_path, "x")
    finish_run(tmp_path / "x", "seed-1")
    (tmp_path / "x").rename(old_name(tmp_path / "x"))
    finish_run(tmp_path / "y", "x")
    (tmp_path / "y/x").rename(tmp_path / "x")  # both the new and the earlier run exist
    recover(tmp_path / "x", RUN_CONTENTS, move_inner_entries)
    assert entries(tmp_path / "x") == ["config.yaml", "model", "seed-1"]
    assert not old_name(tmp_path / "x").exists()


def test_run_can_start_after_the_release_of_another(tmp_path: Path) -> None:
    first, second = RunDirectory(tmp_path, "x"), RunDirectory(tmp_path, "x")
    first.start()
    with pytest.raises(SeqtoolError, match="held by process") as caught:
        second.start()
    assert "--name" in caught.value.problems[0].hint
    first.release()
    second.start()
    second.release()
