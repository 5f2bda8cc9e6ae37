"""Queue of a sweep in a file of SQLite: each trial is taken once, and no two trials have the same number."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

optuna = pytest.importorskip("optuna")

from optuna.storages._rdb import models  # noqa: E402
from optuna.trial import TrialState  # noqa: E402

from seqtool.sweep.database import open_storage  # noqa: E402

WHILE_THE_OTHER_READS = 0.5  # seconds in which a worker that is not kept waiting takes a trial


def two_workers(folder: Path) -> tuple[list[Any], Any]:
    """Return two connections to a queue, and its study."""
    url = f"sqlite:///{folder}/sweep.db"
    storages = [open_storage(url, 10), open_storage(url, 10)]
    return storages, optuna.create_study(storage=storages[0], study_name="s")


def test_a_trial_is_taken_once_if_both_workers_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, second), study = two_workers(tmp_path)
    study.enqueue_trial({"x": 1})
    number = study.trials[0]._trial_id
    find: Callable[..., Any] = models.TrialModel.find_or_raise_by_id
    other: list[Future[bool]] = []

    def found(*args: Any, **kwargs: Any) -> Any:
        trial = find(*args, **kwargs)
        if not other:
            other.append(pool.submit(second.set_trial_state_values, number, TrialState.RUNNING))
            wait(other, timeout=WHILE_THE_OTHER_READS)
        return trial

    monkeypatch.setattr(models.TrialModel, "find_or_raise_by_id", found)
    with ThreadPoolExecutor(1) as pool:
        taken = [first.set_trial_state_values(number, TrialState.RUNNING), other[0].result()]
    assert sorted(taken) == [False, True]


def test_trials_that_workers_add_at_the_same_time_have_different_numbers(tmp_path: Path) -> None:
    storages, study = two_workers(tmp_path)

    def add(storage: Any) -> list[int]:
        return [storage.get_trial(storage.create_new_trial(study._study_id)).number for _ in range(20)]

    with ThreadPoolExecutor(2) as pool:
        numbers = [number for added in pool.map(add, storages) for number in added]
    assert sorted(numbers) == list(range(40))
