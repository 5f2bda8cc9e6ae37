"""Stop signals while a run is made: the first asks politely, the second leaves at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from seqtool.errors import Stopped


class StopFlag:
    """Remembers that SIGINT or SIGTERM came; training asks it between steps, evaluations between batches.

    Attributes:
        signal_number: of the first signal that came.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._interrupting = False

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.signal_number is not None

    def receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the form of a signal handler
        """The handler: note the first signal, leave at the second."""
        if self.signal_number is not None:
            os._exit(128 + number)
        self.signal_number = number
        if self._interrupting:
            raise Stopped(number)

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """For work that leaves nothing to be saved: a signal ends the block where it stands.

        Raises:
            Stopped: inside the block, or on entering it if a signal came before.
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
    """Handle SIGINT and SIGTERM by a flag inside the block (in the main thread; elsewhere the flag stays down)."""
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
