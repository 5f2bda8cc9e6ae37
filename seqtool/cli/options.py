"""Options and arguments that several commands share, and the shell completion of their values.

This module is imported by every command, so it imports nothing heavy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from seqtool.cli.help import QUIET_HELP

_PLAIN = re.compile(r"[\w./][\w./@%+=:,~-]*")  # names without a character that a shell treats specially


class Device(StrEnum):
    """Device for training."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


# --- shell completion ---------------------------------------------------------------------------------------


def complete_run(incomplete: str) -> list[str]:
    """Return the names of finished runs that contain a model, and of pretrained models."""
    from seqtool.storage.find_model import pretrained_names

    names = dict.fromkeys([*_finished_runs(incomplete), *pretrained_names()])
    return [name for name in names if name.startswith(incomplete)]


def complete_any_run(incomplete: str) -> list[str]:
    """Return the names of finished and unfinished runs that contain a model."""
    return [name for name in _run_names() if name.startswith(incomplete)]


def _finished_runs(incomplete: str) -> list[str]:
    return [name for name in complete_any_run(incomplete) if not name.endswith(".partial")]


def _run_names() -> list[str]:
    root = Path(os.environ.get("SEQTOOL_RUNS") or "runs")
    try:
        names = sorted(entry.name for entry in os.scandir(root) if _has_model(Path(entry.path)))
    except OSError:
        return []
    return [name for name in names if _is_plain(name) and not name.startswith(".")]


def _is_plain(name: str) -> bool:
    """Return whether a shell reads a name as it is. The name of a directory can be a command: `$(rm x)`."""
    return _PLAIN.fullmatch(name) is not None


def _has_model(folder: Path) -> bool:
    try:
        return (folder / "model").is_dir()
    except OSError:  # a directory of another user
        return False


def complete_config(incomplete: str) -> list[str]:
    """Return YAML files, folders that may contain some, and names of runs."""
    folder = Path(incomplete).parent if not incomplete.endswith("/") else Path(incomplete)
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return _finished_runs(incomplete)
    paths = [
        os.path.normpath(entry.path) + ("/" if entry.is_dir() else "")
        for entry in entries
        if _may_be_config(entry)
    ]
    plain = [path for path in paths if path.startswith(incomplete) and _is_plain(path)]
    return plain + _finished_runs(incomplete)


def _may_be_config(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and (entry.is_dir() or entry.name.endswith((".yaml", ".yml")))


def complete_example(incomplete: str) -> list[str]:
    """Return the names of shipped examples."""
    from seqtool.init.config import example_names

    return [name for name in example_names() if name.startswith(incomplete)]


def complete_key(incomplete: str) -> list[str]:
    """Return dotted keys with an equals sign; after it, the values of a key that has a list of values."""
    key, equals, value = incomplete.partition("=")
    if not equals:
        return [f"{name}=" for name in config_keys() if name.startswith(incomplete)]
    return [f"{key}={choice}" for choice in config_keys().get(key, ()) if choice.startswith(value)]


def config_keys() -> dict[str, tuple[str, ...]]:
    """Return every dotted key of all tasks with its list of values; an empty list allows any value."""
    from seqtool.settings.experiment import Settings

    result: dict[str, tuple[str, ...]] = {}
    for settings in get_args(Settings):
        for name, value_type in _typed_keys(settings):
            result.setdefault(name, _choices(value_type))
    return result


def _typed_keys(settings: type[Any]) -> Iterator[tuple[str, Any]]:
    for name, value_type in get_type_hints(settings).items():
        if not is_dataclass(value_type):
            yield name, value_type
            continue
        hints = get_type_hints(value_type)
        for field in fields(value_type):
            yield f"{name}.{field.name}", hints[field.name]


def _choices(value_type: Any) -> tuple[str, ...]:
    if value_type is bool:
        return ("true", "false")
    members = get_args(value_type) if get_origin(value_type) is not Literal else (value_type,)
    return tuple(
        str(value) for member in members if get_origin(member) is Literal for value in get_args(member)
    )


# --- options and arguments ----------------------------------------------------------------------------------

RunsDir = Annotated[
    Path | None,
    typer.Option(
        "--runs-dir",
        help="Directory of runs (default: $SEQTOOL_RUNS, runs).",
        show_default=False,
    ),
]
ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Name of a run, run directory or model directory.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        autocompletion=complete_run,
        help="Name of a run, run directory or model directory "
        "(default: $SEQTOOL_MODEL, else the newest that fits, else a pretrained one).",
        show_default=False,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the config (repeatable).",
        autocompletion=complete_key,
        show_default=False,
    ),
]
Name = Annotated[str | None, typer.Option("--name", help="Name of the run directory.", show_default=False)]
Seed = Annotated[
    int | None, typer.Option("--seed", help="Seed of weights, order and masks.", show_default=False)
]
Seeds = Annotated[
    int,
    typer.Option(
        "--seeds",
        min=1,
        max=1000,
        help="Train this many runs with successive seeds and print mean and standard deviation.",
    ),
]
DeviceOption = Annotated[
    Device | None, typer.Option("--device", help="Device for training.", show_default=False)
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace a run of the same name, even if its settings differ.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Resume the run of this name; larger limits continue a finished one.")
]
InitFrom = Annotated[
    str | None,
    typer.Option(
        "--init-from",
        metavar="MODEL",
        help="Start from the weights of a trained model (name of a run, run or model directory); "
        "its vocabulary is extended.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help=QUIET_HELP)]
Plain = Annotated[
    bool, typer.Option("--plain", help="Print plain lines on a terminal too: no bar, no curve, no color.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Units = Annotated[
    list[str] | None,
    typer.Option(
        "--units",
        metavar="UNITS",
        help="Color the text by these: h3 (state), c1-8 (cells), 2.f5 (forget gate of layer 2), surprisal.",
        show_default=False,
    ),
]
Find = Annotated[
    str | None,
    typer.Option(
        "--find",
        metavar="PATTERN",
        help="Rank units by correlation with quotes, line-position, capitals, spaces, brackets or "
        "regex:EXPRESSION.",
        show_default=False,
    ),
]
Top = Annotated[
    int, typer.Option("--top", min=1, help="With --find: number of units to list; the best three are shown.")
]
StatesFile = Annotated[
    Path | None,
    typer.Option(
        "--states", metavar="FILE", help="Write symbols and states to this .npz file.", show_default=False
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        help="Encoding of files (default: detected).",
        show_default=False,
    ),
]
Files = Annotated[
    list[Path] | None,
    typer.Option("--file", "-f", help="Read a file (repeatable; - is standard input).", show_default=False),
]


LabelColumn = Annotated[
    str | None,
    typer.Option(
        "--label",
        metavar="COLUMN",
        help="Label column: name, number from 1, or misc:KEY (default: the one with labels of the model).",
        show_default=False,
    ),
]
TokenColumn = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="COLUMN",
        help="Token column: name or number (default: detected).",
        show_default=False,
    ),
]
_SETTING = re.compile(r"`data\.(label_key|label|text_key|token|format|encoding)(?:: ([^`]*))?`")
_OPTION_OF_SETTING = {
    "label": "--label",
    "label_key": "--label",
    "token": "--token",
    "text_key": "--column",
    "format": "--input-format",
    "encoding": "--encoding",
}
_OTHER_TASK = "; a text model of bytes reads any file: `data.unit: byte`"  # no help for a tagger


@contextmanager
def options_in_hints(*options: str) -> Iterator[None]:
    """Name options in place of settings in the hints of errors, for a command without a config.

    Args:
        options: options of the command.
    """
    from seqtool.errors import DataError

    def named(match: re.Match[str]) -> str:
        option = _OPTION_OF_SETTING[match[1]]
        return " ".join(filter(None, (option, match[2]))) if option in options else match[0]

    try:
        yield
    except DataError as error:
        raise type(error)(
            [
                replace(problem, hint=_SETTING.sub(named, problem.hint.replace(_OTHER_TASK, "")))
                for problem in error.problems
            ]
        ) from None


def known_encoding(name: str | None) -> str:
    """Return the value of --encoding, or `auto`.

    Raises:
        SeqtoolError: Python has no text encoding of this name.
    """
    if name is None:
        return "auto"
    from seqtool.settings.values import is_text_encoding

    if not is_text_encoding(name):
        from seqtool.errors import SeqtoolError

        hint = "common encodings are utf-8, cp1252, latin-1 and utf-16"
        raise SeqtoolError(f"expected a text encoding, found {name!r}", place="--encoding", hint=hint)
    return name
