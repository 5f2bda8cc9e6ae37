"""List of runs: states, sizes and scores; which directories a deletion takes, and what it refuses."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqtool.errors import ModelError, SeqtoolError
from seqtool.storage.find_model import CONFIG, MODEL
from seqtool.storage.model_directory import Manifest, write_model
from seqtool.storage.run_directory import CHECKPOINTS, RunDirectory
from seqtool.storage.run_list import (
    ENTRIES_OF_RUNS,
    RunEntry,
    check_removable,
    find_run,
    folder_size,
    is_run,
    list_runs,
    plan_checkpoint_removals,
    plan_removals,
    remove_checkpoints,
    remove_runs,
)
from seqtool.storage.verified_directory import MANIFEST
from tests.support.unreadable import read_only

LARGE = 1000  # bytes of the only file in a checkpoint


def make_model(folder: Path, age: float = 0, **facts: object) -> None:
    weights = {"w": np.zeros(2, np.float32)}
    write_model(folder, {"task": "char"}, {}, weights, {"kind": "text", **facts})
    os.utime(folder / MANIFEST, (1e9 - age, 1e9 - age))


def make_run(folder: Path, age: float = 0, **facts: object) -> Path:
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text("task: char\n")
    make_model(folder / MODEL, age, **facts)
    return folder


def make_checkpoint(run: Path) -> Path:
    folder = run / CHECKPOINTS / "000001"
    folder.mkdir(parents=True)
    (folder / "state.json").write_bytes(bytes(LARGE))
    return folder


def names(root: Path) -> list[str]:
    return [entry.name for entry in list_runs(root)]


def hint_of(call: Callable[[], object]) -> str:
    with pytest.raises(SeqtoolError) as caught:
        call()
    return str(caught.value.problems[0].hint)


# --- list ---------------------------------------------------------------------------------------------------


def test_runs_are_listed_by_age_and_then_by_name(tmp_path: Path) -> None:
    for name, age in (("b", 1.0), ("c", 0.5), ("a", 1.0)):
        make_run(tmp_path / name, age)
    make_run(tmp_path / "a/seed-1", 2.0)
    make_run(tmp_path / "a/seed-1/deeper")  # only runs directly inside a run are listed
    make_model(tmp_path / "plain-model", 3.0)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "notes.partial").touch()
    assert names(tmp_path) == ["c", "a", "b", "a/seed-1", "plain-model"]
    entries = {entry.name: entry for entry in list_runs(tmp_path)}
    assert entries["a/seed-1"].path == tmp_path / "a/seed-1"
    assert entries["plain-model"].modified == 1e9 - 3.0
    assert {entry.state for entry in entries.values()} == {"finished"}


@pytest.mark.parametrize("name", ENTRIES_OF_RUNS)
def test_directory_with_one_entry_of_a_run_is_a_run(name: str, tmp_path: Path) -> None:
    (tmp_path / "x" / name).mkdir(parents=True)
    assert is_run(tmp_path / "x")
    (tmp_path / "y/notes.txt").mkdir(parents=True)
    assert not is_run(tmp_path / "y")


def test_unfinished_run_has_no_scores_and_the_time_of_its_directory(tmp_path: Path) -> None:
    (tmp_path / "x.partial").mkdir()
    os.utime(tmp_path / "x.partial", (1e9, 1e9))
    (entry,) = list_runs(tmp_path)
    assert (entry.state, entry.modified, entry.size, entry.main_score) == ("unfinished", 1e9, 0, None)
    assert entry.to_json()["task"] is None


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({"val_f1": 0.5, "val_accuracy": 0.9, "val_loss": 1.0}, ("val_f1", 0.5)),
        ({"val_accuracy": 0.9, "train_loss": 2.0, "val_loss": 1.0}, ("val_accuracy", 0.9)),
        ({"train_loss": 2.0, "val_loss": 1.0}, ("val_loss", 1.0)),
        ({"train_loss": 2.0}, ("train_loss", 2.0)),
        ({"other": 2.0}, None),
    ],
)
def test_main_score_is_of_the_validation_before_the_training_data(
    scores: dict[str, float], expected: object, tmp_path: Path
) -> None:
    make_run(tmp_path / "x", scores=scores)
    (entry,) = list_runs(tmp_path)
    assert entry.main_score == expected


def test_comparison_shows_all_facts_of_a_run(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"epoch": 3, "step": 7, "seconds": 1.5, "device": "cpu", "threads": 2}
    digest = "0123456789abcdef"
    make_run(tmp_path / "x", **facts, versions={"torch": "2.0"}, data={"data/a.txt": digest})
    (entry,) = list_runs(tmp_path)
    values = dict(entry.compared_values())
    assert values.pop("model_bytes") == entry.manifest.size > 0
    expected = {**facts, "kind": "text", "parameters": 2, "data a.txt": "0123456789ab"}
    assert {name: values[name] for name in expected} == expected
    assert values["version of torch"] == "2.0"


def test_size_is_that_of_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "x")
    make_checkpoint(run)
    (run / "link").symlink_to(tmp_path)
    (entry,) = list_runs(tmp_path)
    whole = sum(path.lstat().st_size for path in run.rglob("*") if path.is_symlink() or path.is_file())
    whole -= (run / "link").lstat().st_size  # a link to a directory counts as one
    assert (entry.size, entry.checkpoint_size) == (whole, LARGE)
    lstat = Path.lstat

    def one_is_gone(path: Path) -> os.stat_result:
        if path.name == "state.json":
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", one_is_gone)
    assert folder_size(run) == whole - LARGE


def refuse_listing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Refuse to list one directory, whose entries can still be opened."""
    iterdir = Path.iterdir

    def refuse(path: Path) -> Any:
        if path == folder:
            raise PermissionError(errno.EACCES, "Permission denied")
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", refuse)


def test_directory_that_cannot_be_listed_is_skipped_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "good")
    (tmp_path / "hidden/seed-1").mkdir(parents=True)
    refuse_listing(monkeypatch, tmp_path / "hidden")
    warnings: list[str] = []
    assert [entry.name for entry in list_runs(tmp_path, warnings.append)] == ["good"]
    assert warnings == [f"warning: skipped {tmp_path}/hidden: cannot read: Permission denied"]
    assert names(tmp_path) == ["good"]


# --- one run ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x", "{root}/x", "{root}/x/model"])
def test_run_is_found_by_name_path_and_model(name: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / "x", 5)
    entry = find_run(name.format(root=tmp_path), tmp_path)
    assert entry == RunEntry(
        name.format(root=tmp_path), run, "finished", entry.manifest, folder_size(run), 1e9 - 5
    )
    assert isinstance(entry.manifest, Manifest) and entry.manifest.parameters == 2


def test_model_without_a_run_is_found(tmp_path: Path) -> None:
    make_model(tmp_path / "m", 7)
    entry = find_run("m", tmp_path)
    assert (entry.path, entry.modified) == (tmp_path / "m", 1e9 - 7)
    with pytest.raises(ModelError, match="no model directory"):
        find_run("gone", tmp_path)


# --- deletion -----------------------------------------------------------------------------------------------


def removed(root: Path, *wanted: str) -> list[tuple[str, int]]:
    return list(remove_runs(plan_removals(wanted, root)))


def test_deletion_of_a_run_names_its_inner_runs_and_their_size(tmp_path: Path) -> None:
    run = make_run(tmp_path / "x")
    make_run(run / "seed-1")
    make_run(tmp_path / "y")
    (removal,) = plan_removals(["x"], tmp_path)
    assert (removal.name, removal.folder, removal.runs) == ("x", run, ("x", "x/seed-1"))
    assert removal.size == folder_size(run) > 0
    assert plan_removals(["x", "x"], tmp_path) == [removal]  # named twice
    assert removed(tmp_path, "x") == [("x", removal.size)]
    assert [entry.name for entry in tmp_path.iterdir()] == ["y"]


def test_deletion_of_an_inner_run_keeps_the_outer_one(tmp_path: Path) -> None:
    make_run(tmp_path / "x")
    make_run(tmp_path / "x/seed-1")
    make_run(tmp_path / "x/seed-2")
    (removal,) = plan_removals(["x/seed-1"], tmp_path)
    assert removal.runs == ("x/seed-1",)
    list(remove_runs([removal]))
    assert names(tmp_path) == ["x", "x/seed-2"]


def test_run_inside_a_directory_that_is_deleted_before_it_is_named_too(tmp_path: Path) -> None:
    make_run(tmp_path / "x")
    make_run(tmp_path / "x/seed-1")
    assert [name for name, _ in removed(tmp_path, "x", "x/seed-1")] == ["x", "x/seed-1"]
    assert names(tmp_path) == []


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_deletion_takes_the_lock_of_unfinished_runs_and_gives_it_back(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_checkpoint(tmp_path / f"seeds/{name}.partial")
    make_run(tmp_path / "seeds/c")
    (tmp_path / "notes.partial").touch()
    make_checkpoint(tmp_path / "single.partial")
    before = open_files()
    assert [name for name, _ in removed(tmp_path, "seeds", "single.partial")] == ["seeds", "single.partial"]
    assert open_files() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.partial"]


@pytest.mark.parametrize("folder", ["seeds/a", "single"])
def test_training_that_starts_after_the_question_is_not_deleted(folder: str, tmp_path: Path) -> None:
    make_run(tmp_path / "seeds/c")
    make_checkpoint(tmp_path / f"{folder}.partial")
    run = RunDirectory(tmp_path, folder)
    name = "seeds" if folder.startswith("seeds") else "single.partial"
    plan = plan_removals([name], tmp_path)
    run.start(resume=True)
    try:
        with pytest.raises(SeqtoolError, match="is being trained"):
            list(remove_runs(plan))
        with pytest.raises(SeqtoolError, match="is being trained"):
            plan_removals([name], tmp_path)
        assert run.has_checkpoint()
    finally:
        run.release()
    list(remove_runs(plan))
    assert not run.path.exists()


def test_file_that_the_user_adds_after_the_question_is_not_deleted(tmp_path: Path) -> None:
    run = make_run(tmp_path / "x")
    plan = plan_removals(["x"], tmp_path)
    (run / "notes.txt").write_text("the user's")
    with pytest.raises(SeqtoolError, match=r"did not write: notes\.txt"):
        list(remove_runs(plan))
    assert (run / MODEL / MANIFEST).exists() and (run / "notes.txt").exists()


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("seeds")], ids=["file", "link"])
def test_only_directories_are_removable(make: Callable[[Path], None], tmp_path: Path) -> None:
    make_run(tmp_path / "seeds/c")
    make(tmp_path / "x")
    with pytest.raises(SeqtoolError, match="expected a directory of seqtool"):
        check_removable(tmp_path / "x")
    check_removable(tmp_path / "seeds")


def test_failed_deletion_is_one_error(tmp_path: Path) -> None:
    make_run(tmp_path / "x")
    plan = plan_removals(["x"], tmp_path)
    with read_only(tmp_path), pytest.raises(SeqtoolError, match="cannot write: Read-only file system"):
        list(remove_runs(plan))
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("inside", ["", "seeds/"])
def test_interrupted_deletion_is_completed_by_name(inside: str, tmp_path: Path) -> None:
    make_run(tmp_path / "seeds/c")
    hidden = tmp_path / f"{inside}.x.seqtool-removed"
    make_run(hidden)
    (hidden / "notes.txt").write_text("the user's")
    make_run(tmp_path / f"{inside}.y.seqtool-removed")
    (removal,) = plan_removals([f"{inside}x"], tmp_path)
    assert (removal.folder, removal.runs, removal.size) == (hidden, (), folder_size(hidden))
    list(remove_runs([removal]))
    assert [path.name for path in hidden.iterdir()] == ["notes.txt"]
    assert (tmp_path / f"{inside}.y.seqtool-removed").exists()
    assert "not finished" in str(error_of(lambda: plan_checkpoint_removals([f"{inside}y"], tmp_path)))


def error_of(call: Callable[[], object]) -> SeqtoolError:
    with pytest.raises(SeqtoolError) as caught:
        call()
    return caught.value


def test_interrupted_deletion_elsewhere_is_not_completed(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    make_run(root / "x")
    hidden = make_run(tmp_path / ".y.seqtool-removed")
    assert "runs here: x" in hint_of(lambda: plan_removals([str(tmp_path / "y")], root))
    (root / ".z.seqtool-removed").symlink_to(hidden)
    assert "runs here: x" in hint_of(lambda: plan_removals(["z"], root))
    assert hidden.is_dir()


def test_directory_is_a_group_only_if_it_contains_runs_and_nothing_else(tmp_path: Path) -> None:
    make_run(tmp_path / "seeds/seed-1")
    (tmp_path / "seeds/.cache").mkdir()
    make_run(tmp_path / "deep/inner/seed-1")
    make_run(tmp_path / "mixed/seed-1")
    (tmp_path / "mixed/thesis").mkdir()
    (tmp_path / "empty").mkdir()
    (removal,) = plan_removals(["seeds"], tmp_path)
    assert removal.runs == ("seeds/seed-1",)
    for name in ("deep/inner", "mixed", "empty"):
        assert "runs here: " in hint_of(lambda name=name: plan_removals([name], tmp_path))  # type: ignore[misc]
    (removal,) = plan_removals(["mixed/seed-1"], tmp_path)
    assert removal.runs == ("mixed/seed-1",)


def test_only_runs_under_the_root_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "runs"
    make_run(root / "x")
    make_run(tmp_path / "elsewhere")
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "second").symlink_to("x")
    monkeypatch.chdir(tmp_path)
    for name in ("elsewhere", "../elsewhere", "link", "second", str(tmp_path / "elsewhere"), "runs"):
        with pytest.raises(SeqtoolError, match="no run of this name"):
            plan_removals([name], root)
    for name in ("x", "runs/x", str(root / "x"), "../runs/x"):
        (removal,) = plan_removals([name], root)
        assert (removal.runs, removal.name) == (("x",), name)


def test_hint_names_what_the_user_can_delete(tmp_path: Path) -> None:
    assert hint_of(lambda: plan_removals(["x"], tmp_path)) == "runs here: none"
    make_run(tmp_path / "x")
    make_run(tmp_path / "a")
    (tmp_path / "y.partial").mkdir()
    assert hint_of(lambda: plan_removals(["z"], tmp_path)) == "runs here: a, x, y.partial"
    assert hint_of(lambda: plan_removals(["y"], tmp_path)) == "the unfinished run is y.partial"
    assert "seqtool runs rm x" in hint_of(lambda: plan_removals(["x/model"], tmp_path))
    assert hint_of(lambda: plan_removals(["x/gone"], tmp_path)) == "runs here: a, x, y.partial"


# --- deletion of checkpoints --------------------------------------------------------------------------------


def test_checkpoints_of_finished_runs_are_deleted_and_nothing_else(tmp_path: Path) -> None:
    run, other = make_run(tmp_path / "x"), make_run(tmp_path / "other")
    for name in ("x", "x/seed-1", "x/seed-2.partial", "x/mine", "elsewhere", "other"):
        make_checkpoint(tmp_path / name)
    (run / "seed-1" / CONFIG).touch()
    (run / "link").symlink_to(tmp_path / "other")
    (run / "seed-3").mkdir()
    (run / "seed-3" / CONFIG).touch()
    (run / "seed-3" / CHECKPOINTS).symlink_to(tmp_path / "elsewhere" / CHECKPOINTS)
    (run / CHECKPOINTS / "notes.txt").touch()
    plan = plan_checkpoint_removals(["x", "x"], tmp_path)
    assert [(removal.name, removal.size) for removal in plan] == [("x", 2 * LARGE)]
    assert list(remove_checkpoints(plan)) == [("x", 2 * LARGE)]
    left = {path.parents[2].relative_to(tmp_path).as_posix() for path in tmp_path.rglob("state.json")}
    assert left == {"x/seed-2.partial", "x/mine", "elsewhere", "other"}
    assert [path.name for path in (run / CHECKPOINTS).iterdir()] == ["notes.txt"]
    assert (run / MODEL / MANIFEST).exists() and (other / MODEL / MANIFEST).exists()


def test_checkpoint_of_an_unfinished_run_is_kept(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "x.partial")
    error = error_of(lambda: plan_checkpoint_removals(["x.partial"], tmp_path))
    assert "this run is not finished" in str(error) and error.problems[0].place == "x.partial"
    assert checkpoint.exists()


def test_failed_deletion_of_checkpoints_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    make_checkpoint(make_run(tmp_path / "x"))
    plan = plan_checkpoint_removals(["x"], tmp_path)
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(SeqtoolError, match="cannot write: Permission denied"):
        list(remove_checkpoints(plan))
