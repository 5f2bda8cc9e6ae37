"""A few lines at the foot of a terminal that are drawn again and again, while all else goes on above them.

A frame is one write that goes over the earlier one, so nothing flickers. Lines are kept short, since a window that is made
narrower than they are breaks them, and a terminal may do so before it says how wide it is; once it has said so, they are
counted as it shows them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

UP, CLEAR_LINE, CLEAR_BELOW = "\x1b[{}A", "\x1b[K", "\x1b[J"
# Terminals that know 2026 show the whole frame at once; without 7 a line that is too long is cut rather than broken.
BEGIN_FRAME, END_FRAME = "\x1b[?2026h\x1b[?7l", "\x1b[?7h\x1b[?2026l"


class LiveArea:
    """Lines at the foot of a terminal."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._widths: list[int] = []

    def size(self) -> os.terminal_size:
        """Columns and lines of the terminal, as they are now."""
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except OSError:
            return os.terminal_size((80, 24))
        return size if size.columns > 0 and size.lines > 0 else os.terminal_size((80, 24))

    def draw(self, lines: Sequence[str], widths: Sequence[int]) -> None:
        """Show lines in the place of the earlier ones.

        Args:
            lines: with their escape codes for colour.
            widths: how many columns each takes up.
        """
        frame = "".join(f"{line}{CLEAR_LINE}\n" for line in lines)
        self._stream.write(f"{BEGIN_FRAME}{self._to_top()}{frame}{CLEAR_BELOW}{END_FRAME}")
        self._stream.flush()
        self._lines, self._widths = list(lines), list(widths)

    def clear(self) -> None:
        """Take the lines away."""
        if self._lines:
            self._stream.write(f"{self._to_top()}{CLEAR_BELOW}")
            self._stream.flush()
            self._lines, self._widths = [], []

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Print something above the lines."""
        lines, widths = self._lines, self._widths
        self.clear()
        yield
        if lines:
            self.draw(lines, widths)

    def _to_top(self) -> str:
        """From the line under the lines to the first of them."""
        columns, height = self.size()
        rows = min(sum(max(1, -(-width // columns)) for width in self._widths), height - 1)
        return f"\r{UP.format(rows)}" if rows else ""
