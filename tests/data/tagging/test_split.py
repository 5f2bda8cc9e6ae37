"""Counts of a split equal those of a plain loop over its sentences."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.tagging.split import Sentence, Split
from seqtool.settings.values import Scheme
from seqtool.spans import detect_scheme, malformed, spans_of

LABELS = st.lists(
    st.sampled_from(["O", "B-x", "I-x", "E-x", "S-y", "I-y", "NN", "0"]), min_size=1, max_size=5
)


def split_of(sequences: list[list[str]]) -> Split:
    return Split(
        tuple(
            Sentence(tuple(f"w{len(label)}" for label in labels), tuple(labels), f"f:{line}")
            for line, labels in enumerate(sequences, 1)
        )
    )


@given(st.lists(LABELS, max_size=8))
def test_counts_are_those_of_a_loop(sequences: list[list[str]]) -> None:
    split = split_of(sequences)
    labels = [label for sequence in sequences for label in sequence]
    assert split.words == len(labels)
    assert list(split.labels.items()) == list(Counter(labels).items())
    assert list(split.forms.items()) == list(Counter(f"w{len(label)}" for label in labels).items())
    assert split.scheme == detect_scheme(sequences)
    assert split.span_types == Counter(span.type for sequence in sequences for span in spans_of(sequence))
    assert split.token_sequences == Counter(sentence.tokens for sentence in split.sentences)


@pytest.mark.parametrize("scheme", ["io", "iob1", "iob2", "bioes"])
@given(sequences=st.lists(LABELS, max_size=8))
def test_malformed_labels_are_counted_and_the_first_is_found(
    scheme: Scheme, sequences: list[list[str]]
) -> None:
    split = split_of(sequences)
    places = [len(malformed(sequence, scheme)) for sequence in sequences]
    count, first = split.malformed(scheme)
    assert count == sum(places)
    expected = next((sentence for sentence, size in zip(split.sentences, places, strict=True) if size), None)
    assert first is expected
