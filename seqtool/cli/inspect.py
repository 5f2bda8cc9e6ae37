"""`inspect`: look at a network, trained or not, and at its way through a text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqtool.cli.boundary import command
from seqtool.cli.completion import complete_config
from seqtool.cli.options import AsJson, Overrides, RunsDir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seqtool.jobs.inspect import Inspected

What = Annotated[
    str,
    typer.Argument(
        metavar="WHAT",
        help="A YAML config (untrained), a run's name, a run or a model directory.",
        autocompletion=complete_config,
        show_default=False,
    ),
]
TextOption = Annotated[
    list[str] | None, typer.Option("--text", "-t", help="Follow the network through this text (repeatable).", show_default=False)
]


@command
def inspect(
    what: What,
    texts: TextOption = None,
    overrides: Overrides = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Look at a network and its way through a text, e.g. seqtool inspect configs/hello.yaml --text hello"""
    from json import dumps

    from seqtool.errors import SeqtoolError
    from seqtool.jobs.inspect import trained, untrained
    from seqtool.reports.console import write_line

    is_config = Path(what).suffix.lower() in (".yaml", ".yml")
    if overrides and not is_config:
        raise SeqtoolError("--set changes a config; a trained model is what it is", hint="give a YAML file, or leave --set out")
    inspected = untrained(Path(what), overrides or ()) if is_config else trained(what, runs_dir)
    if json:
        weights = {name: list(array.shape) for name, array in inspected.weights.items()}
        write_line(dumps({"name": inspected.name, "config": inspected.config, "manifest": inspected.manifest, "weights": weights}))
        return
    lines = list(_lines(inspected, texts or []))  # all of them before the first is printed: a mistake in a text comes alone
    for line in lines:
        write_line(line)


def _lines(inspected: Inspected, texts: list[str]) -> Iterator[str]:
    from seqtool.data.untagged import TextReader
    from seqtool.reports.inspect import character_walk, facts, overview, tagger_walk, training_curve
    from seqtool.runtime.character import CharacterModel

    yield from overview(inspected.name, inspected.config, inspected.vocab, inspected.weights)
    yield from facts(inspected.config, inspected.vocab, inspected.manifest)
    yield from training_curve(inspected.rows)
    for text in texts:
        if isinstance(inspected.model, CharacterModel):
            yield from character_walk(inspected.model, inspected.weights, text)
        else:
            tokens = TextReader(inspected.config.get("tokenizer") or "whitespace").sentence(text, "--text").tokens
            yield from tagger_walk(inspected.model, inspected.weights, tokens)
