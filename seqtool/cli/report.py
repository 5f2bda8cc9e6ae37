"""`report`: write an HTML page about one run, or about several runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, Files, RunsDir, complete_run

Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="Name of a run, run directory or model directory; several are shown side by side.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Path of the page (default: report.html in the run; of several runs, here).",
        show_default=False,
    ),
]
Texts = Annotated[
    list[str] | None,
    typer.Option(
        "--text",
        "-t",
        help="Show the model on this text instead of held-out data (repeatable).",
        show_default=False,
    ),
]
Finds = Annotated[
    list[str] | None,
    typer.Option(
        "--find",
        metavar="PATTERN",
        help="Show units that correlate with this too, as in inspect, e.g. regex:EXPRESSION (repeatable).",
        show_default=False,
    ),
]


@command
def report(
    runs: Runs,
    out: Out = None,
    texts: Texts = None,
    files: Files = None,
    find: Finds = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Write an HTML page about a run, e.g. seqtool report ewt"""
    from seqtool.evaluation.character import read_text
    from seqtool.reports.console import write_json, write_line
    from seqtool.reports.html.collect import ReportOptions, collect_run, report_path
    from seqtool.storage.atomic import write_file

    page = report_path(runs, out, runs_dir)
    _require_report_extra()
    from seqtool.reports.html.page import render_page

    file_texts = [read_text([path]) for path in files or []]
    options = ReportOptions([*(texts or []), *file_texts], find or [], runs_dir)
    html = render_page([collect_run(run, options) for run in runs])
    write_file(page, html.encode("utf-8", "backslashreplace"))
    write_json({"report": str(page), "runs": runs}) if json else write_line(str(page))


def _require_report_extra() -> None:
    """Check that the packages of the extra `report` are installed.

    Raises:
        SeqtoolError: a package is missing.
    """
    from seqtool.errors import SeqtoolError

    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise SeqtoolError(
            f"the page needs {error.name}, which is not installed", hint="pip install 'seqtool[report]'"
        ) from error
