"""Tests of metrics: agreement of the counters with their definitions and of span scores with seqeval."""

from __future__ import annotations

import json
import math
import os
import warnings
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import classification_report, f1_score, precision_score, recall_score
from seqeval.scheme import IOB2, IOBES

from seqtool.metrics import LossCount, SpanCounts, SpanTable, TaggingCounts, Tally, token_accuracy
from seqtool.settings.values import Scheme

Sentences = list[list[str]]


def sentence_pairs(prefixes: str) -> st.SearchStrategy[tuple[Sentences, Sentences]]:
    """Generate gold and predicted labels of the same lengths, which often agree."""
    labels = st.sampled_from(["O", *(f"{prefix}-{type_}" for prefix in prefixes for type_ in ("per", "loc"))])
    agreeing = labels.map(lambda label: (label, label))
    sentence = st.lists(agreeing | agreeing | st.tuples(labels, labels), min_size=1, max_size=10)
    return st.lists(sentence, min_size=1, max_size=5).map(
        lambda rows: (
            [[gold for gold, _ in row] for row in rows],
            [[predicted for _, predicted in row] for row in rows],
        )
    )


def count_sentences(gold: Sentences, predicted: Sentences, scheme: Scheme = "none") -> TaggingCounts:
    counts = TaggingCounts(scheme)
    for gold_labels, predicted_labels in zip(gold, predicted, strict=True):
        counts.add(gold_labels, predicted_labels)
    return counts


def assert_equals_seqeval(table: SpanTable, gold: Sentences, predicted: Sentences, **mode: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        overall = [
            score(gold, predicted, zero_division=0, **mode)
            for score in (precision_score, recall_score, f1_score)
        ]
        report = (
            classification_report(gold, predicted, output_dict=True, zero_division=0, **mode)
            if table.types
            else {}
        )
    ours = table.overall
    np.testing.assert_allclose([ours.precision, ours.recall, ours.f1], overall, rtol=1e-12)
    assert {name for name in report if not name.endswith(" avg")} == set(table.types)
    for name, counts in table.types.items():
        theirs = report[name]
        np.testing.assert_allclose(
            [counts.precision, counts.recall, counts.f1, counts.gold],
            [theirs["precision"], theirs["recall"], theirs["f1-score"], theirs["support"]],
            rtol=1e-12,
        )


# --- spans --------------------------------------------------------------------------------------------------


@given(sentence_pairs("BI"))
def test_iob2_span_scores_equal_seqeval(pair: tuple[Sentences, Sentences]) -> None:
    counts = count_sentences(*pair, "iob2")
    assert_equals_seqeval(counts.spans, *pair)
    assert_equals_seqeval(counts.strict_spans, *pair, mode="strict", scheme=IOB2)


@given(sentence_pairs("BIES"))
def test_bioes_span_scores_equal_seqeval(pair: tuple[Sentences, Sentences]) -> None:
    counts = count_sentences(*pair, "bioes")
    assert_equals_seqeval(counts.spans, *pair)
    assert_equals_seqeval(counts.strict_spans, *pair, mode="strict", scheme=IOBES)


@given(sentence_pairs("BI"), st.booleans())
def test_span_counts_equal_the_overall_counts_of_the_table(
    pair: tuple[Sentences, Sentences], strict: bool
) -> None:
    counts = count_sentences(*pair, "iob2")
    fast = sum(
        (SpanCounts.of(gold, predicted, strict) for gold, predicted in zip(*pair, strict=True)), SpanCounts()
    )
    assert fast == (counts.strict_spans if strict else counts.spans).overall


@pytest.mark.skipif(
    "SEQTOOL_DATA" not in os.environ, reason="SEQTOOL_DATA is not set to the folder of the data"
)
def test_span_scores_on_wnut_equal_seqeval() -> None:
    """The predictions are the gold labels with random replacements, which can be malformed."""
    text = (Path(os.environ["SEQTOOL_DATA"]) / "wnut17" / "emerging.test.annotated").read_text(
        encoding="utf-8"
    )
    gold = [
        [line.split("\t")[1].strip() for line in block.splitlines() if "\t" in line]
        for block in text.split("\n\n")
    ]
    gold = [labels for labels in gold if labels]
    names = sorted({label for labels in gold for label in labels})
    generator = np.random.default_rng(0)
    predicted = [
        [str(generator.choice(names)) if generator.random() < 0.1 else label for label in labels]
        for labels in gold
    ]
    assert sum(map(len, gold)) > 20_000
    counts = count_sentences(gold, predicted, "iob2")
    assert_equals_seqeval(counts.spans, gold, predicted)
    assert_equals_seqeval(counts.strict_spans, gold, predicted, mode="strict", scheme=IOB2)
    assert counts.spans.overall.f1 != counts.strict_spans.overall.f1


def test_scores_without_spans_are_zero() -> None:
    nothing = SpanCounts.of(["O", "O"], ["O", "O"])
    assert (nothing.precision, nothing.recall, nothing.f1) == (0, 0, 0)


# --- tokens and sentences -----------------------------------------------------------------------------------


@given(sentence_pairs("BI"))
def test_label_scores_match_their_definitions(pair: tuple[Sentences, Sentences]) -> None:
    gold, predicted = (list(chain(*side)) for side in pair)
    counts = count_sentences(*pair)
    assert counts.tokens == Tally(sum(map(str.__eq__, gold, predicted)), len(gold))
    assert counts.sentences == Tally(sum(map(list.__eq__, *pair)), len(pair[0]))
    assert set(counts.labels()) == {*gold, *predicted}
    for name, scores in counts.labels().items():
        hits = sum(label == other == name for label, other in zip(gold, predicted, strict=True))
        assert (scores.hits, scores.predicted, scores.gold) == (hits, predicted.count(name), gold.count(name))
        if hits:
            precision, recall = hits / predicted.count(name), hits / gold.count(name)
            assert math.isclose(scores.f1, 2 * precision * recall / (precision + recall))
    wrong = sorted(pair for pair in zip(gold, predicted, strict=True) if pair[0] != pair[1])
    assert (
        sorted((label, other) for label, other, count in counts.confusions() for _ in range(count)) == wrong
    )
    frequencies = [count for _, _, count in counts.confusions()]
    assert frequencies == sorted(frequencies, reverse=True)


@given(sentence_pairs("BI"), sentence_pairs("BI"))
def test_sum_of_counts_equals_counts_of_the_whole(
    first: tuple[Sentences, Sentences], second: tuple[Sentences, Sentences]
) -> None:
    parts = count_sentences(*first, "iob2") + count_sentences(*second, "iob2")
    whole = count_sentences(first[0] + second[0], first[1] + second[1], "iob2")
    assert parts == whole
    assert parts.to_json() == whole.to_json()


def test_known_and_unknown_words_are_counted_separately() -> None:
    counts = TaggingCounts()
    counts.add(list("ABCD"), list("ABXX"), [True, False, False, True])
    counts.add(list("AA"), list("AX"), [True, True])
    assert counts.known == Tally(2, 4)
    assert counts.unknown == Tally(1, 2)
    counts.add(["A"], ["A"])  # without this information
    assert counts.known.total + counts.unknown.total == 6
    assert counts.tokens == Tally(4, 7)


def test_unequal_lengths_and_schemes_are_refused() -> None:
    counts = TaggingCounts()
    for gold, predicted, known in ((["A"], ["A", "B"], None), (["A"], ["A"], [True, False])):
        with pytest.raises(ValueError, match=r"longer|shorter"):
            counts.add(gold, predicted, known)
    assert counts == TaggingCounts(), "a refused sentence must not be counted"
    with pytest.raises(ValueError, match="cannot be added"):
        TaggingCounts("iob2") + TaggingCounts("bioes")


def test_json_has_null_for_missing_scores() -> None:
    empty = TaggingCounts().to_json()
    assert (
        empty["accuracy"]
        is empty["sentence_accuracy"]
        is empty["known"]["accuracy"]
        is empty["spans"]
        is None
    )
    counts = count_sentences([["B-x", "I-x"]], [["B-x", "O"]], "iob2").to_json()
    assert counts["spans"]["types"]["x"] == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "support": 1,
        "predicted": 1,
        "hits": 0,
    }
    assert counts["confusions"] == [{"gold": "I-x", "predicted": "O", "count": 1}]
    assert json.loads(json.dumps(counts, allow_nan=False)) == counts


def test_token_accuracy_ignores_padding_and_counts_unknown_labels_as_wrong() -> None:
    gold, predicted = np.array([[0, 1], [2, -1], [-1, -1]]), np.array([[0, 2], [2, -1], [-1, 0]])
    assert token_accuracy(gold, predicted) == Tally(2, 3)
    # (1, 1) is a token whose gold label the model does not know.
    is_token = np.array([[True, True], [True, True], [False, False]])
    assert token_accuracy(gold, predicted, is_token) == Tally(2, 4)


def test_loss_counts_are_added() -> None:
    both = LossCount(math.log(2) * 3, 3) + LossCount(math.log(2) * 5, 1)
    assert both.count == 4
    assert both.mean is not None and math.isclose(both.mean, 2 * math.log(2))
    assert both.bits is not None and math.isclose(both.bits, 2)
    assert both.perplexity is not None and math.isclose(both.perplexity, 4)
    assert LossCount().mean is LossCount().bits is LossCount().perplexity is None
    assert LossCount(1e6, 1).perplexity is None
