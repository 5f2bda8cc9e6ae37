"""`export` and `report`: write a model as ONNX or in half the size, and an HTML page about runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, Files, ModelArgument, RunsDir, complete_run


class Target(StrEnum):
    """Format of another runtime."""

    ONNX = "onnx"


class Dtype(StrEnum):
    """Type of the weights in a smaller model directory."""

    FLOAT16 = "float16"
    INT8 = "int8"


To = Annotated[
    Target | None,
    typer.Option("--to", help="Write this format, and verify the file.", show_default=False),
]
DtypeOption = Annotated[
    Dtype | None,
    typer.Option(
        "--dtype", help="Write a smaller model directory, and compare the scores.", show_default=False
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Path to write to (default: model.onnx in the run; MODEL-DTYPE next to it).",
        show_default=False,
    ),
]
Data = Annotated[
    list[Path] | None,
    typer.Option(
        "--data", help="With --dtype: score on this file, not on the data of the run.", show_default=False
    ),
]


@command
def export(
    model: ModelArgument,
    to: To = None,
    dtype: DtypeOption = None,
    out: Out = None,
    data: Data = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Export a model to another format,
    e.g. seqtool export hihell --to onnx, or export hihell --dtype float16
    """
    from seqtool.errors import SeqtoolError
    from seqtool.reports.console import say
    from seqtool.storage.find_model import find_model, runs_root

    if (to is None) == (dtype is None):
        raise SeqtoolError(
            "expected one of --to and --dtype", hint=f"seqtool export {model} --to onnx, or --dtype float16"
        )
    if data and dtype is None:
        raise SeqtoolError("--data goes with --dtype", hint="an ONNX file is verified on random inputs")
    location = find_model(model, runs_root(runs_dir), warn=say)
    if dtype is None:
        from seqtool.export.onnx import export_onnx
        from seqtool.reports.network import onnx_json, onnx_lines

        exported = export_onnx(location, out)
        _print(onnx_lines(exported), onnx_json(exported), json)
        return
    from seqtool.export.smaller_copy import write_smaller_copy
    from seqtool.reports.network import copy_json, copy_lines

    copy = write_smaller_copy(location, dtype.value, out, data or [], runs_root(runs_dir))
    _print(copy_lines(copy), copy_json(copy), json)


def _print(lines: list[str], value: dict[str, object], json: bool) -> None:
    from seqtool.reports.console import write_json, write_line

    if json:
        write_json(value)
        return
    for line in lines:
        write_line(line)


# --- report -------------------------------------------------------------------------------------------------

Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="Name of a run, run directory or model directory; several are shown side by side.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
Page = Annotated[
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
    out: Page = None,
    texts: Texts = None,
    files: Files = None,
    find: Finds = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Write an HTML page about a run, e.g. seqtool report ewt"""
    from seqtool.evaluation.text_files import read_text
    from seqtool.reports.console import write_json, write_line
    from seqtool.reports.html.collect import (
        REPORT_MARK,
        ReportOptions,
        collect_inputs,
        collect_run,
        report_path,
    )
    from seqtool.storage.atomic import write_file

    page = report_path(runs, out, runs_dir)
    _require_report_extra()
    from seqtool.reports.html.page import render_page
    from seqtool.reports.progress import progress_bar
    from seqtool.storage.ownership import check_output

    collected = collect_inputs(runs, runs_dir)
    check_output(page, [*collected, *(files or [])], mark=REPORT_MARK)
    file_texts = [read_text(None, [path]) for path in files or []]
    options = ReportOptions([*(texts or []), *file_texts], find or [], runs_dir)
    with progress_bar():
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
