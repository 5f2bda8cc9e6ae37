"""Signals to the process of a command alone: no other process outlives it, and its pipes are at their end.

Processes of a command are found by a variable in their environment, also after their parent has ended.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from threading import Thread
from typing import IO

from tests.benchmarks.faults.commands import HEAVY, LIGHT, SWEEP, TRAINING, Command, copy, prepare
from tests.benchmarks.faults.common import counter

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL)
MARK = "SEQTOOL_FAULTS_MARK"
LIMIT = 2.0  # seconds
TRAINING_LIMIT = 20.0  # seconds in which a run saves its checkpoint
LONG_TAG = Command(("tag", "--model", "words", "--file", "long.txt", "--jobs", "3"))
WAITING_TAG = Command(("tag", "--model", "words", "--jobs", "3", "-"))
LONG_SWEEP = Command((*SWEEP.split(), "--set", "training.max_steps=100000"), trains=True)
LONG_RUN = Command(
    ("train-char", "char.yaml", "--name", "new", "--set", "training.max_steps=100000"), trains=True
)
SEVERAL_PROCESSES = (LONG_TAG, WAITING_TAG, LONG_SWEEP)
ALL_COMMANDS = (*SEVERAL_PROCESSES, LONG_RUN, *LIGHT, *HEAVY, *TRAINING, *SEVERAL_PROCESSES)


@dataclass
class LifetimeReport:
    """Number of signals, commands that had finished before theirs, and descriptions of wrong ends."""

    signals: int = 0
    finished: int = 0
    longest: float = 0.0
    wrong: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Return whether all commands ended as expected."""
        return not self.wrong


class Marked:
    """A started command, its descendants, and what it writes.

    Attributes:
        process: the process of the command.
    """

    def __init__(self, command: Command, folder: Path, before: Callable[[], object] | None = None) -> None:
        self._mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            command.words,
            cwd=folder,
            env=command.environment(**{MARK: self._mark}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=before or _default_signals,  # noqa: PLW1509 - it only sets signals and streams
        )
        self._texts: list[list[bytes]] = [[], []]
        streams = (self.process.stdout, self.process.stderr)
        self._readers = [
            Thread(target=_read, args=(stream, text), daemon=True)
            for stream, text in zip(streams, self._texts, strict=True)
        ]
        for reader in self._readers:
            reader.start()

    @property
    def stdout(self) -> bytes:
        """Output of the command on stdout so far."""
        return b"".join(self._texts[0])

    @property
    def stderr(self) -> str:
        """Output of the command on stderr so far."""
        return b"".join(self._texts[1]).decode()

    def processes(self) -> list[int]:
        """Return the process numbers of the command and its descendants."""
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and _has_mark(entry, self._mark.encode())
        ]

    def workers(self) -> list[int]:
        """Return the process numbers of the descendants."""
        return [number for number in self.processes() if number != self.process.pid]

    def send_line(self, line: bytes = b"the dog\n") -> None:
        """Write a line to stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def wait_for(self, condition: Callable[[], object], limit: float = 120.0) -> None:
        """Wait until a condition holds.

        Raises:
            TimeoutError: it does not hold in time.
        """
        deadline = time.monotonic() + limit
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.process.poll()}: {self.stderr}")
            time.sleep(0.01)

    def is_gone(self) -> bool:
        """Return whether the command and its descendants have ended and its pipes are at their end."""
        open_pipes = any(reader.is_alive() for reader in self._readers)
        return self.process.poll() is not None and not open_pipes and not self.processes()

    def kill(self) -> None:
        """Kill what is left."""
        for number in self.processes():
            os.kill(number, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def _default_signals() -> None:
    """Undo what the starting shell may have set: its background processes ignore SIGINT and SIGQUIT."""
    for number in SIGNALS[:-1]:
        signal.signal(number, signal.SIG_DFL)


def _read(stream: IO[bytes], into: list[bytes]) -> None:
    while chunk := os.read(stream.fileno(), 65536):
        into.append(chunk)


def _has_mark(entry: Path, mark: bytes) -> bool:
    try:
        return mark in (entry / "environ").read_bytes()
    except OSError:
        return False


def end_of(marked: Marked, number: signal.Signals, limit: float) -> tuple[str, float]:
    """Send a signal to a command; return what is wrong with its end, and the seconds until all is gone."""
    sent = time.monotonic()
    marked.process.send_signal(number)
    try:
        marked.wait_for(marked.is_gone, limit)
    except TimeoutError:
        return f"left: {marked.workers()}, exit code {marked.process.poll()}", time.monotonic() - sent
    seconds = time.monotonic() - sent
    code = marked.process.returncode
    if number is signal.SIGINT and "Fatal Python error: init_" in marked.stderr:
        return "", seconds  # Python itself was interrupted, before it called seqtool
    if code not in (0, -number, 128 + number):
        return f"exit code {code}: {marked.stderr}", seconds
    if "Traceback" in marked.stderr and code != -signal.SIGINT:  # -SIGINT: before Python called seqtool
        return marked.stderr, seconds
    return "", seconds


def signal_commands(
    count: int,
    folder: Path,
    seed: int = 1,
    longest: float = 4.0,
    commands: Sequence[Command] = ALL_COMMANDS,
    limit: float = LIMIT,
) -> LifetimeReport:
    """Send `count` signals to commands, at a random time after their start.

    Args:
        longest: latest time of a signal, in seconds after the start of a command.
        limit: seconds in which a command that does not train must end.
    """
    draw, report, place = random.Random(seed), LifetimeReport(), prepare(folder / "place")
    pairs = [(command, number) for command in commands for number in SIGNALS]
    draw.shuffle(pairs)
    with counter(count, "signals") as advance:
        for command, number in islice(cycle(pairs), count):
            marked = Marked(command, copy(place, folder / "copy"))
            time.sleep(draw.uniform(0, longest if command in SEVERAL_PROCESSES or command.trains else 1.0))
            report.finished += marked.process.poll() is not None
            wrong, seconds = end_of(marked, number, TRAINING_LIMIT if command.trains else limit)
            marked.kill()
            report.signals += 1
            report.longest = max(report.longest, round(seconds, 2))
            if wrong:
                report.wrong.append(f"{command} with {number.name}: {wrong}")
            advance()
    return report
