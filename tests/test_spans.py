"""Tests of span labels: round trips, detection of schemes, allowed transitions, agreement with seqeval."""

from __future__ import annotations

import warnings
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, IOBES, Tokens

from seqtool.settings.values import Scheme
from seqtool.spans import Span, allowed_transitions, convert, detect_scheme, labels_of, malformed, spans_of

SCHEMES: tuple[Scheme, ...] = ("io", "iob1", "iob2", "bioes")
LOSSLESS: tuple[Scheme, ...] = ("iob1", "iob2", "bioes")
TYPES = ("per", "loc", "creative-work")


@st.composite
def span_sets(draw: st.DrawFn) -> tuple[list[Span], int]:
    """Generate spans that do not overlap but can be adjacent, and the length of the sequence."""
    spans: list[Span] = []
    place = 0
    for gap, width, type_ in draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(TYPES)), max_size=6)
    ):
        spans.append(Span(place + gap, place + gap + width, type_))
        place = spans[-1].end
    return spans, place + draw(st.integers(0, 2))


def label_lists(prefixes: str) -> st.SearchStrategy[list[str]]:
    """Generate label sequences, well-formed or malformed."""
    labels = ["O", *(f"{prefix}-{type_}" for prefix in prefixes for type_ in TYPES)]
    return st.lists(st.sampled_from(labels), min_size=1, max_size=12)


# --- round trips --------------------------------------------------------------------------------------------


@given(span_sets(), st.sampled_from(LOSSLESS))
def test_spans_are_restored_from_every_scheme_except_io(case: tuple[list[Span], int], scheme: Scheme) -> None:
    spans, length = case
    labels = labels_of(spans, length, scheme)
    assert spans_of(labels) == spans
    assert spans_of(labels, strict=True, scheme=scheme) == spans
    assert malformed(labels, scheme) == []


@given(span_sets(), st.sampled_from(LOSSLESS), st.sampled_from(LOSSLESS))
def test_conversion_to_another_scheme_and_back_restores_the_labels(
    case: tuple[list[Span], int], first: Scheme, second: Scheme
) -> None:
    labels = labels_of(*case, first)
    assert convert(convert(labels, first, second), second, first) == labels
    assert convert(labels, first, second) == labels_of(*case, second)


def test_io_merges_adjacent_spans_of_one_type() -> None:
    adjacent = [Span(0, 1, "per"), Span(1, 2, "per"), Span(2, 3, "loc")]
    assert spans_of(labels_of(adjacent, 3, "io")) == [Span(0, 2, "per"), Span(2, 3, "loc")]


@given(span_sets())
def test_io_keeps_spans_that_are_not_adjacent(case: tuple[list[Span], int]) -> None:
    spans, length = case
    apart = [
        span
        for span, before in zip(spans, [None, *spans], strict=False)
        if before is None or span.start > before.end
    ]
    assert spans_of(labels_of(apart, length, "io")) == apart


@given(label_lists("BIES"), st.sampled_from(SCHEMES), st.sampled_from(SCHEMES))
def test_conversion_keeps_outside_labels_and_gives_well_formed_labels(
    labels: list[str], from_: Scheme, to: Scheme
) -> None:
    converted = convert(labels, from_, to)
    assert [label == "O" for label in converted] == [label == "O" for label in labels]
    if from_ == to:
        assert converted == labels
    else:
        assert malformed(converted, to) == []


def test_example_sentence_in_every_scheme() -> None:
    spans = [Span(0, 3, "x"), Span(3, 4, "x"), Span(5, 7, "y")]
    assert labels_of(spans, 7, "io") == ["I-x", "I-x", "I-x", "I-x", "O", "I-y", "I-y"]
    assert labels_of(spans, 7, "iob1") == ["I-x", "I-x", "I-x", "B-x", "O", "I-y", "I-y"]
    assert labels_of(spans, 7, "iob2") == ["B-x", "I-x", "I-x", "B-x", "O", "B-y", "I-y"]
    assert labels_of(spans, 7, "bioes") == ["B-x", "I-x", "E-x", "S-x", "O", "B-y", "E-y"]


def test_conversion_keeps_labels_that_are_not_span_labels() -> None:
    assert convert(["B-x", "?", "I-x", "O"], "iob2", "bioes") == ["S-x", "?", "S-x", "O"]


def test_bilou_and_bmes_are_converted_to_bioes() -> None:
    bilou, bmes = ["B-x", "I-x", "L-x", "O", "U-y"], ["B-x", "M-x", "E-x", "O", "S-y"]
    assert detect_scheme([bilou]) == detect_scheme([bmes]) == "bioes"
    assert (
        convert(bilou, "bioes", "bioes")
        == convert(bmes, "bioes", "bioes")
        == ["B-x", "I-x", "E-x", "O", "S-y"]
    )
    assert spans_of(bilou) == spans_of(bmes) == [Span(0, 3, "x"), Span(4, 5, "y")]


def test_prefixes_without_types_mark_spans() -> None:
    words = list("BMESSBE")
    assert detect_scheme([words]) == "bioes"
    assert spans_of(words) == [Span(0, 3, ""), Span(3, 4, ""), Span(4, 5, ""), Span(5, 7, "")]
    assert convert(words, "bioes", "iob2") == list("BIIBBBI")


def test_invalid_spans_and_schemes_are_refused() -> None:
    for spans in ([Span(0, 2, "x"), Span(1, 3, "x")], [Span(2, 4, "x")], [Span(1, 1, "x")]):
        with pytest.raises(ValueError, match="overlaps"):
            labels_of(spans, 3, "iob2")
    with pytest.raises(ValueError, match="without a scheme"):
        labels_of([], 3, "none")
    with pytest.raises(ValueError, match="mark no spans"):
        convert(["NOUN"], "none", "iob2")
    assert convert(["NOUN", "B-x"], "none", "none") == ["NOUN", "B-x"]


# --- detection ----------------------------------------------------------------------------------------------


@given(st.lists(span_sets(), min_size=1, max_size=5), st.sampled_from(LOSSLESS))
def test_scheme_is_detected_if_the_labels_show_it(
    cases: list[tuple[list[Span], int]], scheme: Scheme
) -> None:
    everything = [
        *cases,
        ([Span(0, 3, "per"), Span(3, 4, "per"), Span(5, 6, "per")], 6),
    ]  # each scheme differs on this one
    assert detect_scheme([labels_of(spans, length, scheme) for spans, length in everything]) == scheme
    assert detect_scheme([labels_of(spans, length, "io") for spans, length in everything]) == "io"


def test_few_malformed_labels_do_not_change_the_scheme() -> None:
    good = [["B-x", "I-x", "O", "B-y", "O", "B-x", "B-x"]] * 20
    assert detect_scheme([*good, ["O", "I-x", "O"], ["I-y", "I-y"]]) == "iob2"
    good = [["I-x", "I-x", "O", "I-y", "O", "I-x", "B-x"]] * 20
    assert detect_scheme([*good, ["O", "B-x", "O"]]) == "iob1"


@pytest.mark.parametrize(
    "labels",
    [
        "NOUN VERB PUNCT",  # UPOS
        "NN VBD . , `` -LRB- I-x",  # one label that looks like a span label
        "B S N V",  # single letters of a tag set
        "O O O",
        "",
        "O I-x E-x O E-y",  # IOE
        "Case=Nom|Number=Sing _",
        "B- O",  # a prefix with an empty type
    ],
)
def test_other_labels_have_no_scheme(labels: str) -> None:
    assert detect_scheme([labels.split()]) == "none"


# --- allowed transitions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", LOSSLESS)
def test_allowed_sequences_are_exactly_the_well_formed_ones(scheme: Scheme) -> None:
    labels = [
        "O",
        *(f"{prefix}-{type_}" for prefix in ("BIES" if scheme == "bioes" else "BI") for type_ in "xy"),
    ]
    start, transitions, end = allowed_transitions(labels, scheme)
    index = {label: number for number, label in enumerate(labels)}
    for length in (1, 2, 3):
        for sequence in product(labels, repeat=length):
            numbers = [index[label] for label in sequence]
            allowed = (
                start[numbers[0]]
                and all(transitions[pair] for pair in pairwise(numbers))
                and end[numbers[-1]]
            )
            assert allowed == (labels_of(spans_of(sequence), length, scheme) == list(sequence)), sequence
            assert allowed == (malformed(sequence, scheme) == [])


def test_io_and_no_scheme_allow_all_transitions() -> None:
    schemes: tuple[Scheme, ...] = ("none", "io")
    for scheme in schemes:
        start, transitions, end = allowed_transitions(["O", "I-x", "B-x"], scheme)
        assert start.all() and transitions.all() and end.all()
        assert transitions.shape == (3, 3)
    assert [part.shape for part in allowed_transitions([], "iob2")] == [(0,), (0, 0), (0,)]


def test_malformed_returns_the_positions() -> None:
    assert malformed(["I-x", "O", "B-y", "I-x"], "iob2") == [0, 3]
    assert malformed(["B-x", "I-x", "O", "E-x", "B-x"], "bioes") == [2, 3, 5]
    assert malformed(["B-x", "I-x", "B-x", "B-y"], "iob1") == [0, 3]


# --- seqeval ------------------------------------------------------------------------------------------------


def _seqeval_lenient(labels: list[str]) -> list[Span]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [Span(start, end + 1, type_) for type_, start, end in get_entities(labels)]


def _seqeval_strict(labels: list[str], scheme: Any) -> list[Span]:
    return [Span(entity.start, entity.end, entity.tag) for entity in Tokens(labels, scheme).entities]


@given(label_lists("BIES"))
def test_default_reading_equals_the_default_of_seqeval(labels: list[str]) -> None:
    assert spans_of(labels) == _seqeval_lenient(labels)


@given(label_lists("BI"))
def test_strict_iob2_equals_seqeval(labels: list[str]) -> None:
    assert spans_of(labels, strict=True) == _seqeval_strict(labels, IOB2)


@given(label_lists("BIES"))
def test_strict_bioes_equals_seqeval(labels: list[str]) -> None:
    assert spans_of(labels, strict=True, scheme="bioes") == _seqeval_strict(labels, IOBES)


def test_all_short_sequences_are_read_as_in_seqeval() -> None:
    labels = ["O", *(f"{prefix}-{type_}" for prefix in "BIES" for type_ in "xy")]
    for length in (1, 2, 3, 4):
        for sequence in map(list, product(labels, repeat=length)):
            assert spans_of(sequence) == _seqeval_lenient(sequence)
            assert spans_of(sequence, strict=True, scheme="bioes") == _seqeval_strict(sequence, IOBES)


def test_allowed_transitions_are_numpy_booleans() -> None:
    assert all(
        isinstance(part, np.ndarray) and part.dtype == bool
        for part in allowed_transitions(["O", "B-x"], "iob2")
    )
