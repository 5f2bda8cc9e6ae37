"""Run directories: whose place a finished run takes, what is kept, and which run a command means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqtool.errors import ModelError, SeqtoolError
from seqtool.storage.atomic import old_name, recover
from seqtool.storage.find_model import ALIGNED_MODEL, TAGGER, TEXT_MODEL, find_model, finished_runs
from seqtool.storage.model_directory import write_model
from seqtool.storage.run_directory import RunDirectory, move_inner_runs


def finished(
    root: Path, name: str, config: str = "a", data: str = "d", *, overwrite: bool = False, kind: str = "text"
) -> Path | None:
    """Make a run of that name, as training does; where an earlier one was moved."""
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


def test_the_same_experiment_replaces_an_earlier_one(tmp_path: Path) -> None:
    assert finished(tmp_path, "x") is None
    assert finished(tmp_path, "x") is None
    assert entries(tmp_path) == ["x"]
    assert entries(tmp_path / "x") == ["config.yaml", "model"]


@pytest.mark.parametrize("change", [{"config": "b"}, {"data": "e"}], ids=["another config", "other data"])
def test_a_different_one_is_kept(tmp_path: Path, change: dict[str, str]) -> None:
    finished(tmp_path, "x")
    assert finished(tmp_path, "x", **change) == tmp_path / "x~1"  # type: ignore[arg-type]
    assert finished(tmp_path, "x") == tmp_path / "x~2"
    assert entries(tmp_path) == ["x", "x~1", "x~2"]


def test_overwriting_replaces_whatever_is_there(tmp_path: Path) -> None:
    finished(tmp_path, "x")
    assert finished(tmp_path, "x", config="b", overwrite=True) is None
    assert (tmp_path / "x/config.yaml").read_text() == "b"
    assert entries(tmp_path) == ["x"]


def test_runs_inside_a_replaced_run_outlive_it(tmp_path: Path) -> None:
    finished(tmp_path, "x")
    finished(tmp_path / "x", "seed-1")
    finished(tmp_path, "x")
    assert entries(tmp_path / "x") == ["config.yaml", "model", "seed-1"]
    finished(tmp_path / "x", "seed-1")
    finished(tmp_path, "x", config="b", overwrite=True)
    assert entries(tmp_path / "x/seed-1") == ["config.yaml", "model"]


def test_runs_inside_outlive_a_crash_in_the_exchange(tmp_path: Path) -> None:
    finished(tmp_path, "x")
    finished(tmp_path / "x", "seed-1")
    (tmp_path / "x").rename(old_name(tmp_path / "x"))
    finished(tmp_path / "y", "x")
    (tmp_path / "y/x").rename(tmp_path / "x")  # the new run stands, the earlier one is not deleted yet
    recover(tmp_path / "x", move_inner_runs)
    assert entries(tmp_path / "x") == ["config.yaml", "model", "seed-1"]
    assert not old_name(tmp_path / "x").exists()


def test_two_processes_do_not_make_one_run(tmp_path: Path) -> None:
    first = RunDirectory(tmp_path, "x")
    first.start()
    with pytest.raises(SeqtoolError, match="held by process") as caught:
        RunDirectory(tmp_path, "x").start()
    assert "--name" in caught.value.problems[0].hint
    first.release()
    second = RunDirectory(tmp_path, "x")
    second.start()
    second.release()


def test_the_newest_fitting_run_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEQTOOL_MODEL", raising=False)
    finished(tmp_path, "first", kind="pairs")
    finished(tmp_path, "second")
    finished(tmp_path / "second", "seed-1", kind="pairs")
    assert [place.name for place, _ in finished_runs(tmp_path)] == [
        str(tmp_path / "second"),
        str(tmp_path / "first"),
    ]
    assert find_model(None, tmp_path).run == tmp_path / "second"
    assert find_model(None, tmp_path, ALIGNED_MODEL).run == tmp_path / "first"  # never a run inside another
    assert find_model(None, tmp_path, TEXT_MODEL).run == tmp_path / "second"
    monkeypatch.setenv("SEQTOOL_MODEL", "first")
    assert find_model(None, tmp_path).run == tmp_path / "first"


@pytest.mark.parametrize("reference", ["second", "{root}/second", "{root}/second/model"])
def test_a_run_a_model_or_a_name_are_the_same(tmp_path: Path, reference: str) -> None:
    finished(tmp_path, "second")
    place = find_model(reference.format(root=tmp_path), tmp_path)
    assert place.model == tmp_path / "second/model"
    assert place.run == tmp_path / "second"


def test_what_is_not_there_is_said_with_what_is(tmp_path: Path) -> None:
    finished(tmp_path, "second")
    (tmp_path / "third.partial").mkdir()
    with pytest.raises(ModelError) as caught:
        find_model("nonsuch", tmp_path)
    assert caught.value.problems[0].hint == "runs here: second"
    with pytest.raises(ModelError) as caught:
        find_model("third", tmp_path)
    assert "--resume" in caught.value.problems[0].hint
    with pytest.raises(ModelError, match="no trained tagger here"):
        find_model(None, tmp_path, TAGGER)
