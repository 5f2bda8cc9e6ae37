"""Progress of long work: a bar and a small chart on a terminal, a plain line now and then elsewhere.

Work that ends within a second shows nothing.

`LiveArea` keeps the last lines of a terminal in place while other output appears above them. It is our own
because `rich.live` and `rich.progress` (version 15) do not replace it. They count the lines of a frame at the
width for which it was drawn. If a user makes the window narrower, the terminal wraps those lines, rich moves
up too few rows, and the old frame stays in the transcript. `LiveArea` counts the rows at the present width.
rich still renders the colors.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, NamedTuple

from seqtool.progress import watched_by
from seqtool.reports.console import console, is_quiet, is_terminal, say
from seqtool.reports.formatting import format_duration, line_chart

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

UP, CLEAR_LINE, CLEAR_BELOW = "\x1b[{}A", "\x1b[K", "\x1b[J"
# Mode 2026 makes a terminal show a frame at once. Without mode 7, it cuts a long line instead of wrapping it.
BEGIN_FRAME, END_FRAME = "\x1b[?2026h\x1b[?7l", "\x1b[?7h\x1b[?2026l"

FIRST_AFTER = 0.7  # seconds of work before a bar appears
PLAIN_EVERY = 15.0  # seconds between plain lines
FRAME_EVERY = 0.1  # seconds between frames
MAX_WIDTH = 48  # columns; a short line is not wrapped when the window becomes narrower
BAR_WIDTH = 24
CHART_HEIGHT = 6
FRAME_HEIGHT = CHART_HEIGHT + 5  # the chart, its axis, ranges and legend, the bar and the line of values
MAX_POINTS = 400  # of a curve; at this number, pairs of points are averaged


@contextmanager
def progress_bar() -> Iterator[None]:
    """Show the progress of the work inside the block on stderr, if that is a terminal and not quiet."""
    if is_quiet() or not is_terminal(sys.stderr):
        yield
        return
    line = ProgressLine()
    try:
        with watched_by(line.work):
            yield
    finally:
        line.clear()


class LiveArea:
    """Lines at the bottom of a terminal that are redrawn in place.

    A frame is one write over the previous frame, so the screen does not flicker.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._widths: list[int] = []

    def size(self) -> os.terminal_size:
        """Return the present number of columns and lines of the terminal."""
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except OSError:
            return os.terminal_size((80, 24))
        return size if size.columns > 0 and size.lines > 0 else os.terminal_size((80, 24))

    def draw(self, lines: Sequence[str], widths: Sequence[int]) -> None:
        """Replace the previous lines.

        Args:
            lines: text with escape codes for colors.
            widths: number of columns of each line.
        """
        frame = "".join(f"{line}{CLEAR_LINE}\n" for line in lines)
        self._stream.write(f"{BEGIN_FRAME}{self._to_top()}{frame}{CLEAR_BELOW}{END_FRAME}")
        self._stream.flush()
        self._lines, self._widths = list(lines), list(widths)

    def clear(self) -> None:
        """Remove the lines."""
        if self._lines:
            self._stream.write(f"{self._to_top()}{CLEAR_BELOW}")
            self._stream.flush()
            self._lines, self._widths = [], []

    @contextmanager
    def output_above(self) -> Iterator[None]:
        """Remove the lines while the caller prints, then draw them again below the output."""
        lines, widths = self._lines, self._widths
        self.clear()
        yield
        if lines:
            self.draw(lines, widths)

    def _to_top(self) -> str:
        """Return the escape code that moves from below the lines to the first of them."""
        columns, height = self.size()
        rows = min(sum(max(1, -(-width // columns)) for width in self._widths), height - 1)
        return f"\r{UP.format(rows)}" if rows else ""


class TimeLimit(NamedTuple):
    """Seconds of work so far, and the seconds after which it ends."""

    seconds: float
    limit: float


class ProgressLine:
    """Progress at the bottom of the terminal that shows the table, otherwise on stderr.

    Args:
        table_console: console of the table; None if the table does not go to a terminal.
        enabled: false shows nothing.
        plain: show plain lines on a terminal too.
    """

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
        """Begin new work and measure its time from now."""
        self.clear()
        self._curves.clear()
        self._started = self._last_shown = time.monotonic()
        self._first_done: int | None = None
        self._work = ""

    def work(self, name: str, done: int, total: int) -> None:
        """Show the progress of some work. A new name begins new work, whose speed is measured anew."""
        if name != self._work:
            self._work, self._first_done = name, None
            if self._terminal:
                self._last_shown = 0.0  # a short part may have no second update
        self.update(done, total, {"": name})

    def update(
        self, done: int, total: int, values: Mapping[str, str], time_limit: TimeLimit | None = None
    ) -> None:
        """Show that `done` of `total` units are done, with some values by name.

        Args:
            time_limit: limit that may end the work earlier.
        """
        now = time.monotonic()
        if self._first_done is None or done < self._first_done:
            self._first_done, self._first_at = done, now
        if not self._enabled or now - self._started < FIRST_AFTER:
            return
        text = "  ".join(f"{name} {value}" if name else value for name, value in values.items())
        if not self._terminal:
            if now - self._last_shown >= PLAIN_EVERY:
                self._last_shown = now
                say(f"  {done}/{total}  {text}")
        elif now - self._last_shown >= FRAME_EVERY:
            self._last_shown = now
            share, left = done / total if total else 0.0, self._seconds_left(done, total, now)
            if time_limit is not None:
                share = max(share, time_limit.seconds / time_limit.limit)
                left = min(
                    math.inf if left is None else left, max(0.0, time_limit.limit - time_limit.seconds)
                )
            self._draw(share, text, "" if left is None else f"{format_duration(left)} left")

    def point(self, name: str, x: float, y: float) -> None:
        """Add a point to a curve; the next update draws it."""
        points = self._curves.setdefault(name, [])
        points.append((x, y))
        if len(points) >= MAX_POINTS:
            pairs = zip(points[::2], points[1::2], strict=False)
            points[:] = [((a + b) / 2, (c + d) / 2) for (a, c), (b, d) in pairs]

    def _seconds_left(self, done: int, total: int, now: float) -> float | None:
        """Return the remaining time; None until the speed is known."""
        since = done - (self._first_done or 0)
        return (now - self._first_at) * (total - done) / since if since > 0 else None

    def _draw(self, share: float, text: str, left: str) -> None:
        from rich.text import Text

        if self._console is None:
            self._console = console(sys.stderr)
        if self._area is None:
            self._area = LiveArea(self._console.file)
        size = self._area.size()
        width = max(1, min(MAX_WIDTH, size.columns - 1))
        share = min(1.0, share)
        filled = int(share * BAR_WIDTH)
        bar = Text.assemble(
            ("━" * filled, "magenta"), ("─" * (BAR_WIDTH - filled), "dim"), f" {share:>4.0%}  {left}"
        )
        lines = [bar, Text(text)]
        if size.lines >= 2 * FRAME_HEIGHT:
            lines += [Text(line, style="dim") for line in line_chart(self._curves, width - 10, CHART_HEIGHT)]
        for line in lines:
            line.truncate(width)
        self._area.draw([self._with_codes(line) for line in lines], [line.cell_len for line in lines])

    def _with_codes(self, line: Text) -> str:
        """Return a line with the escape codes that this console uses for its colors."""
        assert self._console is not None
        with self._console.capture() as capture:
            self._console.print(line, end="", no_wrap=True, overflow="ignore", crop=False)
        return capture.get()

    @contextmanager
    def output_above(self) -> Iterator[None]:
        """Let the caller print above the bar."""
        if self._area is None:
            yield
            return
        with self._area.output_above():
            yield

    def clear(self) -> None:
        """Remove the bar; the next output takes its place."""
        if self._area is not None:
            self._area.clear()
