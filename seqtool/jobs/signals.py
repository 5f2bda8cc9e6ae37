"""Stop signals while a run is made: the first asks politely, the second leaves at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopFlag:
    """Remembers that SIGINT or SIGTERM came; long work asks it between steps."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.signal_number is not None

    def receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the form of a signal handler
        """The handler: note the first signal, leave at the second."""
        if self.signal_number is not None:
            os._exit(128 + number)
        self.signal_number = number


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
