"""`init`: write a commented config for the user's data, or one of the shipped examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, complete_example

Task = Annotated[
    str | None, typer.Argument(metavar="[char|tagger]", help="Task of the model.", show_default=False)
]
Data = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DATA]",
        help="A text, or a file of labeled sentences, for which settings are chosen.",
        show_default=False,
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
        help="Write the config and the data of a shipped example.",
        autocompletion=complete_example,
        show_default=False,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]


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
    """Write a config to start from, e.g. seqtool init tagger my.conllu, or init --example hihell"""
    from seqtool.init.config import write_example, write_suggested, write_template
    from seqtool.reports.console import say, write_json, write_line
    from seqtool.tasks.interface import DataFiles

    _check_arguments(task, data, example, held_out=bool(dev or test))
    if example is not None:
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
        say(f"{result.config} exists already with this content")
    say(f"next: {result.command}")


def _check_arguments(task: str | None, data: Path | None, example: str | None, *, held_out: bool) -> None:
    """Refuse arguments that do not go together.

    Raises:
        SeqtoolError: an example with a task, no task, an unknown task, or held-out files without a training
            file.
    """
    from seqtool.errors import SeqtoolError
    from seqtool.tasks.interface import TASK_NAMES

    if example is not None:
        if task or held_out:
            message = "--example includes a config and data, and takes no task and no data files"
            raise SeqtoolError(message, hint=f"seqtool init --example {example}")
        return
    if not task:
        hint = "seqtool init char TEXT, init tagger FILE, or init --example hihell"
        raise SeqtoolError("expected a task or --example", hint=hint)
    if task not in TASK_NAMES:
        raise SeqtoolError(f"expected {' or '.join(TASK_NAMES)}, found {task!r}", hint=_task_hint(task))
    if held_out and data is None:
        hint = "seqtool init tagger TRAIN --dev DEV"
        raise SeqtoolError("--dev and --test need the training file of a tagger", hint=hint)


def _task_hint(argument: str) -> str:
    """Return the command for a data file that is given in place of a task."""
    from seqtool.init.config import task_of_ending

    if Path(argument).exists():
        return f"seqtool init {task_of_ending(Path(argument))} {argument}"
    return "seqtool init char TEXT, or seqtool init tagger FILE"
