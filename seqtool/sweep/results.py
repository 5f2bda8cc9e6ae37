"""Results of a sweep: its trials, its summary, and the listener that is informed of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

from seqtool.errors import Problem
from seqtool.types import Json

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

ENDED = ("done", "pruned", "failed")  # states of trials that have ended


@dataclass(frozen=True)
class TrialRow:
    """State of one trial.

    Attributes:
        place: number of the trial.
        state: waiting, running, done, pruned or failed.
        value: score of the trial, or of its latest evaluation while it runs.
        values: searched settings as YAML texts by key.
        rows: number of evaluations so far.
        seconds: duration of an ended trial.
        reason: error of a failed trial.
        run: run directory of the trial.
    """

    place: int
    state: str
    value: float | None
    values: Mapping[str, str]
    rows: int = 0
    seconds: float | None = None
    reason: str = ""
    run: str = ""

    @classmethod
    def from_trial(cls, place: int, trial: FrozenTrial) -> TrialRow:
        """Convert a trial of Optuna."""
        evaluations, attributes = trial.intermediate_values, trial.user_attrs
        value = trial.value
        if value is None and evaluations:
            value = evaluations[max(evaluations)]
        return cls(
            place,
            {"COMPLETE": "done", "FAIL": "failed"}.get(trial.state.name, trial.state.name.lower()),
            value,
            {name: str(text) for name, text in attributes.get("values", {}).items()},
            len(evaluations),
            trial.duration.total_seconds() if trial.duration else None,
            str(attributes.get("reason", "")),
            str(attributes.get("run", "")),
        )


@dataclass(frozen=True)
class Summary:
    """Result of a finished sweep.

    Attributes:
        name: name of the sweep.
        storage: URL of the study's database, without its password.
        rows: all trials.
        best: trial with the best score.
        config: path of the config that has the best trial's settings.
        importance: share of each key in the differences between scores, the most important first.
    """

    name: str
    storage: str
    rows: Sequence[TrialRow]
    best: TrialRow
    config: str
    importance: Mapping[str, float]

    def to_json(self) -> Json:
        """Return the object that `--json` prints."""
        return {
            "name": self.name,
            "storage": self.storage,
            "counts": {state: sum(row.state == state for row in self.rows) for state in ENDED},
            "best": {**asdict(self.best), "config": self.config},
            "importance": dict(self.importance),
            "trials": [asdict(row) for row in self.rows],
        }


class SweepListener(Protocol):
    """Receiver of the events of a sweep, such as the table on a terminal."""

    def begin(self, name: str, storage: str, keys: list[str], metric: str) -> None:
        """Receive the start of a sweep: its name, database, searched keys, and the name of the score."""

    def show(self, rows: Sequence[TrialRow]) -> None:
        """Receive the present state of all trials."""

    def close(self) -> None:
        """Receive the end of the workers, finished or stopped."""

    def end(self, summary: Summary) -> None:
        """Receive the result."""

    @staticmethod
    def worker_failed(problems: Sequence[Problem]) -> None:
        """Receive the error that ends a worker; called in the process of that worker."""
