"""Entry point of `python -m seqtool` and of the console script; handles Ctrl-C while modules are loaded."""

import gc
import os
import signal
from types import FrameType


def _end_process(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's signature
    os._exit(128 + number)


def main() -> None:
    """Load and run the command line. While it loads, Ctrl-C ends the process without a traceback."""
    # Loaded modules stay in memory, so a search for unreachable objects would only cost 10 ms of each start.
    gc.set_threshold(200_000, 20, 20)
    # Another handler means that the caller has disabled Ctrl-C; then it stays disabled.
    handles_interrupt = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if handles_interrupt:
        signal.signal(signal.SIGINT, _end_process)
    from seqtool.threads import give_numpy_one_thread

    give_numpy_one_thread()
    from seqtool.cli.main import main as command_line

    if handles_interrupt:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command_line()


if __name__ == "__main__":
    main()
