"""`train-char` and `train-tagger`: a YAML file, or the data themselves, in; a run directory out."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from seqtool.cli.exit_codes import command
from seqtool.cli.options import (
    AsJson,
    DeviceOption,
    InitFrom,
    Name,
    Overrides,
    Overwrite,
    Plain,
    Quiet,
    Resume,
    RunsDir,
    Seed,
    Seeds,
)

Config = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG",
        help="A YAML file (configs/README.md lists its keys), or a data file.",
        show_default=False,
    ),
]
DevFiles = Annotated[
    list[Path] | None, typer.Option("--dev", help="With a data file: development files.", show_default=False)
]
TestFiles = Annotated[
    list[Path] | None, typer.Option("--test", help="With a data file: test files.", show_default=False)
]


@dataclass(frozen=True)
class _Given:
    """The options that both commands share."""

    overrides: list[str] | None
    name: str | None
    runs_dir: Path | None
    seed: int | None
    seeds: int
    device: str | None
    overwrite: bool
    resume: bool
    init_from: str | None
    quiet: bool
    plain: bool
    json: bool

    def settings(self) -> list[str]:
        """`--set`, and the options that are short for one."""
        short_forms = {
            "name": self.name,
            "seed": self.seed,
            "training.device": self.device,
            "training.init_from": self._start(),
        }
        return [
            *(self.overrides or []),
            *(f"{key}={value}" for key, value in short_forms.items() if value is not None),
        ]

    def _start(self) -> str | None:
        """The model to start from, as a config names it."""
        if self.init_from is None:
            return None
        from seqtool.config.yaml_tree import quoted
        from seqtool.storage.find_model import find_model, runs_root

        return quoted(str(find_model(self.init_from, runs_root(self.runs_dir)).model.absolute()))


@command
def train_char(
    config: Config,
    overrides: Overrides = None,
    name: Name = None,
    runs_dir: RunsDir = None,
    seed: Seed = None,
    seeds: Seeds = 1,
    device: DeviceOption = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
    init_from: InitFrom = None,
    quiet: Quiet = False,
    plain: Plain = False,
    json: AsJson = False,
) -> None:
    """Train a character model, e.g. seqtool train-char configs/hihell.yaml, or train-char notes.txt"""
    given = _Given(
        overrides,
        name,
        runs_dir,
        seed,
        seeds,
        device.value if device else None,
        overwrite,
        resume,
        init_from,
        quiet,
        plain,
        json,
    )
    _train("char", config, given, [], [])


@command
def train_tagger(
    config: Config,
    dev: DevFiles = None,
    test: TestFiles = None,
    overrides: Overrides = None,
    name: Name = None,
    runs_dir: RunsDir = None,
    seed: Seed = None,
    seeds: Seeds = 1,
    device: DeviceOption = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
    init_from: InitFrom = None,
    quiet: Quiet = False,
    plain: Plain = False,
    json: AsJson = False,
) -> None:
    """Train a sequence tagger, e.g. seqtool train-tagger configs/toy_tagger.yaml, or train-tagger my.conllu"""
    given = _Given(
        overrides,
        name,
        runs_dir,
        seed,
        seeds,
        device.value if device else None,
        overwrite,
        resume,
        init_from,
        quiet,
        plain,
        json,
    )
    _train("tagger", config, given, dev or [], test or [])


def _train(task: str, config: Path, given: _Given, dev: list[Path], test: list[Path]) -> None:
    from seqtool.errors import SeqtoolError
    from seqtool.init.settings_for import settings_for
    from seqtool.reports.training import TrainingScreen
    from seqtool.storage.find_model import runs_root
    from seqtool.tasks.interface import DataFiles
    from seqtool.training.engine.ranks import Launch
    from seqtool.training.run import TrainOptions, train_all

    if given.resume and given.overwrite:
        hint = "--resume continues the run, --overwrite replaces it"
        raise SeqtoolError("--resume and --overwrite exclude each other", hint=hint)
    quiet = given.quiet or not Launch.from_environment().shard.is_main_process
    screen = TrainingScreen(quiet=quiet, as_json=given.json, plain=given.plain)
    files = DataFiles(config, tuple(dev), tuple(test))
    read = settings_for(files, task, given.settings(), screen.message)
    read.check_trainable()
    for note in read.notes:
        screen.warning(note)
    command = tuple(sys.argv[1:])
    root = runs_root(given.runs_dir)
    options = TrainOptions(root, given.seeds, given.overwrite, given.resume, command=command)
    train_all(read.settings, options, [screen])
