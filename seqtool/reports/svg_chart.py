"""Line charts of a training as SVG, without matplotlib, for notebooks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from seqtool.reports.formatting import Curve
from seqtool.reports.network import CURVES
from seqtool.safe_text import visible

WIDTH, HEIGHT = 420, 240  # of a chart, in pixels
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 40  # margins around the plot area
LEGEND_ROW = 18
COLORS = ("#3b82c4", "#e0701a", "#3d9950", "#a05cc0")  # legible on a light and on a dark background
DASHES = ("", "6 3", "2 3", "8 3 2 3")
MOST_MARKERS = 40  # of a curve; more would hide the line
TICKS = 4


class Picture:
    """Charts that a notebook shows below a cell. `svgs` has the text of each, for files.

    The text of a chart has the color of its surroundings, so it is legible in a dark theme.
    """

    def __init__(self, svgs: Sequence[str]) -> None:
        self.svgs = tuple(svgs)

    def _repr_html_(self) -> str:
        """Return the charts side by side."""
        return f'<div style="display:flex;flex-wrap:wrap;gap:16px">{"".join(self.svgs)}</div>'

    def __repr__(self) -> str:
        """Return the number of charts."""
        return f"<Picture: {len(self.svgs)} chart{'' if len(self.svgs) == 1 else 's'}>"


def training_charts(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the charts of the rows of a training as SVG: losses, then scores; those of each part."""
    svgs = []
    for part in dict.fromkeys(str(row.get("part", "")) for row in rows):
        own = [row for row in rows if str(row.get("part", "")) == part]
        x_name = "epoch" if len({row.get("epoch") for row in own}) > 1 else "step"
        for columns in CURVES:
            curves = {
                f"{part} {name}".strip(): points
                for name in columns
                if (points := list(_points(own, x_name, name)))
            }
            if curves:
                svgs.append(line_chart_svg(curves, x_name))
    return svgs


def _points(rows: Sequence[Mapping[str, object]], x_name: str, name: str) -> Iterator[tuple[float, float]]:
    for row in rows:
        x, y = row.get(x_name), row.get(name)
        if (
            isinstance(x, int | float)
            and isinstance(y, int | float)
            and math.isfinite(x)
            and math.isfinite(y)
        ):
            yield float(x), float(y)


def line_chart_svg(curves: Mapping[str, Curve], x_label: str) -> str:
    """Return a chart as an SVG element, with a legend below it.

    Args:
        curves: at least one, each with at least one point, by the name in the legend.
        x_label: name of the horizontal axis.
    """
    points = [point for curve in curves.values() for point in curve]
    left, right = _range([x for x, _ in points])
    low, high = _range([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - left) / (right - left) * (WIDTH - LEFT - RIGHT)
        return round(across, 1), round(TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    height = HEIGHT + LEGEND_ROW * len(curves)
    title = escape(visible(f"{', '.join(curves)} by {x_label}"))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'style="max-width:100%;height:auto" font-family="system-ui, sans-serif" font-size="12" '
        f'fill="currentColor"><title>{title}</title>'
    ]
    for value in _ticks(low, high):
        _, y = place(left, value)
        parts.append(
            f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="currentColor" stroke-opacity="0.2"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:g}" text-anchor="end">{value:.4g}</text>'
        )
    for value in _ticks(left, right, whole=True):
        x, _ = place(value, low)
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{value:.6g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle:g}" y="{HEIGHT - 8}" text-anchor="middle">{escape(visible(x_label))}</text>'
    )
    for number, (name, curve) in enumerate(curves.items()):
        parts += _curve(number, name, [place(x, y) for x, y in curve])
    return "".join([*parts, "</svg>"])


def _curve(number: int, name: str, places: Sequence[tuple[float, float]]) -> Iterator[str]:
    """Yield the line of a curve with its markers, and its row of the legend."""
    color = COLORS[number % len(COLORS)]
    dash = DASHES[number % len(DASHES)]
    style = f'fill="none" stroke="{color}" stroke-width="2"' + (f' stroke-dasharray="{dash}"' if dash else "")
    yield f'<path d="M{"L".join(f"{x} {y}" for x, y in places)}" {style}/>'
    if len(places) <= MOST_MARKERS:
        yield "".join(f'<circle cx="{x}" cy="{y}" r="2.5" fill="{color}"/>' for x, y in places)
    y = HEIGHT + LEGEND_ROW * number + 4
    label = escape(visible(name))
    yield f'<path d="M{LEFT} {y}h28" {style}/><text x="{LEFT + 36}" y="{y + 4}">{label}</text>'


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return the smallest and the largest value, apart from each other."""
    low, high = min(values), max(values)
    if high > low:
        return low, high
    half = abs(low) / 2 or 0.5
    return low - half, high + half


def _ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Return round values between two limits.

    Args:
        whole: only whole numbers.
    """
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    if whole:
        step = max(1.0, math.ceil(step))
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]
