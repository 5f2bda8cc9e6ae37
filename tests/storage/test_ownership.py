"""Ownership: only what seqtool wrote is deleted or overwritten, and links and pipes are never followed."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seqtool.errors import SeqtoolError
from seqtool.storage import lock as lock_module
from seqtool.storage.atomic import (
    complete_removals,
    directories,
    old_name,
    remove_directory,
    replaced_file,
    write_file,
)
from seqtool.storage.lock import LOCK, acquire_lock, is_locked
from seqtool.storage.model_directory import MODEL_FORMAT, read_model, write_model
from seqtool.storage.ownership import (
    CHECKPOINTS_CONTENTS,
    GROUP_CONTENTS,
    RUN_CONTENTS,
    check_output,
    delete_own,
    foreign_entry,
)
from seqtool.storage.run_directory import RunDirectory
from seqtool.training.checkpoints import FORMAT
from tests.storage.test_run_directory import entries, finish_run
from tests.support.small_runs import StopAt, char_run, run, stopping


def files(folder: Path) -> dict[str, bytes]:
    """Return the content of every plain file below a directory by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def small_model(folder: Path, value: float = 0.0) -> None:
    weights = {"w": np.full(1, value, np.float32)}
    write_model(folder, {"task": "char", "kind": "text"}, {}, weights, {"kind": "text"})


# --- directories --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".old", ".new", "~1", ".seqtool-old", ".bak"])
def test_copy_next_to_a_run_is_kept_when_the_run_is_replaced(ending: str, tmp_path: Path) -> None:
    finish_run(tmp_path, "x")
    copy = tmp_path / f"x{ending}"
    shutil.copytree(tmp_path / "x", copy)
    (copy / "notes.txt").write_text("the user's")
    before = files(copy)
    finish_run(tmp_path, "x")
    finish_run(tmp_path, "x", config="b", overwrite=True)
    assert files(copy) == before


@pytest.mark.parametrize("ending", [".old", ".new"])
def test_neighbor_of_a_model_is_kept_when_the_model_is_replaced(ending: str, tmp_path: Path) -> None:
    small_model(tmp_path / "a")
    (tmp_path / f"a{ending}").mkdir()
    (tmp_path / f"a{ending}" / "photo.jpg").write_bytes(b"1")
    small_model(tmp_path / "a", 1.0)
    assert files(tmp_path / f"a{ending}") == {"photo.jpg": b"1"}
    assert entries(tmp_path) == ["a", f"a{ending}"]


def test_files_of_the_user_move_to_the_run_that_replaces_theirs(tmp_path: Path) -> None:
    finish_run(tmp_path, "x")
    (tmp_path / "x/notes.txt").write_text("the user's")
    (tmp_path / "x/link").symlink_to(tmp_path / "elsewhere")
    assert finish_run(tmp_path, "x") is None
    assert finish_run(tmp_path, "x", config="b", overwrite=True) is None
    assert entries(tmp_path) == ["x"]
    assert entries(tmp_path / "x") == ["config.yaml", "link", "model", "notes.txt"]


def test_run_whose_model_contains_a_file_of_the_user_is_kept(tmp_path: Path) -> None:
    finish_run(tmp_path, "x")
    (tmp_path / "x/model/notes.txt").write_text("the user's")
    before = files(tmp_path / "x")
    assert finish_run(tmp_path, "x") == tmp_path / "x~1"
    assert files(tmp_path / "x~1") == before


def test_link_in_place_of_a_run_is_kept(tmp_path: Path) -> None:
    finish_run(tmp_path / "disk", "x")
    (tmp_path / "x").symlink_to(tmp_path / "disk/x")
    before = files(tmp_path / "disk")
    finish_run(tmp_path, "x", overwrite=True)
    assert files(tmp_path / "disk") == before
    assert (tmp_path / "x~1").is_symlink()


def test_start_keeps_files_that_seqtool_did_not_write(tmp_path: Path) -> None:
    partial = tmp_path / "x.partial"
    (partial / "checkpoints/mine").mkdir(parents=True)
    (partial / "checkpoints/mine/a.bin").write_text("1")
    (partial / "thesis.tex").write_text("2")
    (partial / "metrics.jsonl").write_text("{}")
    finish_run(tmp_path, "x")
    assert (tmp_path / "x/thesis.tex").read_text() == "2"
    assert (tmp_path / "x/checkpoints/mine/a.bin").read_text() == "1"
    assert not (tmp_path / "x/metrics.jsonl").exists()


def test_start_does_not_delete_in_a_directory_that_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "x/checkpoints").mkdir(parents=True)
    (tmp_path / "x/checkpoints/a.bin").write_text("1")
    (tmp_path / "x/lock").write_text("the user's")
    before = files(tmp_path / "x")
    assert finish_run(tmp_path, "x") == tmp_path / "x~1"
    assert files(tmp_path / "x~1") == before


def test_real_runs_contain_only_entries_of_seqtool(tmp_path: Path) -> None:
    settings = char_run(tmp_path, max_steps=4, eval_every=2)
    with stopping(StopAt(6)), pytest.raises(BaseException, match="stopped"):
        run(settings, tmp_path / "runs")
    partial = tmp_path / "runs/small.partial"
    assert list(partial.glob("checkpoints/*/state.json"))
    assert foreign_entry(partial, RUN_CONTENTS) is None
    run(settings, tmp_path / "runs", resume=True)
    assert foreign_entry(tmp_path / "runs/small", RUN_CONTENTS) is None
    assert foreign_entry(tmp_path / "runs", GROUP_CONTENTS) is None
    checkpoint = CHECKPOINTS_CONTENTS.folder("000001")
    assert checkpoint is not None
    assert all(map(checkpoint.has_file, ("manifest.json", *FORMAT.limits)))
    assert all(map(MODEL_FORMAT.contents.has_file, ("manifest.json", *MODEL_FORMAT.limits)))


@pytest.mark.parametrize("kind", ["link", "pipe", "other name", "directory"])
def test_delete_keeps_what_is_not_its_own(kind: str, tmp_path: Path) -> None:
    small_model(tmp_path / "a")
    path = tmp_path / "a" / ("vocab.json" if kind != "other name" else "vocab.json.bak")
    path.unlink(missing_ok=True)
    target = tmp_path / "target"
    target.write_text("1")
    make: dict[str, Callable[[], object]] = {
        "link": lambda: path.symlink_to(target),
        "pipe": lambda: os.mkfifo(path),
        "other name": lambda: path.write_text("1"),
        "directory": lambda: (path / "inner").mkdir(parents=True),
    }
    make[kind]()
    assert foreign_entry(tmp_path / "a", MODEL_FORMAT.contents) == path
    assert not delete_own(tmp_path / "a", MODEL_FORMAT.contents)
    assert entries(tmp_path / "a") == [path.name]
    assert target.read_text() == "1"


def test_delete_does_not_follow_a_link_to_a_directory(tmp_path: Path) -> None:
    small_model(tmp_path / "a")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert not delete_own(tmp_path / "link", MODEL_FORMAT.contents)
    assert read_model(tmp_path / "a")


def test_interrupted_deletion_is_completed_by_the_next_start(tmp_path: Path) -> None:
    finish_run(tmp_path, "y")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "rmdir", lambda *_, **__: (_ for _ in ()).throw(PermissionError(1, "no")))
        with pytest.raises(PermissionError):
            remove_directory(tmp_path / "y", tmp_path / "y", RUN_CONTENTS)
    assert list(directories(tmp_path)) == []
    finish_run(tmp_path, "x")
    assert entries(tmp_path) == ["x"]


def test_interrupted_deletion_leaves_entries_of_the_user(tmp_path: Path) -> None:
    hidden = tmp_path / ".y.seqtool-removed"
    hidden.mkdir()
    (hidden / "notes.txt").write_text("the user's")
    assert complete_removals(tmp_path, GROUP_CONTENTS) == []
    assert files(hidden) == {"notes.txt": b"the user's"}


def test_previous_directory_has_its_name_during_an_exchange(tmp_path: Path) -> None:
    finish_run(tmp_path, "x")
    (tmp_path / "x").rename(old_name(tmp_path / "x"))
    assert [name for name, _ in directories(tmp_path)] == ["x"]
    finish_run(tmp_path, "x", config="b", overwrite=True)
    assert list(directories(tmp_path)) == [("x", tmp_path / "x")]


# --- files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_write_refuses_everything_but_a_plain_file(kind: str, tmp_path: Path) -> None:
    path, target = tmp_path / "path", tmp_path / "target"
    target.write_text("1")
    make: dict[str, Callable[[], object]] = {
        "link": lambda: path.symlink_to(target),
        "pipe": lambda: os.mkfifo(path),
        "directory": path.mkdir,
    }
    make[kind]()
    with pytest.raises(SeqtoolError, match="expected a plain file"):
        write_file(path, b"2")
    assert entries(tmp_path) == ["path", "target"]
    assert target.read_text() == "1"


def test_log_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    settings, target = char_run(tmp_path, max_steps=2, eval_every=1), tmp_path / "target"
    target.write_text("the user's")
    partial = tmp_path / "runs/small.partial"
    partial.mkdir(parents=True)
    (partial / "metrics.jsonl").symlink_to(target)
    with pytest.raises(SeqtoolError, match="expected a plain file"):
        run(settings, tmp_path / "runs")
    assert target.read_text() == "the user's"


# --- locks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "directory", "hard link", "other file"])
def test_lock_that_is_not_ours_is_refused_and_unchanged(kind: str, tmp_path: Path) -> None:
    folder, target = tmp_path / "x.partial", tmp_path / "thesis.tex"
    folder.mkdir()
    target.write_text("the user's")
    path = folder / LOCK
    make: dict[str, Callable[[], object]] = {
        "link": lambda: path.symlink_to(target),
        "dangling link": lambda: path.symlink_to(tmp_path / "created"),
        "pipe": lambda: os.mkfifo(path),
        "directory": path.mkdir,
        "hard link": lambda: path.hardlink_to(target),
        "other file": lambda: path.write_text("the user's"),
    }
    make[kind]()
    assert not is_locked(folder)
    with pytest.raises(SeqtoolError, match=r"expected a (plain file|lock of seqtool)"):
        acquire_lock(folder)
    assert target.read_text() == "the user's"
    assert not (tmp_path / "created").exists()
    assert os.path.lexists(path)


def test_linked_partial_directory_is_refused_and_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "other/model").mkdir(parents=True)
    (tmp_path / "other/metrics.jsonl").write_text("{}")
    (tmp_path / "x.partial").symlink_to(tmp_path / "other")
    with pytest.raises(SeqtoolError, match="expected a directory, found a link"):
        RunDirectory(tmp_path, "x").start(overwrite=True)
    assert entries(tmp_path / "other") == ["metrics.jsonl", "model"]


def test_starts_succeed_while_others_test_the_lock(tmp_path: Path) -> None:
    folder, ended = tmp_path / "x.partial", threading.Event()
    folder.mkdir()

    def look() -> None:
        while not ended.is_set():
            is_locked(folder)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    held = 0
    try:
        for _ in range(200):
            lock = acquire_lock(folder)
            held += is_locked(folder)
            lock.release(folder)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert held == 200 and not is_locked(folder)


def test_start_waits_for_a_shared_lock_that_is_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        pauses = list[float]()

        def release(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 2:
                fcntl.flock(file, fcntl.LOCK_UN)

        monkeypatch.setattr(time, "sleep", release)
        lock = acquire_lock(tmp_path)
        assert len(pauses) == 2 and is_locked(tmp_path)
        lock.release(tmp_path)


def test_start_does_not_wait_for_a_shared_lock_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_module, "SHARED_WAIT", 0.05)
    with (tmp_path / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        with pytest.raises(SeqtoolError, match="held by another process"):
            acquire_lock(tmp_path)


def test_start_does_not_wait_for_a_running_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits"))
    lock = acquire_lock(tmp_path)
    with pytest.raises(SeqtoolError, match="held by process"):
        acquire_lock(tmp_path)
    lock.release(tmp_path)


# --- output paths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("runs/x/config.yaml", "the run"),
        ("runs/x/metrics.jsonl", "the run"),
        ("runs/x/model", "the run"),
        ("runs/x/model/new.txt", "the model"),
        ("runs/x/checkpoints/000001/new", "the run"),
        ("runs/y.partial/lock", "the run"),
        ("runs/.cache/" + "0" * 32 + "/train.bin", "the text cache"),
        ("link/model/vocab.json", "the model"),
    ],
)
def test_parts_of_models_and_runs_are_no_output_paths(path: str, owner: str, tmp_path: Path) -> None:
    finish_run(tmp_path / "runs", "x")
    (tmp_path / "link").symlink_to(tmp_path / "runs/x")
    with pytest.raises(SeqtoolError, match=f"this is a part of {owner}"):
        check_output(tmp_path / path)


@pytest.mark.parametrize(
    "path",
    [
        "runs/x/report.html",
        "runs/x/play.html",
        "runs/x/model.onnx",
        "runs/x/table.tsv",
        "web/a.html",
        "config.yaml",
        "runs/.cache",
        "runs/.cache/notes.txt",
        f"other/{'0' * 32}/text.bin",
    ],
)
def test_other_paths_are_output_paths(path: str, tmp_path: Path) -> None:
    finish_run(tmp_path / "runs", "x")
    (tmp_path / "web").mkdir()
    (tmp_path / "web/manifest.json").write_text("{}")
    check_output(tmp_path / path, [tmp_path / "runs/x/model"])


@pytest.mark.parametrize("name", ["input.txt", "./input.txt", "hard", "folder"])
def test_inputs_and_directories_that_contain_them_are_no_output_paths(name: str, tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text("1")
    (tmp_path / "hard").hardlink_to(tmp_path / "input.txt")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/b").write_text("1")
    with pytest.raises(SeqtoolError, match="an input of the command"):
        check_output(
            tmp_path / name, [tmp_path / "input.txt", tmp_path / "folder/b"], directory=name == "folder"
        )


@pytest.mark.parametrize(
    ("content", "refused"),
    [
        (b"", False),
        (b"a MARK b", False),
        (b"x" * 9000 + b"MARK", False),
        (b"MARK" + b"x" * 9000, False),
        (b"x" * 5000 + b"MARK" + b"x" * 5000, True),
        (b"MAR", True),
    ],
)
def test_only_a_file_with_the_mark_is_replaced(content: bytes, refused: bool, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    check_output(path, mark=b"MARK")
    path.write_bytes(content)
    check_output(path)
    if refused:
        with pytest.raises(SeqtoolError, match="this command did not write it"):
            check_output(path, mark=b"MARK")
    else:
        check_output(path, mark=b"MARK")
    assert path.read_bytes() == content


# --- temporary files --------------------------------------------------------------------------------------


def test_write_deletes_what_a_killed_process_left_for_the_same_file(tmp_path: Path) -> None:
    page = tmp_path / "a+b.html"
    left = tmp_path / ".a+b.html.x1_y2z3w.seqtool-tmp"
    others = [
        ".a+b.html.mine.seqtool-tmp",
        ".other.html.x1_y2z3w.seqtool-tmp",
        ".aab.html.x1_y2z3w.seqtool-tmp",
        ".a+b.html.x1_y2z3w.seqtool-tmp.mine",
        "a+b.html.x1_y2z3w.seqtool-tmp",
    ]
    for name in (left.name, *others):
        (tmp_path / name).write_bytes(b"a part of a page")
    (tmp_path / ".a+b.html.abcdefgh.seqtool-tmp").symlink_to("nowhere")
    (tmp_path / ".a+b.html.hgfedcba.seqtool-tmp").mkdir()
    before = len(list(Path("/proc/self/fd").iterdir()))
    write_file(page, b"a page")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    kept = {*others, ".a+b.html.abcdefgh.seqtool-tmp", ".a+b.html.hgfedcba.seqtool-tmp", page.name}
    assert {entry.name for entry in tmp_path.iterdir()} == kept
    assert page.read_bytes() == b"a page"


def test_write_keeps_the_temporary_file_of_a_running_process(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    with replaced_file(page) as first:
        first.write(b"first")
        write_file(page, b"second")
        assert len(list(tmp_path.iterdir())) == 2
    assert page.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [page]


def test_write_repeats_if_its_new_file_is_deleted_before_it_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, lock, made = tmp_path / "page.html", fcntl.flock, []

    def delete_first(descriptor: int, kind: int) -> None:
        made.append(kind)
        if len(made) == 1:
            (path,) = tmp_path.iterdir()
            path.unlink()
        lock(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", delete_first)
    write_file(page, b"a page")
    assert page.read_bytes() == b"a page"
    assert (list(tmp_path.iterdir()), len(made)) == ([page], 2)


def test_write_succeeds_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    left = tmp_path / ".page.html.abcdefgh.seqtool-tmp"
    left.touch()
    monkeypatch.setattr(fcntl, "flock", refuse)
    write_file(tmp_path / "page.html", b"a page")
    assert {entry.name for entry in tmp_path.iterdir()} == {left.name, "page.html"}


def test_write_succeeds_in_a_directory_that_cannot_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    write_file(tmp_path / "page.html", b"a page")
    assert (tmp_path / "page.html").read_bytes() == b"a page"
