"""`config` and `schema`: all settings of a config, the difference of two configs, and the JSON Schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqtool.cli.exit_codes import command
from seqtool.cli.help import Command, Group
from seqtool.cli.options import AsJson, Overrides, RunsDir, complete_config

if TYPE_CHECKING:
    from seqtool.config.dump import Setting
    from seqtool.config.load import ReadConfig

Config = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG",
        help="A YAML file, name of a run, run directory, or data file.",
        autocompletion=complete_config,
        show_default=False,
    ),
]
Other = Annotated[
    Path,
    typer.Argument(
        metavar="OTHER",
        help="Config to compare with.",
        autocompletion=complete_config,
        show_default=False,
    ),
]

app = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show and compare configs, e.g. seqtool config show configs/ewt.yaml",
)


@command
def show(config: Config, overrides: Overrides = None, runs_dir: RunsDir = None, json: AsJson = False) -> None:
    """Print every setting and its origin,
    e.g. seqtool config show configs/hihell.yaml --set training.lr=0.05
    """
    from seqtool.config.dump import resolved_yaml, settings_with_origins
    from seqtool.reports.console import say, write_json, write_line
    from seqtool.reports.runs import annotated_lines

    read = _read(config, overrides or [], runs_dir)
    settings = settings_with_origins(read)
    for note in read.notes:
        say(f"note: {note}")
    if json:
        values = {setting.key: _json_setting(setting) for setting in settings}
        write_json({"config": str(config), "task": read.settings.task, "settings": values})
        return
    for line in annotated_lines(resolved_yaml(read), {setting.key: setting.origin for setting in settings}):
        write_line(line)


@command
def diff(
    config: Config, other: Other, overrides: Overrides = None, runs_dir: RunsDir = None, json: AsJson = False
) -> None:
    """Print the settings that differ, e.g. seqtool config diff configs/ewt.yaml configs/wnut17.yaml"""
    from seqtool.config.dump import differences
    from seqtool.reports.console import print_lines, say, write_json
    from seqtool.reports.formatting import aligned_lines
    from seqtool.reports.runs import difference_rows

    changes = differences(*(_read(path, overrides or [], runs_dir) for path in (config, other)))
    if json:
        values = {
            change.key: [_json_setting(change.first), _json_setting(change.second)] for change in changes
        }
        write_json({"configs": [str(config), str(other)], "differences": values})
        return
    if not changes:
        say("no setting differs")
        return
    heading = ("", str(config), str(other))
    print_lines(aligned_lines([heading, *difference_rows(changes, str(Path.cwd()))]))


@command
def schema() -> None:
    """Print the JSON Schema of configs, e.g. seqtool schema > schema.json"""
    from json import dumps

    from seqtool.config.reference import json_schema
    from seqtool.reports.console import write_line

    for line in dumps(json_schema(), indent=2).splitlines():
        write_line(line)


def _json_setting(setting: Setting | None) -> dict[str, object] | None:
    return None if setting is None else {"value": setting.to_json(), "from": setting.origin}


def _read(config: Path, overrides: list[str], runs_dir: Path | None) -> ReadConfig:
    from seqtool.config.dump import find_config
    from seqtool.init.config import settings_for
    from seqtool.storage.find_model import runs_root
    from seqtool.tasks.interface import DataFiles

    path = find_config(config, runs_root(runs_dir))
    return settings_for(DataFiles(path), overrides=overrides)


for function, name in ((show, "show"), (diff, "diff")):
    app.command(name, cls=Command)(function)
