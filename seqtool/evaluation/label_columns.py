"""Scores of a tagger of several labels: each label, and all together, of known and unknown words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from seqtool.data.tagging.label_columns import LEMMA, NO_LEMMA
from seqtool.data.tagging.split import Sentence
from seqtool.metrics import Tally

ALL_TAGS = "AllTags"  # all labels of a word except its lemma; of features all, not only the universal ones


@dataclass
class ColumnTally:
    """Correct labels of one column.

    Attributes:
        known, unknown: words whose form occurs, or does not occur, in the training data.
    """

    known: Tally = Tally()
    unknown: Tally = Tally()

    @property
    def words(self) -> Tally:
        """Correct labels of all words."""
        return self.known + self.unknown

    def add(self, correct: Sequence[bool], known: Sequence[bool]) -> None:
        """Count the words of a sentence."""
        of_known = [hit for hit, is_known in zip(correct, known, strict=True) if is_known]
        self.known += Tally(sum(of_known), len(of_known))
        self.unknown += Tally(sum(correct) - sum(of_known), len(correct) - len(of_known))

    def to_json(self) -> dict[str, object]:
        """Return the accuracies."""
        tallies = {"known": self.known, "unknown": self.unknown}
        parts = {name: {"tokens": tally.total, "accuracy": tally.accuracy} for name, tally in tallies.items()}
        return {"tokens": self.words.total, "accuracy": self.words.accuracy, **parts}


@dataclass
class ColumnScores:
    """Correct labels of all columns by name; after them `AllTags` if it is not the first label alone.

    A word without a lemma in the gold data is not counted among the lemmas.
    """

    names: tuple[str, ...]
    tallies: dict[str, ColumnTally] = field(default_factory=dict)

    def __post_init__(self) -> None:
        together = (ALL_TAGS,) if len(set(self.names) - {LEMMA}) > 1 else ()
        self.tallies = {name: ColumnTally() for name in (*self.names, *together)}

    def add(self, sentence: Sentence, predicted: Sequence[Sequence[str]], known: Sequence[bool]) -> None:
        """Count a sentence.

        Args:
            predicted: labels of each column.
            known: for each token, whether its form occurs in the training data.
        """
        all_tags = [True] * len(sentence.tokens)
        for index, name in enumerate(self.names):
            gold = sentence.column(index)
            correct = [label == other for label, other in zip(gold, predicted[index], strict=True)]
            if name == LEMMA:
                scored = [label != NO_LEMMA for label in gold]
                self.tallies[name].add(_select(correct, scored), _select(known, scored))
                continue
            self.tallies[name].add(correct, known)
            all_tags = [hit and before for hit, before in zip(correct, all_tags, strict=True)]
        if ALL_TAGS in self.tallies:
            self.tallies[ALL_TAGS].add(all_tags, known)

    def accuracies(self) -> dict[str, float]:
        """Return the accuracy of each further label and of `AllTags`, as `accuracy_NAME`."""
        further = list(self.tallies.items())[1:]
        return {f"accuracy_{name}": tally.words.accuracy or 0.0 for name, tally in further}


def _select(values: Sequence[bool], chosen: Sequence[bool]) -> list[bool]:
    return [value for value, is_chosen in zip(values, chosen, strict=True) if is_chosen]
