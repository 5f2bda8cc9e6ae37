"""How `--help` looks: examples first, then what each option is, in plain lines that fit a terminal of 80 x 40.

A command's docstring says what it does and how it is called, `Tag sentences, e.g. seqtool tag "A dog", or tag --file a.txt`;
here it is taken apart. Nothing heavy is imported, so that help comes at once.
"""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand, TyperGroup

EXAMPLE = ", e.g. "
ANOTHER = ", or "
WIDEST_OPTION = 24
TYPES = {
    "path": "PATH",
    "list[Path]": "FILE",
    "str": "TEXT",
    "list[str]": "TEXT",
    "int": "N",
    "int range": "N",
    "list[int]": "N",
}
TYPES |= {"float": "X", "float range": "X", "list[int range]": "N"}


def taken_apart(help_text: str) -> tuple[str, list[str]]:
    """The sentence of a help text's first paragraph, and its examples as whole command lines."""
    sentence, _, examples = " ".join(help_text.partition("\n\n")[0].split()).partition(EXAMPLE)
    lines = [line.strip() for line in examples.split(ANOTHER) if line.strip()]
    return sentence.rstrip(".") + ".", [
        line if line.startswith("seqtool ") else f"seqtool {line}" for line in lines
    ]


class _Help:
    """What commands and groups have in common; the names of the methods are the parser's."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        command: Any = self
        sentence, examples = taken_apart(command.help or "")
        if examples:
            with formatter.section("Examples" if len(examples) > 1 else "Example"):
                for line in examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")
        formatter.write_paragraph()
        command.format_usage(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(sentence)
        more = (command.help or "").partition("\n\n")[2]
        if more.strip():
            formatter.write_text(" ".join(more.split()))
        command.format_options(ctx, formatter)
        command.format_epilog(ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        command: Any = self
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            records = (
                param.get_help_record(ctx)
                for param in command.get_params(ctx)
                if param.param_type_name == kind
            )
            rows = [(_name(name, kind), _meaning(text)) for name, text in filter(None, records)]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows, col_max=WIDEST_OPTION)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        command: Any = self
        names = [
            param.metavar or param.name.upper()
            for param in command.get_params(ctx)
            if param.param_type_name == "argument"
        ]
        return ["[OPTIONS]", *names, *(["COMMAND [ARGS]..."] if isinstance(self, TyperGroup) else [])]

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002
        """The sentence alone, for the list of commands."""
        command: Any = self
        return taken_apart(command.help or "")[0].rstrip(".")


class Command(_Help, TyperCommand):
    """A command whose help starts with an example."""


class Group(_Help, TyperGroup):
    """The same for a group of commands, whose names follow."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        if self.invoke_without_command or ctx.parent is None:
            super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def _name(record: str, kind: str) -> str:
    """`--seeds <int range>` as `--seeds N`; an argument's type is told by its name."""
    return re.sub(
        r" <(.*)>$", lambda match: "" if kind == "argument" else f" {TYPES.get(match[1], match[1])}", record
    )


def _meaning(text: str) -> str:
    """Without what a mistake is answered with anyway: that it is required, and its range."""
    sentence, bracket, extras = text.rpartition("  [")
    kept = [
        extra
        for extra in extras.rstrip("]").split("; ")
        if extra != "required" and not re.search(r"\bx[<>]=?|<=?x\b", extra)
    ]
    return text if not bracket else sentence + (f"  [{'; '.join(kept)}]" if kept else "")
