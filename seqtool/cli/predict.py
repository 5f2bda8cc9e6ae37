"""`predict`: the output that an aligned character model gives for an input, symbol by symbol."""

from __future__ import annotations

from typing import Annotated

import typer

from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, Files, ModelOption, RunsDir

Texts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TEXT]...", help="Inputs; without any, lines of standard input.", show_default=False
    ),
]


@command
def predict(
    texts: Texts = None,
    files: Files = None,
    model: ModelOption = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Say what an aligned character model makes of a text, e.g. seqtool predict hihell"""
    from seqtool.cli.inputs import input_lines
    from seqtool.cli.model_argument import character_model
    from seqtool.errors import ModelError
    from seqtool.reports.console import json_text, write_line
    from seqtool.storage.find_model import ALIGNED_MODEL

    used = character_model(model, runs_dir, ALIGNED_MODEL)
    if not used.model.aligned:
        raise ModelError(
            "not trained on pairs, so there is nothing to predict",
            place=used.name,
            hint="generate text with: seqtool sample",
        )
    for text in input_lines(texts, files):
        predicted = used.model.predict(text)
        write_line(json_text({"text": text, "prediction": predicted}) if json else predicted)
