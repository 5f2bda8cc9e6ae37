"""Worker processes of a command: they end when the process that started them ends, however it ends.

The parent holds the write end of a pipe, and each worker waits in a thread until that pipe is at its end. The
operating system closes the write end when the parent ends, also after SIGKILL.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

PR_SET_PDEATHSIG = 1  # of Linux: the signal that a process receives when its parent ends


class ParentWatch:
    """Pipe by which workers learn that their parent has ended, or that it wants them to end.

    It is made in the parent and passed to each worker as an argument of its process.
    """

    def __init__(self) -> None:
        self._read_end: Connection
        self._write_end: Connection | None
        self._read_end, self._write_end = Pipe(duplex=False)

    def __getstate__(self) -> dict[str, object]:
        """Return the state for a spawned worker, which must not hold the write end."""
        return {"_read_end": self._read_end, "_write_end": None}

    def end_workers(self) -> None:
        """Let all workers end as if the parent had ended; called in the parent."""
        self._close_write_end()

    def _close_write_end(self) -> None:
        if self._write_end is not None:
            self._write_end.close()
            self._write_end = None

    def start(self, end: Callable[[], object]) -> None:
        """Watch the parent in a thread; called in a worker, before its work.

        The worker also gives up stdin and stdout, so that it does not keep a pipe of the command open.

        Args:
            end: called in the thread when the parent has ended.
        """
        self._close_write_end()  # the copy of a forked worker
        _give_up_streams()
        _wake_when_parent_ends()
        threading.Thread(target=self._wait, args=(end,), daemon=True).start()

    def _wait(self, end: Callable[[], object]) -> None:
        with suppress(EOFError, OSError):
            self._read_end.recv_bytes()
        end()


def _give_up_streams() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    os.close(null)


def _wake_when_parent_ends() -> None:
    """Let Linux wake this process from a pause (SIGSTOP) when its parent ends, so that it can end, too."""
    if sys.platform != "linux":
        return
    from ctypes import CDLL

    with suppress(OSError, AttributeError):
        CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGCONT)


def wake(worker: BaseProcess) -> None:
    """Continue a worker that is paused (SIGSTOP); called in the parent."""
    if worker.pid is not None and worker.exitcode is None and hasattr(signal, "SIGCONT"):
        with suppress(OSError):
            os.kill(worker.pid, signal.SIGCONT)


def cause_of_end(exit_code: int | None) -> str:
    """Return the end of a worker as part of a sentence, such as `was ended by SIGKILL`."""
    if exit_code is None or exit_code >= 0:
        return f"ended with exit code {exit_code or 0}"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(-exit_code).name}"
    return f"was ended by signal {-exit_code}"
