"""Training for Python callers: `seqtool.train(…)`, `seqtool.read_config(…)` and the run that comes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from seqtool.api.model import Model, load
from seqtool.config import ReadConfig, looks_like_config, parse_settings, read_settings
from seqtool.config.dump import flow
from seqtool.data.tagging.unlabeled import ENDINGS
from seqtool.storage.find_model import runs_root

Config = str | PathLike[str] | Mapping[str, Any]
Overrides = Mapping[str, Any] | Sequence[str]


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        path: its directory.
        scores: of the kept model: `train_loss`, and whatever was measured on held-out data.
        epoch, step: of the row that the model was kept from.
        parameters: numbers in the network.
        seconds: how long it took.
    """

    path: Path
    scores: dict[str, float]
    epoch: int
    step: int
    parameters: int
    seconds: float

    @cached_property
    def model(self) -> Model:
        """The kept model, loaded when it is first asked for."""
        return load(self.path)


def read_config(config: Config, overrides: Overrides = ()) -> ReadConfig:
    """A config that has been read and found good: `.settings`, and where each of them came from.

    >>> read = seqtool.read_config("configs/hihell.yaml", {"training.lr": 0.05})
    >>> read.settings.model.cell, read.settings.training.lr
    ('rnn', 0.05)
    >>> read.provenance["training.lr"], read.provenance["model.num_layers"]
    ('--set', 'default')

    Args:
        config: a YAML file; the same as a mapping; or a data file, for which settings are chosen that suit it.
        overrides: values by dotted key, or `key=value` texts as after `--set`.

    Raises:
        ConfigError: with every mistake in it.
        DataError: a data file that cannot be read.
    """
    texts = (
        [f"{key}={flow(value)}" for key, value in overrides.items()]
        if isinstance(overrides, Mapping)
        else list(overrides)
    )
    if isinstance(config, Mapping):
        return parse_settings(
            json.dumps(config, default=fspath), name="config", folder=Path.cwd(), overrides=texts
        )
    path = Path(config)
    if looks_like_config(path) or path.is_dir():
        return read_settings(path, texts)
    from seqtool.tasks.suggest_character import suggest_char
    from seqtool.tasks.suggest_tagger import suggest_tagger

    suggestion = suggest_tagger(path, given=texts) if path.suffix.lower() in ENDINGS else suggest_char(path)
    return parse_settings(
        suggestion.yaml, name=f"settings for {path.name}", folder=Path.cwd(), overrides=texts
    )


def train(
    config: Config,
    overrides: Overrides = (),
    *,
    runs_dir: str | PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    quiet: bool = False,
) -> Run:
    """Train a model of either task, with the progress that the command line shows.

    >>> run = seqtool.train("configs/hihell.yaml", runs_dir=folder, quiet=True)
    >>> round(run.scores["train_loss"], 3), run.epoch
    (0.312, 15)
    >>> run.model.predict("hihell")
    'ihello'

    Args:
        config, overrides: as `read_config` takes them.
        runs_dir: where runs lie; None: `$SEQTOOL_RUNS`, else `runs` in the current folder.
        overwrite: replace a run of the same name, whatever it holds.
        resume: go on with the interrupted run of this name.
        quiet: print nothing.

    Raises:
        SeqtoolError: what the command line would answer with exit code 2, or 3 where training diverges.
        Stopped: after Ctrl-C, the best model so far being saved.
    """
    from seqtool.reports.training import TrainingScreen
    from seqtool.training.run import TrainOptions
    from seqtool.training.run import train as make_run

    read = read_config(config, overrides)
    read.check_trainable()
    screen = TrainingScreen(quiet=quiet, as_json=quiet)  # together they leave nothing to print
    for note in read.notes:
        screen.warn(note)
    root = runs_root(None if runs_dir is None else Path(runs_dir))
    options = TrainOptions(
        root,
        overwrite=overwrite,
        resume=resume,
        command=("seqtool.train", "" if isinstance(config, Mapping) else fspath(config)),
    )
    done = make_run(read.settings, options, screen)
    found = done.to_json()
    return Run(
        done.run, found["scores"], found["epoch"], found["step"], found["parameters"], found["seconds"]
    )
