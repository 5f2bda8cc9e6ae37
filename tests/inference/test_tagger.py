"""A tagger at work: labels, probabilities, lists of the best, and their edges."""

from __future__ import annotations

import math
import pickle
from itertools import product
from typing import Any

import numpy as np
import pytest

from seqtool.inference.tagger import BATCH_SENTENCES, TaggerModel
from seqtool.settings import Feature
from seqtool.settings import TaggerModel as TaggerSettings
from seqtool.spans import convert, malformed
from seqtool.types import Array
from tests.support.random_models import FEATURES, SPAN_LABELS, WORDS, random_sentences, tagger

DECODERS = ("softmax", "viterbi", "crf")


def make(decoder: Any = "crf", scheme: str = "iob2", **given: Any) -> TaggerModel:
    return tagger(
        TaggerSettings(features=FEATURES, projection=6, hidden_size=5, decoder=decoder, **given),
        scheme=scheme,
    )


def path_scores(model: TaggerModel, scores: Array) -> dict[tuple[int, ...], float]:
    """Score of every label sequence, by definition."""
    found = {}
    for path in product(range(len(model.labels)), repeat=len(scores)):
        total = (
            model.start[path[0]]
            + model.end[path[-1]]
            + sum(scores[time, label] for time, label in enumerate(path))
        )
        found[path] = float(
            total + sum(model.transitions[path[time - 1], path[time]] for time in range(1, len(path)))
        )
    return found


@pytest.mark.parametrize("decoder", DECODERS)
def test_sentences_get_the_labels_they_get_alone_in_their_order(decoder: str) -> None:
    model = make(decoder)
    sentences = random_sentences(
        [*np.random.default_rng(3).integers(0, 12, 2 * BATCH_SENTENCES + 9).tolist(), 300]
    )
    together = model.tag(sentences)
    assert [len(labels) for labels in together] == [len(sentence) for sentence in sentences]
    assert together == [model.tag([sentence])[0] for sentence in sentences]


@pytest.mark.parametrize("decoder", DECODERS)
def test_nothing_to_tag(decoder: str) -> None:
    model = make(decoder)
    assert model.tag([]) == []
    assert model.tag([[], ["dog"], []])[::2] == [[], []]
    assert [part.shape for part in model.probabilities([[], ["dog"]])] == [(0, 6), (1, 6)]
    assert model.nbest([], 3) == [([], 0.0)]
    assert model.tag_with_probabilities([[]])[0][0] == []


@pytest.mark.parametrize(
    ("decoder", "scheme"), [("viterbi", "iob2"), ("crf", "bioes"), ("crf", "iob1"), ("viterbi", "io")]
)
def test_labels_are_well_formed_in_the_scheme_of_the_files(decoder: str, scheme: Any) -> None:
    for labels in make(decoder, scheme).tag(random_sentences([8] * 40)):
        assert not malformed(labels, scheme)


@pytest.mark.parametrize("decoder", ["viterbi", "crf"])
def test_the_best_sequences_and_their_probabilities_are_those_of_all_sequences(decoder: str) -> None:
    model = make(decoder)
    sentence = ["The", "cat", "ate", "apple"]
    every = path_scores(model, model.scores([sentence])[0].astype(np.float64))
    whole = float(np.logaddexp.reduce(list(every.values())))
    best = sorted(every, key=every.__getitem__, reverse=True)[:7]
    found = model.nbest(sentence, 7)
    assert [labels for labels, _ in found] == [
        convert([SPAN_LABELS[number] for number in path], "bioes", "iob2") for path in best
    ]
    for (_, log_probability), path in zip(found, best, strict=True):
        assert math.isclose(log_probability, every[path] - whole, abs_tol=1e-6)
    assert found[0][0] == model.tag([sentence])[0]
    if decoder == "crf":
        marginals = np.zeros((4, 6))
        for path, score in every.items():
            marginals[range(4), path] += math.exp(score - whole)
        np.testing.assert_allclose(model.probabilities([sentence])[0], marginals, atol=1e-6)


def test_softmax_lists_products_of_independent_probabilities() -> None:
    model = make("softmax", "none")
    sentence = ["The", "cat", "ate"]
    probabilities = model.probabilities([sentence])[0]
    np.testing.assert_allclose(probabilities.sum(1), 1)
    every = {path: probabilities[range(3), path].prod() for path in product(range(6), repeat=3)}
    for (labels, log_probability), path in zip(
        model.nbest(sentence, 5), sorted(every, key=every.__getitem__, reverse=True)[:5], strict=True
    ):
        assert labels == [SPAN_LABELS[number] for number in path]
        assert math.isclose(math.exp(log_probability), every[path], rel_tol=1e-6)


def test_lists_hold_no_labels_twice_where_the_scheme_writes_several_alike() -> None:
    listed = [tuple(labels) for labels, _ in make("crf", "io").nbest(["The", "cat", "ate"], 30)]
    assert len(listed) == len(set(listed)) < 30


@pytest.mark.parametrize("decoder", DECODERS)
def test_the_probability_of_a_label_is_that_of_the_label_given(decoder: str) -> None:
    model = make(decoder, "bioes")
    sentences = random_sentences([5, 0, 3])
    best, tables = model.tag(sentences), model.probabilities(sentences)
    for (labels, chosen), same, table in zip(
        model.tag_with_probabilities(sentences), best, tables, strict=True
    ):
        assert labels == same
        np.testing.assert_allclose(
            chosen, [table[time, SPAN_LABELS.index(label)] for time, label in enumerate(labels)]
        )


def test_states_stand_at_their_tokens() -> None:
    model = make(num_layers=2)
    shown = model.states(["The", "dog", "ate"])
    assert shown["encoder.1.backward.c"].shape == (3, 5)
    y = np.concatenate([shown["encoder.1.forward.h"], shown["encoder.1.backward.h"]], axis=1)
    np.testing.assert_allclose(
        y @ model._output + model._bias, model.scores([["The", "dog", "ate"]])[0], atol=1e-6
    )
    assert model.states(["The"], {"encoder.0.forward.f"}).keys() == {"encoder.0.forward.f"}


def test_known_words_are_those_of_the_training_data() -> None:
    model = make()
    assert model.known("dog") and model.known("20 000")
    assert not model.known("cat")


def test_an_unseen_word_without_unknown_row_is_the_mean_of_all_words() -> None:
    """The toy tagger's way: its gates are the mean of all words' gates, the first layer's input being linear."""
    model = tagger(
        TaggerSettings(features=(Feature(name="form", dim=6, unknown=False),), projection=0, hidden_size=5)
    )
    with model._cache.lookup([*WORDS, "cat"]) as found:
        assert found is not None
        gates = found[0][found[1]]
    np.testing.assert_allclose(gates[-1], gates[:-1].mean(0), atol=1e-5)


def test_it_can_be_sent_to_another_process() -> None:
    model = make()
    sentences = random_sentences([5, 9])
    before = model.tag(sentences)
    assert pickle.loads(pickle.dumps(model)).tag(sentences) == before


def test_composed_and_decomposed_words_are_one() -> None:
    model = make("softmax", "none")
    assert model.known("na\u00efve") and model.known("nai\u0308ve")
    np.testing.assert_array_equal(model.scores([["na\u00efve"]])[0], model.scores([["nai\u0308ve"]])[0])
