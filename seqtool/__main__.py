"""`python -m seqtool` and the console script: Ctrl-C ends the process quietly from here on, while the rest is still being loaded."""

import gc
import os
import signal
from types import FrameType


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the form of a signal handler
    os._exit(128 + number)


def main() -> None:
    """Load the command line and run it; its own answer to Ctrl-C takes over once it is there."""
    gc.set_threshold(
        200_000, 20, 20
    )  # what is loaded now stays: looking through it for cycles would cost 10 ms of each start
    loading = (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )  # else the caller has Ctrl-C ignored, and so it stays
    if loading:
        signal.signal(signal.SIGINT, _leave)
    from seqtool.cli.main import main as command_line

    if loading:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command_line()


if __name__ == "__main__":
    main()
