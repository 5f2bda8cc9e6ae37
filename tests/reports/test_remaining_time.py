"""Progress of long commands: remaining time by all limits, the final evaluation, and silence in pipes."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from seqtool.progress import tell_progress, watched_by
from seqtool.reports import progress
from seqtool.reports.console import console
from seqtool.reports.progress import ProgressLine, TimeLimit
from tests.support.shell import TerminalStream, in_terminal, seqtool, shown_text
from tests.support.stored_models import store_character_model

LEFT = re.compile(r"(\d+)%  (\S+) left")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the clock by a list with one number."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setenv("TERM", "xterm")
    return now


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(None, ("10", "1:30")), (500.0, ("10", "1:30")), (30.0, ("33", "20.0s")), (9.0, ("100", "0.0s"))],
    ids=["steps", "later clock", "earlier clock", "clock is over"],
)
def test_remaining_time_is_that_of_the_first_limit(
    limit: float | None, expected: tuple[str, str], clock: list[float]
) -> None:
    """After 10 s, 10 of 100 steps are done."""
    line = ProgressLine(console(TerminalStream()))
    drawn: list[str] = []
    line._area = progress.LiveArea(TerminalStream())
    line._area.draw = lambda lines, widths: drawn.append(shown_text(lines[0]))  # type: ignore[method-assign] # noqa: ARG005
    for seconds in (0.0, 10.0):
        clock[0] = 1000 + seconds
        line.update(int(seconds), 100, {}, None if limit is None else TimeLimit(seconds, limit))
    found = LEFT.search(drawn[-1])
    assert found is not None and found.groups() == expected


def test_work_is_told_only_inside_the_block() -> None:
    seen: list[tuple[str, int, int]] = []
    tell_progress("before", 1, 2)
    with watched_by(lambda *values: seen.append(values)):
        tell_progress("inside", 1, 2)
        with watched_by(None):
            tell_progress("hidden", 1, 2)
    tell_progress("after", 1, 2)
    assert seen == [("inside", 1, 2)]


@pytest.mark.parametrize(
    ("arguments", "work"),
    [
        ("evaluate text long.txt", "blocks of 64"),
        ("score --model text --file long.txt", "reading the text once"),
        ("score --model text --file long.txt --exact", "reading the text once"),
    ],
)
def test_bar_is_shown_on_a_terminal_only(arguments: str, work: str, tmp_path: Path) -> None:
    store_character_model(tmp_path / "runs/text")
    (tmp_path / "long.txt").write_text("abc def\nabc\n" * (20_000 if "exact" in arguments else 200_000))
    shown = in_terminal(*arguments.split(), cwd=tmp_path)
    assert shown.code == 0 and work in shown_text(shown.stdout)
    piped = seqtool(*arguments.split(), cwd=tmp_path)
    assert (piped.code, piped.stderr) == (0, "")


def test_final_evaluation_has_its_own_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seqtool.training.listeners import Listener
    from seqtool.training.run import TrainOptions, train
    from tests.support.small_runs import char_run

    works = []

    class Watch(Listener):
        def working(self, what: str, done: int, total: int) -> None:  # noqa: ARG002
            works.append(what)

    monkeypatch.chdir(tmp_path)
    train(char_run(tmp_path, max_steps=2), TrainOptions(tmp_path), [Watch()])
    assert "reading the text once" in works
