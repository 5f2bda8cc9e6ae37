"""Training from Python: `seqtool.train`, `seqtool.read_config` and the finished run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqtool.api.model import Model, load
from seqtool.config.dump import flow
from seqtool.config.load import ReadConfig, parse_settings
from seqtool.reports.formatting import format_duration, format_score
from seqtool.storage.find_model import runs_root
from seqtool.storage.plain_files import read_json_lines

if TYPE_CHECKING:
    from seqtool.reports.svg_chart import Picture
    from seqtool.reports.training import TrainingScreen

Config = str | PathLike[str] | Mapping[str, Any]
Overrides = Mapping[str, Any] | Sequence[str]


@dataclass(frozen=True, repr=False)
class Run:
    """A finished run.

    Attributes:
        path: its directory.
        scores: scores of the kept model: `train_loss` and those on held-out data.
        epoch, step: position of the row whose model was kept.
        parameters: number of weights of the network.
        seconds: duration of the run.
    """

    path: Path
    scores: dict[str, float]
    epoch: int
    step: int
    parameters: int
    seconds: float

    @cached_property
    def model(self) -> Model:
        """Load the kept model on first use."""
        return load(self.path)

    @cached_property
    def history(self) -> list[dict[str, object]]:
        """Rows of the training, those that were printed and logged, for `pandas.DataFrame(run.history)`."""
        return list(read_json_lines(self.path / "metrics.jsonl"))

    def __repr__(self) -> str:
        """Return one line: the directory, the scores and the kept row."""
        scores = ", ".join(f"{name} {format_score(name, value)}" for name, value in self.scores.items())
        return f"<Run {self.path}: {scores or 'no scores'}, epoch {self.epoch}, step {self.step}>"

    def plot(self) -> Picture:
        """Return the curves of the training, which a notebook shows; `.svgs` has them as text."""
        from seqtool.reports.svg_chart import Picture, training_charts

        return Picture(training_charts(self.history))

    def _repr_html_(self) -> str:
        """Return a table of scores and the curves, for a notebook."""
        from seqtool.reports.notebook import facts_html, score_facts

        facts = {
            **score_facts(self.scores),
            "kept row": f"epoch {self.epoch}, step {self.step}",
            "parameters": f"{self.parameters:,}",
            "duration": format_duration(self.seconds),
        }
        return facts_html(str(self.path), facts, self.plot()._repr_html_())


def read_config(config: Config, overrides: Overrides = ()) -> ReadConfig:
    """Read and validate a config; the result has `.settings` and the origin of each setting.

    >>> read = seqtool.read_config("configs/hihell.yaml", {"training.lr": 0.05})
    >>> read.settings.model.cell, read.settings.training.lr
    ('rnn', 0.05)
    >>> read.provenance["training.lr"], read.provenance["model.num_layers"]
    ('--set', 'default')

    Args:
        config: a YAML file, the same as a mapping, or a data file, for which suitable settings are chosen.
        overrides: values by dotted key, or `key=value` strings as for `--set`.

    Raises:
        ConfigError: the config has mistakes; all of them are listed.
        DataError: the data file cannot be read.
    """
    if isinstance(overrides, Mapping):
        texts = [f"{key}={flow(value)}" for key, value in overrides.items()]
    else:
        texts = list(overrides)
    if isinstance(config, Mapping):
        text = json.dumps(config, default=fspath)
        return parse_settings(text, name="config", folder=Path.cwd(), overrides=texts)
    from seqtool.init.config import settings_for
    from seqtool.tasks.interface import DataFiles

    return settings_for(DataFiles(Path(config)), overrides=texts)


def train(
    config: Config,
    overrides: Overrides = (),
    *,
    runs_dir: str | PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    quiet: bool = False,
) -> Run:
    """Train a model of any task and show the progress as the command line does.

    In a notebook, one table and its curves are replaced while the training runs.

    >>> run = seqtool.train("configs/hihell.yaml", runs_dir=folder, quiet=True)
    >>> round(run.scores["train_loss"], 3), run.epoch
    (0.312, 15)
    >>> run.model.predict("hihell")
    'ihello'
    >>> [round(row["train_loss"], 3) for row in run.history][:2]
    [1.658, 1.5]
    >>> run.plot()
    <Picture: 1 chart>

    Args:
        config, overrides: as `read_config` takes them.
        runs_dir: directory of all runs; None: `$SEQTOOL_RUNS`, else `runs` in the current directory.
        overwrite: replace a run of the same name.
        resume: continue the run of this name, interrupted or finished.
        quiet: print nothing.

    Raises:
        SeqtoolError: a user error; Diverged if training diverges.
        Stopped: after Ctrl-C; the best model so far is saved.
    """
    from seqtool.reports.console import continuing_without_output
    from seqtool.training.run import TrainOptions
    from seqtool.training.run import train as train_run

    read = read_config(config, overrides)
    read.check_trainable()
    root = runs_root(None if runs_dir is None else Path(runs_dir))
    name = "" if isinstance(config, Mapping) else fspath(config)
    options = TrainOptions(root, overwrite=overwrite, resume=resume, command=("seqtool.train", name))
    with continuing_without_output():
        listeners = [] if quiet else [_screen()]
        for listener in listeners:
            for note in read.notes:
                listener.warning(note)
        result = train_run(read.settings, options, listeners)
    return Run(
        path=result.run,
        scores=result.scores,
        epoch=result.row.epoch,
        step=result.row.step,
        parameters=result.parameters,
        seconds=round(result.seconds, 3),
    )


def _screen() -> TrainingScreen:
    """Return the listener that shows the progress, here or in a notebook."""
    from seqtool.reports.notebook import NotebookScreen, in_notebook
    from seqtool.reports.training import TrainingScreen

    return NotebookScreen() if in_notebook() else TrainingScreen()
