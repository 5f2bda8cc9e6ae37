"""Progress of long work: a bar and a small curve on a terminal, a line now and then elsewhere; nothing for what is over in a moment."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seqtool.reports.console import console, is_terminal, say
from seqtool.reports.live_area import LiveArea
from seqtool.reports.text_chart import chart
from seqtool.reports.training_rows import clock

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_FIRST_AFTER = 0.7  # seconds of work before a bar appears
_PLAIN_EVERY = 15.0  # seconds between plain lines
_FRAME_EVERY = 0.1
_WIDTH = 48  # columns at most, so that a window may be made narrower without breaking what stands there
_BAR = 24
_CURVE_HEIGHT = 6
_FRAME_HEIGHT = _CURVE_HEIGHT + 5  # with its axis and legend, the bar and what stands under it
_POINTS = 400  # of a curve; more are taken together two by two


class ProgressLine:
    """Tells how far the work is, at the foot of the terminal that shows the table, else on stderr."""

    def __init__(
        self, table_console: Console | None = None, *, enabled: bool = True, plain: bool = False
    ) -> None:
        self._enabled = enabled
        self._terminal = not plain and (table_console is not None or is_terminal(sys.stderr))
        self._console = table_console
        self._area: LiveArea | None = None
        self._curves: dict[str, list[tuple[float, float]]] = {}
        self.restart()

    def restart(self) -> None:
        """New work begins: its time is taken from here."""
        self.clear()
        self._curves.clear()
        self._started = self._last_shown = time.monotonic()
        self._first_done: int | None = None

    def update(self, done: int, total: int, values: Mapping[str, str]) -> None:
        """Show that `done` of `total` units are done."""
        now = time.monotonic()
        if self._first_done is None or done < self._first_done:
            self._first_done, self._first_at = done, now
        if not self._enabled or now - self._started < _FIRST_AFTER:
            return
        text = "  ".join(f"{name} {value}" if name else value for name, value in values.items())
        if not self._terminal:
            if now - self._last_shown >= _PLAIN_EVERY:
                self._last_shown = now
                say(f"  {done}/{total}  {text}")
        elif now - self._last_shown >= _FRAME_EVERY:
            self._last_shown = now
            self._draw(done, total, text, self._left(done, total, now))

    def point(self, name: str, x: float, y: float) -> None:
        """Add a point to a curve; it is drawn with the next update."""
        points = self._curves.setdefault(name, [])
        points.append((x, y))
        if len(points) >= _POINTS:
            pairs = zip(points[::2], points[1::2], strict=False)
            points[:] = [((a + b) / 2, (c + d) / 2) for (a, c), (b, d) in pairs]

    def _left(self, done: int, total: int, now: float) -> str:
        """The time that is left, where so much is known."""
        since = done - (self._first_done or 0)
        return f"{clock((now - self._first_at) * (total - done) / since)} left" if since > 0 else ""

    def _draw(self, done: int, total: int, text: str, left: str) -> None:
        from rich.text import Text

        if self._console is None:
            self._console = console(sys.stderr)
        if self._area is None:
            self._area = LiveArea(self._console.file)
        size = self._area.size()
        width = min(_WIDTH, size.columns - 1)
        share = min(1.0, done / total) if total else 0.0
        filled = int(share * _BAR)
        bar = Text.assemble(
            ("━" * filled, "magenta"), ("─" * (_BAR - filled), "dim"), f" {share:>4.0%}  {left}"
        )
        lines = [bar, Text(text)]
        if size.lines >= 2 * _FRAME_HEIGHT:
            lines += [Text(line, style="dim") for line in chart(self._curves, width - 10, _CURVE_HEIGHT)]
        for line in lines:
            line.truncate(width)
        self._area.draw([self._escaped(line) for line in lines], [line.cell_len for line in lines])

    def _escaped(self, line: Text) -> str:
        """A line with the escape codes that this console uses for its colours."""
        assert self._console is not None
        with self._console.capture() as capture:
            self._console.print(line, end="", no_wrap=True, overflow="ignore", crop=False)
        return capture.get()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Print something while the bar stands."""
        if self._area is None:
            yield
            return
        with self._area.aside():
            yield

    def clear(self) -> None:
        """Take the bar away; what is printed next stands where it was."""
        if self._area is not None:
            self._area.clear()
