"""Statistics of training data, and the warnings about them: the result of `seqtool check`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from seqtool.settings import Scheme


@dataclass(frozen=True)
class MalformedLabels:
    """Labels of one part that break the rules of its span scheme.

    Attributes:
        count: number of such labels.
        place: `file:line` of the sentence that contains the first one; empty if there is none.
        shown: the first such label and its neighbors, each as `token/label`.
    """

    count: int
    place: str = ""
    shown: tuple[str, ...] = ()


@dataclass(frozen=True)
class HeldOutOverlap:
    """Overlap of a held-out part with the training data.

    Attributes:
        words: number of words in the part.
        unknown: number of these words that do not occur in the training data.
        sentences: number of sentences in the part.
        repeated: number of these sentences that also occur in the training data.
    """

    words: int
    unknown: int
    sentences: int
    repeated: int


@dataclass(frozen=True)
class LabelCheck:
    """Properties of labeled data.

    Attributes:
        held_out: overlap of each held-out part with the training data, by the name of the part.
        scheme: span scheme of the labels.
        spans: number of spans by type, for each part; empty if the labels do not mark spans.
        malformed: malformed labels of each part; empty if the labels do not mark spans.
    """

    held_out: dict[str, HeldOutOverlap]
    scheme: Scheme
    spans: dict[str, Counter[str]]
    malformed: dict[str, MalformedLabels]


@dataclass(frozen=True)
class DataCheck:
    """Result of checking the data of a config.

    Attributes:
        task: `char` or `tagger`.
        unit: the thing that is counted, `symbol` or `label`.
        notes: properties of the data and choices made for it, one line each.
        warnings: probable mistakes, one line each.
        counts: frequency of each label or symbol, by the name of the part; `train` is always present.
        labels: properties of labeled data; None for plain text.
    """

    task: str
    unit: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    counts: dict[str, Counter[str]]
    labels: LabelCheck | None = None
