"""One training run in progress: trainer, log files, best model, checkpoints, listeners and stop signals."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from seqtool.errors import SeqtoolError, Stopped
from seqtool.storage.run_directory import RunDirectory
from seqtool.tasks.build import build_task
from seqtool.tasks.interface import Column, Prepared, definition
from seqtool.training.checkpoints import BeforeExtraRow, Checkpoint, Checkpoints
from seqtool.training.engine.events import Event, RowEvent, StepEvent
from seqtool.training.engine.ranks import ALONE, Ranks
from seqtool.training.listeners import Listener, Listeners, NetworkBuilt, Row
from seqtool.training.provenance import differences, environment, experiment
from seqtool.training.run_files import LOGS, BestModel, LogFiles
from seqtool.types import Arrays, Json

HANGUP = getattr(signal, "SIGHUP", None)  # Windows does not have it
STOP_SIGNALS = tuple(filter(None, (signal.SIGINT, signal.SIGTERM, HANGUP)))
EPOCH_CHECKPOINT_AFTER = 10.0  # seconds; an epoch ends with a checkpoint if the last one is older than this


class TrainingSession:
    """Train one run. A checkpoint can be written between any two steps.

    Attributes:
        prepared: settings, description of the model and data.
        run: directory of the run.
        best_model: the best model so far.
        environment: device, threads, precision, number of ranks and versions.
        seconds_before: duration of the run before it was interrupted, in seconds; 0 if it is not resumed.
        continues: SHA-256 of the manifest of the finished run that this run continues; empty if it is new.
    """

    def __init__(
        self,
        prepared: Prepared,
        run: RunDirectory,
        manifest: Json,
        listeners: Sequence[Listener],
        stop: StopFlag,
        checkpoints: Checkpoints,
        ranks: Ranks = ALONE,
    ) -> None:
        """Build the network and import torch.

        Args:
            prepared: settings, description of the model and data.
            run: locked directory of the run.
            manifest: fields of the model's manifest that are known before training.
            listeners: listeners other than the log files and the best model.
            stop: flag that a stop signal sets.
            checkpoints: the checkpoints of the run.
            ranks: processes that train together.
        """
        from seqtool.models.weights import weight_arrays
        from seqtool.training.engine.trainer import Trainer

        built = build_task(prepared, ranks)
        training = prepared.settings.training
        self.prepared, self.run = prepared, run
        self.environment = environment(str(built.device), built.threads, training.precision, ranks.shard.size)
        self.best_model = BestModel(run.model, prepared, {**manifest, **self.environment})
        self.seconds_before = 0.0
        self.continues = ""
        self._network, self._stop, self._ranks = built.task.network, stop, ranks
        self._definition = definition(prepared.settings.task)
        self._preview = self._definition.preview(prepared)
        self._logs, self._checkpoints = LogFiles(run.path), checkpoints
        # A listener may end the run by an exception. The log files and the best model come first, so that
        # they receive the row in any case.
        self._listeners = Listeners([self._logs, self.best_model, *listeners])
        self._trainer = Trainer(built.task, training, stop)
        self._best_before_row: tuple[RowEvent | None, Arrays] = (None, {})
        self._saved_at = time.monotonic()
        model = prepared.stored(weight_arrays(self._network))
        self._listeners.network_built(NetworkBuilt(model, str(built.device), built.threads, ranks.shard.size))

    @property
    def step(self) -> int:
        """Number of updates so far."""
        return self._trainer.state.step

    def changes_of_course(self, checkpoint: Checkpoint) -> list[str]:
        """Return why the weights will differ from those of one run with the present limits, one line each."""
        lines = [
            f"{line}: the last bits may differ from those of an uninterrupted run"
            for line in differences(checkpoint.made_with, self.environment)
        ]
        training, before = self.prepared.settings.training, checkpoint.experiment["training"]
        same_end = (training.epochs, training.max_steps) == (before["epochs"], before["max_steps"])
        if training.schedule == "cosine" and not same_end:
            rate = self._trainer.schedule.rate(self.step)
            lines.append(
                f"the cosine schedule now ends at step {self._trainer.total_steps:,}, and the learning rate "
                f"continues at {rate:.3g}: the weights will differ from those of one run with these limits"
            )
        return lines

    # --- checkpoints ----------------------------------------------------------------------------------------

    def resume_from(self, checkpoint: Checkpoint) -> None:
        """Restore the trainer, the log files and the best model from a checkpoint.

        Raises:
            ModelError: the checkpoint does not fit the network or the optimizer of this run.
        """
        earlier = checkpoint.before_extra_row
        self._trainer.load_state(checkpoint.tensors, checkpoint.numbers, earlier.numbers if earlier else None)
        if earlier is not None:
            self._best_before_row = earlier.best, earlier.best_weights
        self.seconds_before, self.continues = self._trainer.state.seconds, checkpoint.continues
        self._logs.restore(checkpoint.logs)
        if checkpoint.best is not None:
            self.best_model.keep(checkpoint.best, checkpoint.best_weights)

    def checkpoint(self) -> None:
        """Write a checkpoint.

        Raises:
            SeqtoolError: the checkpoint cannot be written; earlier checkpoints are unchanged.
        """
        logs = self._logs.contents()
        numbers, tensors = self._trainer.state_json(), self._trainer.state_arrays()
        earlier = self._trainer.before_extra_row
        self._checkpoints.save(
            Checkpoint(
                experiment=experiment(self.prepared),
                made_with=self.environment,
                numbers=numbers,
                tensors=tensors,
                best=self.best_model.best,
                best_weights=self.best_model.weights,
                logs={name: logs[name] for name in LOGS},
                continues=self.continues,
                before_extra_row=None if earlier is None else BeforeExtraRow(earlier, *self._best_before_row),
            )
        )
        self._saved_at = time.monotonic()

    def save_on_exit(self, *, checkpoint: bool) -> None:
        """Let the other ranks exit.

        Args:
            checkpoint: write a checkpoint first, with the states of all ranks.

        Raises:
            SeqtoolError: the checkpoint cannot be written.
        """
        if self._ranks.any(checkpoint):
            self.checkpoint()

    def _checkpoint_is_due(self, event: Event) -> bool:
        if not self._trainer.can_save:
            return False
        limit = self.prepared.settings.training.checkpoint_minutes * 60
        if isinstance(event, RowEvent) or (
            event.position == event.batches and not self._trainer.state.row_due
        ):
            limit = min(limit, EPOCH_CHECKPOINT_AFTER)
        return time.monotonic() - self._saved_at >= limit

    # --- training -------------------------------------------------------------------------------------------

    def train(self) -> None:
        """Train until a limit is reached.

        Raises:
            Stopped: a stop signal was received.
            Diverged: the loss or the gradient is no longer finite.
            SeqtoolError: a file cannot be written.
        """
        self._listeners.run_started()
        for event in self._trainer.run():
            if isinstance(event, StepEvent):
                self._listeners.step(event)
            else:
                self._row(event)
            if self._ranks.any(self._checkpoint_is_due(event)):
                self.checkpoint()
        self._listeners.close()
        if self._trainer.end_reason == "stop":
            raise Stopped(self._stop.signal_number or signal.SIGTERM)
        if self._trainer.end_reason == "patience":
            patience = self.prepared.settings.training.patience
            self._listeners.message(f"no progress in {patience} evaluations: stopped early")
        if self.best_model.best is None:
            hint = "raise training.epochs or training.max_steps, and run the command again with --resume"
            raise SeqtoolError("the run ended before its first row", hint=hint)

    def _row(self, event: RowEvent) -> None:
        """Decode the preview example and pass the row to all listeners."""
        from seqtool.models.weights import weight_arrays

        weights = weight_arrays(self._network)
        prediction = self._preview.prediction(weights)
        self._best_before_row = self.best_model.best, self.best_model.weights
        self._listeners.row(Row(event, self._columns(event, weights), prediction, weights))

    def _columns(self, event: RowEvent, weights: Arrays) -> tuple[Column, ...]:
        if event.scores:
            return self._definition.columns(event, self.prepared.settings, self._remaining(event))
        accuracy = self._preview.training_accuracy(weights)
        columns = Column("epoch", event.epoch, "d"), Column("loss", event.train_loss, ".3f")
        return columns if accuracy is None else (*columns, Column("accuracy", accuracy, ".1%"))

    def _remaining(self, row: RowEvent) -> float | None:
        """Estimate the seconds until the run ends from its speed so far; None if the run has no limit."""
        total, minutes = self._trainer.total_steps, self.prepared.settings.training.max_minutes
        by_steps = None if total is None else row.seconds / max(1, row.step) * (total - row.step)
        by_clock = None if minutes is None else minutes * 60 - row.seconds
        known = [max(0.0, seconds) for seconds in (by_steps, by_clock) if seconds is not None]
        return 0.0 if row.last else min(known, default=None)


class StopFlag:
    """Records that SIGINT, SIGTERM or SIGHUP was received.

    Training checks the flag between steps, an evaluation between batches.

    Attributes:
        signal_number: number of the first signal; None if there was none.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._interrupting = False

    def __call__(self) -> bool:
        """Return whether a stop was requested."""
        return self.signal_number is not None

    def receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signal handlers get a frame
        """Handle a signal: record the first one, end the process at the second.

        A lost terminal sends SIGHUP up to three times: from the system, from the shell, and when the shell
        ends. So a later SIGHUP has no effect.
        """
        if self.signal_number is not None:
            if number == HANGUP:
                return
            os._exit(128 + number)
        self.signal_number = number
        if self._interrupting:
            raise Stopped(number)

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Let a signal interrupt the block at once. The block must have no state that needs saving.

        Raises:
            Stopped: a signal was received inside the block, or before it.
        """
        self._interrupting = True
        try:
            if self.signal_number is not None:
                raise Stopped(self.signal_number)
            yield
        finally:
            self._interrupting = False


@contextmanager
def stop_signals() -> Iterator[StopFlag]:
    """Record SIGINT, SIGTERM and SIGHUP in a flag inside the block.

    SIGINT and SIGHUP stay ignored if they were ignored when the process started, as under `nohup`. Python
    handles signals in the main thread only; in another thread the flag is never set.
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    numbers = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, flag.receive) for number in numbers}
    try:
        yield flag
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
