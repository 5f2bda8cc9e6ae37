"""Helpers of all faults: runs in forked processes, and checks of what they leave.

A forked process does not have to import torch again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from seqtool.errors import SeqtoolError, Stopped
from seqtool.inference.load import load_model
from seqtool.settings.experiment import Settings
from seqtool.storage.model_directory import read_model
from seqtool.storage.ownership import NEW, OLD, REMOVED, TEMPORARY
from seqtool.training.checkpoints import Checkpoints
from tests.support.small_runs import metrics, run, samples, weights

BUG = 70  # exit code of a child that raised another exception than SeqtoolError
LONGEST_WAIT = 120.0  # seconds


def fork(work: Callable[[], object], *, quiet: bool = True) -> int:
    """Run a function in a child process that exits with the code of the command line; return the process id.

    Unexpected exceptions are appended to the file that the environment variable FAULTS_LOG names.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = BUG
    try:
        if quiet:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        work()
        code = 0
    except SeqtoolError as error:
        code = error.exit_code
    except Stopped as stop:
        code = 128 + stop.signal_number
    except BaseException:
        with contextlib.suppress(Exception), Path(os.environ.get("FAULTS_LOG", os.devnull)).open("a") as log:
            log.write(traceback.format_exc())
    finally:
        os._exit(code)


def exit_code(child: int) -> int:
    """Wait for a child and return its exit code, or minus the number of the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def exit_code_if_ended(child: int) -> int | None:
    """Return the exit code of a child as `exit_code` does, or None while the child runs."""
    pid, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


def kill_after(child: int, seconds: float) -> int:
    """Kill a child after some time, unless it ends before that; return its exit code as `exit_code` does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (code := exit_code_if_ended(child)) is not None:
            return code
        time.sleep(0.0002)
    os.kill(child, signal.SIGKILL)
    return exit_code(child)


class Background:
    """Context manager of a child process that runs until the end of the block, and is killed there."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._child = fork(work)
        self._code: int | None = None

    def __enter__(self) -> Background:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._has_ended():  # it has been waited for, so its process id may belong to another process
            return
        os.kill(self._child, signal.SIGKILL)
        self._code = exit_code(self._child)

    def _has_ended(self) -> bool:
        if self._code is None:
            self._code = exit_code_if_ended(self._child)
        return self._code is not None

    def wait_for(self, path: Path) -> None:
        """Wait until a path exists.

        Raises:
            RuntimeError: if the child ends first, or if it takes longer than `LONGEST_WAIT`.
        """
        deadline = time.monotonic() + LONGEST_WAIT
        while not path.exists():
            if self._has_ended():
                raise RuntimeError(f"the child ended with exit code {self._code} before it wrote {path}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the child did not write {path} in {LONGEST_WAIT:.0f} s")
            time.sleep(0.01)


def uninterrupted_run(settings: Settings, root: Path) -> Path:
    """Return the directory of a run without faults, which is trained on the first call."""
    if not (root / settings.name).exists():
        assert exit_code(fork(lambda: run(settings, root))) == 0
    return root / settings.name


def differences(left: Path, right: Path) -> list[str]:
    """List the parts in which two finished runs differ; times are ignored."""
    parts: dict[str, Callable[[Path], object]] = {
        "weights": weights,
        "metrics.jsonl": metrics,
        "samples.jsonl": samples,
    }
    return [name for name, read in parts.items() if read(left) != read(right)]


def leftover_files(root: Path) -> list[str]:
    """List the files of unfinished work in a directory of finished runs."""
    names = (NEW, OLD, REMOVED, TEMPORARY, ".partial", "lock")
    paths = [path for path in root.rglob("*") if path.name.endswith(names) and ".cache" not in path.parts]
    for folder in root.rglob("checkpoints"):  # a finished run keeps one checkpoint
        paths += sorted(folder.iterdir())[:-1]
    return [str(path.relative_to(root)) for path in sorted(paths)]


def check_model(model: Path) -> None:
    """Load a model directory.

    Raises:
        ModelError: if it cannot be used.
    """
    load_model(read_model(model))


def newest_step(partial: Path) -> int:
    """Return the step after which a run would resume; -1 without a checkpoint."""
    checkpoint = Checkpoints(partial / "checkpoints").newest(lambda _: None)
    return -1 if checkpoint is None else int(checkpoint.parts[""].numbers["progress"]["step"])


@contextlib.contextmanager
def counter(total: int, noun: str) -> Iterator[Callable[[], None]]:
    """Yield a function that counts one more and shows the count on stderr about fifty times in all."""
    count = 0

    def advance() -> None:
        nonlocal count
        count += 1
        if count % max(1, total // 50) == 0:
            print(f"\r{count}/{total} {noun}", end="", file=sys.stderr, flush=True)

    yield advance
    print("\r", end="", file=sys.stderr)
