"""The interface of everything that follows a training run: log files, the best model, the screen, a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seqtool.storage.model_directory import StoredModel
from seqtool.tasks.interface import Column, ComparedToken, FinalEvaluation
from seqtool.training.engine.events import Prediction, RowEvent, StepEvent
from seqtool.types import Arrays, Json


@dataclass(frozen=True)
class NetworkBuilt:
    """The network and the place where it is trained.

    Attributes:
        model: the content of the model directory, with the weights that were drawn.
        device: torch's name for the device.
        threads: CPU threads of this process.
        ranks: processes that train together.
    """

    model: StoredModel
    device: str
    threads: int
    ranks: int


@dataclass(frozen=True)
class Row:
    """A row with everything that listeners show or store.

    Attributes:
        event: the trainer's row.
        columns: the cells of the table of epochs.
        prediction: the decoded example.
        weights: the network's weights in this row.
    """

    event: RowEvent
    columns: tuple[Column, ...]
    prediction: Prediction
    weights: Arrays


@dataclass(frozen=True)
class RunResult:
    """A finished run: its directory, and the scores of its kept model."""

    run: Path
    row: RowEvent
    seconds: float
    parameters: int
    test_scores: dict[str, float]

    @property
    def scores(self) -> dict[str, float]:
        """Training loss, validation scores and test scores."""
        return {"train_loss": self.row.train_loss, **self.row.scores, **self.test_scores}

    def to_json(self) -> Json:
        """Return the object that `--json` prints."""
        return {
            "run": str(self.run),
            "model": str(self.run / "model"),
            "scores": self.scores,
            "epoch": self.row.epoch,
            "step": self.row.step,
            "parameters": self.parameters,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class RunFinished:
    """The end of a run.

    Attributes:
        result: directory and scores.
        evaluation: the reports on held-out data.
        comparison: expected and predicted labels of the example, by the kept model.
        kept: where an earlier run of this name is kept; None if there was none or it was replaced.
        differences: how the earlier run differs, one line each.
        next_command: a command that uses the model.
        one_of_several: whether the run is one of several seeds.
    """

    result: RunResult
    evaluation: FinalEvaluation
    comparison: tuple[ComparedToken, ...] = ()
    kept: Path | None = None
    differences: Sequence[str] = field(default_factory=tuple)
    next_command: str = ""
    one_of_several: bool = False


class Listener:
    """Base class of listeners. Every method does nothing unless a subclass overrides it."""

    def message(self, text: str) -> None:
        """Receive a line about the run."""

    def warning(self, text: str) -> None:
        """Receive a line about something that is probably wrong."""

    def preparing(self, what: str, done: int, total: int) -> None:
        """Receive the progress of reading and encoding data.

        Args:
            what: what is being done.
            done, total: bytes or files.
        """

    def network_built(self, network: NetworkBuilt) -> None:
        """Receive the network before its first step."""

    def run_started(self) -> None:
        """Prepare for the first step of a run."""

    def step(self, event: StepEvent) -> None:
        """Receive one update."""

    def row(self, row: Row) -> None:
        """Receive a row. A listener may end the run by raising an exception."""

    def run_finished(self, finished: RunFinished) -> None:
        """Receive the end of a run."""

    def all_finished(self, results: Sequence[RunResult]) -> None:
        """Receive the results of all seeds."""

    def close(self) -> None:
        """Release what the listener holds of the terminal; called after training and after every error."""


class Listeners(Listener):
    """Passes everything on to several listeners, in their order."""

    def __init__(self, listeners: Sequence[Listener] = ()) -> None:
        self._listeners = tuple(listeners)

    def message(self, text: str) -> None:
        """Pass on a line."""
        for listener in self._listeners:
            listener.message(text)

    def warning(self, text: str) -> None:
        """Pass on a warning."""
        for listener in self._listeners:
            listener.warning(text)

    def preparing(self, what: str, done: int, total: int) -> None:
        """Pass on the progress of reading data."""
        for listener in self._listeners:
            listener.preparing(what, done, total)

    def network_built(self, network: NetworkBuilt) -> None:
        """Pass on the network."""
        for listener in self._listeners:
            listener.network_built(network)

    def run_started(self) -> None:
        """Pass on the start of a run."""
        for listener in self._listeners:
            listener.run_started()

    def step(self, event: StepEvent) -> None:
        """Pass on an update."""
        for listener in self._listeners:
            listener.step(event)

    def row(self, row: Row) -> None:
        """Pass on a row."""
        for listener in self._listeners:
            listener.row(row)

    def run_finished(self, finished: RunFinished) -> None:
        """Pass on the end of a run."""
        for listener in self._listeners:
            listener.run_finished(finished)

    def all_finished(self, results: Sequence[RunResult]) -> None:
        """Pass on the results."""
        for listener in self._listeners:
            listener.all_finished(results)

    def close(self) -> None:
        """Close all."""
        for listener in self._listeners:
            listener.close()
