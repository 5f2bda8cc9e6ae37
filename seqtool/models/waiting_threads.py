"""Waiting threads of torch: they spin where processors are free, and sleep early beside other busy processes.

Spinning is the fastest way to wait for another thread. Beside other busy processes, it takes the processor
from the thread for which it waits. libgomp reads the number of spins once, when it is loaded. While a process
has more threads of OpenMP than processors, they spin at most 1,000 times (`GOMP_SPINCOUNT` in the manual of
libgomp). A team of idle threads makes that so, and its end undoes it.
"""

from __future__ import annotations

import threading
import time

import torch

from seqtool.threads import available_cores, wait_can_be_shortened, waiting_threads_sleep

PERIOD = 0.5  # seconds between two measurements
BUSY = 0.8  # of the time; with a smaller share, other processes are busy. 0.93 to 1.0 on free processors
GRAIN = 32_768  # numbers of an operation for which torch starts another thread


def adapt_to_load(device: torch.device) -> None:
    """Let waiting threads sleep early while other processes are busy.

    Call this function between the steps of a training. It does nothing on a GPU, and nothing unless
    `choose_waiting` chose how the threads wait.
    """
    if device.type != "cpu" or torch.get_num_threads() == 1:
        return
    share = _processor_share.measure()
    if share is not None and wait_can_be_shortened():
        _idle_team.keep(share < BUSY)


def threads_sleep_early() -> bool:
    """Return whether waiting threads sleep early now."""
    return _idle_team.exists or waiting_threads_sleep()


class ProcessorShare(threading.local):
    """Share of the time in which the calling thread has a processor. A waiting thread that spins has one."""

    def __init__(self) -> None:
        """Start the first period."""
        self._start = time.perf_counter(), time.thread_time()

    def measure(self) -> float | None:
        """Return the share in a period that is over, and start the next one; return None within a period."""
        clock, used = self._start
        now = time.perf_counter()
        if now - clock < PERIOD:
            return None
        self._start = now, time.thread_time()
        return (self._start[1] - used) / (now - clock)


class IdleTeam:
    """A team of OpenMP threads, one per processor, that does nothing. It belongs to a thread of its own."""

    def __init__(self) -> None:
        """Create no team yet."""
        self._guard = threading.Lock()  # parts that are trained side by side measure the load, too
        self._end: threading.Event | None = None

    @property
    def exists(self) -> bool:
        """Whether there is a team."""
        return self._end is not None

    def keep(self, wanted: bool) -> None:
        """Create the team if it is wanted, or end it."""
        with self._guard:
            self._create_or_end(wanted)

    def _create_or_end(self, wanted: bool) -> None:
        if wanted and self._end is None:
            self._end, ready = threading.Event(), threading.Event()
            # A daemon does not keep the program from ending.
            threading.Thread(
                target=_hold_team, args=(ready, self._end), name="idle team", daemon=True
            ).start()
            ready.wait()
        elif not wanted and self._end is not None:
            self._end.set()
            self._end = None


def _hold_team(ready: threading.Event, end: threading.Event) -> None:
    """Create a team by a small operation, and hold it until the event `end`."""
    threads = available_cores()
    try:
        torch.set_num_threads(threads)  # of this thread
        torch.zeros(threads * GRAIN, dtype=torch.uint8).add_(1)
    finally:
        ready.set()
    end.wait()


_processor_share = ProcessorShare()
_idle_team = IdleTeam()
