"""`config`: a config as training will use it, where each value came from, and what differs between two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqtool.cli.completion import complete_config
from seqtool.cli.exit_codes import command
from seqtool.cli.help import Command, Group
from seqtool.cli.options import AsJson, Overrides, RunsDir

if TYPE_CHECKING:
    from seqtool.config.load import ReadConfig

Config = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG",
        help="A YAML file, a run's name or directory, or a data file.",
        autocompletion=complete_config,
        show_default=False,
    ),
]
Other = Annotated[
    Path,
    typer.Argument(
        metavar="OTHER", help="Another, to compare with.", autocompletion=complete_config, show_default=False
    ),
]

app = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Look at configs, e.g. seqtool config show configs/ewt.yaml",
)


@command
def show(config: Config, overrides: Overrides = None, runs_dir: RunsDir = None, json: AsJson = False) -> None:
    """Print every setting and where it came from, e.g. seqtool config show configs/hihell.yaml --set training.lr=0.05"""
    from seqtool.config.dump import resolved_yaml, settings_with_origins
    from seqtool.reports.console import say, write_json, write_line
    from seqtool.reports.runs import annotated_lines

    read = _read(config, overrides or [], runs_dir)
    settings = settings_with_origins(read)
    for note in read.notes:
        say(f"note: {note}")
    if json:
        values = {one.key: {"value": one.to_json(), "from": one.origin} for one in settings}
        write_json({"config": str(config), "task": read.settings.task, "settings": values})
        return
    for line in annotated_lines(resolved_yaml(read), {one.key: one.origin for one in settings}):
        write_line(line)


@command
def diff(
    config: Config, other: Other, overrides: Overrides = None, runs_dir: RunsDir = None, json: AsJson = False
) -> None:
    """Print the settings that differ, e.g. seqtool config diff configs/ewt.yaml configs/wnut17.yaml"""
    from seqtool.config.dump import differences
    from seqtool.reports.console import say, write_json, write_line
    from seqtool.reports.formatting import aligned_lines
    from seqtool.reports.runs import difference_rows
    from seqtool.safe_text import visible

    found = differences(_read(config, overrides or [], runs_dir), _read(other, overrides or [], runs_dir))
    if json:
        sides = [(one.key, one.first, one.second) for one in found]
        values = {
            key: [None if side is None else {"value": side.to_json(), "from": side.origin} for side in pair]
            for key, *pair in sides
        }
        write_json({"configs": [str(config), str(other)], "differences": values})
        return
    if not found:
        say("no setting differs")
        return
    for line in aligned_lines(
        [("", visible(str(config)), visible(str(other))), *difference_rows(found, str(Path.cwd()))]
    ):
        write_line(line)


def _read(config: Path, overrides: list[str], runs_dir: Path | None) -> ReadConfig:
    from seqtool.config.dump import find_config
    from seqtool.data.tagging.unlabeled import ENDINGS
    from seqtool.init.settings_for import settings_for
    from seqtool.storage.find_model import runs_root
    from seqtool.tasks.interface import DataFiles

    path = find_config(config, runs_root(runs_dir))
    task = (
        None
        if path.suffix.lower() in (".yaml", ".yml")
        else "tagger"
        if path.suffix.lower() in ENDINGS
        else "char"
    )
    return settings_for(DataFiles(path), task, overrides)


for function, name in ((show, "show"), (diff, "diff")):
    app.command(name, cls=Command)(function)
