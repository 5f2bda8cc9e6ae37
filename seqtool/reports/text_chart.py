"""A small chart of curves, made of characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MARKS = "·●+x"


def chart(
    curves: Mapping[str, Sequence[tuple[float, float]]], width: int = 60, height: int = 10
) -> list[str]:
    """Curves over each other, as lines of text, with their ranges and a legend.

    Args:
        curves: points (x, y) of each curve by name; at most four.
        width, height: of the drawing, in characters.
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
