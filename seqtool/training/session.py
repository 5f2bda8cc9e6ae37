"""A run under way: the trainer, and what hears of it joined together: screen, files, best model, checkpoints."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from seqtool.errors import SeqtoolError, Stopped
from seqtool.reports.network import network_parts, network_title
from seqtool.reports.training import TrainingScreen
from seqtool.reports.training_rows import character_row, number, simple_row, tagger_row
from seqtool.settings import CharSettings, Settings
from seqtool.storage.run_directory import RunDirectory
from seqtool.tasks.network import BuiltTask, build_task
from seqtool.tasks.prepare import Prepared
from seqtool.tasks.previews import Preview
from seqtool.training.checkpoints import LOGS, Checkpoint, Checkpoints
from seqtool.training.engine.events import Report, RowEvent, StepEvent
from seqtool.training.engine.ranks import ALONE, Ranks
from seqtool.training.log_files import BestModel, RunFiles
from seqtool.training.provenance import experiment, made_with
from seqtool.training.signals import StopFlag

PROGRESS_EVERY = 0.2  # seconds
AT_EPOCHS_AFTER = 10.0  # seconds since the last checkpoint after which the end of an epoch brings one


class TrainingSession:
    """Trains one run, and can be asked for a checkpoint whenever the trainer is not in the middle of a step.

    Attributes:
        best: the keeper of the best model.
        seconds_before: that a run which goes on took before.
        on_row: hears of every row, and may end the run by raising.
        circumstances: device, threads, precision, number of ranks and versions.
    """

    def __init__(
        self,
        prepared: Prepared,
        run: RunDirectory,
        facts: Mapping[str, Any],
        screen: TrainingScreen,
        stop: StopFlag,
        store: Checkpoints,
        ranks: Ranks = ALONE,
    ) -> None:
        from seqtool.training.engine.trainer import Trainer

        built = build_task(prepared, ranks)  # torch from here on
        self.prepared, self.run, self.screen = prepared, run, screen
        self.circumstances = made_with(
            str(built.device), built.threads, prepared.settings.training.precision, ranks.shard.size
        )
        self.best = BestModel(run.model, prepared, {**facts, **self.circumstances})
        self._built, self._stop, self._ranks = built, stop, ranks
        self._files, self._examples, self._store = RunFiles(run.path), Preview(prepared), store
        self._trainer = Trainer(built.task, prepared.settings.training, stop)
        self.on_row: Callable[[RowEvent], None] | None = None
        self._last_shown, self._saved_at = 0.0, time.monotonic()
        self.seconds_before = 0.0
        _introduce(prepared, built, screen, ranks)

    @property
    def step(self) -> int:
        """Updates made."""
        return self._trainer.state.step

    # --- going on -----------------------------------------------------------------------------------------------------

    def resume_from(self, checkpoint: Checkpoint) -> None:
        """Take up a run where a checkpoint left it.

        Raises:
            ModelError: if it is not one of a run like this.
        """
        self._trainer.load_state(checkpoint.tensors, checkpoint.numbers)
        self.seconds_before = self._trainer.state.seconds
        self._files.restore(checkpoint.logs)
        if checkpoint.best is not None:
            self.best.keep(checkpoint.best, dict(checkpoint.best_weights))

    def checkpoint(self) -> None:
        """Write a checkpoint.

        Raises:
            SeqtoolError: if it cannot be written; the earlier ones are then untouched.
        """
        logs = self._files.contents()
        self._store.save(
            Checkpoint(
                experiment=experiment(self.prepared),
                made_with=self.circumstances,
                numbers=self._trainer.state_json(),
                tensors=self._trainer.state_arrays(),
                best=self.best.row,
                best_weights=self.best.weights,
                logs={name: logs[name] for name in LOGS},
            )
        )
        self._saved_at = time.monotonic()

    def part(self, *, checkpoint: bool) -> None:
        """Let the other ranks go, after a last checkpoint where one is wanted.

        Raises:
            SeqtoolError: if it cannot be written.
        """
        if self._ranks.any(checkpoint):
            self.checkpoint()

    def _checkpoint_is_due(self, report: Report) -> bool:
        if not self._trainer.can_save:
            return False
        waited, minutes = (
            time.monotonic() - self._saved_at,
            self.prepared.settings.training.checkpoint_minutes,
        )
        ends = isinstance(report, RowEvent) or (
            report.position == report.batches and not self._trainer.state.row_due
        )
        return waited >= min(minutes * 60, AT_EPOCHS_AFTER if ends else minutes * 60)

    # --- training -----------------------------------------------------------------------------------------------------

    def train(self) -> None:
        """Train to the end.

        Raises:
            Stopped: if a stop was asked for.
            Diverged: if loss or gradient are no longer finite.
            SeqtoolError: if a file cannot be written.
        """
        self.screen.begin()
        for report in self._trainer.run():
            if isinstance(report, StepEvent):
                self._hear_of_step(report)
            else:
                self._hear_of_row(report)
            if self._ranks.any(self._checkpoint_is_due(report)):
                self.checkpoint()
        self.screen.close()
        if self._trainer.ended == "stop":
            raise Stopped(self._stop.signal_number or signal.SIGTERM)
        if self._trainer.ended == "patience":
            self.screen.say(
                f"no progress in {self.prepared.settings.training.patience} evaluations: stopped early"
            )
        if self.best.row is None:
            raise SeqtoolError(
                "the run ended before its first row",
                hint="raise training.epochs or training.max_steps and go on with --resume",
            )

    def _hear_of_step(self, report: StepEvent) -> None:
        now = time.monotonic()
        if now - self._last_shown >= PROGRESS_EVERY:
            self._last_shown = now
            values = {"epoch": str(report.epoch), "loss": number(report.loss), "lr": f"{report.lr:.1e}"}
            self.screen.point("loss", report.epoch - 1 + report.position / report.batches, report.loss)
            done, total = (
                (report.step, report.total_steps) if report.total_steps else (report.position, report.batches)
            )
            self.screen.progress(done, total, values)

    def _hear_of_row(self, report: RowEvent) -> None:
        from seqtool.models.weights import weight_arrays

        weights = weight_arrays(self._built.task.network)
        prediction = self._examples.prediction(weights)
        accuracy = None if report.scores else self._examples.training_accuracy(weights)
        self._files.row(report, prediction)
        if "val_loss" in report.scores:
            self.screen.point("validation", report.epoch, report.scores["val_loss"])
        self.screen.row(_cells(self.prepared.settings, report, accuracy, self._left(report)), prediction)
        if report.best:
            self.best.keep(report, weights)
        if self.on_row is not None:
            self.on_row(report)

    def _left(self, row: RowEvent) -> float | None:
        """Seconds to the end, at the pace so far, evaluations included; None where no limit tells."""
        total, minutes = self._trainer.total_steps, self.prepared.settings.training.max_minutes
        by_steps = None if total is None else row.seconds / max(1, row.step) * (total - row.step)
        by_clock = None if minutes is None else minutes * 60 - row.seconds
        known = [max(0.0, seconds) for seconds in (by_steps, by_clock) if seconds is not None]
        return 0.0 if row.last else min(known, default=None)


def _introduce(prepared: Prepared, built: BuiltTask, screen: TrainingScreen, ranks: Ranks) -> None:
    """Show the network."""
    from seqtool.models.weights import weight_arrays

    shapes = {name: array.shape for name, array in weight_arrays(built.task.network).items()}
    screen.network(
        network_title(prepared.config, shapes), network_parts(prepared.config, prepared.vocab, shapes)
    )
    together = f", {ranks.shard.size} ranks" if ranks.shard.size > 1 else ""
    screen.say(f"  device     {built.device}, {built.threads} threads{together}")


def _cells(
    settings: Settings, row: RowEvent, accuracy: float | None, left: float | None
) -> Mapping[str, str]:
    if not row.scores:
        return simple_row(row.epoch, row.train_loss, accuracy)
    if isinstance(settings, CharSettings):
        return character_row(row, settings.training.eval_block or settings.training.window, left)
    return tagger_row(row.epoch, row.train_loss, row.scores, row.lr, row.rate, row.seconds)
