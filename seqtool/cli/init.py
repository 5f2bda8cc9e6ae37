"""`init`: a commented config to begin with, for the user's own data or one of the shipped examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqtool.cli.completion import complete_example
from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson

TASKS = ("char", "tagger")

Task = Annotated[
    str | None, typer.Argument(metavar="[char|tagger]", help="What to train.", show_default=False)
]
Data = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DATA]", help="A text, or a file of labelled sentences, to suit.", show_default=False
    ),
]
Dev = Annotated[
    list[Path] | None, typer.Option("--dev", help="Development files of a tagger.", show_default=False)
]
Test = Annotated[
    list[Path] | None, typer.Option("--test", help="Test files of a tagger.", show_default=False)
]
ExampleName = Annotated[
    str | None,
    typer.Option(
        "--example",
        help="Write a shipped example's config and data.",
        autocompletion=complete_example,
        show_default=False,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there already.")]


@command
def init(
    task: Task = None,
    data: Data = None,
    dev: Dev = None,
    test: Test = None,
    example: ExampleName = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Write a config to begin with, e.g. seqtool init tagger my.conllu, or init --example hihell"""
    from seqtool.init.config import write_example, write_suggested, write_template
    from seqtool.reports.console import say, write_json, write_line
    from seqtool.tasks.interface import DataFiles

    _check(task, data, dev, test, example)
    if example:
        result = write_example(example, overwrite=overwrite)
    elif data is None:
        result = write_template(str(task), overwrite=overwrite)
    else:
        files = DataFiles(data, tuple(dev or ()), tuple(test or ()))
        result = write_suggested(str(task), files, overwrite=overwrite)
    for note in result.notes:
        say(note)
    if json:
        write_json({"config": result.config, "written": result.written, "next": result.command})
        return
    for path in result.written:
        write_line(path)
    if not result.written:
        say(f"{result.config} is there already, as it would be written")
    say(f"next: {result.command}")


def _check(
    task: str | None, data: Path | None, dev: list[Path] | None, test: list[Path] | None, example: str | None
) -> None:
    """See that the arguments go together.

    Raises:
        SeqtoolError: if they do not.
    """
    from seqtool.errors import SeqtoolError

    if example is not None:
        if task is not None or dev or test:
            raise SeqtoolError(
                "--example writes a config and data of its own", hint=f"seqtool init --example {example}"
            )
        return
    if task is None:
        raise SeqtoolError(
            "nothing says what to begin",
            hint="seqtool init char TEXT, init tagger FILE, or init --example hihell",
        )
    if task not in TASKS:
        guess = "tagger" if task.lower().endswith((".conll", ".conllu", ".jsonl")) else "char"
        hint = (
            f"seqtool init {guess} {task}"
            if Path(task).exists()
            else "seqtool init char TEXT, or seqtool init tagger FILE"
        )
        raise SeqtoolError(f"expected char or tagger, found {task!r}", hint=hint)
    if (dev or test) and (task == "char" or data is None):
        raise SeqtoolError(
            "--dev and --test go with a tagger's training file", hint="seqtool init tagger TRAIN --dev DEV"
        )
