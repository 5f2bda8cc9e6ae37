"""What the faults share: runs in forked processes (which spares each of them the import of torch), and what must hold after."""

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
from seqtool.settings import Settings
from seqtool.storage.model_directory import read_model
from seqtool.training.checkpoints import Checkpoints
from tests.support.small_runs import metrics, run, samples, weights

BUG = 70  # exit code of a child whose exception was no SeqtoolError


def fork(work: Callable[[], object], *, quiet: bool = True) -> int:
    """Do some work in a child process, which ends as the command line would; its process id."""
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


def ended(child: int) -> int:
    """Wait for a child; its exit code, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def still_running(child: int) -> int | None:
    """None while a child runs, else its exit code or minus the signal that killed it."""
    done, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def killed_after(child: int, seconds: float) -> int:
    """Kill a child after a while, unless it ends before; its exit code or minus the signal."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (code := still_running(child)) is not None:
            return code
        time.sleep(0.0002)
    os.kill(child, signal.SIGKILL)
    return ended(child)


def whole(settings: Settings, root: Path) -> Path:
    """A run that was left alone."""
    if not (root / settings.name).exists():
        assert ended(fork(lambda: run(settings, root))) == 0
    return root / settings.name


def differences(left: Path, right: Path) -> list[str]:
    """In what two finished runs differ, times aside."""
    parts: dict[str, Callable[[Path], object]] = {
        "weights": weights,
        "metrics.jsonl": metrics,
        "samples.jsonl": samples,
    }
    return [name for name, of in parts.items() if of(left) != of(right)]


def litter(root: Path) -> list[str]:
    """What has no business in a folder of finished runs."""
    names = (".new", ".old", ".tmp", ".partial", "lock", "checkpoints")
    return [
        str(path.relative_to(root))
        for path in sorted(root.rglob("*"))
        if path.name.endswith(names) and ".cache" not in path.parts
    ]


def loads(model: Path) -> bool:
    """Whether a model can be used."""
    load_model(read_model(model))
    return True


def newest_step(partial: Path) -> int:
    """The step that a run would go on after; -1 without a checkpoint."""
    checkpoint = Checkpoints(partial / "checkpoints").newest(lambda _: None)
    return -1 if checkpoint is None else int(checkpoint.numbers["progress"]["step"])


@contextlib.contextmanager
def telling(total: int, noun: str) -> Iterator[Callable[[], None]]:
    """Counts up on stderr, a dot for each fiftieth."""
    done = 0

    def one() -> None:
        nonlocal done
        done += 1
        if done % max(1, total // 50) == 0:
            print(f"\r{done}/{total} {noun}", end="", file=sys.stderr, flush=True)

    yield one
    print("\r", end="", file=sys.stderr)
