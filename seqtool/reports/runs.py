"""Lines of text for the list of runs and for the comparison of two runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seqtool.reports.config import aligned_lines
from seqtool.reports.training_rows import clock
from seqtool.safe_text import shorten, visible
from seqtool.storage.run_list import RunEntry

WIDEST_NAME = 32
SCORE_NAMES = {"val_f1": "F1", "val_accuracy": "accuracy", "val_loss": "loss", "train_loss": "train loss"}
UNITS = ("B", "kB", "MB", "GB", "TB")


def run_lines(entries: Sequence[RunEntry], now: float) -> Iterator[str]:
    """Yield a line of headings, then a line for each run.

    Args:
        now: present time in seconds since 1970, from which the ages are counted.
    """
    rows = [("run", "task", "score", "size", "age"), *(_cells(entry, now) for entry in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        columns = zip(row, "<<<>>", widths, strict=True)
        yield "  ".join(f"{cell:{align}{width}}" for cell, align, width in columns)


def _cells(entry: RunEntry, now: float) -> tuple[str, str, str, str, str]:
    return (
        shorten(visible(entry.name), WIDEST_NAME),
        entry.manifest.task or "-",
        _score(entry),
        size(entry.size),
        ago(now - entry.modified),
    )


def _score(entry: RunEntry) -> str:
    if entry.state != "finished":
        return entry.state
    if entry.main_score is None:
        return "-"
    name, value = entry.main_score
    return f"{SCORE_NAMES[name]} {score(name, value)}"


def score(name: str, value: float) -> str:
    """Return a score as text: F1 without and accuracy with a percent sign, losses with four digits."""
    if name.endswith("f1"):
        return f"{100 * value:.2f}"
    return f"{value:.2%}" if name.endswith("accuracy") else f"{value:.4f}"


def size(count: float) -> str:
    """Return a number of bytes in the unit that leaves at most three digits before the point."""
    unit = 0
    while count >= 999.5 and unit < len(UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.0f} {UNITS[unit]}" if unit == 0 or count >= 100 else f"{count:.1f} {UNITS[unit]}"


def ago(seconds: float) -> str:
    """Return a duration in seconds as text in one unit."""
    for limit, divisor, unit in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{max(0, seconds) // divisor:.0f} {unit}"
    return f"{seconds // 86400:.0f} d"


def comparison_lines(
    names: tuple[str, str], entries: Sequence[RunEntry], settings: Sequence[tuple[str, str, str]]
) -> Iterator[str]:
    """Yield the scores of two runs with their difference, then other values and settings that differ.

    Args:
        names: names of the runs as the user wrote them.
        settings: key and both values of each setting that differs.
    """
    rows: list[tuple[str, ...]] = [("", visible(names[0]), visible(names[1]), "difference")]
    scores = [entry.manifest.all_scores for entry in entries]
    for name in dict.fromkeys([*scores[0], *scores[1]]):
        values = [side.get(name) for side in scores]
        texts = ("-" if value is None else score(name, value) for value in values)
        rows.append((name, *texts, _difference(name, *values)))
    first, second = (entry.compared_values() for entry in entries)
    for name in dict.fromkeys([*first, *second]):
        if first.get(name) != second.get(name):
            rows.append((name, _value(name, first.get(name)), _value(name, second.get(name)), ""))
    yield from aligned_lines([*rows, *((*row, "") for row in settings)])


def _difference(name: str, first: float | None, second: float | None) -> str:
    if first is None or second is None:
        return ""
    delta = second - first
    percent = name.endswith(("f1", "accuracy"))
    return f"{100 * delta:+.2f}" if percent else f"{delta:+.4f}"


def _value(name: str, value: object) -> str:
    if value is None:
        return "-"
    if name == "seconds" and isinstance(value, int | float):
        return clock(float(value))
    if name == "model_bytes" and isinstance(value, int):
        return size(value)
    return f"{value:,}" if isinstance(value, int) else visible(str(value))
