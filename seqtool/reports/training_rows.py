"""Numbers as text: durations, and the cells of the table of epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from seqtool.tasks.interface import Column


def clock(seconds: float) -> str:
    """Format a duration: 4.2s, 1:05, 2:03:07."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def number(value: float, digits: int = 3) -> str:
    """Format a loss or score; a number that is not finite becomes a dash."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def cells(columns: Sequence[Column]) -> dict[str, str]:
    """Format the cells of a row by the names of their columns."""
    return {column.name: _cell(column) for column in columns}


def _cell(column: Column) -> str:
    if column.value is None or not math.isfinite(column.value):
        return "-"
    return clock(column.value) if column.style == "duration" else format(column.value, column.style)
