"""The options that several commands share, declared once so that they read the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from seqtool.cli.completion import complete_key, complete_run


class Device(StrEnum):
    """Where to train."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


RunsDir = Annotated[
    Path | None,
    typer.Option(
        "--runs-dir", help="Where runs lie (default: $SEQTOOL_RUNS, else runs).", show_default=False
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        autocompletion=complete_run,
        help="A run's name, a run or a model directory (default: $SEQTOOL_MODEL, else the newest that fits).",
        show_default=False,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the config (repeatable).",
        autocompletion=complete_key,
        show_default=False,
    ),
]
Name = Annotated[str | None, typer.Option("--name", help="The run directory's name.", show_default=False)]
Seed = Annotated[
    int | None, typer.Option("--seed", help="Seed of weights, order and masks.", show_default=False)
]
Seeds = Annotated[
    int,
    typer.Option(
        "--seeds",
        min=1,
        max=1000,
        help="Train this many runs with successive seeds and print mean and deviation.",
    ),
]
DeviceOption = Annotated[Device | None, typer.Option("--device", help="Where to train.", show_default=False)]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace a run of the same name, whatever it holds.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run of this name.")]
InitFrom = Annotated[
    str | None,
    typer.Option(
        "--init-from",
        metavar="MODEL",
        help="Start from a trained model's weights (a run's name, a run or a model directory), its vocabulary extended.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results, errors and nothing else.")]
Plain = Annotated[
    bool, typer.Option("--plain", help="Print plain lines on a terminal too: no bar, no curve, no colour.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Files = Annotated[
    list[Path] | None,
    typer.Option("--file", "-f", help="Read a file (repeatable; - is standard input).", show_default=False),
]
