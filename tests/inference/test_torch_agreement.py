"""Tests that numpy and torch agree on the scores of networks of many configurations.

The tolerance is 1e-5 * max(1, |logit|).
"""

from __future__ import annotations

import os
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqtool.decoding import constraint_scores, viterbi
from seqtool.inference.character import CharacterModel
from seqtool.inference.load import character_shapes, load_character_model, load_tagger, tagger_shapes
from seqtool.inference.model_config import read_word_vocabulary
from seqtool.inference.tagger import TaggerModel
from seqtool.models.character import build_character_network
from seqtool.models.tagger import TaggerNetwork, build_tagger_network
from seqtool.models.weights import weight_arrays
from seqtool.settings.data import TaggerData
from seqtool.settings.experiment import CharSettings, TaggerSettings
from seqtool.settings.model import CharModel, Feature
from seqtool.settings.model import TaggerModel as TaggerModelSettings
from seqtool.spans import allowed_transitions
from seqtool.types import Array
from tests.support.agreement import (
    CASES,
    TOLERANCE,
    Case,
    Text,
    both,
    compare,
    network_settings,
    torch_scores,
)
from tests.support.random_models import (
    FEATURES,
    SPAN_LABELS,
    character_parts,
    random_sentences,
    stored_model,
    tagger_parts,
)

CELLS: list[dict[str, Any]] = [
    {"cell": "lstm"},
    {"cell": "gru"},
    {"cell": "rnn"},
    {"cell": "rnn", "nonlinearity": "relu"},
]
STACKS: list[dict[str, Any]] = [
    {"num_layers": layers, "residual": residual, "initial_state": start}
    for layers, residual, start in [
        (1, False, "zeros"),
        (1, False, "learned"),
        (2, True, "random"),
        (3, False, "learned"),
        (3, True, "zeros"),
    ]
]
SYMBOLS = "abcdefgh"


def randomize(network: torch.nn.Module) -> None:
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(-0.4, 0.4)
    network.eval()


def assert_close(ours: Array, theirs: Array) -> None:
    assert ours.shape == theirs.shape
    assert (np.abs(ours - theirs) <= 1e-5 * np.maximum(1, np.abs(theirs))).all()


INPUTS: list[dict[str, Any]] = [
    {"input": "onehot"},
    {"input": "embedding", "embedding_dim": 5},
    {"input": "embedding", "embedding_dim": 5, "tied": True},
    {"input": "embedding", "embedding_dim": 9, "tied": True},
    {"input": "onehot", "output": "none"},
    {"input": "embedding", "embedding_dim": 5, "tied": True, "output": "adaptive", "cutoffs": (3, 5)},
    {"input": "onehot", "output": "adaptive", "cutoffs": (2, 3, 90)},
]


@pytest.mark.parametrize(("cell", "entering"), list(product(CELLS, INPUTS)))
def test_character_model_agrees_with_torch(cell: dict[str, Any], entering: dict[str, Any]) -> None:
    ids = np.random.default_rng(0).integers(0, len(SYMBOLS), (13, 3))
    for stack in STACKS:
        settings = CharSettings(model=CharModel(hidden_size=9, **cell, **entering, **stack))
        network = build_character_network(settings, len(SYMBOLS))
        randomize(network)
        config, vocab, _ = character_parts(settings.model, SYMBOLS)
        weights = weight_arrays(network)
        assert {name: array.shape for name, array in weights.items()} == character_shapes(
            settings.model, len(SYMBOLS)
        )
        model = load_character_model(stored_model((config, vocab, weights)))
        with torch.no_grad():
            expected, last = network(torch.from_numpy(ids), network.encoder.initial_state(3))
        logits, state = model.forward(ids)
        assert_close(logits, expected.numpy())
        for ours, theirs in zip(state, last, strict=True):
            for part, tensor in zip(ours, theirs, strict=True):
                assert_close(part[0], tensor.numpy())
        assert_close(step_by_step(model, ids), expected.numpy())


def step_by_step(model: CharacterModel, ids: Array) -> Array:
    state, steps = model.initial_state(ids.shape[1]), []
    for symbols in ids:
        logits, state = model.step(symbols, state)
        steps.append(logits)
    return np.stack(steps)


FEATURE_LISTS: dict[str, tuple[Feature, ...]] = {
    "look-up": FEATURES,
    "toy": (Feature(name="form", dim=6, unknown=False),),
    "cnn": (Feature(name="char_cnn", dim=6, char_dim=4, width=3), Feature(name="lower", dim=4)),
    "lstm": (
        Feature(name="suffix", length=2, dim=3),
        Feature(name="char_lstm", dim=4, char_dim=3),
        Feature(name="char_cnn", dim=3, width=5),
    ),
}
ENDS: list[dict[str, Any]] = [
    {"decoder": "softmax", "bidirectional": True, "projection": 8},
    {"decoder": "viterbi", "bidirectional": True, "projection": 8, "layer_norm": False},
    {"decoder": "crf", "bidirectional": True, "projection": 0},
    {"decoder": "crf", "bidirectional": False, "projection": 8},
    {"decoder": "softmax", "bidirectional": False, "projection": 0},
]


@pytest.mark.parametrize(("features", "cell"), list(product(FEATURE_LISTS, CELLS)))
def test_tagger_agrees_with_torch(features: str, cell: dict[str, Any]) -> None:
    for end, stack in product(ENDS, STACKS):
        model = TaggerModelSettings(features=FEATURE_LISTS[features], hidden_size=7, **cell, **end, **stack)
        config, vocab, _ = tagger_parts(model)
        network = torch_tagger(model, load_tagger(stored_model(tagger_parts(model))))
        weights = weight_arrays(network)
        assert {name: array.shape for name, array in weights.items()} == tagger_shapes(
            model, read_word_vocabulary(vocab, model)
        )
        tagger = load_tagger(stored_model((config, vocab, weights)))
        sentences = random_sentences((4, 9, 1, 9))
        expected = torch_scores(network, tagger, sentences)
        for sentence, ours, theirs in zip(sentences, tagger.scores(sentences), expected, strict=True):
            assert_close(ours, theirs)
            decided = decode(network, tagger, theirs)
            assert tagger.tag([sentence])[0] == tagger.to_file_scheme(
                [tagger.labels[number] for number in decided]
            )


def torch_tagger(model: TaggerModelSettings, like: TaggerModel) -> TaggerNetwork:
    settings = TaggerSettings(data=TaggerData(train=("x",)), model=model)
    rows = [like.encoder.rows(index) for index in range(len(like.encoder.features))]
    allowed = allowed_transitions(SPAN_LABELS, "bioes")
    network = build_tagger_network(
        settings, rows, len(like.encoder.characters or ()) + 3, len(SPAN_LABELS), allowed
    )
    randomize(network)
    return network


EWT = Path(os.environ.get("SEQTOOL_DATA", "")) / "ud_english_ewt"
CHOSEN = CASES[::17]  # `python -m tests.benchmarks.agreement` looks at all of them


def test_chosen_cases_contain_every_value_of_every_dimension() -> None:
    for dimension in fields(Case):
        every, chosen = ({getattr(case, dimension.name) for case in cases} for cases in (CASES, CHOSEN))
        assert chosen == every


@pytest.fixture(scope="module")
def ewt() -> Text:
    return Text.of(EWT)


@pytest.mark.skipif(
    not (os.environ.get("SEQTOOL_DATA") and EWT.is_dir()), reason="SEQTOOL_DATA does not name the real data"
)
@pytest.mark.parametrize("case", CHOSEN, ids=str)
def test_tagger_agrees_with_torch_on_real_sentences(case: Case, ewt: Text) -> None:
    assert len(ewt.sentences) == 2001
    agreement = compare(*both(network_settings(case, hidden=16), ewt.counts), ewt)
    assert agreement.tokens == 25_147
    assert agreement.deviation <= TOLERANCE
    assert not agreement.wrong


def decode(network: TaggerNetwork, tagger: TaggerModel, scores: Array) -> list[int]:
    """Return the label numbers that training decodes."""
    if tagger.settings.decoder == "softmax":
        return scores.argmax(1).tolist()  # type: ignore[no-any-return]
    parts = list(constraint_scores(tagger.labels, tagger.inner_scheme))
    if network.crf is not None:
        learned = (network.crf.start, network.crf.transitions, network.crf.end)
        parts = [part + more.detach().numpy() for part, more in zip(parts, learned, strict=True)]
    return viterbi(scores[:, None], np.array([len(scores)]), *parts)[:, 0].tolist()  # type: ignore[no-any-return]


def test_cell_of_the_lecture_ends_in_the_printed_state() -> None:
    settings = CharSettings(
        seed=777, model=CharModel(cell="rnn", input="onehot", hidden_size=2, output="none")
    )
    config, vocab, _ = character_parts(settings.model, "helo")
    model = load_character_model(
        stored_model((config, vocab, weight_arrays(build_character_network(settings, 4))))
    )
    assert np.round(model.states("hello")["encoder.0.h"][-1], 4).tolist() == pytest.approx([-0.7762, 0.8319])
