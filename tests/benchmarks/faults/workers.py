"""SIGKILLs and pauses (SIGSTOP, SIGCONT) of workers and of training: nothing is lost, no pause is fatal.

After a kill, `tag` ends with one line and a clean prefix of its output. A sweep and a run are resumed by the
same command until they finish. After a pause, the output, scores and bytes are those of an undisturbed
command.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.faults.commands import SWEEP, Command, copy, prepare
from tests.benchmarks.faults.common import counter, differences, exit_code, fork, uninterrupted_run
from tests.benchmarks.faults.kills import MAKERS, kill_runs
from tests.benchmarks.faults.lifetime import Marked
from tests.support.small_runs import run

TAG = Command(("tag", "--model", "words", "--file", "long.txt", "--jobs", "2"))
STEPS = ("--set", "training.max_steps=400", "--set", "training.eval_every=50")
SWEEP_OF_FOUR = Command((*SWEEP.split(), "--json", *STEPS), trains=True)
SPACE = "training.lr: [0.01, 0.02, 0.03, 0.04]\n"
KILLED = "error: a worker process was ended by SIGKILL; the output is incomplete\n"
SHORT, LONG = (0.01, 0.5), (7.0, 9.0)  # seconds of a pause; a sweep takes trials over after six seconds
LIMIT = 600.0  # seconds in which a command must end
Advance = Callable[[], None]


@dataclass
class WorkerReport:
    """Numbers of kills and pauses by command, and descriptions of what was lost or fatal."""

    kills: Counter[str] = field(default_factory=Counter)
    pauses: Counter[str] = field(default_factory=Counter)
    commands: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Return whether nothing was lost and nothing fatal."""
        return not self.wrong


@dataclass(frozen=True)
class Faults:
    """Numbers of faults for the workers of `tag`, the workers of a sweep, and training."""

    tag: int
    sweep: int
    training: int

    @classmethod
    def share(cls, count: int) -> Faults:
        """Divide a number; a sweep, which takes the longest, gets the smallest part."""
        return cls(count - count // 4 - count // 6, count // 6, count // 4)

    @property
    def total(self) -> int:
        """The sum of all."""
        return self.tag + self.sweep + self.training


def disturb_workers(
    kills: Faults, pauses: Faults, folder: Path, seed: int = 1, lines: int = 50_000
) -> WorkerReport:
    """Kill and pause workers at random times; the text for `tag` has `lines` lines."""
    draw, report, place = random.Random(seed), WorkerReport(), prepare(folder / "place", lines)
    (place / "space.yaml").write_text(SPACE)
    with counter(kills.total + pauses.total, "faults") as advance:
        _disturb_tag(kills.tag, pauses.tag, place, draw, report, advance)
        _disturb_training(kills.training, pauses.training, folder / "training", draw, report, advance)
        _disturb_sweeps(kills.sweep, pauses.sweep, place, draw, report, advance)
    return report


def _worker(marked: Marked, draw: random.Random) -> int | None:
    """Wait for a worker and return its number; None if the command ends before that."""
    while marked.process.poll() is None:
        workers = [number for number in marked.workers() if b"resource_tracker" not in _command_line(number)]
        if workers:
            return draw.choice(workers)
        time.sleep(0.01)
    return None


def _command_line(number: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{number}/cmdline").read_bytes()
    return b""


def _send(worker: int, number: signal.Signals) -> bool:
    """Send a signal; return whether the process was there."""
    try:
        os.kill(worker, number)
    except ProcessLookupError:
        return False
    return True


def _pause(worker: int, seconds: float) -> bool:
    """Pause a process; return whether it was there."""
    there = _send(worker, signal.SIGSTOP)
    time.sleep(seconds)
    return _send(worker, signal.SIGCONT) and there


# --- tag ----------------------------------------------------------------------------------------------------


def _disturb_tag(
    kills: int, pauses: int, place: Path, draw: random.Random, report: WorkerReport, advance: Advance
) -> None:
    undisturbed, started = Marked(TAG, place), time.monotonic()
    undisturbed.wait_for(undisturbed.is_gone, LIMIT)
    whole, seconds = undisturbed.stdout, time.monotonic() - started
    undisturbed.kill()
    while report.kills["tag"] < kills or report.pauses["tag"] < pauses:
        marked = Marked(TAG, place)
        if draw.random() < 0.8:  # else right at the start
            marked.wait_for(lambda marked=marked: marked.stdout or marked.process.poll() is not None)  # type: ignore[misc]
            time.sleep(draw.uniform(0, seconds / 2))
        worker = _worker(marked, draw)
        kill = report.kills["tag"] < kills
        if worker is None or not (
            _send(worker, signal.SIGKILL) if kill else _pause(worker, draw.uniform(*SHORT))
        ):
            marked.kill()
            continue
        report.commands += 1
        (report.kills if kill else report.pauses)["tag"] += 1
        advance()
        if wrong := _tag_problem(marked, whole, killed=kill):
            report.wrong.append(f"tag, {'kill' if kill else 'pause'}: {wrong}")
        marked.kill()


def _tag_problem(marked: Marked, whole: bytes, *, killed: bool) -> str:
    try:
        marked.wait_for(marked.is_gone, LIMIT)
    except TimeoutError:
        return "does not end"
    code, output = marked.process.returncode, marked.stdout
    if code == 0:  # a killed worker may have finished its work
        return "" if output == whole and not marked.stderr else "other output"
    if not killed or code != 1 or marked.stderr != KILLED:
        return f"exit code {code}: {marked.stderr}"
    clean = whole.startswith(output) and (not output or output.endswith(b"\n\n"))
    return "" if clean else "the output is no clean prefix"


# --- training -----------------------------------------------------------------------------------------------


def _disturb_training(
    kills: int, pauses: int, folder: Path, draw: random.Random, report: WorkerReport, advance: Advance
) -> None:
    done = kill_runs(kills, folder / "kills", draw.randrange(1000)) if kills else None
    if done is not None:
        report.kills["training"] += done.kills
        report.commands += done.kills + done.runs
        report.wrong += [] if done.passed else [f"training, kill: {done}"]
    while report.pauses["training"] < pauses:
        name, make = draw.choice(list(MAKERS.items()))
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        settings = make(place, max_steps=40, eval_every=6)
        expected = uninterrupted_run(settings, place / "whole")
        shutil.rmtree(place / "paused", ignore_errors=True)
        child = fork(lambda settings=settings, place=place: run(settings, place / "paused"))  # type: ignore[misc]
        time.sleep(draw.uniform(0, 0.3))
        _pause(child, draw.uniform(*SHORT))
        code = exit_code(child)
        report.commands += 1
        report.pauses["training"] += 1
        advance()
        if code or differences(place / "paused" / settings.name, expected):
            report.wrong.append(f"training of {name}, pause: exit code {code}, or another result")


# --- sweeps -------------------------------------------------------------------------------------------------


def _disturb_sweeps(
    kills: int, pauses: int, place: Path, draw: random.Random, report: WorkerReport, advance: Advance
) -> None:
    expected, folder = None, place.parent / "sweep"
    while (
        report.kills["sweep"] < kills
        or report.pauses["sweep"] < pauses
        or (expected is None and kills + pauses)
    ):
        copy(place, folder)
        while True:
            marked = Marked(SWEEP_OF_FOUR, folder)
            if expected is not None:
                _disturb_sweep(marked, kills, pauses, draw, report, advance)
            marked.wait_for(marked.is_gone, LIMIT)
            code, output, messages = marked.process.returncode, marked.stdout, marked.stderr
            report.commands += 1
            marked.kill()
            if code != 1 or "the same command resumes the sweep" not in messages or "Traceback" in messages:
                break
        scores = (
            _scores(output) if code == 0 and "Traceback" not in messages else f"exit code {code}: {messages}"
        )
        expected = scores if expected is None else expected
        if scores != expected or isinstance(scores, str):
            report.wrong.append(f"sweep: {scores}")
            return


def _disturb_sweep(
    marked: Marked, kills: int, pauses: int, draw: random.Random, report: WorkerReport, advance: Advance
) -> None:
    """Kill or pause workers of a sweep until it ends or the numbers are reached."""
    while report.kills["sweep"] < kills or report.pauses["sweep"] < pauses:
        time.sleep(draw.uniform(0, 4))
        worker = _worker(marked, draw)
        if worker is None:
            return
        left = [kills - report.kills["sweep"], pauses - report.pauses["sweep"]]
        if draw.randrange(sum(left)) < left[0]:
            if _send(worker, signal.SIGKILL):
                report.kills["sweep"] += 1
                advance()
        elif _pause(worker, draw.uniform(*draw.choice((SHORT, SHORT, LONG)))):
            report.pauses["sweep"] += 1
            advance()


def _scores(output: bytes) -> dict[str, object]:
    """Return the scores of all trials by their values."""
    trials = json.loads(output)["trials"]
    return {json.dumps(trial["values"]): (trial["state"], trial["value"]) for trial in trials}
