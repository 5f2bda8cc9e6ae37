"""A part of a run that is trained in a thread of its own, while the main thread trains another part."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from seqtool.training.engine.events import StepEvent
from seqtool.training.listeners import Row
from seqtool.training.part import PartTraining


class BackgroundTraining:
    """Trains a part in a thread of its own inside a `with` block. If the block ends early, the thread stops.

    The thread only trains. The main thread handles listeners, checkpoints and signals: it takes the rows from
    time to time, and pauses the thread while it saves both parts.

    Attributes:
        part: the part that the thread trains.
        step: its last step; None before the first.
        error: the error that has ended the training; None if there is none.
    """

    def __init__(self, part: PartTraining) -> None:
        self.part = part
        self.step: StepEvent | None = None
        self._rows: deque[Row] = deque()
        self._changed = threading.Condition()  # guards the next line
        self._must_wait = self._waits = self._has_ended = False
        self.error: BaseException | None = None
        self._abandoned = False
        stop_requested = part.trainer.should_stop
        part.trainer.should_stop = lambda: self._abandoned or stop_requested()
        # A daemon does not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=part.name, daemon=True)

    # --- the main thread ------------------------------------------------------------------------------------

    def __enter__(self) -> BackgroundTraining:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the training after its current step, unless it has ended."""
        self._abandoned = True
        self._thread.join()

    def take_rows(self) -> Iterator[Row]:
        """Yield the rows that were not taken yet."""
        while self._rows:
            yield self._rows.popleft()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the training has ended, at most for some seconds; return whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: self._has_ended, seconds)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the thread wait between two steps during the block, so that the state can be saved."""
        with self._changed:
            self._must_wait = True
            self._changed.wait_for(lambda: self._waits or self._has_ended)
        try:
            yield
        finally:
            with self._changed:
                self._must_wait = False
                self._changed.notify_all()

    # --- the thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Train to the end, and keep the error that ends it."""
        from seqtool.training.engine.device import use_threads

        try:
            use_threads(self.part.threads)
            for event in self.part.trainer.run():
                if isinstance(event, StepEvent):
                    self.step = event
                else:
                    self._rows.append(self.part.row(event))
                if self._must_wait and self.part.trainer.can_save:
                    self._wait()
        except BaseException as error:
            self.error = error
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()

    def _wait(self) -> None:
        """Wait until the main thread has saved the state."""
        with self._changed:
            self._waits = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._must_wait)
            self._waits = False
