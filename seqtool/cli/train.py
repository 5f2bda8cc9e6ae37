"""`train-char` and `train-tagger`: a YAML file in, a run directory out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqtool.cli.boundary import command
from seqtool.cli.options import AsJson, DeviceOption, Name, Overrides, Overwrite, Quiet, RunsDir, Seed, Seeds

if TYPE_CHECKING:
    from seqtool.config import ReadConfig

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file (configs/README.md lists its keys).", show_default=False)]


def _train_command(task: str, summary: str) -> Callable[..., None]:
    """The command that trains one kind of model; both take the same options."""

    def train(
        config: Config,
        overrides: Overrides = None,
        name: Name = None,
        runs_dir: RunsDir = None,
        seed: Seed = None,
        seeds: Seeds = 1,
        device: DeviceOption = None,
        overwrite: Overwrite = False,
        quiet: Quiet = False,
        json: AsJson = False,
    ) -> None:
        from seqtool.config import read_settings
        from seqtool.jobs.train import TrainOptions, train_all
        from seqtool.reports.training import TrainingScreen
        from seqtool.runs import runs_root

        short_forms = {"name": name, "seed": seed, "training.device": device.value if device else None}
        given = [*(overrides or []), *(f"{key}={value}" for key, value in short_forms.items() if value is not None)]
        read = read_settings(config, given)
        _check_task(read, task, config)
        read.check_trainable()
        screen = TrainingScreen(quiet=quiet, as_json=json)
        for note in read.notes:
            screen.warn(note)
        options = TrainOptions(root=runs_root(runs_dir), seeds=seeds, overwrite=overwrite, command=tuple(sys.argv[1:]))
        train_all(read.settings, options, screen)

    train.__doc__ = summary
    return command(train)


def _check_task(read: ReadConfig, task: str, config: Path) -> None:
    """See that the config is for this command.

    Raises:
        ConfigError: pointing at its `task`.
    """
    from seqtool.errors import ConfigError

    if read.settings.task != task:
        other = "train-tagger" if task == "char" else "train-char"
        raise ConfigError([read.problem("task", f"expected {task}, found {read.settings.task}", f"run: seqtool {other} {config}")])


train_char = _train_command("char", "Train a character model, e.g. seqtool train-char configs/hihell.yaml")
train_tagger = _train_command("tagger", "Train a sequence tagger, e.g. seqtool train-tagger configs/toy_tagger.yaml")
