"""The list of runs and two runs side by side, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seqtool.reports.config import side_by_side
from seqtool.reports.training_rows import clock
from seqtool.safe_text import shorten, visible

if TYPE_CHECKING:
    from seqtool.storage.run_list import RunEntry

WIDEST_NAME = 32
SCORE_NAMES = {"val_f1": "F1", "val_accuracy": "accuracy", "val_loss": "loss", "train_loss": "train loss"}
UNITS = ("B", "kB", "MB", "GB", "TB")


def run_lines(entries: Sequence[RunEntry], now: float) -> Iterator[str]:
    """A line for each run under a line of headings; numbers stand under each other."""
    rows = [("run", "task", "score", "size", "age")]
    rows += [
        (
            shorten(visible(one.name), WIDEST_NAME),
            one.manifest.task or "-",
            _score(one),
            size(one.size),
            ago(now - one.modified),
        )
        for one in entries
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for name, task, score, bytes_, age in rows:
        yield f"{name:<{widths[0]}}  {task:<{widths[1]}}  {score:<{widths[2]}}  {bytes_:>{widths[3]}}  {age:>{widths[4]}}"


def _score(entry: RunEntry) -> str:
    if entry.state != "finished":
        return entry.state
    if entry.main_score is None:
        return "-"
    name, value = entry.main_score
    return f"{SCORE_NAMES[name]} {score(name, value)}"


def score(name: str, value: float) -> str:
    """A score as a person reads it."""
    if name.endswith("f1"):
        return f"{100 * value:.2f}"
    return f"{value:.2%}" if name.endswith("accuracy") else f"{value:.4f}"


def size(count: float) -> str:
    """Bytes in a unit that leaves at most three digits before the point."""
    unit = 0
    while count >= 999.5 and unit < len(UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.0f} {UNITS[unit]}" if unit == 0 or count >= 100 else f"{count:.1f} {UNITS[unit]}"


def ago(seconds: float) -> str:
    """How long ago, in one unit."""
    for limit, divisor, unit in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{max(0, seconds) // divisor:.0f} {unit}"
    return f"{seconds // 86400:.0f} d"


def comparison_lines(
    names: tuple[str, str],
    scores: Sequence[Mapping[str, float]],
    facts: Sequence[Mapping[str, Any]],
    settings: Sequence[tuple[str, str, str]],
) -> Iterator[str]:
    """Scores with their difference, then facts and settings that differ."""
    rows: list[tuple[str, ...]] = [("", visible(names[0]), visible(names[1]), "difference")]
    for name in dict.fromkeys([*scores[0], *scores[1]]):
        values = [side.get(name) for side in scores]
        shown = ("-" if value is None else score(name, value) for value in values)
        rows.append((name, *shown, _difference(name, *values)))
    for name in dict.fromkeys([*facts[0], *facts[1]]):
        here, there = (side.get(name) for side in facts)
        if here != there:
            rows.append((name, _fact(name, here), _fact(name, there), ""))
    yield from side_by_side([*rows, *((*row, "") for row in settings)])


def _difference(name: str, first: float | None, second: float | None) -> str:
    if first is None or second is None:
        return ""
    delta = second - first
    percent = name.endswith(("f1", "accuracy"))
    return f"{100 * delta:+.2f}" if percent else f"{delta:+.4f}"


def _fact(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "seconds":
        return clock(float(value))
    if name == "model_bytes":
        return size(value)
    return f"{value:,}" if isinstance(value, int) else visible(str(value))
