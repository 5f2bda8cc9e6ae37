"""The interface of a task definition, and the values that pass through it.

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
from seqtool.evaluation.text_scores import TextEvaluation
from seqtool.settings import Settings
from seqtool.storage.model_directory import Manifest, StoredModel
from seqtool.tasks.data_check import DataCheck
from seqtool.training.engine.events import Prediction, RowEvent
from seqtool.types import Arrays, Json

if TYPE_CHECKING:
    import torch
    from torch import nn

    from seqtool.config.load import ReadConfig
    from seqtool.storage.find_model import ModelPlace
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
        dev: development files; only for tasks that have them.
        test: test files; only for tasks that have them.
    """

    train: Path
    dev: tuple[Path, ...] = ()
    test: tuple[Path, ...] = ()


@dataclass(frozen=True)
class SuggestedConfig:
    """A config for a data file.

    Attributes:
        yaml: its text; paths are relative to the current directory.
        notes: what was detected and chosen, one line each.
    """

    yaml: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ConfigTemplate:
    """A config for a data file that does not exist yet.

    Attributes:
        yaml: its text.
        name: name of the run.
        file: placeholder for the name of the data file.
        key: the key whose value is the placeholder.
    """

    yaml: str
    name: str
    file: str
    key: str


class Corpus(Protocol):
    """The part of encoded training data that is common to all tasks.

    Attributes:
        files: SHA-256 of every file read.
        notes: what was detected, one line each.
        warnings: what looks wrong, one line each.
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
        settings: with presets resolved.
        config: the content of the model's `config.json`.
        vocab: the content of the model's `vocab.json`.
        corpus: the encoded data.
        initial_model: the model whose weights training starts from (`init_from`), if any.
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
        """Return the model directory that these weights would give, without a manifest."""
        return StoredModel(self.config, self.vocab, weights, Manifest(task=self.settings.task))


@dataclass(frozen=True)
class NetworkPart:
    """One part of a network: its name, its sizes in words, and its number of parameters."""

    name: str
    description: str
    parameters: int = 0


def count_parameters(shapes: Shapes, prefix: str = "") -> int:
    """Return the number of parameters in the arrays whose names begin with a prefix."""
    return sum(math.prod(shape) for name, shape in shapes.items() if name.startswith(prefix))


@dataclass(frozen=True)
class Column:
    """One cell of the table of epochs.

    Attributes:
        name: heading of the column.
        value: the number; None prints a dash.
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
    """Decodes the same example in every row, with the inference code that serves users."""

    def prediction(self, weights: Arrays) -> Prediction:
        """Decode the example with these weights."""

    def training_accuracy(self, weights: Arrays) -> float | None:
        """Return the share of correct labels on training data; None if the task has no labels."""

    def comparison(self, weights: Arrays) -> tuple[ComparedToken, ...]:
        """Return expected and predicted labels of the example; empty if the task has no labels."""


HeldOutReport = TaggerEvaluation | TextEvaluation


@dataclass(frozen=True)
class FinalEvaluation:
    """Scores of the kept model: one report per held-out split; empty if nothing was held out."""

    reports: Mapping[str, HeldOutReport] = field(default_factory=dict)

    def to_json(self) -> Json:
        """Return the reports by the name of their split."""
        return {split: report.to_json() for split, report in self.reports.items()}

    def scores(self) -> dict[str, float]:
        """Return the scores on the test split."""
        return self.reports["test"].test_scores() if "test" in self.reports else {}


@dataclass(frozen=True)
class Objective:
    """The score by which a sweep compares runs.

    Attributes:
        name: noun for the table of trials.
        maximize: whether larger is better.
        hint: how to hold out validation data.
    """

    name: str
    maximize: bool
    hint: str


# --- the interface ------------------------------------------------------------------------------------------


class TaskDefinition(Protocol):
    """Everything that the program knows about one task.

    Attributes:
        name: value of `task` in YAML files and manifests.
        noun: the kind of model in messages, without article.
        command: the command that trains it.
        use_command: the command that uses a trained model.
        objective: what a sweep optimizes.
    """

    name: str
    noun: str
    command: str
    use_command: str
    objective: Objective

    def suggest(self, data: DataFiles, overrides: Sequence[str] = ()) -> SuggestedConfig:
        """Choose settings for a data file that take about a minute on two cores.

        Args:
            overrides: `KEY=VALUE` settings of the user; what they fix is not detected.

        Raises:
            ConfigError: a mistake in `overrides`.
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
    ) -> Prepared:
        """Read the data and describe the model.

        Raises:
            ConfigError: there is nothing to train on.
            DataError: a file is missing or malformed.
        """

    def prepare_without_data(self, read: ReadConfig) -> Prepared | None:
        """Describe the network of a config that names no data; None if it names data.

        Raises:
            ConfigError: the network cannot be described without data.
        """

    def build_network(self, prepared: Prepared) -> nn.Module:
        """Create the network with freshly drawn weights."""

    def training_task(
        self, prepared: Prepared, network: nn.Module, device: torch.device, ranks: Ranks
    ) -> TrainingTask:
        """Connect the network to its data."""

    def check_data(self, prepared: Prepared, notes: Sequence[str] = ()) -> DataCheck:
        """Return statistics of the data and warnings about settings.

        Args:
            notes: warnings about the config that come first.
        """

    def check_initial_model(self, initial_model: StoredModel, settings: Settings) -> None:
        """Refuse a model whose symbols or words are of another kind than those of the settings.

        Raises:
            ModelError: naming the difference.
        """

    def vocabulary_axes(self, model: StoredModel) -> Axes:
        """Return the arrays that have a row or column per vocabulary entry."""

    def vocabulary_lists(self, model: StoredModel) -> Mapping[str, tuple[Sequence[Any], bool]]:
        """Return each list of a vocabulary by its noun, and whether messages name new entries."""

    def preview(self, prepared: Prepared) -> Preview:
        """Choose the example that each row of the table decodes."""

    def columns(self, row: RowEvent, settings: Settings, remaining: float | None) -> tuple[Column, ...]:
        """Return the cells of a row with validation scores.

        Args:
            remaining: seconds until the run ends; None if it is unknown.
        """

    def trial_score(self, scores: Mapping[str, float]) -> float:
        """Return the score of a row by which a sweep compares runs."""

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
        """Evaluate the kept model on everything that was held out.

        Args:
            scores: scores of the kept row, which are not computed again.
        """

    def scorer(self, model: StoredModel, place: ModelPlace, files: Sequence[Path], root: Path) -> Scorer:
        """Return a function that scores a model on the user's files, or on the data of its run.

        Raises:
            SeqtoolError: there are no such data.
        """

    def next_command(self, prepared: Prepared) -> str:
        """Return a command that uses the trained model."""


_MODULES = {"char": "seqtool.tasks.character", "tagger": "seqtool.tasks.tagger"}
TASK_NAMES = tuple(_MODULES)


def definition(task: str) -> TaskDefinition:
    """Return the definition of a task by its name in YAML files; only its own modules are imported."""
    found: TaskDefinition = import_module(_MODULES[task]).DEFINITION
    return found
