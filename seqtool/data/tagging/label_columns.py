"""Several labels of each token: the columns that a tagger predicts together, and their combinations.

A column of lemmas is learned as scripts (`lemma_scripts.py`). The labels of the other columns that mark no
spans are also scored together; their combinations in the training data are listed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np

from seqtool.data.tagging.lemma_scripts import lemma_script
from seqtool.data.tagging.split import Sentence
from seqtool.settings.values import Scheme
from seqtool.spans import convert, detect_scheme
from seqtool.types import Array

LEMMA = "lemma"  # name of the column whose labels are scripts
NO_LEMMA = "_"  # a word without a lemma, on which nothing is trained
ONCE_SHARE = 0.002  # of the words; half of the scripts of a treebank occur once, and teach one word each
MOST_COMBINATIONS = 4000  # more are not scored together, which would take longer than the recurrent layers

ColumnKind = Literal["label", "lemma"]


@dataclass(frozen=True)
class LabelColumn:
    """One of several labels.

    Attributes:
        name: name of the column, as in `data.labels`.
        index: number of the column among the columns of a sentence.
        labels: labels of the network, in order of first appearance: scripts, or labels in `inner_scheme`.
        kind: lemmas, or labels.
        scheme: span scheme in the files.
        inner_scheme: `bioes` for any span scheme, else `none`.
    """

    name: str
    index: int
    labels: tuple[str, ...]
    kind: ColumnKind = "label"
    scheme: Scheme = "none"
    inner_scheme: Scheme = "none"

    @classmethod
    def of(cls, name: str, index: int, train: Sequence[Sentence], known: Sequence[str] = ()) -> LabelColumn:
        """Derive a column from training sentences; the labels in `known` come first."""
        kind: ColumnKind = "lemma" if name == LEMMA else "label"
        scheme: Scheme = "none"
        if kind == "label":
            scheme = detect_scheme(sentence.column(index) for sentence in train)
        column = cls(name, index, (), kind, scheme, "none" if scheme == "none" else "bioes")
        labels = dict.fromkeys((*known, *column._distinct_labels(train)))
        return cls(name, index, tuple(labels), kind, scheme, column.inner_scheme)

    def _distinct_labels(self, train: Sequence[Sentence]) -> Iterator[str]:
        """Yield the labels to learn in order of first appearance, each once."""
        if self.kind == "lemma":
            pairs = (zip(sentence.tokens, sentence.column(self.index), strict=True) for sentence in train)
            scripts: Counter[str] = Counter()
            for (form, lemma), count in Counter(chain.from_iterable(pairs)).items():
                if lemma != NO_LEMMA:
                    scripts[lemma_script(form, lemma)] += count
            yield from _learnable(scripts)
            return
        sequences = (sentence.column(self.index) for sentence in train)
        if self.scheme == "none":
            yield from dict.fromkeys(chain.from_iterable(sequences))
            return
        for labels in dict.fromkeys(sequences):
            yield from convert(labels, self.scheme, self.inner_scheme)

    @property
    def is_plain(self) -> bool:
        """True if the labels are neither lemmas nor spans."""
        return self.kind == "label" and self.scheme == "none"

    @property
    def content(self) -> str:
        """Number and kind of the labels."""
        if self.kind == "lemma":
            return f"{len(self.labels):,} changes of a form into its lemma"
        return f"{len(self.labels):,} labels ({self.scheme if self.scheme != 'none' else 'no spans'})"

    def network_labels(self, sentence: Sentence) -> list[str | None]:
        """Return the label of each token for the network; None for a token without a lemma."""
        values = sentence.column(self.index)
        if self.kind == "lemma":
            pairs = zip(sentence.tokens, values, strict=True)
            return [None if lemma == NO_LEMMA else lemma_script(form, lemma) for form, lemma in pairs]
        return list(values if self.scheme == "none" else convert(values, self.scheme, self.inner_scheme))


def _learnable(scripts: Counter[str]) -> list[str]:
    """Return the scripts to learn: without those that occur once, if these are a small share of the words."""
    repeated = [script for script, count in scripts.items() if count > 1]
    once = len(scripts) - len(repeated)
    return repeated if repeated and once <= ONCE_SHARE * scripts.total() else list(scripts)


@dataclass(frozen=True)
class LabelColumns:
    """All labels of a tagger that predicts several.

    Attributes:
        columns: the columns, the main one first.
        combined: indices of the columns that are scored together: none, or two or more with the first one.
        combinations: label numbers (combinations, combined columns) that occur in training, sorted.
    """

    columns: tuple[LabelColumn, ...]
    combined: tuple[int, ...] = ()
    combinations: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(
        cls,
        columns: Sequence[LabelColumn],
        train: Sequence[Sentence],
        known: Sequence[tuple[int, ...]] = (),
    ) -> LabelColumns:
        """List the combinations of the training sentences, and those in `known`."""
        alone = cls(tuple(columns))
        combined = tuple(index for index, column in enumerate(columns) if column.is_plain)
        if len(combined) < 2 or combined[0] != 0:
            return alone
        found = alone._combinations(combined, train)
        if len(found | set(known)) > MOST_COMBINATIONS:
            return alone
        return cls(alone.columns, combined, tuple(sorted(found | set(known))))

    def _combinations(self, combined: Sequence[int], sentences: Sequence[Sentence]) -> set[tuple[int, ...]]:
        """Return the combinations of plain columns in sentences whose labels are all known."""
        columns = [self.columns[index] for index in combined]
        numbers = [{label: number for number, label in enumerate(column.labels)} for column in columns]
        found = {
            labels
            for sentence in sentences
            for labels in zip(*(sentence.column(column.index) for column in columns), strict=True)
        }
        return {tuple(known[label] for known, label in zip(numbers, labels, strict=True)) for labels in found}

    @property
    def lemma(self) -> LabelColumn | None:
        """The column of lemmas, if there is one."""
        return next((column for column in self.columns if column.kind == "lemma"), None)

    def encode(self, sentences: Sequence[Sentence]) -> Iterator[Array]:
        """Yield the label numbers of each sentence (length, columns).

        -1 is a label that does not occur in training, or the lemma of a token that has none.
        """
        numbers = [{label: number for number, label in enumerate(column.labels)} for column in self.columns]
        for sentence in sentences:
            rows = [
                [
                    known.get(label, -1) if label is not None else -1
                    for label in column.network_labels(sentence)
                ]
                for column, known in zip(self.columns, numbers, strict=True)
            ]
            yield np.array(rows, np.int64).T
