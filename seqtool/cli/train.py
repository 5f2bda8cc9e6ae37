"""`train-char`, `train-tagger` and `check`: train on a config or data files, or check them first."""

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
class _TrainOptions:
    """Options that both commands have."""

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

    def all_overrides(self) -> list[str]:
        """Return the `--set` options, and the options that are short forms of one."""
        short_forms = {
            "name": self.name,
            "seed": self.seed,
            "training.device": self.device,
            "training.init_from": self._initial_model(),
        }
        return [
            *(self.overrides or []),
            *(f"{key}={value}" for key, value in short_forms.items() if value is not None),
        ]

    def _initial_model(self) -> str | None:
        """Return the path of the model to start from, quoted for YAML."""
        if self.init_from is None:
            return None
        from seqtool.config.yaml_tree import quoted
        from seqtool.reports.console import say
        from seqtool.storage.find_model import find_model, runs_root

        location = find_model(self.init_from, runs_root(self.runs_dir), warn=say)
        return quoted(str(location.model.absolute()))


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
    options = _TrainOptions(
        overrides=overrides,
        name=name,
        runs_dir=runs_dir,
        seed=seed,
        seeds=seeds,
        device=device.value if device else None,
        overwrite=overwrite,
        resume=resume,
        init_from=init_from,
        quiet=quiet,
        plain=plain,
        json=json,
    )
    _train("char", config, [], [], options)


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
    """Train a sequence tagger,
    e.g. seqtool train-tagger configs/toy_tagger.yaml, or train-tagger my.conllu
    """
    options = _TrainOptions(
        overrides=overrides,
        name=name,
        runs_dir=runs_dir,
        seed=seed,
        seeds=seeds,
        device=device.value if device else None,
        overwrite=overwrite,
        resume=resume,
        init_from=init_from,
        quiet=quiet,
        plain=plain,
        json=json,
    )
    _train("tagger", config, dev or [], test or [], options)


def _train(task: str, config: Path, dev: list[Path], test: list[Path], options: _TrainOptions) -> None:
    from seqtool.errors import SeqtoolError
    from seqtool.init.config import settings_for
    from seqtool.reports.console import continuing_without_output
    from seqtool.reports.training import TrainingScreen
    from seqtool.storage.find_model import runs_root
    from seqtool.tasks.interface import DataFiles
    from seqtool.training.engine.ranks import Launch
    from seqtool.training.rank_follower import errors_before_connection
    from seqtool.training.run import TrainOptions, train_all

    if options.resume and options.overwrite:
        hint = "--resume continues the run, --overwrite replaces it"
        raise SeqtoolError("--resume and --overwrite exclude each other", hint=hint)
    launch = Launch.from_environment()
    quiet = options.quiet or not launch.shard.is_main_process
    screen = TrainingScreen(quiet=quiet, as_json=options.json, plain=options.plain)
    files = DataFiles(config, tuple(dev), tuple(test))
    with errors_before_connection(launch):
        read = settings_for(files, task, options.all_overrides(), screen.message)
        read.check_trainable()
    for note in read.notes:
        screen.warning(note)
    root, arguments = runs_root(options.runs_dir), tuple(sys.argv[1:])
    run_options = TrainOptions(root, options.seeds, options.overwrite, options.resume, command=arguments)
    with continuing_without_output():
        train_all(read.settings, run_options, [screen])


@command
def check(
    config: Config,
    dev: DevFiles = None,
    test: TestFiles = None,
    overrides: Overrides = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Print statistics of the training data and probable mistakes, e.g. seqtool check configs/ewt.yaml"""
    from seqtool.init.config import settings_for, task_of_content
    from seqtool.reports.console import print_lines, report_width, say, write_json
    from seqtool.reports.data_check import check_json, check_lines
    from seqtool.reports.progress import progress_bar
    from seqtool.storage.find_model import runs_root
    from seqtool.tasks.build import check_data
    from seqtool.tasks.interface import DataFiles

    files = DataFiles(config, tuple(dev or ()), tuple(test or ()))
    read = settings_for(files, task_of_content(files, overrides or []), overrides or [], say)
    with progress_bar():
        checks = check_data(read, runs_root(runs_dir) / ".cache")
    if json:
        write_json({"config": str(config), **check_json(checks)})
        return
    print_lines(check_lines(checks, report_width()))
