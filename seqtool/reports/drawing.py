"""Drawing with characters and colors: color scales, cell widths and a line chart.

The color scales are used on the terminal and in the HTML report, so that a value has the same color in both.

The line chart is our own because plotext 6 does not replace it. Its legend covers part of the curves. Its
import takes 0.3 s and loads 140 modules, and also Pillow if that is installed. It keeps one figure per
process. Our chart takes 20 lines of code, contains no escape codes, and is drawn in less than a millisecond.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Color = tuple[int, int, int]  # red, green, blue: 0 to 255
Curve = Sequence[tuple[float, float]]  # points (x, y)

BLUE: Color = (33, 102, 172)
PALE: Color = (247, 247, 247)
RED: Color = (178, 24, 43)
ORANGE: Color = (230, 97, 1)
VIOLET: Color = (84, 39, 136)
MAX_SURPRISAL = 8.0  # bits at which the scale of surprisal ends
MARKS = "·●+x"  # one for each curve of a chart


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


# --- cell widths ------------------------------------------------------------------------------------------


def cell_width(text: str) -> int:
    """Return the number of terminal columns of a text: 2 for a wide character, 0 for a combining mark."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def pad(text: str, width: int) -> str:
    """Return a text with spaces added up to a number of terminal columns."""
    return text + " " * (width - cell_width(text))


def fit(text: str, width: int) -> str:
    """Return a text that fills exactly `width` terminal columns; a longer text ends in an ellipsis."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…"


# --- line chart -------------------------------------------------------------------------------------------


def line_chart(curves: Mapping[str, Curve], width: int = 60, height: int = 10) -> list[str]:
    """Return the lines of a chart with the ranges of its axes and a legend; none for fewer than two points.

    Args:
        curves: at most four curves, by the name in the legend.
        width, height: size of the plot area in characters.
    """
    points = [point for curve in curves.values() for point in curve]
    if len(points) < 2:
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
