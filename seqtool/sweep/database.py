"""Database of a sweep: checked before it is opened, its errors, and its deletion.

By default it is the file `sweep.db` in the directory of the sweep. Nothing in that directory is trusted: the
database must be a plain file of SQLite, and what cannot be read in it is one error.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from seqtool.errors import SeqtoolError
from seqtool.storage.atomic import free_name, remove_directory
from seqtool.storage.ownership import RUN_CONTENTS, check_plain
from seqtool.storage.plain_files import exists, open_plain
from seqtool.storage.run_list import check_removable
from seqtool.sweep.queue import MISSED_HEARTBEATS, requeue

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

DATABASE = "sweep.db"
BEST = "best.yaml"
OVERWRITE = "replace the sweep with --overwrite"
_TRIAL = re.compile(r"trial-\d+(~\d+|\.partial)?")  # names of the directories of trials
_HEADER = b"SQLite format 3\0"
_COMPANIONS = ("", "-journal", "-wal", "-shm")  # endings of the files that SQLite writes
_SIZE_LIMIT = 4 << 30  # bytes; 100,000 trials need 200 MB
_WRONG_CONTENT = (ValueError, TypeError, LookupError, AttributeError, AssertionError)  # raised by Optuna
_OPEN_ATTEMPTS = 5
_OPEN_DELAY = 0.3  # seconds between two attempts


def default_storage(folder: Path) -> str:
    """Return the URL of the database in the directory of a sweep."""
    return f"sqlite:///{(folder / DATABASE).absolute()}"


def without_password(url: str) -> str:
    """Return the URL of a database with asterisks in place of its password."""
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", url)


# --- opening ------------------------------------------------------------------------------------------------


def open_storage(url: str, heartbeat: float) -> RDBStorage:
    """Open a database of studies, and create its tables if they do not exist.

    Args:
        url: database URL of SQLAlchemy.
        heartbeat: seconds between two heartbeats of a running trial.

    Raises:
        SeqtoolError: if the database cannot be opened, or is a file that is not a plain file of SQLite.
    """
    from sqlalchemy.exc import SQLAlchemyError

    path, interval = _file_of(url), max(1, math.ceil(heartbeat))
    if path is not None:
        _check_file(path)
    try:
        for _ in range(_OPEN_ATTEMPTS - 1):
            with suppress(SQLAlchemyError, RuntimeError):  # another process may be creating the tables
                return _storage(url, interval)
            time.sleep(_OPEN_DELAY)
        return _storage(url, interval)
    except (SQLAlchemyError, ImportError, ValueError, RuntimeError, OSError, AssertionError) as error:
        message = f"the storage cannot be opened: {_first_line(error)}"
        hint = "give a URL for SQLAlchemy, such as sqlite:///sweep.db or postgresql://user@host/name"
        if path is not None and path.name == DATABASE and exists(path):
            raise SeqtoolError(message, place=str(path), hint=OVERWRITE) from error
        raise SeqtoolError(message, place="--storage", hint=hint) from error


def _storage(url: str, interval: int) -> RDBStorage:
    import optuna

    return optuna.storages.RDBStorage(
        url,
        engine_kwargs={"connect_args": {"timeout": 100}} if url.startswith("sqlite") else {},
        heartbeat_interval=interval,
        grace_period=MISSED_HEARTBEATS * interval,
        heartbeat_stale_trial_callback=requeue,
    )


def _file_of(url: str) -> Path | None:
    """Return the file of an SQLite database; None for any other database."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    with suppress(ArgumentError, ValueError):
        parts = make_url(url)
        if parts.get_backend_name() == "sqlite" and parts.database not in (None, "", ":memory:"):
            return Path(str(parts.database))
    return None


def _check_file(path: Path) -> None:
    """Check that a database and the files next to it are free paths or plain files, and the first of SQLite.

    Raises:
        SeqtoolError: if they are not.
    """
    for ending in _COMPANIONS:
        part = path.with_name(path.name + ending)
        if exists(part):
            with open_plain(part, _SIZE_LIMIT) as file:
                header = file.read(len(_HEADER))
            if not ending and header and header != _HEADER:
                raise SeqtoolError("expected a database of SQLite", place=str(path), hint=OVERWRITE)


@contextmanager
def study_errors(url: str, *, content: bool = True) -> Iterator[None]:
    """Raise one error of seqtool if the database of a study fails, or contains what is no study.

    Args:
        content: the block only reads the study, so that exceptions such as ValueError come from its content.

    Raises:
        SeqtoolError: in place of the errors of Optuna and SQLAlchemy.
    """
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    expected = (OptunaError, SQLAlchemyError, *_WRONG_CONTENT) if content else (OptunaError, SQLAlchemyError)
    try:
        yield
    except expected as error:
        message = f"the database of the sweep cannot be used: {_first_line(error)}"
        hint = OVERWRITE if content else "check the disk and the database; the same command resumes the sweep"
        raise SeqtoolError(message, place=without_password(url), hint=hint) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


# --- deletion -----------------------------------------------------------------------------------------------


def delete_sweep(folder: Path, name: str, url: str, heartbeat: float, keep: Callable[[Path], object]) -> None:
    """Delete the study, the trials and the best config of an earlier sweep.

    The database may contain other studies. If it cannot be read, it gets a free name.

    Args:
        folder: directory of the sweep.
        name: name of the study.
        url: URL of the database.
        keep: called with the new name of a database that cannot be read.

    Raises:
        SeqtoolError: if a trial is being trained, or if an entry is not one that seqtool wrote. Nothing is
            deleted then.
    """
    import optuna

    trials = [path for path in folder.glob("trial-*") if _TRIAL.fullmatch(path.name)]
    for trial in trials:
        check_removable(trial, RUN_CONTENTS)
    path = _file_of(url)
    parts = [path.with_name(path.name + ending) for ending in _COMPANIONS] if path else []
    for file in (folder / BEST, *parts):
        check_plain(file)
    try:
        if path is None or path.exists():
            with study_errors(url), suppress(KeyError):
                optuna.delete_study(study_name=name, storage=open_storage(url, heartbeat))
    except SeqtoolError:
        if path != (folder / DATABASE).absolute():
            raise
        keep(_rename(folder / DATABASE))
    for trial in trials:
        remove_directory(trial, trial, RUN_CONTENTS)
    (folder / BEST).unlink(missing_ok=True)


def _rename(path: Path) -> Path:
    """Give a database and the files next to it a free name, and return it."""
    new = free_name(path)
    for ending in _COMPANIONS:
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(new.with_name(new.name + ending))
    return new
