"""Fill the templates of the HTML report and draw its charts.

Every text is escaped. A content security policy admits no external resource and only the page's own script.

matplotlib draws the charts as SVG with placeholder colors. The placeholders are then replaced by CSS
variables of the page, so that a chart follows the page's light and dark mode. Text in a chart stays text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seqtool.reports.formatting import Curve
from seqtool.reports.html import views
from seqtool.reports.html.evaluations import EvaluationReport
from seqtool.reports.html.policy import script_policy
from seqtool.reports.html.run_data import RunData
from seqtool.safe_text import shorten, visible, visible_lines
from seqtool.version import VERSION

if TYPE_CHECKING:
    from seqtool.inspection.network import MetricsRow

TEMPLATES = Path(__file__).parent / "templates"
LOSSES = {"train_loss": "training", "val_loss": "validation", "val_loss_blocks": "validation, blocks"}
SCORES = {
    "val_accuracy": "accuracy",
    "val_f1": "span F1",
    "val_token_f1": "token F1",
    "val_word_f1": "word F1",
    "val_sentence_f1": "sentence F1",
}
PARTS = {"test": "test data", "dev": "development data", "val": "validation text", "train": "training data"}

COLORS = 8  # colors of curves
DASHES = ("-", (0, (5, 2.5)), (0, (1.5, 1.5)), (0, (5, 2, 1, 2)))
MARKERS = "os^D"
LEGEND_COLUMNS = 2  # below the chart, where no curve is covered
INK, MUTED, GRID = "#010203", "#010204", "#010205"  # placeholders, as the colors of curves
CURVE_COLORS = [f"#0101{number:02x}" for number in range(16, 16 + COLORS)]
CSS_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--line)"} | {
    color: f"var(--series-{number})" for number, color in enumerate(CURVE_COLORS)
}
CHART_STYLE: Any = {
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


# --- the page ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReportSection:
    """Evaluation on one held-out part.

    Attributes:
        part: name of the part.
        values: the scores.
        matrix, worst: confusions and worst sentences of a tagger.
        contexts: chart of a text model.
    """

    part: str
    values: EvaluationReport
    matrix: views.ConfusionMatrix | None = None
    worst: Sequence[views.MarkedSentence] = ()
    contexts: Markup = Markup("")


@dataclass(frozen=True)
class RunSection:
    """Everything that the template prints about one run."""

    data: RunData
    reports: Sequence[ReportSection]
    samples: Sequence[views.MarkedSample]
    sentences: Sequence[views.SentenceView]
    texts: Sequence[views.TextView]
    files: Sequence[tuple[str, str]]  # name and SHA-256


def render_page(runs: Sequence[RunData]) -> str:
    """Return the HTML of a page about one run, or about several runs side by side."""
    script = (TEMPLATES / "units.js").read_text(encoding="utf-8")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=", ".join(run.name for run in runs),
            policy=script_policy(script),
            css=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
            script=Markup(script),
            version=VERSION,
            runs=[_run_section(run, number) for number, run in enumerate(runs)],
            glance=views.overview_rows(runs),
            differing=views.differing_settings(runs) if len(runs) > 1 else None,
            charts=_training_charts(runs),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_make_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["percent"] = views.percent
    return environment


def _make_visible(value: object) -> object:
    """Replace control characters in text; markup is already safe."""
    return visible_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _run_section(run: RunData, number: int) -> RunSection:
    return RunSection(
        run,
        reports=[
            _report_section(part, report, f"c{number}-{place}")
            for place, (part, report) in enumerate(_evaluations(run))
        ],
        samples=views.marked_samples(run.samples),
        sentences=[views.sentence_view(title, ablation) for title, ablation in run.sentences],
        texts=[views.text_view(text, f"{number}-{place}") for place, text in enumerate(run.texts)],
        files=[(views.file_name(path), digest) for path, digest in run.manifest.data.items()],
    )


def _evaluations(run: RunData) -> Iterator[tuple[str, EvaluationReport]]:
    """Yield the evaluations of a run with the names of the held-out splits, those of the main part first."""
    for split, report in run.evaluation.items():
        yield PARTS.get(split, split), report
    for other in run.others:
        for split, report in other.evaluation.items():
            yield f"{PARTS.get(split, split)}: {other.task}", report


def _report_section(part: str, report: EvaluationReport, chart_name: str) -> ReportSection:
    worst = [views.marked_sentence(one) for one in report.worst]
    chart = _context_chart(report, chart_name)
    return ReportSection(part, report, views.confusion_matrix(report), worst, chart)


# --- charts -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chart:
    """Settings of a chart.

    Attributes:
        name: prefix of the ids in the SVG, unique on the page.
        styles: numbers of the color and the dash of each curve; by default each curve has its own color.
        log_x: whether the x axis is logarithmic.
    """

    name: str
    x_label: str
    y_label: str
    styles: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    log_x: bool = False


def _training_charts(runs: Sequence[RunData]) -> list[tuple[str, Markup]]:
    charts = []
    by_task = {"": [(run.name, run.rows) for run in runs]}
    for run in runs:
        for other in run.others:
            by_task.setdefault(other.task, []).append((run.name, other.rows))
    for task, rows in by_task.items():
        for title, columns, y_label in (
            ("Loss", LOSSES, "nats"),
            ("Scores on development data", SCORES, "share"),
        ):
            x_label = time_axis([run_rows for _, run_rows in rows])
            curves, styles = _training_curves(rows, columns, x_label)
            if any(len(points) > 1 for points in curves.values()):
                name = f"{task}-{title.split()[0].lower()}".lstrip("-")
                drawn = draw_chart(curves, Chart(name, x_label, y_label, styles))
                charts.append((f"{title}: {task}" if task else title, drawn))
    return charts


def time_axis(runs: Sequence[Sequence[MetricsRow]]) -> str:
    """Return the axis of training curves: the epoch, or the step if a run has several rows in an epoch.

    Over epochs, the rows of one epoch would be drawn on a vertical line.
    """
    several = any(left.epoch == right.epoch for rows in runs for left, right in pairwise(rows))
    return "step" if several and all("step" in row.values for rows in runs for row in rows) else "epoch"


def _training_curves(
    runs: Sequence[tuple[str, Sequence[MetricsRow]]], columns: Mapping[str, str], x_label: str
) -> tuple[dict[str, list[tuple[float, float]]], dict[str, tuple[int, int]]]:
    """Return the points of some columns over epochs or steps, and color and dash of each curve, by label.

    Each run is given by its name and its rows.
    The color of a curve shows the run, and the dash shows the column. In a chart of one run, each column
    has its own color.
    """
    curves: dict[str, list[tuple[float, float]]] = {}
    styles: dict[str, tuple[int, int]] = {}
    for number, (run, rows) in enumerate(runs):
        for index, (column, label) in enumerate(columns.items()):
            points = [
                (row.values.get(x_label, row.epoch), row.values[column])
                for row in rows
                if column in row.values
            ]
            if points:
                name = label if len(runs) == 1 else f"{run}: {label}"
                curves[name] = list(points)
                styles[name] = (number, index) if len(runs) > 1 else (index, 0)
    return curves, styles


def _context_chart(report: EvaluationReport, name: str) -> Markup:
    """Draw the loss by the length of the context; empty if there are no losses."""
    if not report.contexts:
        return Markup("")
    curves = {"the model": list(report.contexts.items())}
    if report.ngrams:
        ngrams = [(order - 1, nats) for order, nats in report.ngrams.items() if order > 1]
        curves["n-grams of the training text"] = ngrams
    return draw_chart(curves, Chart(name, "symbols read before", "nats", log_x=True))


def draw_chart(curves: Mapping[str, Curve], chart: Chart) -> Markup:
    """Draw curves, given by their names in the legend, and return an SVG element."""
    with rc_context(CHART_STYLE):
        rows = -(-len(curves) // LEGEND_COLUMNS)
        figure = Figure(figsize=(4.8, 2.8 + 0.18 * rows), layout="constrained")
        axes = figure.add_subplot()
        for place, (label, points) in enumerate(curves.items()):
            color, dash = chart.styles.get(label, (place, 0))
            axes.plot(
                *zip(*points, strict=True),
                label=shorten(visible(label), 40),
                marker=MARKERS[dash % len(MARKERS)] if len(points) <= 30 else "",
                markersize=4,
                markerfacecolor="none" if dash else None,  # the markers of a dashed curve are hollow
                color=CURVE_COLORS[color % COLORS],
                linestyle=DASHES[dash % len(DASHES)],
                linewidth=1.8 if dash else 1.2,
            )
        if not chart.log_x:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        else:
            axes.set_xscale("log")
            ticks = sorted({x for points in curves.values() for x, _ in points})
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()
        axes.set_xlabel(chart.x_label)
        axes.set_ylabel(chart.y_label)
        axes.grid(visible=True, linewidth=0.6)
        figure.legend(
            loc="outside lower left", ncols=LEGEND_COLUMNS, frameon=False, fontsize=8, handlelength=3.6
        )
        return Markup(_svg(figure, chart.name))


def _svg(figure: Figure, name: str) -> str:
    """Return a figure as an SVG element without metadata, with its own ids and with CSS variables."""
    buffer = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", metadata=metadata)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    removed = r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->"
    text = re.sub(removed, "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r'^<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg role="img" aria-label="{name}" \1>', text)
    placeholder = r"#0101[0-9a-f]{2}|#01020[345]"
    text = re.sub(placeholder, lambda match: CSS_VARIABLES.get(match.group(), match.group()), text)
    return text.replace("font-family: 'DejaVu Sans'; ", "")
