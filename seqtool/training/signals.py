"""Stop signals during a run: the first one requests a stop, the second ends the process at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from seqtool.errors import Stopped


class StopFlag:
    """Records that SIGINT or SIGTERM was received.

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
        """Handle a signal: record the first one, end the process at the second."""
        if self.signal_number is not None:
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
    """Record SIGINT and SIGTERM in a flag inside the block.

    Python handles signals in the main thread only; in another thread the flag is never set.
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    previous = {number: signal.signal(number, flag.receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
