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
from seqtool.tasks.parts import PreparedRun
from seqtool.training.checkpoints import Checkpoint, Checkpoints
from seqtool.training.engine.events import Event, RowEvent, StepEvent
from seqtool.training.engine.ranks import ALONE, Ranks
from seqtool.training.listeners import Listener, Listeners
from seqtool.training.part import PartTraining
from seqtool.training.provenance import differences, environment, experiment
from seqtool.training.run_files import LOGS, BestModel, LogFiles
from seqtool.types import Json

HANGUP = getattr(signal, "SIGHUP", None)  # Windows does not have it
STOP_SIGNALS = tuple(filter(None, (signal.SIGINT, signal.SIGTERM, HANGUP)))
EPOCH_CHECKPOINT_AFTER = 10.0  # seconds; an epoch ends with a checkpoint if the last one is older than this


class TrainingSession:
    """Train the parts of one run, one after the other. A checkpoint can be written between any two steps.

    Attributes:
        prepared: settings, descriptions of the models and data.
        run: directory of the run.
        best_model: the best model so far.
        environment: device, threads, precision, number of ranks and versions.
        part: the part that is trained now.
        seconds_before: duration of the run before it was interrupted, in seconds; 0 if it is not resumed.
        continues: SHA-256 of the manifest of the finished run that this run continues; empty if it is new.
    """

    def __init__(
        self,
        prepared: PreparedRun,
        run: RunDirectory,
        manifest: Json,
        listeners: Sequence[Listener],
        stop: StopFlag,
        checkpoints: Checkpoints,
        ranks: Ranks = ALONE,
    ) -> None:
        """Build the networks and import torch.

        Args:
            prepared: settings, descriptions of the models and data.
            run: locked directory of the run.
            manifest: fields of the model's manifest that are known before training.
            listeners: listeners other than the log files and the best model.
            stop: flag that a stop signal sets.
            checkpoints: the checkpoints of the run.
            ranks: processes that train together.
        """
        self.prepared, self.run = prepared, run
        self._parts = [PartTraining(name, part, stop, ranks) for name, part in prepared.parts.items()]
        self.part = self._parts[0]
        precision = prepared.settings.training.precision
        self.environment = environment(self.part.device, self.part.threads, precision, ranks.shard.size)
        self.best_model = BestModel(run.model, prepared, {**manifest, **self.environment})
        self.seconds_before = 0.0
        self.continues = ""
        self._stop, self._ranks = stop, ranks
        self._logs, self._checkpoints = LogFiles(run.path), checkpoints
        # A listener may end the run by an exception. The log files and the best model come first, so that
        # they receive the row in any case.
        self._listeners = Listeners([self._logs, self.best_model, *listeners])
        self._saved_at = time.monotonic()
        for part in self._parts:
            self._listeners.network_built(part.network_built(ranks))

    @property
    def position(self) -> str:
        """Description of the last step, such as `step 12`, or `step 12 of the tagger`."""
        step = f"step {self.part.trainer.state.step:,}"
        return f"{step} of the {self.part.noun}" if self.part.name else step

    def changes_of_course(self, checkpoint: Checkpoint) -> list[str]:
        """Return why the weights will differ from those of one run with the present limits, one line each."""
        lines = [
            f"{line}: the last bits may differ from those of an uninterrupted run"
            for line in differences(checkpoint.made_with, self.environment)
        ]
        for part in self._parts:
            if part.name in checkpoint.parts:
                section = checkpoint.experiment.get(part.name, checkpoint.experiment)
                lines.append(part.change_of_course(section["training"]))
        return [line for line in lines if line]

    # --- checkpoints ----------------------------------------------------------------------------------------

    def resume_from(self, checkpoint: Checkpoint) -> None:
        """Restore the trainers, the log files and the best model from a checkpoint.

        Raises:
            ModelError: the checkpoint does not fit the network or the optimizer of this run.
        """
        for part in self._parts:
            state = checkpoint.parts.get(part.name)
            if state is None:
                continue
            part.restore(state)
            self.seconds_before += part.trainer.state.seconds
            if state.best is not None:
                self.best_model.keep(part.name, state.best, state.best_weights)
        self.continues = checkpoint.continues
        self._logs.restore(checkpoint.logs)
        self.part = next((part for part in self._parts if not part.has_finished), self._parts[-1])

    def checkpoint(self) -> None:
        """Write a checkpoint.

        Raises:
            SeqtoolError: the checkpoint cannot be written; earlier checkpoints are unchanged.
        """
        logs = self._logs.contents()
        started = [part for part in self._parts if part.has_started]
        self._checkpoints.save(
            Checkpoint(
                experiment=experiment(self.prepared),
                made_with=self.environment,
                parts={part.name: part.state(self.best_model) for part in started},
                logs={name: logs[name] for name in LOGS},
                continues=self.continues,
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
        trainer = self.part.trainer
        if not trainer.can_save:
            return False
        limit = self.part.training.checkpoint_minutes * 60
        if isinstance(event, RowEvent) or (event.position == event.batches and not trainer.state.row_due):
            limit = min(limit, EPOCH_CHECKPOINT_AFTER)
        return time.monotonic() - self._saved_at >= limit

    # --- training -------------------------------------------------------------------------------------------

    def train(self) -> None:
        """Train each part until a limit is reached.

        Raises:
            Stopped: a stop signal was received.
            Diverged: the loss or the gradient is no longer finite.
            SeqtoolError: a file cannot be written.
        """
        for number, part in enumerate(self._parts, 1):
            self.part = part
            self._train_part(f"{part.noun}, part {number} of {len(self._parts)}" if part.name else "")
        self._logs.sort([part.name for part in self._parts])

    def _train_part(self, title: str) -> None:
        """Train a part, and write a checkpoint at its end if another part follows."""
        part, had_finished = self.part, self.part.has_finished
        part.begin()
        if not (title and had_finished):
            self._listeners.run_started(title)
        for event in part.trainer.run():
            if isinstance(event, StepEvent):
                self._listeners.step(event)
            else:
                self._listeners.row(part.row(event, self.best_model))
            if self._ranks.any(self._checkpoint_is_due(event)):
                self.checkpoint()
        self._listeners.close()
        if part.trainer.end_reason == "stop":
            raise Stopped(self._stop.signal_number or signal.SIGTERM)
        if part.trainer.end_reason == "patience" and not had_finished:
            self._listeners.message(f"no progress in {part.training.patience} evaluations: stopped early")
        if part.name not in self.best_model.best:
            hint = "raise training.epochs or training.max_steps, and run the command again with --resume"
            raise SeqtoolError("the run ended before its first row", hint=hint)
        if part is not self._parts[-1]:
            self._ranks.any(True)
            part.end(self.best_model)
            if not had_finished:
                self.checkpoint()


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
