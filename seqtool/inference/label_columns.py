"""Choice of several labels for each token: label by label, or as a whole combination.

The labels of some columns, such as part of speech and morphology, are scored together. Only combinations that
occur in the training data are possible; the score of one is the sum of the scores of its labels and a bias.
The score of a label of the first column is the logarithm of the summed exponentials of its combinations, so
the probabilities of these labels agree with those of combinations. Training and inference share this code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from seqtool.inference.encoder import Packing
from seqtool.inference.tagger import Constraints, best_labels
from seqtool.types import Array

ROWS = 512  # tokens that are scored at once, which keeps the scores of combinations in the processor's cache
LOWEST = np.float32(-100)  # logarithm of a probability that float32 cannot represent


@dataclass(frozen=True)
class LabelCombinations:
    """Label combinations that occur in the training data.

    Attributes:
        labels: label numbers (combinations, columns), sorted; each label of the first column occurs.
        bias: score of each combination (combinations,), float32.
    """

    labels: Array
    bias: Array

    @cached_property
    def starts(self) -> Array:
        """Index of the first combination of each first label, then the number of combinations."""
        return np.searchsorted(self.labels[:, 0], np.arange(self.labels[-1, 0] + 2))

    def choose(self, scores: Sequence[Array]) -> tuple[Array, Array]:
        """Score the labels of the first column, and choose the best combination of the best first label.

        Args:
            scores: scores of the labels of each column (tokens, labels).

        Returns:
            Scores of the first column (tokens, labels of the first column), float32, and label numbers
            (tokens, columns).
        """
        tokens = len(scores[0])
        first = np.empty((tokens, len(self.starts) - 1), np.float32)
        chosen = np.empty((tokens, len(scores)), np.int64)
        for start in range(0, tokens, ROWS):
            rows = slice(start, start + ROWS)
            first[rows], chosen[rows] = self._choose([part[rows] for part in scores])
        return first, chosen

    def _choose(self, scores: Sequence[Array]) -> tuple[Array, Array]:
        sums = np.take(scores[0], self.labels[:, 0], axis=1) + self.bias
        for column in range(1, len(scores)):
            sums += np.take(scores[column], self.labels[:, column], axis=1)
        highest = sums.max(1, keepdims=True)
        totals = np.add.reduceat(np.exp(sums - highest), self.starts[:-1], axis=1)
        with np.errstate(divide="ignore"):
            first = np.maximum(np.log(totals), LOWEST) + highest
        best = np.empty(len(sums), np.int64)
        labels = first.argmax(1)
        distinct = np.flatnonzero(np.bincount(labels))  # np.unique would import numpy.ma, for 10 ms
        for label in distinct.tolist():
            rows, group = np.flatnonzero(labels == label), slice(*self.starts[label : label + 2])
            best[rows] = self.starts[label] + sums[rows, group].argmax(1)
        return first, self.labels[best]


class LemmaChoice(NamedTuple):
    """Lemmas of known words, which replace those that the network finds.

    Attributes:
        column: index of the column of lemmas.
        rows: first labels by form, each followed by the number of a script.
    """

    column: int
    rows: Mapping[str, Sequence[int]]

    def apply(self, numbers: Array, forms: Iterable[str]) -> None:
        """Set the script of known words.

        Args:
            numbers: label numbers (tokens, columns), changed in place.
            forms: form of each token.
        """
        places, scripts = [], []
        for place, (form, label) in enumerate(zip(forms, numbers[:, 0].tolist(), strict=True)):
            row = self.rows.get(form, ())
            for column in range(0, len(row), 2):
                if row[column] == label:
                    places.append(place)
                    scripts.append(row[column + 1])
        numbers[places, self.column] = scripts


class ColumnDecoder(NamedTuple):
    """Choice of the labels of all columns.

    Attributes:
        constraints: for each column, scores that restrict labels to well-formed spans; None without spans.
        combined: indices of the columns that are scored together; empty if none are.
        combinations: their combinations.
    """

    constraints: tuple[Constraints | None, ...]
    combined: tuple[int, ...] = ()
    combinations: LabelCombinations | None = None

    def decode(self, scores: Sequence[Array], packing: Packing) -> tuple[Array, Array]:
        """Choose the labels of packed sentences.

        Args:
            scores: scores of the labels of each column by place (total, labels).

        Returns:
            Scores of the first column (total, its labels), and label numbers (total, columns).
        """
        first, numbers = scores[0], np.empty((packing.total, len(scores)), np.int64)
        for column, constraints in enumerate(self.constraints):
            if column not in self.combined:
                numbers[:, column] = best_labels(scores[column], packing, constraints)
        if self.combinations is not None:
            together = [scores[column] for column in self.combined]
            first, numbers[:, self.combined] = self.combinations.choose(together)
        return first, numbers
