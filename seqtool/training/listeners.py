"""Interface of listeners, and the values that they receive.

Listeners receive the events of a run: the log files, the best model, the screen and a sweep are listeners.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seqtool.storage.model_directory import StoredModel
from seqtool.tasks.interface import Column, ComparedToken
from seqtool.tasks.parts import RunEvaluation
from seqtool.training.engine.events import Prediction, RowEvent, StepEvent
from seqtool.types import Arrays, Json


@dataclass(frozen=True)
class NetworkBuilt:
    """The untrained network of a part, and the device and processes that train it.

    Attributes:
        model: the content of a model directory with the initial weights.
        device: name of the device in torch, such as `cpu` or `cuda:0`.
        threads: CPU threads of this process.
        ranks: number of processes that train together.
    """

    model: StoredModel
    device: str
    threads: int
    ranks: int


@dataclass(frozen=True)
class Row:
    """A row of the table of epochs, with everything that listeners show or store.

    Attributes:
        event: step, losses and scores, from the trainer.
        columns: the cells of the row.
        prediction: the network's output for the example of the preview.
        weights: the network's weights at this row, by name.
        part: name of the part of the run; empty if the run has one part.
    """

    event: RowEvent
    columns: tuple[Column, ...]
    prediction: Prediction
    weights: Arrays
    part: str = ""


@dataclass(frozen=True)
class RunResult:
    """A finished run and its best model.

    Attributes:
        run: directory of the run.
        row: row of the best model; of a run with several parts, that of the main part.
        seconds: duration of the run.
        parameters: number of weights.
        test_scores: scores on the test split by name; empty without a test split.
        part_scores: training loss and validation scores of the other parts, by the names in the manifest.
        part_rows: epoch and step of the best row of each part; empty if the run has one part.
    """

    run: Path
    row: RowEvent
    seconds: float
    parameters: int
    test_scores: dict[str, float]
    part_scores: Mapping[str, float] = field(default_factory=dict)
    part_rows: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def scores(self) -> dict[str, float]:
        """Training loss, validation scores and test scores."""
        own = {"train_loss": self.row.train_loss, **self.row.scores}
        return {**own, **self.part_scores, **self.test_scores}

    def to_json(self) -> Json:
        """Return the object that `--json` prints."""
        return {
            "run": str(self.run),
            "model": str(self.run / "model"),
            "scores": self.scores,
            "epoch": self.row.epoch,
            "step": self.row.step,
            **({"parts": self.part_rows} if self.part_rows else {}),
            "parameters": self.parameters,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class RunFinished:
    """A finished run, with everything that listeners report about it.

    Attributes:
        result: directory and scores.
        evaluation: the reports on held-out data, by part.
        rows: row of the best model of each part by name, the main part last.
        comparison: expected and predicted labels of the preview example, or of all training sentences if
            there are only one or two; empty if the task has no labels.
        kept: new path of an earlier run of the same name; None if there was none or it was replaced.
        differences: differences between this run and the earlier run, one line each.
        next_command: a command line that uses the model.
        one_of_several: whether the run is one of several seeds.
    """

    result: RunResult
    evaluation: RunEvaluation
    rows: Mapping[str, RowEvent]
    comparison: tuple[ComparedToken, ...] = ()
    kept: Path | None = None
    differences: Sequence[str] = field(default_factory=tuple)
    next_command: str = ""
    one_of_several: bool = False


class Listener:
    """Base class of listeners. Every method does nothing unless a subclass overrides it."""

    def message(self, text: str) -> None:
        """Receive one line of information about the run."""

    def notice(self, text: str) -> None:
        """Receive one line that is shown even with `--quiet`."""

    def warning(self, text: str) -> None:
        """Receive one line about a probable mistake."""

    def working(self, what: str, done: int, total: int) -> None:
        """Receive the progress of work before and after training: reading data, and the final evaluation.

        Args:
            what: the current action, such as `encoding`.
            done: units processed so far, such as bytes, files or symbols.
            total: units in all.
        """

    def network_built(self, network: NetworkBuilt) -> None:
        """Receive the network before its first step."""

    def run_started(self, part: str = "", title: str = "") -> None:
        """Prepare for the first step of a run, or of one of its parts.

        If parts are trained side by side, steps and rows of all parts arrive before the first part ends.

        Args:
            part: name of the part; empty if the run has one part.
            title: name and number of the part, as `tokenizer, part 1 of 2`.
        """

    def step(self, event: StepEvent, part: str = "") -> None:
        """Receive an update. If parts are trained side by side, some updates are left out."""

    def row(self, row: Row) -> None:
        """Receive a row. A listener may end the run by raising an exception."""

    def run_finished(self, finished: RunFinished) -> None:
        """Receive the result of a finished run."""

    def all_finished(self, results: Sequence[RunResult]) -> None:
        """Receive the results of all runs of the command, after the last one."""

    def close(self) -> None:
        """Release the terminal, such as a progress bar. It is called after training and after every error."""


class Listeners(Listener):
    """Pass every call to several listeners, in order."""

    def __init__(self, listeners: Sequence[Listener] = ()) -> None:
        self._listeners = tuple(listeners)

    def message(self, text: str) -> None:
        """Pass the line to all listeners."""
        for listener in self._listeners:
            listener.message(text)

    def notice(self, text: str) -> None:
        """Pass the line to all listeners."""
        for listener in self._listeners:
            listener.notice(text)

    def warning(self, text: str) -> None:
        """Pass the warning to all listeners."""
        for listener in self._listeners:
            listener.warning(text)

    def working(self, what: str, done: int, total: int) -> None:
        """Pass the progress of work before or after training to all listeners."""
        for listener in self._listeners:
            listener.working(what, done, total)

    def network_built(self, network: NetworkBuilt) -> None:
        """Pass the network to all listeners."""
        for listener in self._listeners:
            listener.network_built(network)

    def run_started(self, part: str = "", title: str = "") -> None:
        """Pass the start of a run or a part to all listeners."""
        for listener in self._listeners:
            listener.run_started(part, title)

    def step(self, event: StepEvent, part: str = "") -> None:
        """Pass the update to all listeners."""
        for listener in self._listeners:
            listener.step(event, part)

    def row(self, row: Row) -> None:
        """Pass the row to all listeners."""
        for listener in self._listeners:
            listener.row(row)

    def run_finished(self, finished: RunFinished) -> None:
        """Pass the result of a run to all listeners."""
        for listener in self._listeners:
            listener.run_finished(finished)

    def all_finished(self, results: Sequence[RunResult]) -> None:
        """Pass the results to all listeners."""
        for listener in self._listeners:
            listener.all_finished(results)

    def close(self) -> None:
        """Close all listeners."""
        for listener in self._listeners:
            listener.close()
