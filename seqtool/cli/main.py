"""The application: its commands in the order in which a newcomer meets them.

A command's module is imported, and its options are read from its signature, when it is asked for: to do so for all of them
would cost each start 15 ms.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer

from seqtool.cli.exit_codes import leave, run
from seqtool.cli.help import Command, Group
from seqtool.version import VERSION

COMMANDS = {  # name: module, and the function or the group in it
    "init": ("init", "init"),
    "train-char": ("train", "train_char"),
    "train-tagger": ("train", "train_tagger"),
    "tag": ("tag", "tag"),
    "sample": ("sample", "sample"),
    "score": ("score", "score"),
    "predict": ("predict", "predict"),
    "check": ("check", "check"),
    "sweep": ("sweep", "sweep"),
    "evaluate": ("evaluate", "evaluate"),
    "inspect": ("inspect", "inspect"),
    "report": ("report", "report"),
    "export": ("export", "export"),
    "schema": ("schema", "schema"),
    "runs": ("runs", "app"),
    "config": ("config", "app"),
}


@cache
def _command(name: str) -> Any:
    """A command, or a group of them, as the parser has it."""
    module, attribute = COMMANDS[name]
    found = getattr(import_module(f"seqtool.cli.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(name, cls=Command)(found)
        return typer.main.get_command(alone)
    group = typer.main.get_group(found)
    group.name = name
    return group


class _Commands(MutableMapping[str, Any]):
    """The commands by name, each made when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)

    def __contains__(self, name: object) -> bool:
        return name in COMMANDS

    def __setitem__(self, name: str, value: Any) -> None:
        raise TypeError("commands stand in a table")

    def __delitem__(self, name: str) -> None:
        raise TypeError("commands stand in a table")


class _Root(Group):
    """The group of all commands."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Their names; the method's own name is the parser's."""
        return list(COMMANDS)


app = typer.Typer(
    name="seqtool",
    cls=_Root,
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
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Train small recurrent sequence models and use them, e.g. seqtool init --example hihell, or train-char configs/hihell.yaml"""


def main() -> None:
    """The console script."""
    leave(run(app))
