"""Layout of `--help`: examples, usage, description and options, in lines that fit a terminal of 80 x 40.

The docstring of a command contains its description and its examples:
`Tag sentences, e.g. seqtool tag "A dog", or tag --file a.txt`.
"""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand, TyperGroup, TyperOption

from seqtool.reports.console import set_quiet

EXAMPLE = ", e.g. "  # before the first example
ANOTHER = ", or "  # between examples
WIDEST_OPTION = 24
TYPES = {
    "path": "PATH",
    "list[Path]": "FILE",
    "str": "TEXT",
    "list[str]": "TEXT",
    "int": "N",
    "int range": "N",
    "list[int]": "N",
    "list[int range]": "N",
    "float": "X",
    "float range": "X",
}


def split_examples(help_text: str) -> tuple[str, list[str]]:
    """Split the first paragraph of a help text into its sentence and its examples as whole command lines."""
    sentence, _, examples = " ".join(help_text.partition("\n\n")[0].split()).partition(EXAMPLE)
    lines = [line.strip() for line in examples.split(ANOTHER) if line.strip()]
    return sentence.rstrip(".") + ".", [
        line if line.startswith("seqtool ") else f"seqtool {line}" for line in lines
    ]


QUIET_HELP = "Print only results and errors."


class _Help:
    """Help and arguments of commands and groups. The parser calls these methods by their names."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep the arguments for the hint of an error."""
        ctx.meta["arguments"] = tuple(args)
        try:
            rest: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        except Exception as error:
            if getattr(error, "ctx", ctx) is None:  # an option without its value
                error.ctx = ctx  # type: ignore[attr-defined]
            raise
        return rest

    def format_help(self, ctx: Any, formatter: Any) -> None:
        command: Any = self
        sentence, examples = split_examples(command.help or "")
        if examples:
            with formatter.section("Examples" if len(examples) > 1 else "Example"):
                for line in examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")
        formatter.write_paragraph()
        command.format_usage(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(sentence)
        details = (command.help or "").partition("\n\n")[2]
        if details.strip():
            formatter.write_text(" ".join(details.split()))
        command.format_options(ctx, formatter)
        command.format_epilog(ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            records = (param.get_help_record(ctx) for param in _params(self, ctx, kind))
            rows = [(_name(name, kind), _meaning(text)) for name, text in filter(None, records)]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows, col_max=WIDEST_OPTION)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        names = [param.metavar or param.name.upper() for param in _params(self, ctx, "argument")]
        return ["[OPTIONS]", *names, *(["COMMAND [ARGS]..."] if isinstance(self, TyperGroup) else [])]

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002
        """Return the sentence without examples, for the list of commands."""
        command: Any = self
        return split_examples(command.help or "")[0].rstrip(".")


class Command(_Help, TyperCommand):
    """A command whose help starts with an example. Every command has `--quiet`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        _add_quiet(self.params)


class Group(_Help, TyperGroup):
    """A group of commands; its help ends with the list of their names."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.invoke_without_command and not self.no_args_is_help:
            _add_quiet(self.params)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        if self.invoke_without_command or ctx.parent is None:
            super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def _add_quiet(params: list[Any]) -> None:
    """Add `--quiet`, which silences `say`, unless the command has one that does more."""
    if any("--quiet" in param.opts for param in params):
        return
    params.append(
        TyperOption(
            param_decls=["--quiet", "-q"],
            is_flag=True,
            expose_value=False,
            default=False,
            callback=lambda context, param, value: set_quiet(quiet=value),  # noqa: ARG005
            help=QUIET_HELP,
        )
    )


def _params(command: Any, context: Any, kind: str) -> list[Any]:
    return [param for param in command.get_params(context) if param.param_type_name == kind]


def _name(record: str, kind: str) -> str:
    """Shorten `--seeds <int range>` to `--seeds N`; the name of an argument replaces its type."""
    return re.sub(
        r" <(.*)>$", lambda match: "" if kind == "argument" else f" {TYPES.get(match[1], match[1])}", record
    )


def _meaning(text: str) -> str:
    """Remove `required` and ranges of numbers, which error messages state."""
    sentence, bracket, extras = text.rpartition("  [")
    kept = [
        extra
        for extra in extras.rstrip("]").split("; ")
        if extra != "required" and not re.search(r"\bx[<>]=?|<=?x\b", extra)
    ]
    return text if not bracket else sentence + (f"  [{'; '.join(kept)}]" if kept else "")
