"""Runs of one or several parts, such as a tokenizer and a tagger, and what is known about all parts together.

The parts of a run are trained from the same files into one model directory, side by side or one after the
other. Most runs have one part. The name of a part is its task; the only part of a run has an empty name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seqtool.settings.experiment import Settings
from seqtool.storage.model_directory import StoredModel
from seqtool.tasks.interface import FinalEvaluation, Prepared
from seqtool.types import Arrays, Json

COMMON_SCORES = ("train_loss", "val_loss")  # scores of every task; the others have names of their own


@dataclass(frozen=True)
class PreparedRun:
    """A run that is ready for training.

    Attributes:
        parts: the parts by name, in the order of the data flow. The last one is the main part, which gives
            the run its settings.
    """

    parts: Mapping[str, Prepared]

    @classmethod
    def of(cls, *parts: Prepared) -> PreparedRun:
        """Name each part by its task; the only part of a run has an empty name."""
        return cls({part.settings.task if len(parts) > 1 else "": part for part in parts})

    @property
    def main(self) -> Prepared:
        """The main part."""
        return list(self.parts.values())[-1]

    @property
    def settings(self) -> Settings:
        """Settings of the run, with presets resolved."""
        return self.main.settings

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 of every file that was read, by path."""
        return {path: sha256 for part in self.parts.values() for path, sha256 in part.corpus.files.items()}

    @property
    def initial_model(self) -> StoredModel | None:
        """Model that training starts from; None for random weights."""
        models = (part.initial_model for part in self.parts.values())
        return next((model for model in models if model is not None), None)

    def stored(self, weights: Mapping[str, Arrays]) -> StoredModel:
        """Return the content of a model directory with the parts whose weights are given."""
        return StoredModel.joined([self.parts[name].stored(arrays) for name, arrays in weights.items()])


def joined_scores(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the scores of all parts under different names, those of the main part first.

    A loss of another part starts with the name of that part, such as `tokenizer_val_loss`.

    Args:
        scores: scores by the name of the part, the main part last.
    """
    joined: dict[str, float] = {}
    for name, values in reversed(list(scores.items())):
        prefix = f"{name}_" if joined else ""
        joined |= {prefix * (score in COMMON_SCORES) + score: value for score, value in values.items()}
    return joined


@dataclass(frozen=True)
class RunEvaluation:
    """Evaluation of the best model, by the name of the part."""

    parts: Mapping[str, FinalEvaluation]

    def to_json(self) -> Json:
        """Return the reports by split; of a run with several parts, by part and split."""
        if len(self.parts) == 1:
            return next(iter(self.parts.values())).to_json()
        return {name: evaluation.to_json() for name, evaluation in self.parts.items()}

    def scores(self) -> dict[str, float]:
        """Return the scores on the test split; empty if there is none."""
        return joined_scores({name: evaluation.scores() for name, evaluation in self.parts.items()})
