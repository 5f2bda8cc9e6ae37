"""One training run in progress: trainers, log files, best model, checkpoints, listeners and stop signals."""

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
from seqtool.training.background import BackgroundTraining
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
LOOK_EVERY = 0.2  # seconds between two looks at a part in the background, once the main part has ended


class TrainingSession:
    """Train the parts of one run. A checkpoint can be written between any two steps.

    On a CPU, a tokenizer and a tagger are trained side by side, with half of the threads each, since small
    networks gain little from a second thread. With one thread, the same steps are made one after the other.

    Attributes:
        prepared: settings, descriptions of the models and data.
        run: directory of the run.
        best_model: the best model so far.
        environment: device, threads, precision, number of ranks and versions.
        part: the part that this thread trains now.
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
        count = len(prepared.parts)
        self._parts = [PartTraining(name, part, stop, ranks, count) for name, part in prepared.parts.items()]
        self.part = self._shown = self._parts[0]
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
        unfinished = [part for part in self._parts if part.has_started and not part.has_finished]
        steps = [(f"step {part.trainer.state.step:,}", part) for part in unfinished or [self.part]]
        return " and ".join(f"{step} of the {part.noun}" if part.name else step for step, part in steps)

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
            if state.best is not None:
                self.best_model.keep(part.name, state.best, state.best_weights)
        seconds = [part.trainer.state.seconds for part in self._parts]
        self.seconds_before = max(seconds) if self.part.side_by_side else sum(seconds)
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
                parts={part.name: part.state() for part in started},
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

    def _checkpoint_is_due(self, at_row: bool) -> bool:
        if not self.part.trainer.can_save:
            return False
        limit = self.part.training.checkpoint_minutes * 60
        return time.monotonic() - self._saved_at >= (min(limit, EPOCH_CHECKPOINT_AFTER) if at_row else limit)

    # --- training -------------------------------------------------------------------------------------------

    def train(self) -> None:
        """Train each part until a limit is reached.

        Raises:
            Stopped: a stop signal was received.
            Diverged: the loss or the gradient is no longer finite.
            SeqtoolError: a file cannot be written.
        """
        match self._parts:
            case [other, main] if main.side_by_side and not (other.has_finished or main.has_finished):
                self._train_side_by_side(other, main)
            case parts:
                for part in parts:
                    self._train_part(part)
        self._logs.sort([part.name for part in self._parts])

    def _train_part(self, part: PartTraining) -> None:
        """Train a part, and write a checkpoint at its end if another part follows."""
        self.part, had_finished = part, part.has_finished
        part.begin()
        if not (part.name and had_finished):
            self._begin_table(part)
        for event in part.trainer.run():
            self._tell(event, part)
            if self._ranks.any(self._checkpoint_is_due(_ends_epoch(event, part))):
                self.checkpoint()
        self._listeners.close()
        self._check_end(part, had_finished)
        if part is not self._parts[-1]:
            self._ranks.any(True)
            part.end()
            if not had_finished:
                self.checkpoint()

    def _train_side_by_side(self, other: PartTraining, main: PartTraining) -> None:
        """Train two parts at the same time, the main part in this thread."""
        self.part = main
        for part in (other, main):
            part.begin()
        self._begin_table(other, f", with the {main.noun} beside it")
        with BackgroundTraining(other) as background:
            for event in main.trainer.run():
                self._tell(event, main)
                self._follow(background, main, _ends_epoch(event, main))
            while not background.wait(LOOK_EVERY):
                self._follow(background, main)
            self._follow(background, main)
        self._listeners.close()
        for part in (other, main):
            self._check_end(part)

    def _follow(self, background: BackgroundTraining, main: PartTraining, at_row: bool = False) -> None:
        """Tell the listeners what happened in the background, and write a checkpoint if it is due."""
        other, has_ended = background.part, background.wait(0)
        if background.step is not None:
            self._listeners.step(background.step, other.name)
        for row in background.take_rows():
            self._listeners.row(row)
            at_row = True
        if background.error is not None:
            self.part = other
            raise background.error
        if has_ended and self._shown is other and other.trainer.end_reason != "stop":
            self._begin_table(main)
        if self._checkpoint_is_due(at_row):
            with background.paused():
                for row in background.take_rows():
                    self._listeners.row(row)
                self.checkpoint()

    def _begin_table(self, part: PartTraining, more: str = "") -> None:
        self._shown = part
        number = self._parts.index(part) + 1
        title = f"{part.noun}, part {number} of {len(self._parts)}{more}" if part.name else ""
        self._listeners.run_started(part.name, title)

    def _tell(self, event: Event, part: PartTraining) -> None:
        """Tell the listeners of an event of a part that this thread trains."""
        if isinstance(event, StepEvent):
            self._listeners.step(event, part.name)
        else:
            self._listeners.row(part.row(event))

    def _check_end(self, part: PartTraining, had_finished: bool = False) -> None:
        """Check that the training of a part came to its end, and that it has a row."""
        if part.trainer.end_reason == "stop":
            raise Stopped(self._stop.signal_number or signal.SIGTERM)
        if part.trainer.end_reason == "patience" and not had_finished:
            of_part = f"{part.noun}: " if part.name else ""
            evaluations = f"{part.training.patience} evaluations"
            self._listeners.message(f"{of_part}no progress in {evaluations}: stopped early")
        if part.name not in self.best_model.best:
            hint = "raise training.epochs or training.max_steps, and run the command again with --resume"
            raise SeqtoolError("the run ended before its first row", hint=hint)


def _ends_epoch(event: Event, part: PartTraining) -> bool:
    """Return whether an event is a row, or the end of an epoch that has none."""
    if isinstance(event, RowEvent):
        return True
    return event.position == event.batches and not part.trainer.state.row_due


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
