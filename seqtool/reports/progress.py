"""Progress of long work: a bar on a terminal, a line now and then elsewhere; nothing for what is over in a moment."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seqtool.reports.console import console, is_terminal, say

if TYPE_CHECKING:
    from rich.console import Console

_FIRST_AFTER = 0.7  # seconds of work before a bar appears
_PLAIN_EVERY = 15.0  # seconds between plain lines


class ProgressLine:
    """One line that tells how far the work is. The bar lives on the console of the table where both are terminals."""

    def __init__(self, table_console: Console | None = None, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._terminal = table_console is not None or is_terminal(sys.stderr)
        self._console = table_console
        self._bar: Any = None
        self._task: Any = None
        self._started = time.monotonic()
        self._last_plain = self._started

    def update(self, done: int, total: int, values: Mapping[str, str]) -> None:
        """Show that `done` of `total` units are done."""
        now = time.monotonic()
        if not self._enabled or now - self._started < _FIRST_AFTER:
            return
        text = "  ".join(f"{name} {value}" for name, value in values.items())
        if not self._terminal:
            if now - self._last_plain >= _PLAIN_EVERY:
                self._last_plain = now
                say(f"  {done}/{total}  {text}")
            return
        if self._bar is None:
            self._bar = self._new_bar()
            self._task = self._bar.add_task("", total=total, text=text)
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total, text=text)

    def _new_bar(self) -> Any:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        return Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[text]}", markup=False),
            console=self._console or console(sys.stderr),
            transient=True,
            refresh_per_second=4,
        )

    def clear(self) -> None:
        """Take the bar away; what is printed next stands where it was."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._started = time.monotonic()
