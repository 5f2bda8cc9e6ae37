"""Format values: numbers, durations, sizes, colors, cells of tables and line charts of characters.

The color scales are used on the terminal and in the HTML report, so that a value has the same color in both.

The line chart is our own because plotext 6 does not replace it. Its legend covers part of the curves. Its
import takes 0.3 s and loads 140 modules, and also Pillow if that is installed. It keeps one figure per
process. Our chart takes 20 lines of code, contains no escape codes, and is drawn in less than a millisecond.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from seqtool.safe_text import cell

Color = tuple[int, int, int]  # red, green, blue: 0 to 255
Curve = Sequence[tuple[float, float]]  # points (x, y)

BLUE: Color = (33, 102, 172)
PALE: Color = (247, 247, 247)
RED: Color = (178, 24, 43)
ORANGE: Color = (230, 97, 1)
VIOLET: Color = (84, 39, 136)
MAX_SURPRISAL = 8.0  # bits at which the scale of surprisal ends
NARROWEST_CHART = 8  # columns
INDENT = 4  # columns of the parts of a line that is broken
MARKS = "·●+x"  # one for each curve of a chart
UNITS = ("B", "kB", "MB", "GB", "TB")


# --- numbers ----------------------------------------------------------------------------------------------


def format_duration(seconds: float) -> str:
    """Format a duration: 4.2s, 1:05, 2:03:07."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def format_age(seconds: float) -> str:
    """Return a duration in seconds as text in one unit."""
    for limit, divisor, unit in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{max(0, seconds) // divisor:.0f} {unit}"
    return f"{seconds // 86400:.0f} d"


def format_number(value: float, digits: int = 3) -> str:
    """Format a loss or score; a number that is not finite becomes a dash."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def format_score(name: str, value: float) -> str:
    """Return a score as text: F1 without and accuracy with a percent sign, losses with four digits."""
    if name.endswith("f1"):
        return f"{100 * value:.2f}"
    return f"{value:.2%}" if name.endswith("accuracy") else f"{value:.4f}"


def format_size(count: float) -> str:
    """Return a number of bytes in the unit that leaves at most three digits before the point."""
    unit = 0
    while count >= 999.5 and unit < len(UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.0f} {UNITS[unit]}" if unit == 0 or count >= 100 else f"{count:.1f} {UNITS[unit]}"


# --- color scales -----------------------------------------------------------------------------------------


def diverging_color(value: float) -> Color:
    """Return the color of a value from -1 (blue) over 0 (pale) to 1 (red)."""
    value = max(-1.0, min(1.0, value))
    return _mix(PALE, RED if value > 0 else BLUE, abs(value))


def surprisal_color(bits: float) -> Color:
    """Return the color of a surprisal from 0 (pale) to `MAX_SURPRISAL` bits (orange)."""
    return _mix(PALE, ORANGE, max(0.0, min(1.0, bits / MAX_SURPRISAL)))


def probability_color(value: float) -> Color:
    """Return the color of a probability from 0 (pale) to 1 (violet)."""
    return _mix(PALE, VIOLET, max(0.0, min(1.0, value)))


def is_dark(color: Color) -> bool:
    """Return true if white text is easier to read on this color than black text."""
    red, green, blue = color
    return 0.299 * red + 0.587 * green + 0.114 * blue < 140


def terminal_style(color: Color) -> str:
    """Return the rich style of a cell with this background and a readable text color."""
    red, green, blue = color
    return f"{'#ffffff' if is_dark(color) else '#000000'} on #{red:02x}{green:02x}{blue:02x}"


def _mix(first: Color, second: Color, weight: float) -> Color:
    """Return the color between two colors: the first at weight 0, the second at weight 1."""
    red, green, blue = (round(one + (other - one) * weight) for one, other in zip(first, second, strict=True))
    return red, green, blue


# --- cells ------------------------------------------------------------------------------------------------


def cell_width(text: str) -> int:
    """Return the number of terminal columns of a text: 2 for a wide character, 0 for a combining mark."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def pad(text: str, width: int, align: str = "<") -> str:
    """Return a text with spaces added up to a number of terminal columns.

    Args:
        align: side of the text, `<` left or `>` right.
    """
    spaces = " " * (width - cell_width(text))
    return text + spaces if align == "<" else spaces + text


def fit(text: str, width: int) -> str:
    """Return a text that fills exactly `width` terminal columns; a longer text ends in an ellipsis."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…"


def aligned_lines(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield one line per row, with the cells in aligned columns; long cells are shortened."""
    shown = [[cell(text) for text in row] for row in rows]
    widths = [max(map(cell_width, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        yield "  ".join(map(pad, row, widths)).rstrip()


def wrapped(text: str, width: int) -> Iterator[str]:
    """Yield a line in parts of at most `width` columns: broken between words, or inside a word that is long.

    The parts after the first are indented further than the line.

    Args:
        width: at least 16.
    """
    if cell_width(text) <= width:
        yield text
        return
    indent = " " * min(len(text) - len(text.lstrip()) + INDENT, width // 2)
    line = ""
    for word in re.findall(r"\s*\S+", text):
        if line.strip() and cell_width(line + word) > width:
            yield line
            line, word = indent, word.lstrip()
        for character in word:
            if line.strip() and cell_width(line) + cell_width(character) > width:
                yield line
                line = indent
            line += character
    yield line


# --- line chart -------------------------------------------------------------------------------------------


def line_chart(curves: Mapping[str, Curve], width: int = 60, height: int = 10) -> list[str]:
    """Return the lines of a chart with the ranges of its axes and a legend.

    There are none for fewer than two points, or in an area that is too small for a chart.

    Args:
        curves: at most four curves, by the name in the legend.
        width, height: size of the plot area in characters.
    """
    points = [point for curve in curves.values() for point in curve]
    if len(points) < 2 or width < NARROWEST_CHART or height < 2:
        return []
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    grid = [[" "] * width for _ in range(height)]
    for mark, curve in zip(MARKS, curves.values(), strict=False):
        for x, y in curve:
            column = round((x - left) / ((right - left) or 1) * (width - 1))
            row = round((high - y) / ((high - low) or 1) * (height - 1))
            grid[row][column] = mark
    labels = {0: f"{high:.3f}", height - 1: f"{low:.3f}"}
    margin = max(map(len, labels.values()))
    lines = [f"{labels.get(row, ''):>{margin}} │{''.join(cells).rstrip()}" for row, cells in enumerate(grid)]
    lines.append(" " * margin + " └" + "─" * width)
    first, last = f"{left:.3g}", f"{right:.3g}"
    lines.append(f"{'':>{margin}}  {first:<{width // 2}}{last:>{width - width // 2}}")
    legend = "   ".join(f"{mark} {name}" for mark, name in zip(MARKS, curves, strict=False))
    return [*lines, f"{'':>{margin}}  {legend}"]
