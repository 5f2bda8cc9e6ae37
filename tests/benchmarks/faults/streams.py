"""Failed writes: every command with a full or closed stdout or stderr."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from tests.benchmarks.faults.commands import HEAVY, LIGHT, TRAINING, Command, copy, prepare
from tests.benchmarks.faults.common import counter
from tests.support.small_runs import weights

FAULTS = ("full stdout", "full stderr", "closed pipe", "closed stdout", "closed stderr")
TIMEOUT = 300


@dataclass(frozen=True)
class Outcome:
    """End of a command: exit code, what reached the streams, and the weights that it trained."""

    code: int
    stdout: bytes
    stderr: str
    weights: bytes | None


@dataclass
class StreamReport:
    """Number of failed streams, and descriptions of the unexpected outcomes."""

    faults: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Return whether all outcomes were as expected."""
        return not self.wrong


@contextmanager
def _streams(fault: str) -> Iterator[dict[str, Any]]:
    """Open the streams of a process with one fault."""
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if fault.startswith("full"):
        with Path("/dev/full").open("wb") as full:
            yield {**streams, fault.split()[1]: full}
    elif fault == "closed pipe":
        reader, writer = os.pipe()
        os.close(reader)
        try:
            yield {**streams, "stdout": writer}
        finally:
            os.close(writer)
    elif fault:
        descriptor = 1 if "stdout" in fault else 2
        yield {**streams, "preexec_fn": lambda: os.close(descriptor)}
    else:
        yield streams


def outcome(command: Command, folder: Path, fault: str = "") -> Outcome:
    """Run a command with a fault; without a fault, the result is what is expected."""
    with _streams(fault) as streams:
        done = subprocess.run(
            command.words,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            env=command.environment(),
            timeout=TIMEOUT,
            check=False,
            **streams,
        )
    trained = weights(folder / "runs" / command.run) if command.run and done.returncode in (0, 2) else None
    return Outcome(done.returncode, done.stdout or b"", (done.stderr or b"").decode(), trained)


def problem(command: Command, fault: str, found: Outcome, expected: Outcome) -> str:
    """Return what is wrong with an outcome; empty if nothing is."""
    code = _expected_code(command, fault, expected)
    if found.code != code:
        return f"exit code {found.code}, not {code}: {found.stderr}"
    errors = [line for line in found.stderr.splitlines() if line.startswith(("error", "Traceback"))]
    if "Traceback" in found.stderr or len(errors) != (code == 2 and fault == "full stdout"):
        return f"stderr: {found.stderr}"
    if found.weights != expected.weights:
        return "other weights"
    if "stderr" in fault and not command.trains and len(found.stdout) < len(expected.stdout):
        return "stdout is incomplete"
    return ""


def _expected_code(command: Command, fault: str, expected: Outcome) -> int:
    if fault == "full stdout" and expected.stdout:
        return 2 if command.result or not command.trains else 0
    return 2 if fault == "full stderr" and expected.stderr and not command.trains else 0


def fail_streams(
    count: int, folder: Path, commands: Sequence[Command] = (*LIGHT, *HEAVY, *TRAINING)
) -> StreamReport:
    """Walk commands and faults until `count` streams have failed."""
    report, place = StreamReport(), prepare(folder / "place")
    expected: dict[Command, Outcome] = {}
    pairs = [(command, fault) for command in commands for fault in FAULTS]
    with counter(count, "streams") as advance:
        for command, fault in islice(cycle(pairs), count):
            if command not in expected:
                expected[command] = outcome(command, copy(place, folder / "copy"))
                assert expected[command].code == 0, (str(command), expected[command].stderr)
            found = outcome(command, copy(place, folder / "copy"), fault)
            report.faults += 1
            if wrong := problem(command, fault, found, expected[command]):
                report.wrong.append(f"{command} with {fault}: {wrong}")
            advance()
    return report
