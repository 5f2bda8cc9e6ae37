"""Charts as SVG to stand inside a page: drawn by matplotlib, coloured by the page.

Colours are drawn as marks that are then exchanged for the page's own variables, so that a chart follows the page from
light to dark. Text stays text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seqtool.safe_text import shorten, visible

Curve = Sequence[tuple[float, float]]

SERIES = 8
INK, MUTED, GRID = "#010203", "#010204", "#010205"
_SERIES = [f"#0101{number:02x}" for number in range(16, 16 + SERIES)]
_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--line)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(_SERIES)
}
_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "grid.color": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "seqtool",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
_DASHES = ("-", "--", ":", "-.")


def line_chart(
    curves: Mapping[str, Curve],
    *,
    x_label: str,
    y_label: str,
    name: str,
    series: Mapping[str, tuple[int, int]] | None = None,
    log_x: bool = False,
) -> str:
    """Curves over each other.

    Args:
        curves: points by the name in the legend.
        name: of the chart, different from those of other charts on the page.
        series: colour and dash of each curve, by number; by default each has its own colour.
        log_x: a logarithmic axis.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=(4.8, 2.9), layout="constrained")
        axes = figure.add_subplot()
        for place, (label, points) in enumerate(curves.items()):
            colour, dash = (series or {}).get(label, (place, 0))
            marker = "o" if len(points) <= 30 else ""
            style: dict[str, Any] = {
                "color": _SERIES[colour % SERIES],
                "linestyle": _DASHES[dash % len(_DASHES)],
                "linewidth": 1.6,
            }
            axes.plot(
                *zip(*points, strict=True),
                label=shorten(visible(label), 40),
                marker=marker,
                markersize=3,
                **style,
            )
        if not log_x:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        else:
            axes.set_xscale("log")
            ticks = sorted({x for points in curves.values() for x, _ in points})
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.grid(visible=True, linewidth=0.6)
        axes.legend(frameon=False, fontsize=8)
        return _svg(figure, name)


def _svg(figure: Any, name: str) -> str:
    """The figure as an element, coloured by the page's variables; its ids begin with `name`."""
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(
        r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", "", text, flags=re.DOTALL
    )
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r'^<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg role="img" aria-label="{name}" \1>', text)
    text = re.sub(
        r"#0101[0-9a-f]{2}|#01020[345]", lambda match: _VARIABLES.get(match.group(), match.group()), text
    )
    return text.replace("font-family: 'DejaVu Sans'; ", "")
