"""The application and its commands, in the order in which a new user meets them.

The module of a command is imported when the command is called. Importing all of them would add 15 ms to each
start.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer

from seqtool.cli.exit_codes import leave, run
from seqtool.cli.help import Command, Group
from seqtool.errors import ExitCode
from seqtool.version import VERSION

COMMANDS = {  # name: module, and the function or the group in it
    "init": ("init", "init"),
    "train-char": ("train", "train_char"),
    "train-tagger": ("train", "train_tagger"),
    "tag": ("tag", "tag"),
    "tokenize": ("tokenize", "tokenize"),
    "sample": ("sample", "sample"),
    "score": ("score", "score"),
    "predict": ("sample", "predict"),
    "check": ("train", "check"),
    "sweep": ("sweep", "sweep"),
    "evaluate": ("evaluate", "evaluate"),
    "inspect": ("inspect", "inspect"),
    "report": ("export", "report"),
    "play": ("play", "play"),
    "export": ("export", "export"),
    "schema": ("config", "schema"),
    "runs": ("runs", "app"),
    "config": ("config", "app"),
}


@cache
def _command(name: str) -> Any:
    """Import a command or a group of commands and return the parser's object for it."""
    module, attribute = COMMANDS[name]
    function_or_group = getattr(import_module(f"seqtool.cli.{module}"), attribute)
    if not isinstance(function_or_group, typer.Typer):
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(name, cls=Command)(function_or_group)
        return typer.main.get_command(single)
    group = typer.main.get_group(function_or_group)
    group.name = name
    return group


class _Commands(MutableMapping[str, Any]):
    """Commands by name, each imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)

    def __contains__(self, name: object) -> bool:
        return name in COMMANDS

    def __setitem__(self, name: str, value: object) -> None:
        raise TypeError("the table of commands is fixed")

    def __delitem__(self, name: str) -> None:
        raise TypeError("the table of commands is fixed")


class _Root(Group):
    """The group of all commands."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the names of the commands. The parser calls this method."""
        return list(COMMANDS)


app = typer.Typer(
    name="seqtool",
    cls=_Root,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"seqtool {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Train small recurrent sequence models and use them,
    e.g. seqtool init --example hihell, or train-char configs/hihell.yaml
    """


def main() -> None:
    """Run the console script."""
    try:
        leave(run(app))
    except KeyboardInterrupt:  # Ctrl-C after the command, while its output is flushed
        leave(ExitCode.INTERRUPTED)
