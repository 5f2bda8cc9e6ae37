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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seqtool.errors import SeqtoolError
from seqtool.storage.atomic import free_name, remove_directory
from seqtool.storage.ownership import RUN_CONTENTS, check_plain
from seqtool.storage.plain_files import exists, open_plain
from seqtool.storage.run_list import check_removable
from seqtool.sweep.database_url import (
    missing_driver_hint,
    with_driver,
    without_password,
    without_secrets,
)
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
_WRONG_URL = (ValueError, RuntimeError, OSError, AssertionError)
_OPEN_ATTEMPTS = 5
_OPEN_DELAY = 0.3  # seconds between two attempts


def default_storage(folder: Path) -> str:
    """Return the URL of the database in the directory of a sweep."""
    return f"sqlite:///{(folder / DATABASE).absolute()}"


# --- opening ------------------------------------------------------------------------------------------------


def open_storage(
    url: str, heartbeat: float, waits: Callable[[], object] = lambda: None, *, patient: bool = False
) -> RDBStorage:
    """Open a database of studies, and create its tables if they do not exist.

    Args:
        url: database URL of SQLAlchemy.
        heartbeat: seconds between two heartbeats of a running trial.
        waits: called when a database server that is open does not answer.
        patient: wait also for a server that refuses connections, not only for one that starts or stops.

    Raises:
        SeqtoolError: if the database cannot be opened, or is a file that is not a plain file of SQLite.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    from seqtool.sweep.patient_storage import PATIENCE, is_lost_connection, is_starting, repeated

    url = with_driver(url)
    path, interval = _file_of(url), max(1, math.ceil(heartbeat))
    if path is not None:
        _check_file(path)
    try:
        for _ in range(_OPEN_ATTEMPTS - 1):
            with suppress(
                SQLAlchemyError, StorageInternalError, RuntimeError
            ):  # another process may create tables
                return _storage(url, interval, waits)
            time.sleep(_OPEN_DELAY)
        waits_for = is_lost_connection if patient else is_starting  # a wrong URL is an error at once
        call = partial(_storage, url, interval, waits)
        return repeated(call, PATIENCE, waits, sleep=time.sleep, waits_for=waits_for)
    except (SQLAlchemyError, StorageInternalError, ImportError, *_WRONG_URL) as error:
        if isinstance(error, ImportError) and (hint := missing_driver_hint(url)):
            message = "the driver of this database is not installed"
            raise SeqtoolError(message, place="--storage", hint=hint) from error
        message = f"the storage cannot be opened: {_first_line(error, url)}"
        hint = "give a URL for SQLAlchemy, such as sqlite:///sweep.db or postgresql://user@host/name"
        if path is not None and path.name == DATABASE and exists(path):
            raise SeqtoolError(message, place=str(path), hint=OVERWRITE) from error
        raise SeqtoolError(message, place="--storage", hint=hint) from error


def _storage(url: str, interval: int, waits: Callable[[], object]) -> RDBStorage:
    from seqtool.sweep.patient_storage import PatientStorage
    from seqtool.sweep.sqlite_storage import SqliteStorage

    make: Callable[..., RDBStorage] = partial(PatientStorage, url, waits)
    if url.startswith("sqlite"):
        make = partial(SqliteStorage, url)
    return make(
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
        message = f"the database of the sweep cannot be used: {_first_line(error, url)}"
        hint = OVERWRITE if content else "check the disk and the database; the same command resumes the sweep"
        raise SeqtoolError(message, place=without_password(url), hint=hint) from error


def _first_line(error: Exception, url: str) -> str:
    """Return the first line of the error that the driver reports, without the URL's passwords."""
    while error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return without_secrets((str(error).splitlines() or [type(error).__name__])[0], url)[:200]


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
