"""Interface of a task definition, and the values that its methods take and return.

A definition contains everything that distinguishes one task from another, except its network (`models/`),
its forward pass (`inference/`) and its scores (`evaluation/`). Other packages call a definition instead of
testing for a task.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from seqtool.data.input_files import ProgressCallback
from seqtool.evaluation.tagger import TaggerEvaluation
from seqtool.evaluation.text_evaluation import TextEvaluation
from seqtool.evaluation.tokenizer import TokenizerEvaluation
from seqtool.settings.experiment import Settings
from seqtool.storage.model_directory import Manifest, StoredModel
from seqtool.tasks.data_check import DataCheck
from seqtool.training.engine.events import Prediction, RowEvent
from seqtool.types import Arrays, Json

if TYPE_CHECKING:
    import torch
    from torch import nn

    from seqtool.config.load import ReadConfig
    from seqtool.storage.find_model import ModelFolders
    from seqtool.tasks.scorers import Scorer
    from seqtool.training.engine.ranks import Ranks
    from seqtool.training.engine.task import TrainingTask

Shapes = Mapping[str, Sequence[int]]  # array name -> shape
Axes = Mapping[str, Mapping[int, Sequence[Any]]]  # array name -> axis -> the vocabulary entry of each index


@dataclass(frozen=True)
class DataFiles:
    """Data files that are given instead of a config.

    Attributes:
        train: the training file.
        dev, test: development and test files; only for tasks that have them.
    """

    train: Path
    dev: tuple[Path, ...] = ()
    test: tuple[Path, ...] = ()


@dataclass(frozen=True)
class SuggestedConfig:
    """A config for a data file.

    Attributes:
        yaml: text of the config; paths are relative to the current directory.
        notes: detected properties of the file and chosen settings, one line each.
        doubts: probable mistakes in the file, one line each; `init` reports them.
    """

    yaml: str
    notes: tuple[str, ...]
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConfigTemplate:
    """A config for a data file that does not exist yet.

    Attributes:
        yaml: text of the config.
        name: name of the run.
        file: placeholder for the name of the data file.
        key: key in `yaml` whose value is the placeholder.
    """

    yaml: str
    name: str
    file: str
    key: str


class Corpus(Protocol):
    """The part of encoded training data that is common to all tasks.

    Attributes:
        files: SHA-256 of every file that was read, by path.
        notes, warnings: detected properties of the data and probable mistakes, one line each.
    """

    @property
    def files(self) -> Mapping[str, str]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def warnings(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Prepared:
    """A run that is ready for training.

    Attributes:
        settings: settings of the run, with presets resolved.
        config: the content of the model's `config.json`.
        vocab: the content of the model's `vocab.json`.
        corpus: the encoded data.
        initial_model: model whose weights training starts from; None for random weights.
    """

    settings: Settings
    config: Json
    vocab: Json
    corpus: Corpus
    initial_model: StoredModel | None = None

    @property
    def kind(self) -> str:
        """Kind of model, as the manifest records it."""
        return str(self.config["kind"])

    def stored(self, weights: Arrays) -> StoredModel:
        """Return the content of a model directory with these weights. Its manifest contains only the task."""
        return StoredModel(self.config, self.vocab, weights, Manifest(task=self.settings.task))


@dataclass(frozen=True)
class NetworkPart:
    """One part of a network: its name, its sizes in words, and its number of parameters."""

    name: str
    description: str
    parameters: int = 0


def count_parameters(shapes: Shapes, prefix: str = "") -> int:
    """Return the number of parameters in all arrays whose names start with a prefix."""
    return sum(math.prod(shape) for name, shape in shapes.items() if name.startswith(prefix))


@dataclass(frozen=True)
class Column:
    """One cell of the table of epochs.

    Attributes:
        name: heading of the column.
        value: number in the cell; None is printed as a dash.
        style: Python format specification, or `duration` for seconds.
    """

    name: str
    value: float | None
    style: str


@dataclass(frozen=True)
class ComparedToken:
    """A token with its expected and its predicted label."""

    token: str
    expected: str
    predicted: str


class Preview(Protocol):
    """Decode one example for every row of the table of epochs, with the code of `inference`."""

    def prediction(self, weights: Arrays) -> Prediction:
        """Decode the example with these weights."""

    def training_accuracy(self, weights: Arrays) -> float | None:
        """Return the accuracy (0 to 1) on training data; None if the task has no labels."""

    def comparison(self, weights: Arrays) -> tuple[ComparedToken, ...]:
        """Return expected and predicted labels of some tokens; empty if the task has no labels."""


HeldOutReport = TaggerEvaluation | TextEvaluation | TokenizerEvaluation


@dataclass(frozen=True)
class FinalEvaluation:
    """Evaluation of the best model: one report for each of the splits `val` and `test` that exist."""

    reports: Mapping[str, HeldOutReport] = field(default_factory=dict)

    def to_json(self) -> Json:
        """Return the reports as JSON objects, by name of the split."""
        return {split: report.to_json() for split, report in self.reports.items()}

    def scores(self) -> dict[str, float]:
        """Return the scores on the test split; empty if there is none."""
        return self.reports["test"].test_scores() if "test" in self.reports else {}


@dataclass(frozen=True)
class Objective:
    """The score by which a sweep compares runs.

    Attributes:
        name: name of the score in the table of trials.
        maximize: whether a larger score is better.
        hint: hint for a config without validation data.
    """

    name: str
    maximize: bool
    hint: str


# --- the interface ------------------------------------------------------------------------------------------


class TaskDefinition(Protocol):
    """Everything that the program knows about one task.

    Attributes:
        name: value of `task` in YAML files and manifests.
        noun: name of the kind of model in messages, without an article.
        command: name of the command that trains a model.
        use_command: name of the command that uses a trained model.
        objective: score that a sweep optimizes.
    """

    name: str
    noun: str
    command: str
    use_command: str
    objective: Objective

    def suggest(self, data: DataFiles, overrides: Sequence[str] = ()) -> SuggestedConfig:
        """Choose settings for a data file. Training with them takes about a minute on two cores.

        Args:
            overrides: `KEY=VALUE` settings of the user; they are not detected from the file.

        Raises:
            ConfigError: `overrides` contain a mistake.
            DataError: the file is missing or cannot be read.
        """

    def template(self) -> ConfigTemplate:
        """Return a config for a data file that does not exist yet."""

    def prepare(
        self,
        settings: Settings,
        initial_model: StoredModel | None = None,
        cache: Path | None = None,
        progress: ProgressCallback | None = None,
        skip_wrong: bool = False,
    ) -> Prepared:
        """Read the data and describe the model; `skip_wrong` leaves out lines with a wrong number of cells.

        Raises:
            ConfigError: the settings name no training data.
            DataError: a file is missing or malformed.
        """

    def prepare_without_data(self, read: ReadConfig) -> Prepared | None:
        """Describe the model of a config that names no data; return None if the config names data.

        Raises:
            ConfigError: the model cannot be described without data.
        """

    def build_network(self, prepared: Prepared) -> nn.Module:
        """Create the network with random initial weights."""

    def training_task(
        self, prepared: Prepared, network: nn.Module, device: torch.device, ranks: Ranks
    ) -> TrainingTask:
        """Connect the network to its data."""

    def check_data(self, prepared: Prepared, notes: Sequence[str] = ()) -> DataCheck:
        """Return statistics of the data and warnings about settings.

        Args:
            notes: warnings about the config, which are listed first.
        """

    def check_initial_model(self, initial_model: StoredModel, settings: Settings) -> None:
        """Check that the symbols or words of a model are of the kind that the settings name.

        Raises:
            ModelError: they are of another kind.
        """

    def vocabulary_axes(self, model: StoredModel) -> Axes:
        """Return the vocabulary entries of all arrays that have one row or column per entry."""

    def vocabulary_lists(self, model: StoredModel) -> Mapping[str, tuple[Sequence[Any], bool]]:
        """Return the parts of a vocabulary by name: their entries, and whether messages list new entries."""

    def preview(self, prepared: Prepared) -> Preview:
        """Choose the example that is decoded for each row of the table."""

    def columns(self, row: RowEvent, settings: Settings, remaining: float | None) -> tuple[Column, ...]:
        """Return the cells of a row with validation scores.

        Args:
            remaining: estimated seconds until the run ends; None if unknown.
        """

    def trial_score(self, scores: Mapping[str, float]) -> float:
        """Select the score by which a sweep compares runs from the scores of a row."""

    def has_validation(self, prepared: Prepared) -> bool:
        """Return whether the data contain a validation split that can be scored."""

    def network_input(self, model: StoredModel) -> list[NetworkPart]:
        """Describe the parts before the recurrent layers."""

    def vocabulary_summary(self, model: StoredModel) -> list[str]:
        """Describe the vocabulary, one line for each part of it."""

    def network_output(self, model: StoredModel) -> list[NetworkPart]:
        """Describe the parts after the recurrent layers."""

    def final_evaluation(
        self, prepared: Prepared, weights: Arrays, scores: Mapping[str, float]
    ) -> FinalEvaluation:
        """Evaluate the best model on the validation and test data.

        Args:
            scores: validation scores of the best row; they are not computed again.
        """

    def scorer(self, model: StoredModel, location: ModelFolders, files: Sequence[Path], root: Path) -> Scorer:
        """Return a function that scores a model on the user's files, or else on the data of its run.

        Raises:
            SeqtoolError: there are neither files nor data of the run.
        """

    def next_command(self, prepared: Prepared) -> str:
        """Return a command that uses the trained model."""


_MODULES = {"char": "character", "tagger": "tagger", "tokenizer": "tokenizer"}
TASK_NAMES = tuple(_MODULES)


def definition(task: str) -> TaskDefinition:
    """Return the definition of a task by its name in YAML files; only its own modules are imported."""
    return import_module(f"seqtool.tasks.{_MODULES[task]}").DEFINITION  # type: ignore[no-any-return]
