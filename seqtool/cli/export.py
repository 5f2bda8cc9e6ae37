"""`export`: write a model as ONNX, or as a model directory of half the size."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, ModelArgument, RunsDir


class Target(StrEnum):
    """Format of another runtime."""

    ONNX = "onnx"


class Dtype(StrEnum):
    """Type of the weights in a smaller model directory."""

    FLOAT16 = "float16"


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
        help="Path to write to (default: model.onnx in the run; MODEL-float16 next to it).",
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
    from seqtool.storage.find_model import find_model, runs_root

    if (to is None) == (dtype is None):
        raise SeqtoolError(
            "expected one of --to and --dtype", hint=f"seqtool export {model} --to onnx, or --dtype float16"
        )
    if data and dtype is None:
        raise SeqtoolError("--data goes with --dtype", hint="an ONNX file is verified on random inputs")
    place = find_model(model, runs_root(runs_dir))
    if to is not None:
        from seqtool.export.onnx import export_onnx
        from seqtool.reports.network import onnx_json, onnx_lines

        exported = export_onnx(place, out)
        _print(onnx_lines(exported), onnx_json(exported), json)
        return
    from seqtool.export.float16 import write_float16_copy
    from seqtool.reports.network import float16_json, float16_lines

    copy = write_float16_copy(place, out, data or [], runs_root(runs_dir))
    _print(float16_lines(copy), float16_json(copy), json)


def _print(lines: list[str], value: dict[str, object], json: bool) -> None:
    from seqtool.reports.console import write_json, write_line

    if json:
        write_json(value)
        return
    for line in lines:
        write_line(line)
