"""Classification of lines: the condition that makes a line most probable, compared with the given one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from seqtool.data.text.conditions import Conditions
from seqtool.evaluation.tagger import bootstrap_interval
from seqtool.inference.conditional import PRIOR, Classified, Prior
from seqtool.metrics import LossCount, TaggingCounts
from seqtool.types import Array

SEED = 20  # of the bootstrap


@dataclass(frozen=True)
class ConditionEvaluation:
    """Scores of the classification of lines by condition.

    Attributes:
        prior: prior probability of the conditions: their shares of the training lines, or uniform.
        counts: pairs of given and most probable conditions.
        losses: loss of the lines of each condition under it, by name.
        confidence: mean probability of the most probable condition.
    """

    prior: Prior
    counts: TaggingCounts
    losses: dict[str, LossCount]
    confidence: float

    @property
    def accuracy(self) -> float:
        """Share of the lines whose most probable condition is the given one."""
        return self.counts.tokens.accuracy or 0.0

    @property
    def macro_f1(self) -> float:
        """Mean of the F1 of all conditions that the lines have."""
        scores = [count.f1 for count in self.counts.labels().values() if count.gold]
        return float(np.mean(scores)) if scores else 0.0

    def accuracy_interval(self) -> tuple[float, float]:
        """Return the 95 % bootstrap interval of the accuracy, over lines."""
        tally = self.counts.tokens
        correct = np.arange(tally.total) < tally.right
        return bootstrap_interval(correct.astype(np.int64), np.ones(tally.total, np.int64), SEED)

    def to_json(self) -> dict[str, object]:
        """Return all scores."""
        return {
            "prior": self.prior,
            "classified": self.counts.tokens.total,
            "accuracy": self.accuracy,
            "accuracy_interval_95": list(self.accuracy_interval()),
            "macro_f1": self.macro_f1,
            "mean_probability": self.confidence,
            "labels": {name: count.to_json() for name, count in self.counts.labels().items()},
            "nats": {name: loss.mean for name, loss in self.losses.items()},
            "confusions": [
                {"gold": gold, "predicted": predicted, "count": count}
                for gold, predicted, count in self.counts.confusions()
            ],
        }


@dataclass
class ConditionTally:
    """Sums for a `ConditionEvaluation`, added up in groups of lines."""

    conditions: Conditions
    prior: Prior = PRIOR
    counts: TaggingCounts = field(default_factory=TaggingCounts)
    losses: dict[str, LossCount] = field(default_factory=dict)
    probability: float = 0.0

    def add(self, given: Array, classified: Sequence[Classified], losses: Sequence[Array]) -> None:
        """Add lines.

        Args:
            given: condition number of each line (lines,).
            losses: loss of each symbol of each line under its condition (length,).
        """
        names = [self.conditions.names[number] for number in given.tolist()]
        for name, found, nats in zip(names, classified, losses, strict=True):
            self.counts.add([name], [found.name])
            self.losses[name] = self.losses.get(name, LossCount()) + LossCount(float(nats.sum()), len(nats))
            self.probability += found.probability

    def result(self) -> ConditionEvaluation:
        """Return the scores of all lines."""
        lines = max(1, self.counts.tokens.total)
        ordered = {name: self.losses[name] for name in self.conditions.names if name in self.losses}
        return ConditionEvaluation(self.prior, self.counts, ordered, self.probability / lines)
