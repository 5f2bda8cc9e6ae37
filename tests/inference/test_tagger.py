"""Tests of taggers: labels, probabilities, n-best lists, states and edge cases."""

from __future__ import annotations

import math
import pickle
from itertools import product
from typing import Any

import numpy as np
import pytest

from seqtool.inference.tagger import BATCH_SENTENCES, TaggerModel
from seqtool.settings.model import Feature
from seqtool.settings.model import TaggerModel as TaggerSettings
from seqtool.spans import convert, malformed
from seqtool.types import Array
from tests.support.random_models import FEATURES, SPAN_LABELS, WORDS, random_sentences, tagger

DECODERS = ("softmax", "viterbi", "crf")


def make(decoder: Any = "crf", scheme: str = "iob2", **options: Any) -> TaggerModel:
    return tagger(
        TaggerSettings(features=FEATURES, projection=6, hidden_size=5, decoder=decoder, **options),
        scheme=scheme,
    )


def path_scores(model: TaggerModel, scores: Array) -> dict[tuple[int, ...], float]:
    """Return the score of every label sequence by definition."""
    scores_of_paths = {}
    for path in product(range(len(model.labels)), repeat=len(scores)):
        total = (
            model.start[path[0]]
            + model.end[path[-1]]
            + sum(scores[time, label] for time, label in enumerate(path))
        )
        scores_of_paths[path] = float(
            total + sum(model.transitions[path[time - 1], path[time]] for time in range(1, len(path)))
        )
    return scores_of_paths


@pytest.mark.parametrize("decoder", DECODERS)
def test_labels_of_many_sentences_equal_those_of_single_sentences(decoder: str) -> None:
    model = make(decoder)
    sentences = random_sentences(
        [*np.random.default_rng(3).integers(0, 12, 2 * BATCH_SENTENCES + 9).tolist(), 300]
    )
    together = model.tag(sentences)
    assert [len(labels) for labels in together] == [len(sentence) for sentence in sentences]
    assert together == [model.tag([sentence])[0] for sentence in sentences]


@pytest.mark.parametrize("decoder", DECODERS)
def test_empty_sentences_get_empty_results(decoder: str) -> None:
    model = make(decoder)
    assert model.tag([]) == []
    assert model.tag([[], ["dog"], []])[::2] == [[], []]
    assert [part.shape for part in model.probabilities([[], ["dog"]])] == [(0, 6), (1, 6)]
    assert model.nbest([], 3) == [([], 0.0)]
    assert model.tag_with_probabilities([[]])[0][0] == []


@pytest.mark.parametrize(
    ("decoder", "scheme"), [("viterbi", "iob2"), ("crf", "bioes"), ("crf", "iob1"), ("viterbi", "io")]
)
def test_constrained_labels_are_well_formed_in_the_scheme_of_the_files(decoder: str, scheme: Any) -> None:
    for labels in make(decoder, scheme).tag(random_sentences([8] * 40)):
        assert not malformed(labels, scheme)


@pytest.mark.parametrize("decoder", ["viterbi", "crf"])
def test_nbest_and_marginals_equal_brute_force(decoder: str) -> None:
    model = make(decoder)
    sentence = ["The", "cat", "ate", "apple"]
    every = path_scores(model, model.scores([sentence])[0].astype(np.float64))
    whole = float(np.logaddexp.reduce(list(every.values())))
    best = sorted(every, key=every.__getitem__, reverse=True)[:7]
    listed = model.nbest(sentence, 7)
    assert [labels for labels, _ in listed] == [
        convert([SPAN_LABELS[number] for number in path], "bioes", "iob2") for path in best
    ]
    for (_, log_probability), path in zip(listed, best, strict=True):
        assert math.isclose(log_probability, every[path] - whole, abs_tol=1e-6)
    assert listed[0][0] == model.tag([sentence])[0]
    if decoder == "crf":
        marginals = np.zeros((4, 6))
        for path, score in every.items():
            marginals[range(4), path] += math.exp(score - whole)
        np.testing.assert_allclose(model.probabilities([sentence])[0], marginals, atol=1e-6)


def test_nbest_of_softmax_multiplies_independent_probabilities() -> None:
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


def test_nbest_has_no_equal_sequences_in_the_scheme_of_the_files() -> None:
    listed = [tuple(labels) for labels, _ in make("crf", "io").nbest(["The", "cat", "ate"], 30)]
    assert len(listed) == len(set(listed)) < 30


@pytest.mark.parametrize("decoder", DECODERS)
def test_probability_belongs_to_the_returned_label(decoder: str) -> None:
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


def test_states_belong_to_their_tokens() -> None:
    model = make(num_layers=2)
    shown = model.states(["The", "dog", "ate"])
    assert shown["encoder.1.backward.c"].shape == (3, 5)
    y = np.concatenate([shown["encoder.1.forward.h"], shown["encoder.1.backward.h"]], axis=1)
    np.testing.assert_allclose(
        y @ model._output + model._bias, model.scores([["The", "dog", "ate"]])[0], atol=1e-6
    )
    assert model.states(["The"], {"encoder.0.forward.f"}).keys() == {"encoder.0.forward.f"}


def test_known_words_come_from_the_training_data() -> None:
    model = make()
    assert model.known("dog") and model.known("20 000")
    assert not model.known("cat")


def test_unseen_word_without_unknown_row_has_the_mean_of_all_words() -> None:
    """Compare gates, as in the toy tagger: the input part of the first layer's gates is linear."""
    model = tagger(
        TaggerSettings(features=(Feature(name="form", dim=6, unknown=False),), projection=0, hidden_size=5)
    )
    with model._cache.lookup([*WORDS, "cat"]) as found:
        assert found is not None
        gates = found[0][found[1]]
    np.testing.assert_allclose(gates[-1], gates[:-1].mean(0), atol=1e-5)


def test_pickled_tagger_gives_the_same_labels() -> None:
    model = make()
    sentences = random_sentences([5, 9])
    before = model.tag(sentences)
    assert pickle.loads(pickle.dumps(model)).tag(sentences) == before


def test_composed_and_decomposed_forms_are_the_same_word() -> None:
    model = make("softmax", "none")
    assert model.known("na\u00efve") and model.known("nai\u0308ve")
    np.testing.assert_array_equal(model.scores([["na\u00efve"]])[0], model.scores([["nai\u0308ve"]])[0])
