"""Whole networks: how weights are drawn, named, taken out and put back, and how scores come about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from seqtool.errors import ModelError
from seqtool.models.character import CharacterNetwork, build_character_network
from seqtool.models.recurrent import Masks
from seqtool.models.tagger import TaggerNetwork, WordInput, build_tagger_network
from seqtool.models.weights import load_weights, seed_generator, weight_arrays
from seqtool.settings import (
    CharModel,
    CharSettings,
    Feature,
    TaggerData,
    TaggerModel,
    TaggerSettings,
    Training,
)


def character_network(seed: int = 1, **model: Any) -> CharacterNetwork:
    return build_character_network(CharSettings(seed=seed, model=CharModel(hidden_size=5, **model)), 6)


def tagger_network(seed: int = 1, **given: Any) -> TaggerNetwork:
    features = (Feature(name="form", dim=4), Feature(name="suffix", dim=3))
    model = TaggerModel(**{"features": features, "hidden_size": 5, "projection": 6, **given})
    allowed: Any = (np.ones(3, bool), np.ones((3, 3), bool), np.ones(3, bool))
    return build_tagger_network(
        TaggerSettings(seed=seed, data=TaggerData(train=("x",)), model=model), [9, 7], 0, 3, allowed
    )


@pytest.mark.parametrize("skip", [0, 1, 16, 1000])
def test_seed_skip_throws_single_draws_away(skip: int) -> None:
    seed_generator(7, skip)
    found = torch.empty(5).uniform_(-1, 1)
    torch.manual_seed(7)
    for _ in range(skip):
        torch.rand(1)
    assert torch.equal(found, torch.empty(5).uniform_(-1, 1))


def test_the_notebooks_unused_cell_draws_16_numbers() -> None:
    torch.manual_seed(777)
    nn.RNN(4, 2)
    rnn, linear = nn.RNN(5, 4), nn.Linear(4, 5)
    settings = CharSettings(
        seed=777,
        model=CharModel(cell="rnn", input="onehot", hidden_size=4),
        training=Training(epochs=1, seed_skip=16),
    )
    ours = build_character_network(settings, 5)
    assert all(
        torch.equal(a, b)
        for a, b in zip(ours.parameters(), [*rnn.parameters(), *linear.parameters()], strict=True)
    )


def test_the_notebooks_tagger_is_drawn_from_the_embedding_upwards() -> None:
    torch.manual_seed(777)
    theirs = [*nn.Embedding(9, 6).parameters(), *nn.LSTM(6, 6).parameters(), *nn.Linear(6, 3).parameters()]
    features = (Feature(name="form", dim=6, unknown=False),)
    model = TaggerModel(
        features=features,
        hidden_size=6,
        projection=0,
        bidirectional=False,
        forget_bias=None,
        decoder="softmax",
    )
    settings = TaggerSettings(seed=777, data=TaggerData(train=("x",)), model=model)
    allowed: Any = (np.ones(3, bool), np.ones((3, 3), bool), np.ones(3, bool))
    ours = build_tagger_network(settings, [9], 0, 3, allowed)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs, strict=True))


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ({}, {"embedding.weight", "output.weight", "output.bias"}),
        ({"input": "onehot"}, {"output.weight", "output.bias"}),
        ({"tied": True, "embedding_dim": 5}, {"embedding.weight", "output.bias"}),
        ({"tied": True, "embedding_dim": 3}, {"embedding.weight", "bridge.weight", "output.bias"}),
        ({"output": "none"}, {"embedding.weight"}),
    ],
)
def test_character_weights_bear_the_names_of_a_model_directory(
    model: dict[str, Any], names: set[str]
) -> None:
    found = {name for name in weight_arrays(character_network(**model)) if not name.startswith("encoder.")}
    assert found == names


def test_tagger_weights_bear_the_names_of_a_model_directory() -> None:
    encoder = {"encoder.0.forward", "encoder.0.backward"}
    names = {name for name in weight_arrays(tagger_network(decoder="crf")) if not name.startswith("encoder.")}
    assert names == {
        *(f"features.{index}.weight" for index in range(2)),
        *(f"{part}.{kind}" for part in ("projection", "norm", "output") for kind in ("weight", "bias")),
        *(f"crf.{part}" for part in ("start", "transitions", "end")),
    }
    assert {
        name.rpartition(".")[0]
        for name in weight_arrays(tagger_network(projection=0))
        if name.startswith("encoder.")
    } == encoder
    assert not any(
        name.startswith(("norm", "projection")) for name in weight_arrays(tagger_network(projection=0))
    )
    assert not any(name.startswith("norm") for name in weight_arrays(tagger_network(layer_norm=False)))


def test_arrays_are_copies_and_go_back() -> None:
    first, second = character_network(1), character_network(2)
    weights = weight_arrays(first)
    weights["output.bias"][:] += 1
    assert not np.array_equal(weights["output.bias"], weight_arrays(first)["output.bias"])
    load_weights(second, weights)
    assert all(np.array_equal(weights[name], array) for name, array in weight_arrays(second).items())
    assert all(array.dtype == np.float32 and array.flags.c_contiguous for array in weights.values())


def test_weights_that_do_not_fit_are_refused_and_change_nothing() -> None:
    network = character_network(1)
    before = weight_arrays(network)
    other = weight_arrays(character_network(2))
    for weights, said in [
        ({name: array for name, array in other.items() if name != "output.bias"}, "output.bias is missing"),
        ({**other, "stranger": other["output.bias"]}, "stranger is not a weight of this network"),
        ({**other, "output.bias": other["output.bias"][:2]}, "output.bias"),
    ]:
        with pytest.raises(ModelError, match=said):
            load_weights(network, weights)
    assert all(np.array_equal(before[name], array) for name, array in weight_arrays(network).items())


def test_a_onehot_input_takes_columns_of_the_input_matrix() -> None:
    network = character_network(input="onehot")
    ids = torch.tensor([[0, 3], [5, 1]])
    state = network.encoder.initial_state(2)
    ours, _ = network(ids, state)
    y, _ = network.encoder(functional.one_hot(ids, 6).float(), state)
    assert torch.equal(ours, network.scores(y))


@pytest.mark.parametrize("width", [3, 5])
def test_tied_scores_are_products_with_the_embedding(width: int) -> None:
    network = character_network(tied=True, embedding_dim=width)
    y = torch.randn(2, 3, 5)
    h = y if network.bridge is None else y @ network.bridge.weight.T
    assert network.embedding is not None
    weights = dict(network.named_parameters())
    assert torch.allclose(
        network.scores(y), h @ network.embedding.weight.T + weights["output.bias"], atol=1e-6
    )
    network.scores(y).sum().backward()  # type: ignore[no-untyped-call]
    assert (network.bridge is None) is (width == 5)


def test_without_output_layer_the_states_come_out() -> None:
    network = character_network(output="none")
    logits, state = network(torch.tensor([[1], [2]]), network.encoder.initial_state(1))
    assert torch.equal(logits[-1], state[0][0])


def test_dense_layer_norm_and_gelu_are_those_of_the_paper() -> None:
    network = tagger_network()
    x = torch.randn(2, 3, 7)
    weights = {name: torch.from_numpy(array).double() for name, array in weight_arrays(network).items()}
    y = x.double() @ weights["projection.weight"].T + weights["projection.bias"]
    y = (y - y.mean(2, keepdim=True)) / (y.var(2, unbiased=False, keepdim=True) + 1e-5).sqrt() * weights[
        "norm.weight"
    ] + weights["norm.bias"]
    expected = 0.5 * y * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (y + 0.044715 * y**3)))
    assert torch.allclose(network._project(x).double(), expected, atol=1e-5)


def test_the_taggers_input_mask_lies_on_the_features() -> None:
    network = tagger_network(bidirectional=False)
    ids = torch.tensor([[[1, 2], [3, 4]], [[5, 6], [7, 0]]])
    mask = torch.tensor([[0.0, 2.0, 2.0, 0.0, 2.0, 2.0, 0.0], [1.0] * 7])
    lengths, state = torch.tensor([2, 2]), network.encoder.initial_state(2)
    found = network(WordInput(ids), lengths, state, Masks(input=mask))
    y, _ = network.encoder(network._project(network.features(WordInput(ids)) * mask), state)
    assert torch.equal(found, network.output(y))


def test_of_a_hidden_word_the_tagger_sees_nothing() -> None:
    network = tagger_network()
    lengths, state = torch.tensor([3]), network.encoder.initial_state(1)
    seen = torch.tensor([1.0, 0.0, 1.0]).view(3, 1, 1)
    ids = torch.tensor([[1, 2], [3, 4], [5, 6]]).unsqueeze(1)
    other = torch.tensor([[1, 2], [6, 0], [5, 6]]).unsqueeze(1)
    found = network(WordInput(ids), lengths, state, None, seen)
    assert torch.equal(found, network(WordInput(other), lengths, state, None, seen))
    assert not torch.equal(found, network(WordInput(ids), lengths, state))
    assert torch.equal(
        network(WordInput(ids), lengths, state, None, torch.ones(3, 1, 1)),
        network(WordInput(ids), lengths, state),
    )


def test_a_sentence_is_scored_the_same_in_any_batch() -> None:
    network = tagger_network(num_layers=2, residual=True)
    ids = torch.randint(0, 7, (5, 3, 2))
    lengths = torch.tensor([5, 4, 2])
    together = network(WordInput(ids), lengths, network.encoder.initial_state(3))
    for column, length in enumerate(lengths.tolist()):
        alone = network(
            WordInput(ids[:length, column : column + 1]),
            torch.tensor([length]),
            network.encoder.initial_state(1),
        )
        assert torch.allclose(alone[:, 0], together[:length, column], atol=1e-5)


def test_gradients_of_a_whole_tagger_are_those_found_by_small_changes() -> None:
    network = tagger_network(decoder="crf", hidden_size=2, projection=3).double()
    ids, lengths = torch.tensor([[[1, 2], [3, 4]], [[5, 6], [0, 0]]]), torch.tensor([2, 1])
    labels = torch.tensor([[0, 2], [1, -1]])
    assert network.crf is not None
    crf = network.crf

    def loss(*_: torch.Tensor) -> torch.Tensor:
        return crf.loss(network(WordInput(ids), lengths, network.encoder.initial_state(2)), labels, lengths)

    assert torch.autograd.gradcheck(loss, tuple(network.parameters()))


def test_equal_seeds_draw_equal_weights() -> None:
    first, again, other = (weight_arrays(tagger_network(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["output.weight"], other["output.weight"])
