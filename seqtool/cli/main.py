"""The application: its commands in the order in which a newcomer meets them."""

from __future__ import annotations

from typing import Annotated

import typer

from seqtool.cli.boundary import leave, run
from seqtool.cli.check import check
from seqtool.cli.config import app as config_app
from seqtool.cli.evaluate import evaluate
from seqtool.cli.export import export
from seqtool.cli.help import Command, Group
from seqtool.cli.init import init
from seqtool.cli.inspect import inspect
from seqtool.cli.predict import predict
from seqtool.cli.report import report
from seqtool.cli.runs import app as runs_app
from seqtool.cli.sample import sample
from seqtool.cli.schema import schema
from seqtool.cli.score import score
from seqtool.cli.sweep import sweep
from seqtool.cli.tag import tag
from seqtool.cli.train import train_char, train_tagger
from seqtool.version import VERSION

app = typer.Typer(
    name="seqtool",
    cls=Group,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"seqtool {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")] = False,
) -> None:
    """Train small recurrent sequence models and use them, e.g. seqtool init --example hihell, or train-char configs/hihell.yaml"""


for function, name in (
    (init, "init"),
    (train_char, "train-char"),
    (train_tagger, "train-tagger"),
    (tag, "tag"),
    (sample, "sample"),
    (score, "score"),
    (predict, "predict"),
    (check, "check"),
    (sweep, "sweep"),
    (evaluate, "evaluate"),
    (inspect, "inspect"),
    (report, "report"),
    (export, "export"),
    (schema, "schema"),
):
    app.command(name, cls=Command)(function)
app.add_typer(runs_app, name="runs")
app.add_typer(config_app, name="config")


def main() -> None:
    """The console script."""
    leave(run(app))
