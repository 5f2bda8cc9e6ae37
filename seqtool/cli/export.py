"""`export`: a model for other runtimes, or the same model in half the bytes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from seqtool.cli.completion import complete_run
from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, RunsDir


class Target(StrEnum):
    """What to write."""

    ONNX = "onnx"


class Dtype(StrEnum):
    """How weights are stored."""

    FLOAT16 = "float16"


Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A run's name, a run or a model directory.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
To = Annotated[
    Target | None,
    typer.Option("--to", help="Write this format, verified before it is kept.", show_default=False),
]
DtypeOption = Annotated[
    Dtype | None,
    typer.Option("--dtype", help="Write a smaller model directory, and what it costs.", show_default=False),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Where to (default: model.onnx in the run; MODEL-float16 beside it).",
        show_default=False,
    ),
]
Data = Annotated[
    list[Path] | None,
    typer.Option(
        "--data", help="--dtype: score on this file, not on the run's own data.", show_default=False
    ),
]


@command
def export(
    model: Model,
    to: To = None,
    dtype: DtypeOption = None,
    out: Out = None,
    data: Data = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Give a model to other runtimes, e.g. seqtool export hihell --to onnx, or export hihell --dtype float16"""
    from seqtool.errors import SeqtoolError
    from seqtool.storage.find_model import find_model, runs_root

    if (to is None) == (dtype is None):
        raise SeqtoolError(
            "give --to or --dtype", hint=f"seqtool export {model} --to onnx, or --dtype float16"
        )
    if data and dtype is None:
        raise SeqtoolError("--data goes with --dtype", hint="an ONNX file is verified on inputs of its own")
    place = find_model(model, runs_root(runs_dir))
    if to is not None:
        from seqtool.export.onnx import export_onnx
        from seqtool.reports.network import onnx_json, onnx_lines

        done = export_onnx(place, out)
        _print(onnx_lines(done), onnx_json(done), json)
        return
    from seqtool.export.float16 import write_float16_copy
    from seqtool.reports.network import float16_json, float16_lines

    smaller = write_float16_copy(place, out, data or [], runs_root(runs_dir))
    _print(float16_lines(smaller), float16_json(smaller), json)


def _print(lines: list[str], value: dict[str, object], json: bool) -> None:
    from seqtool.reports.console import write_json, write_line

    if json:
        write_json(value)
        return
    for line in lines:
        write_line(line)
