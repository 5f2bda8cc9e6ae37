"""`report`: one page about a run, or about several side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqtool.cli.completion import complete_run
from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, Files, RunsDir

Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="A run's name, a run or a model directory; several are laid side by side.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Where to write the page (default: report.html in the run; of several, here).",
        show_default=False,
    ),
]
Texts = Annotated[
    list[str] | None,
    typer.Option(
        "--text",
        "-t",
        help="Show the model at work on this text, rather than on held-out data (repeatable).",
        show_default=False,
    ),
]
Finds = Annotated[
    list[str] | None,
    typer.Option(
        "--find",
        metavar="PATTERN",
        help="Show units that follow this too, as for inspect: regex:EXPRESSION, say (repeatable).",
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
    """Write one page that shows all there is to see of a run, e.g. seqtool report ewt"""
    from seqtool.evaluation.character import read_text
    from seqtool.reports.console import write_json, write_line
    from seqtool.reports.html.collect import ReportOptions, collect_run, report_path
    from seqtool.storage.atomic import write_file

    place = report_path(runs, out, runs_dir)
    _need_report_tools()
    from seqtool.reports.html.page import render_page

    options = ReportOptions(
        [*(texts or []), *(read_text([path]) for path in files or [])], find or [], runs_dir
    )
    write_file(
        place, render_page([collect_run(run, options) for run in runs]).encode("utf-8", "backslashreplace")
    )
    write_json({"report": str(place), "runs": runs}) if json else write_line(str(place))


def _need_report_tools() -> None:
    """See that what draws the page is installed.

    Raises:
        SeqtoolError: naming the extra.
    """
    from seqtool.errors import SeqtoolError

    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise SeqtoolError(
            f"the page needs {error.name}, which is not installed", hint="pip install 'seqtool[report]'"
        ) from error
