"""Run directories: a finished run replaces an equal one, and other runs of its name are kept."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from seqtool.errors import SeqtoolError
from seqtool.storage.atomic import old_name, recover
from seqtool.storage.model_directory import read_manifest, write_model
from seqtool.storage.ownership import RUN_CONTENTS
from seqtool.storage.run_directory import RunDirectory, move_inner_entries
from tests.benchmarks.faults.recorder import final_states, recorded


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


def make_checkpoint(run: RunDirectory, number: int) -> Path:
    folder = run.checkpoints / f"{number:06d}"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text("{}")
    return folder


def test_start_refuses_to_lose_a_checkpoint(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path, "x")
    checkpoint = make_checkpoint(run, 1)
    with pytest.raises(SeqtoolError, match="has a checkpoint"):
        run.start()
    assert (checkpoint / "state.json").exists()
    run.start(overwrite=True)
    assert not checkpoint.exists()
    run.release()
    run.start()
    run.release()


def test_resume_keeps_the_run_and_deletes_what_a_crash_left(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path, "x")
    checkpoint = make_checkpoint(run, 2)
    for name in (".000003.seqtool-new", ".000001.seqtool-removed"):
        (run.checkpoints / name).mkdir()
        (run.checkpoints / name / "state.json").write_text("{}")
    (run.checkpoints / "mine").mkdir()
    (run.path / ".config.yaml.abc.seqtool-tmp").touch()
    (run.path / "metrics.jsonl").touch()
    run.start(resume=True)
    assert entries(run.checkpoints) == ["000002", "mine"]
    assert entries(run.path) == ["checkpoints", "lock", "metrics.jsonl"]
    assert (checkpoint / "state.json").exists()
    run.release()


@pytest.mark.parametrize(("keep", "left"), [(True, ["000002"]), (False, None)])
def test_finished_run_keeps_its_last_checkpoint_if_wanted(
    keep: bool, left: list[str] | None, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path, "x")
    run.start()
    for number in (1, 2):
        make_checkpoint(run, number)
    (run.path / "config.yaml").touch()
    run.finish(keep_checkpoint=keep)
    assert (entries(tmp_path / "x/checkpoints") if (tmp_path / "x/checkpoints").exists() else None) == left
    assert entries(tmp_path / "x") == [*(["checkpoints"] if keep else []), "config.yaml"]


def test_start_deletes_the_lock_that_a_killed_process_left_in_the_finished_run(tmp_path: Path) -> None:
    finish_run(tmp_path, "x")
    (tmp_path / "x/lock").write_text("process 1 on host\n")
    run = RunDirectory(tmp_path, "x")
    run.start()
    assert not (tmp_path / "x/lock").exists()
    run.release()


def test_start_keeps_a_lock_in_a_directory_that_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/lock").touch()
    run = RunDirectory(tmp_path, "x")
    run.start()
    assert (tmp_path / "x/lock").exists()
    run.release()


def test_input_in_the_run_is_refused_unless_it_is_of_an_inner_run(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path, "x")
    for place in (run.final, run.path):
        with pytest.raises(SeqtoolError, match="which the run replaces"):
            run.check_inputs([tmp_path / "other", place / "metrics.jsonl"])
    run.check_inputs(
        [run.final / "seed-1/metrics.jsonl", run.final / "notes.txt", tmp_path / "metrics.jsonl"]
    )


def test_run_without_a_checkpoint_can_be_resumed(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path, "x")
    run.path.mkdir()
    (run.path / "metrics.jsonl").write_text("{}\n")
    run.start(resume=True)
    assert entries(run.path) == ["lock", "metrics.jsonl"]
    run.release()


def test_finished_run_keeps_new_files_in_a_crash(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path, "x")
    run.start()
    make_checkpoint(run, 1)
    with recorded(tmp_path) as recording:
        (run.path / "report.html").write_bytes(b"a page")
        run.finish()
    for tree in final_states(recording, random.Random(1), 1000):
        assert tree["x"]["report.html"] == b"a page"


@pytest.mark.parametrize(("continues", "renamed"), [(True, False), (False, True)])
def test_run_that_continues_another_replaces_it(continues: bool, renamed: bool, tmp_path: Path) -> None:
    finish_run(tmp_path, "x")
    sha256 = read_manifest(tmp_path / "x/model").sha256
    run = RunDirectory(tmp_path, "x")
    run.start()
    kept = run.finish(continues=sha256 if continues else "0" * 64)
    assert kept == (tmp_path / "x~1" if renamed else None)
