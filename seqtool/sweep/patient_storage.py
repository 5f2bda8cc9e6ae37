"""Storage of Optuna that survives a restart of its database server: it repeats what a lost connection ended.

A call may have been carried out although its answer was lost. Repeating it is safe, because the queue accepts
an attempt twice, and a trial that already has a result keeps it.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

from optuna.storages import RDBStorage
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

P = ParamSpec("P")
T = TypeVar("T")
PATIENCE = 300.0  # seconds without an answer after which a sweep gives up
FIRST_DELAY, LONGEST_DELAY = 0.25, 5.0  # seconds between two attempts; each is twice the one before
CANNOT_CONNECT_NOW, NOT_READY = "57P03", "the database system is "  # of PostgreSQL
# Private methods that Optuna calls on a storage from other classes.
PRIVATE = (
    "_create_new_trial",
    "_get_trials",
    "_set_trial_param",
    "_get_best_trial_id",
    "_get_stale_trial_ids",
)
PUBLIC = ("get_", "set_", "create_", "delete_", "record_")

_repeated = threading.local()  # whether this thread is inside a call that is repeated as a whole


def is_lost_connection(error: BaseException | None) -> bool:
    """Return whether the server of a database caused an error by not answering."""
    while error is not None:
        if isinstance(error, OperationalError | InterfaceError):
            return True
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return True
        error = error.__cause__ or error.__context__
    return False


def is_starting(error: BaseException | None) -> bool:
    """Return whether a server answered that it starts, stops or recovers, and takes no connections yet."""
    while error is not None:
        if getattr(error, "sqlstate", None) == CANNOT_CONNECT_NOW or NOT_READY in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def repeated(
    call: Callable[[], T],
    patience: float,
    waits: Callable[[], object],
    *,
    sleep: Callable[[float], object],
    waits_for: Callable[[BaseException], bool] = is_lost_connection,
) -> T:
    """Call a function until its connection is not lost.

    Args:
        call: the function.
        waits_for: errors after which it is called again.
        patience: seconds in which the last attempt must begin.
        waits: called before the second attempt.
        sleep: waits for some seconds.
    """
    deadline, delay = time.monotonic() + patience, FIRST_DELAY
    while True:
        try:
            return call()
        except Exception as error:
            if not waits_for(error) or time.monotonic() + delay > deadline:
                raise
            if delay == FIRST_DELAY:
                waits()
        sleep(delay)
        delay = min(2 * delay, LONGEST_DELAY)


class PatientStorage(RDBStorage):
    """Storage on a database server, each of whose calls is repeated until the server answers."""

    def __init__(self, url: str, waits: Callable[[], object], **options: Any) -> None:
        """Connect to the server.

        Args:
            url: database URL of SQLAlchemy.
            waits: called when the server does not answer, before the first repetition.
            options: further arguments of `RDBStorage`.
        """
        self._waits = waits
        super().__init__(url, engine_kwargs={"pool_pre_ping": True}, **options)


def _patient(method: Callable[P, T]) -> Callable[P, T]:
    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        if getattr(_repeated, "active", False):
            return method(*args, **kwargs)
        _repeated.active = True
        try:
            storage: Any = args[0]
            return repeated(lambda: method(*args, **kwargs), PATIENCE, storage._waits, sleep=time.sleep)
        finally:
            _repeated.active = False

    return call


def _methods() -> Iterator[str]:
    for name in dir(RDBStorage):
        if (name.startswith(PUBLIC) or name in PRIVATE) and "heartbeat_" not in name:
            yield name


for _name in _methods():
    setattr(PatientStorage, _name, _patient(getattr(RDBStorage, _name)))
