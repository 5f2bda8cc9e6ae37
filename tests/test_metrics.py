"""Counters against their definitions, span scores against seqeval, intervals and tests against theory."""

from __future__ import annotations

import json
import math
import os
import warnings
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import classification_report, f1_score, precision_score, recall_score
from seqeval.scheme import IOB2, IOBES

from seqtool.evaluation.significance import bootstrap_f1, bootstrap_interval, paired_test
from seqtool.metrics import LossCount, SpanCounts, SpanTable, TaggingCounts, Tally, token_accuracy
from seqtool.settings import Scheme
from seqtool.types import Array

Sentences = list[list[str]]


def sentence_pairs(prefixes: str) -> st.SearchStrategy[tuple[Sentences, Sentences]]:
    """Gold and predicted labels of the same lengths; predictions often agree, so that there are hits."""
    labels = st.sampled_from(["O", *(f"{prefix}-{type_}" for prefix in prefixes for type_ in ("per", "loc"))])
    agreeing = labels.map(lambda label: (label, label))
    sentence = st.lists(agreeing | agreeing | st.tuples(labels, labels), min_size=1, max_size=10)
    return st.lists(sentence, min_size=1, max_size=5).map(
        lambda rows: (
            [[gold for gold, _ in row] for row in rows],
            [[found for _, found in row] for row in rows],
        )
    )


def pluralize(gold: Sentences, predicted: Sentences, scheme: Scheme = "none") -> TaggingCounts:
    counts = TaggingCounts(scheme)
    for wanted, found in zip(gold, predicted, strict=True):
        counts.add(wanted, found)
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


# --- spans ------------------------------------------------------------------------------------------------------------


@given(sentence_pairs("BI"))
def test_iob2_span_scores_are_seqevals(pair: tuple[Sentences, Sentences]) -> None:
    counts = pluralize(*pair, "iob2")
    assert_equals_seqeval(counts.spans, *pair)
    assert_equals_seqeval(counts.strict_spans, *pair, mode="strict", scheme=IOB2)


@given(sentence_pairs("BIES"))
def test_bioes_span_scores_are_seqevals(pair: tuple[Sentences, Sentences]) -> None:
    counts = pluralize(*pair, "bioes")
    assert_equals_seqeval(counts.spans, *pair)
    assert_equals_seqeval(counts.strict_spans, *pair, mode="strict", scheme=IOBES)


@given(sentence_pairs("BI"), st.booleans())
def test_the_fast_count_equals_the_table(pair: tuple[Sentences, Sentences], strict: bool) -> None:
    counts = pluralize(*pair, "iob2")
    fast = sum((SpanCounts.of(gold, found, strict) for gold, found in zip(*pair, strict=True)), SpanCounts())
    assert fast == (counts.strict_spans if strict else counts.spans).overall


@pytest.mark.skipif(
    "SEQTOOL_DATA" not in os.environ, reason="SEQTOOL_DATA does not say where the shared data is"
)
def test_span_scores_on_wnut_are_seqevals() -> None:
    """The test set, with predictions spoilt at random and independently of what is well-formed."""
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
    counts = pluralize(gold, predicted, "iob2")
    assert_equals_seqeval(counts.spans, gold, predicted)
    assert_equals_seqeval(counts.strict_spans, gold, predicted, mode="strict", scheme=IOB2)
    assert counts.spans.overall.f1 != counts.strict_spans.overall.f1


def test_no_spans_score_zero_and_do_not_divide() -> None:
    nothing = SpanCounts.of(["O", "O"], ["O", "O"])
    assert (nothing.precision, nothing.recall, nothing.f1) == (0, 0, 0)


# --- tokens and sentences ---------------------------------------------------------------------------------------------


@given(sentence_pairs("BI"))
def test_label_scores_follow_their_definitions(pair: tuple[Sentences, Sentences]) -> None:
    gold, predicted = (list(chain(*side)) for side in pair)
    counts = pluralize(*pair)
    assert counts.tokens == Tally(sum(map(str.__eq__, gold, predicted)), len(gold))
    assert counts.sentences == Tally(sum(map(list.__eq__, *pair)), len(pair[0]))
    assert set(counts.labels()) == {*gold, *predicted}
    for name, scores in counts.labels().items():
        hits = sum(wanted == found == name for wanted, found in zip(gold, predicted, strict=True))
        assert (scores.hits, scores.predicted, scores.gold) == (hits, predicted.count(name), gold.count(name))
        if hits:
            precision, recall = hits / predicted.count(name), hits / gold.count(name)
            assert math.isclose(scores.f1, 2 * precision * recall / (precision + recall))
    wrong = sorted((wanted, found) for wanted, found in zip(gold, predicted, strict=True) if wanted != found)
    assert (
        sorted((wanted, found) for wanted, found, count in counts.confusions() for _ in range(count)) == wrong
    )
    frequencies = [count for _, _, count in counts.confusions()]
    assert frequencies == sorted(frequencies, reverse=True)


@given(sentence_pairs("BI"), sentence_pairs("BI"))
def test_counts_of_parts_add_up_to_counts_of_the_whole(
    first: tuple[Sentences, Sentences], second: tuple[Sentences, Sentences]
) -> None:
    parts = pluralize(*first, "iob2") + pluralize(*second, "iob2")
    whole = pluralize(first[0] + second[0], first[1] + second[1], "iob2")
    assert parts == whole
    assert parts.to_json() == whole.to_json()


def test_known_and_unknown_words_are_counted_apart() -> None:
    counts = TaggingCounts()
    counts.add(list("ABCD"), list("ABXX"), [True, False, False, True])
    counts.add(list("AA"), list("AX"), [True, True])
    assert counts.known == Tally(2, 4)
    assert counts.unknown == Tally(1, 2)
    counts.add(["A"], ["A"])  # nobody said
    assert counts.known.total + counts.unknown.total == 6
    assert counts.tokens == Tally(4, 7)


def test_what_does_not_fit_is_refused() -> None:
    counts = TaggingCounts()
    for gold, predicted, known in ((["A"], ["A", "B"], None), (["A"], ["A"], [True, False])):
        with pytest.raises(ValueError, match=r"longer|shorter"):
            counts.add(gold, predicted, known)
    assert counts == TaggingCounts(), "a sentence is counted whole or not at all"
    with pytest.raises(ValueError, match="cannot be added"):
        TaggingCounts("iob2") + TaggingCounts("bioes")


def test_json_has_null_where_there_is_nothing_and_is_plain() -> None:
    empty = TaggingCounts().to_json()
    assert (
        empty["accuracy"]
        is empty["sentence_accuracy"]
        is empty["known"]["accuracy"]
        is empty["spans"]
        is None
    )
    counts = pluralize([["B-x", "I-x"]], [["B-x", "O"]], "iob2").to_json()
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


def test_token_accuracy_leaves_out_padding_and_counts_unheard_of_labels_as_wrong() -> None:
    gold, predicted = np.array([[0, 1], [2, -1], [-1, -1]]), np.array([[0, 2], [2, -1], [-1, 0]])
    assert token_accuracy(gold, predicted) == Tally(2, 3)
    inside = np.array(
        [[True, True], [True, True], [False, False]]
    )  # (1, 1) is a token whose label the model lacks
    assert token_accuracy(gold, predicted, inside) == Tally(2, 4)


def test_losses_add_up() -> None:
    both = LossCount(math.log(2) * 3, 3) + LossCount(math.log(2) * 5, 1)
    assert both.count == 4
    assert both.mean is not None and math.isclose(both.mean, 2 * math.log(2))
    assert both.bits is not None and math.isclose(both.bits, 2)
    assert both.perplexity is not None and math.isclose(both.perplexity, 4)
    assert LossCount().mean is LossCount().bits is LossCount().perplexity is None
    assert LossCount(1e6, 1).perplexity is None


# --- how far scores can be trusted ------------------------------------------------------------------------------------


def test_the_interval_of_a_share_is_the_one_that_theory_gives() -> None:
    """For sentences of one token, the bootstrap of a share is binomial."""
    right = np.repeat([1, 0], [800, 200])
    low, high = bootstrap_interval(right, np.ones(1000), seed=1, samples=20_000)
    spread = 1.96 * math.sqrt(0.8 * 0.2 / 1000)
    assert math.isclose(low, 0.8 - spread, abs_tol=0.0015) and math.isclose(
        high, 0.8 + spread, abs_tol=0.0015
    )


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    generator = np.random.default_rng(3)
    covered = 0
    for trial in range(200):
        tokens = generator.integers(1, 30, 300)
        right = generator.binomial(
            tokens, generator.beta(9, 1, 300)
        )  # sentences differ in difficulty; the mean is 0.9
        low, high = bootstrap_interval(right, tokens, seed=trial, samples=300)
        covered += low <= 0.9 <= high
    assert 180 <= covered <= 198


def test_intervals_of_f1_hold_f1_and_depend_on_the_seed_alone() -> None:
    generator = np.random.default_rng(0)
    gold, predicted = generator.integers(0, 4, 500), generator.integers(0, 4, 500)
    counts = np.column_stack([np.minimum(gold, predicted), predicted, gold])
    low, high = bootstrap_f1(counts, seed=1)
    f1 = 2 * counts[:, 0].sum() / counts[:, 1:].sum()
    assert low < f1 < high < low + 0.1
    assert (low, high) == bootstrap_f1(counts, seed=1) != bootstrap_f1(counts, seed=2)


def test_intervals_of_nothing_and_of_certainty() -> None:
    assert bootstrap_interval([], [], seed=1) == bootstrap_f1([], seed=1) == (0.0, 1.0)
    assert bootstrap_interval([3, 4], [3, 4], seed=1) == (1.0, 1.0)
    assert bootstrap_f1([[0, 0, 0]] * 3, seed=1) == (0.0, 0.0)


@pytest.mark.parametrize("spans", [False, True])
def test_the_paired_test_estimates_the_exact_p_value(spans: bool) -> None:
    generator = np.random.default_rng(5)
    shape = (9, 3) if spans else (9,)
    a, b = generator.integers(0, 6, shape), generator.integers(0, 6, shape)
    if spans:  # hits cannot be more than what is predicted or gold; gold is the same for both
        a[:, 2] = b[:, 2]
        a[:, 0], b[:, 0] = a.min(1), b.min(1)

    def difference(swapped: Array) -> float:
        keep = swapped[:, None] if spans else swapped
        first, second = np.where(keep, b, a).sum(0), np.where(keep, a, b).sum(0)
        if spans:
            return abs(float(2 * first[0] / (first[1] + first[2]) - 2 * second[0] / (second[1] + second[2])))
        return abs(float(first - second))

    observed = difference(np.zeros(9, bool))
    exact = np.mean(
        [difference(np.array(swapped)) >= observed - 1e-12 for swapped in product([False, True], repeat=9)]
    )
    assert math.isclose(paired_test(a, b, seed=1, samples=20_000), exact, abs_tol=0.015)
    assert paired_test(a, b, seed=1) == paired_test(a, b, seed=1)
    assert math.isclose(paired_test(a, b, seed=1), paired_test(b, a, seed=1), abs_tol=0.03)


def test_equal_systems_do_not_differ_and_very_different_ones_do() -> None:
    right = np.arange(100) % 7
    assert paired_test(right, right, seed=1) == 1.0
    assert paired_test(right, right + 1, seed=1, samples=999) == 0.001
    assert paired_test([], [], seed=1) == 1.0
    with pytest.raises(ValueError, match="cannot be paired"):
        paired_test([1], [1, 2], seed=1)


def test_p_values_are_uniform_where_there_is_no_difference() -> None:
    generator = np.random.default_rng(11)
    values = [
        paired_test(generator.integers(0, 10, 60), generator.integers(0, 10, 60), seed=trial, samples=200)
        for trial in range(300)
    ]
    assert 0.02 <= np.mean(np.array(values) <= 0.05) <= 0.09
    assert 0.4 <= np.mean(np.array(values) <= 0.5) <= 0.6
