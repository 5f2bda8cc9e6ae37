"""Check that the options which a message names exist in the command that the message is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

OPTION = re.compile(r"(?<![\w./-])--[a-z][a-z-]*[a-z]")
COMMAND = re.compile(r"(?:seqtool|init|or) ((?:runs|config) [a-z]+|[a-z]+(?:-[a-z]+)*)")
FOREIGN = ("pip", "torchrun", "iconv", "conda")  # programs whose options may follow in a message


@cache
def options_by_command() -> dict[str, frozenset[str]]:
    """Return the options of every command and of every command of a group."""
    import typer.main

    from seqtool.cli.main import app
    from seqtool.cli.suggestions import option_names

    def collect(path: str, command: Any) -> Iterator[tuple[str, frozenset[str]]]:
        yield path, frozenset(option_names(command))
        for name, child in getattr(command, "commands", {}).items():
            yield from collect(f"{path} {name}".strip(), child)

    return dict(collect("", typer.main.get_command(app)))


def command_of(arguments: Sequence[str]) -> str:
    """Return the longest name of a command at the beginning of a command line."""
    names = (" ".join(arguments[:count]) for count in (2, 1))
    return next((name for name in names if name in options_by_command()), "")


def wrong_options(line: str, command: str) -> list[str]:
    """Return the options in a line that neither the command nor the command named before them has.

    A semicolon ends a command line in a message.
    """
    known = options_by_command()
    wrong: list[str] = []
    current = command
    for part in re.finditer(f";|{OPTION.pattern}|{COMMAND.pattern}|{'|'.join(FOREIGN)}", line):
        text = part.group()
        if text == ";":
            current = command
            continue
        if text in FOREIGN:
            return wrong
        if text.startswith("--"):
            if text not in known[current]:
                wrong.append(text)
        elif part.group(1) in known:
            current = part.group(1)
    return wrong


def check_options(stderr: str, arguments: Sequence[str]) -> None:
    """Check every line of stderr; options that the user wrote may be quoted in it."""
    command, written = command_of(arguments), " ".join(arguments)
    for line in stderr.splitlines():
        if "--" not in line or line.lstrip().startswith("command "):
            continue
        shown = [option for option in wrong_options(line, command) if option not in written]
        assert not shown, f"{command or 'seqtool'} has no {', '.join(shown)}: {line}"
