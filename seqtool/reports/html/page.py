"""The page itself: templates filled in, every text escaped, and a policy that lets nothing in from outside."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from seqtool.reports.html import charts, views
from seqtool.reports.html.facts import RunFacts
from seqtool.safe_text import visible_lines
from seqtool.version import VERSION

TEMPLATES = Path(__file__).parent / "templates"
LOSSES = {
    "train_loss": "training",
    "val_loss": "validation",
    "val_loss_blocks": "validation, blocks",
}
SCORES = {"val_accuracy": "accuracy", "val_f1": "span F1"}
PARTS = {"test": "test data", "dev": "development data", "val": "validation text", "train": "training data"}


def page(runs: Sequence[RunFacts]) -> str:
    """The whole page, for one run or for several side by side."""
    script = (TEMPLATES / "units.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=", ".join(run.name for run in runs),
            policy=policy,
            css=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
            script=Markup(script),
            version=VERSION,
            runs=[_run(run, number) for number, run in enumerate(runs)],
            glance=views.glance(runs),
            differing=views.differing(runs) if len(runs) > 1 else None,
            charts=_charts(runs),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_fit_to_print,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["percent"] = views.percent
    return environment


def _fit_to_print(value: Any) -> Any:
    """No control character reaches the page; what is markup already stays as it is."""
    return visible_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _charts(runs: Sequence[RunFacts]) -> list[tuple[str, Markup]]:
    found = []
    for title, keys, y_label in (("Loss", LOSSES, "nats"), ("Scores on development data", SCORES, "share")):
        curves, series = views.curves(runs, keys)
        if any(len(points) > 1 for points in curves.values()):
            name = title.split()[0].lower()
            found.append(
                (
                    title,
                    Markup(
                        charts.line_chart(curves, x_label="epoch", y_label=y_label, name=name, series=series)
                    ),
                )
            )
    return found


def _run(run: RunFacts, number: int) -> dict[str, Any]:
    """All that the template says of one run."""
    reports = [(PARTS.get(name, name), report) for name, report in run.evaluation.items()]
    return {
        "facts": run,
        "number": number,
        "reports": [
            {"part": part, "values": report, **_report(run, report, f"c{number}-{place}")}
            for place, (part, report) in enumerate(reports)
        ],
        "samples": views.sample_rows(run),
        "sentences": list(views.sentence_views(run)),
        "texts": [
            {"id": f"{number}-{place}", "title": text.title, "data": views.unit_data(text)}
            for place, text in enumerate(run.texts)
        ],
        "data": [
            (file.replace("\\", "/").rpartition("/")[2], digest) for file, digest in run.manifest.data.items()
        ],
    }


def _report(run: RunFacts, report: Any, name: str) -> dict[str, Any]:
    if run.task == "tagger":
        return {"matrix": views.confusion_matrix(report), "worst": views.worst_sentences(report)}
    # JSON's keys are strings in the order of strings.
    contexts = {"the model": sorted((int(length), nats) for length, nats in report["contexts"].items())}
    if report.get("ngrams"):
        ngrams = sorted((int(order) - 1, nats) for order, nats in report["ngrams"].items() if int(order) > 1)
        contexts["n-grams of the training text"] = ngrams
    chart = (
        charts.line_chart(contexts, x_label="symbols read before", y_label="nats", name=name, log_x=True)
        if contexts["the model"]
        else ""
    )
    return {"contexts": Markup(chart)}
