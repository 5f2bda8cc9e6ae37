"""Files of a sweep: what is not a database is refused before SQLite sees it; deletion by `--overwrite`."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seqtool.errors import SeqtoolError
from seqtool.storage.lock import acquire_lock
from seqtool.sweep.database import BEST, DATABASE, default_storage, delete_sweep, open_storage
from seqtool.sweep.space import Dimension
from seqtool.sweep.study import Plan, open_study, quiet_optuna
from tests.storage.test_ownership import files
from tests.storage.test_run_directory import finish_run
from tests.support.shell import seqtool_in_process

optuna = pytest.importorskip("optuna")
PLAN = Plan({}, (Dimension("training.lr", ("1", "2")),), "grid", 2, 1, maximize=False)
CONFIG = "task: char\nname: s\ndata: {text: text.txt}\ntraining: {max_steps: 2, device: cpu}\n"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet_optuna():
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the directory of a sweep, next to its config and to a file of the user."""
    (tmp_path / "target").write_text("the user's")
    (tmp_path / "text.txt").write_text("the dog ate the apple " * 90)
    (tmp_path / "s.yaml").write_text(CONFIG)
    (tmp_path / "space.yaml").write_text("training.lr: [0.01, 0.02]\n")
    folder = tmp_path / "runs/s"
    folder.mkdir(parents=True)
    return folder


def put(path: Path, kind: str) -> None:
    """Write an entry of some kind."""
    make: dict[str, Callable[[], object]] = {
        "link": lambda: path.symlink_to(path.parents[2] / "target"),
        "dangling link": lambda: path.symlink_to(path.parent / "created"),
        "pipe": lambda: os.mkfifo(path),
        "directory": path.mkdir,
        "hole of 30 GB": lambda: path.write_bytes(b""),
        "text": lambda: path.write_text("the user's"),
    }
    make[kind]()
    if kind == "hole of 30 GB":
        os.truncate(path, 30 << 30)


def sweep(folder: Path, *options: str) -> str:
    """Start a sweep that is refused, and return its error."""
    before = sorted(folder.iterdir())
    done = seqtool_in_process("sweep", "s.yaml", "--space", "space.yaml", *options, cwd=folder.parents[1])
    assert (done.code, done.stdout) == (2, ""), done.stderr
    assert done.stderr.count("error: ") == 1 and "Traceback" not in done.stderr
    assert sorted(folder.iterdir()) == before
    assert (folder.parents[1] / "target").read_text() == "the user's"
    return done.stderr


@pytest.mark.parametrize("ending", ["", "-journal", "-wal"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "directory", "hole of 30 GB"])
def test_database_that_is_not_a_plain_file_is_refused(kind: str, ending: str, folder: Path) -> None:
    put(folder / (DATABASE + ending), kind)
    assert f"{DATABASE}{ending}" in sweep(folder)


def test_database_that_is_not_of_sqlite_is_refused(folder: Path) -> None:
    put(folder / DATABASE, "text")
    assert "expected a database of SQLite" in sweep(folder)


def test_database_of_another_program_is_one_error(folder: Path) -> None:
    with sqlite3.connect(folder / DATABASE) as other:
        other.execute("create table version_info (a)")
    assert "--overwrite" in sweep(folder)


@pytest.mark.parametrize("options", [(), ("--overwrite",)], ids=["resume", "overwrite"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "directory"])
def test_best_config_that_is_not_a_plain_file_is_refused(
    kind: str, options: tuple[str, ...], folder: Path
) -> None:
    put(folder / BEST, kind)
    assert "expected a plain file or a free path" in sweep(folder, *options)


# --- overwrite ----------------------------------------------------------------------------------------------


def overwrite(folder: Path) -> list[Path]:
    """Delete a sweep, and return the names of databases that were kept."""
    kept: list[Path] = []
    delete_sweep(folder, "s", default_storage(folder), 1, kept.append)
    return kept


def test_overwrite_deletes_the_study_the_trials_and_the_best_config(folder: Path) -> None:
    open_study(open_storage(default_storage(folder), 1), "s", PLAN)
    open_study(open_storage(default_storage(folder), 1), "another", PLAN)
    finish_run(folder, "trial-000")
    (folder / BEST).write_text("{}")
    (folder / "notes.txt").write_text("the user's")
    (folder / "trial-x").mkdir()
    assert overwrite(folder) == []
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", DATABASE, "trial-x"]
    names = optuna.get_all_study_names(open_storage(default_storage(folder), 1))
    assert names == ["another"]  # a database may contain the studies of other sweeps


@pytest.mark.parametrize("kind", ["text", "hole of 30 GB"])
def test_overwrite_keeps_a_database_that_cannot_be_read(kind: str, folder: Path) -> None:
    put(folder / DATABASE, kind)
    put(folder / f"{DATABASE}-journal", "text")
    size = (folder / DATABASE).stat().st_size
    assert overwrite(folder) == [folder / f"{DATABASE}~1"]
    assert (folder / f"{DATABASE}~1").stat().st_size == size
    assert (folder / f"{DATABASE}~1-journal").read_text() == "the user's"
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("reason", ["file of the user", "link", "being trained", "link as database"])
def test_refused_overwrite_deletes_nothing(reason: str, folder: Path) -> None:
    for number in range(2):
        finish_run(folder, f"trial-{number:03d}")
    (folder / BEST).write_text("{}")
    if reason == "link as database":
        put(folder / DATABASE, "link")
    else:
        open_study(open_storage(default_storage(folder), 1), "s", PLAN)
    lock = acquire_lock(folder / "trial-001") if reason == "being trained" else None
    if reason == "file of the user":
        (folder / "trial-001/notes.txt").write_text("the user's")
    elif reason == "link":
        (folder / "trial-002").symlink_to(folder / "trial-001")
    before = files(folder)
    with pytest.raises(SeqtoolError):
        overwrite(folder)
    assert files(folder) == before
    if lock is not None:
        lock.release(folder / "trial-001")
