"""Labeled sentences of one split, with counts of their tokens and labels.

A split counts its sentences once, when a count is first asked for. The chosen settings, the vocabularies, the
warnings and the statistics of `check` use the same counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from seqtool.data.formats.blocks import SentenceFormat
from seqtool.data.formats.detection import Detection
from seqtool.settings.values import Scheme
from seqtool.spans import malformed, marks_spans, scheme_of, spans_of


@dataclass(frozen=True, slots=True)
class Sentence:
    """One labeled sentence.

    Attributes:
        tokens: tokens as written in the file.
        labels: one label for each token, as written in the file.
        place: location `file:line` of the first token.
        text: raw text, if the file gives it.
        further: labels of the further columns of `data.labels`, for each column one per token.
    """

    tokens: tuple[str, ...]
    labels: tuple[str, ...]
    place: str
    text: str | None = None
    further: tuple[tuple[str, ...], ...] = ()

    def column(self, index: int) -> tuple[str, ...]:
        """Return the labels of a column of `data.labels`."""
        return self.further[index - 1] if index else self.labels


@dataclass(frozen=True)
class Split:
    """Sentences of one split.

    Attributes:
        sentences: sentences in the order of the files.
        format: format of the first file; None if the split has no file.
        notes: what was detected and what was skipped, one line each.
        warnings: likely mistakes in the files, one line each.
        encoding: encoding of the first file.
        detections: what was detected in each file.
    """

    sentences: tuple[Sentence, ...] = ()
    format: SentenceFormat | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    encoding: str = "utf-8"
    detections: tuple[Detection, ...] = ()

    @cached_property
    def words(self) -> int:
        """Number of tokens."""
        return sum(len(sentence.tokens) for sentence in self.sentences)

    @cached_property
    def forms(self) -> Counter[str]:
        """Frequency of each token, in order of first appearance."""
        return _items_of(self.token_sequences)

    @cached_property
    def labels(self) -> Counter[str]:
        """Frequency of each label, in order of first appearance."""
        return _items_of(self.label_sequences)

    @cached_property
    def token_sequences(self) -> Counter[tuple[str, ...]]:
        """Frequency of each sequence of tokens, in order of first appearance."""
        return Counter(sentence.tokens for sentence in self.sentences)

    @cached_property
    def label_sequences(self) -> Counter[tuple[str, ...]]:
        """Frequency of each sequence of labels, in order of first appearance.

        Many sentences have the same labels, such as `O` alone. What depends on a whole sequence is computed
        once for all of them.
        """
        return Counter(sentence.labels for sentence in self.sentences)

    @cached_property
    def scheme(self) -> Scheme:
        """Detected span scheme of the labels."""
        return scheme_of(self.labels, self.label_sequences) if marks_spans(self.labels) else "none"

    @cached_property
    def span_types(self) -> Counter[str]:
        """Number of spans by type."""
        types: Counter[str] = Counter()
        for labels, count in self.label_sequences.items():
            for span in spans_of(labels):
                types[span.type] += count
        return types

    def malformed(self, scheme: Scheme) -> tuple[int, Sentence | None]:
        """Return the number of labels that break the rules of a scheme, and the first sentence with one."""
        wrong = {
            labels: len(places) for labels in self.label_sequences if (places := malformed(labels, scheme))
        }
        if not wrong:
            return 0, None
        first = next(sentence for sentence in self.sentences if sentence.labels in wrong)
        return sum(size * self.label_sequences[labels] for labels, size in wrong.items()), first


def _items_of(sequences: Counter[tuple[str, ...]]) -> Counter[str]:
    """Return the frequency of each item of sequences, in order of first appearance."""
    counts = Counter(chain.from_iterable(sequences))
    for sequence, count in sequences.items():
        if count > 1:
            for item in sequence:
                counts[item] += count - 1
    return counts
