"""Storage of Optuna in a file of SQLite in which two workers never take the same trial.

Optuna reads the state of a trial with `SELECT ... FOR UPDATE` before it changes the state. SQLite has no
`FOR UPDATE`: two workers could both read that a trial waits, and both take it. The second one then failed,
because the first one held the directory of the run. `BEGIN IMMEDIATE` lets a transaction wait until no other
process writes, before it reads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, event

BUSY_SECONDS = 100  # in which another process must have written what it writes

_alone = threading.local()  # whether transactions of this thread exclude other writers from their start


class SqliteStorage(RDBStorage):
    """Storage that reads and writes the queue in one step, as seen from other processes."""

    def __init__(self, url: str, **options: Any) -> None:
        """Open the file.

        Args:
            url: database URL of SQLAlchemy.
            options: further arguments of `RDBStorage`.
        """
        super().__init__(url, engine_kwargs={"connect_args": {"timeout": BUSY_SECONDS}}, **options)
        event.listen(self.engine, "begin", _begin)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Change the state of a trial; return whether it was taken, if it is to run."""
        with _excluding_writers():
            return super().set_trial_state_values(trial_id, state, values)

    def _create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> FrozenTrial:
        """Add a trial, whose number is the number of trials before it."""
        with _excluding_writers():
            return super()._create_new_trial(study_id, template_trial)


@contextmanager
def _excluding_writers() -> Iterator[None]:
    _alone.active = True
    try:
        yield
    finally:
        _alone.active = False


def _begin(connection: Connection) -> None:
    if getattr(_alone, "active", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
