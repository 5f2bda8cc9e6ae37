"""Weights: initial draws by seed, names in a model directory, and exchange with arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from seqtool.errors import ModelError
from seqtool.models.character import build_character_network
from seqtool.models.recurrent import Direction, RecurrentStack, flatten_parameters
from seqtool.models.tagger import build_tagger_network
from seqtool.models.weights import (
    copy_to_device,
    join_in_one_buffer,
    load_weights,
    seed_generator,
    stored_parameters,
    weight_arrays,
)
from seqtool.settings.data import TaggerData
from seqtool.settings.experiment import CharSettings, TaggerSettings
from seqtool.settings.model import Cell, CharModel, Feature, RecurrentModel, TaggerModel
from seqtool.settings.training import Training
from tests.support.small_networks import character_network, tagger_network

# --- initial draws ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skip", [0, 1, 16, 1000])
def test_seed_skip_discards_single_draws(skip: int) -> None:
    seed_generator(7, skip)
    found = torch.empty(5).uniform_(-1, 1)
    torch.manual_seed(7)
    for _ in range(skip):
        torch.rand(1)
    assert torch.equal(found, torch.empty(5).uniform_(-1, 1))


def test_seed_skip_16_equals_the_unused_cell_of_the_notebook() -> None:
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


def test_tagger_weights_are_drawn_in_the_order_of_the_notebook() -> None:
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


def test_equal_seeds_draw_equal_weights() -> None:
    first, again, other = (weight_arrays(tagger_network(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["output.weight"], other["output.weight"])


# --- names --------------------------------------------------------------------------------------------------


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
def test_character_weights_have_the_names_of_a_model_directory(
    model: dict[str, Any], names: set[str]
) -> None:
    found = {name for name in weight_arrays(character_network(**model)) if not name.startswith("encoder.")}
    assert found == names


def test_tagger_weights_have_the_names_of_a_model_directory() -> None:
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


def test_recurrent_weights_have_the_names_of_a_model_directory() -> None:
    network = nn.Module()
    network.encoder = RecurrentStack(
        RecurrentModel(num_layers=2, hidden_size=3, initial_state="learned"), 2, bidirectional=True
    )
    parts = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    places = [f"{layer}.{direction}" for layer in range(2) for direction in ("forward", "backward")]
    expected = {f"encoder.{place}.{part}" for place in places for part in parts}
    assert set(stored_parameters(network)) == expected | {
        f"initial_state.{place}.{part}" for place in places for part in "hc"
    }
    assert {name for name in network.state_dict() if "initial" not in name} == expected


# --- exchange with arrays -----------------------------------------------------------------------------------


def test_weight_arrays_are_copies_and_can_be_loaded() -> None:
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
    for weights, message in [
        ({name: array for name, array in other.items() if name != "output.bias"}, "output.bias is missing"),
        ({**other, "stranger": other["output.bias"]}, "stranger is not a weight of this network"),
        ({**other, "output.bias": other["output.bias"][:2]}, "output.bias"),
    ]:
        with pytest.raises(ModelError, match=message):
            load_weights(network, weights)
    assert all(np.array_equal(before[name], array) for name, array in weight_arrays(network).items())


# --- memory of a GPU ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_weights_in_one_buffer_give_equal_outputs_and_updates(cell: Cell) -> None:
    torch.manual_seed(1)
    plain = Direction(RecurrentModel(cell=cell, hidden_size=5), 3)
    flat = Direction(RecurrentModel(cell=cell, hidden_size=5), 3)
    flat.load_state_dict(plain.state_dict())
    buffer = join_in_one_buffer([flat.weight_ih, flat.weight_hh, flat.bias_ih, flat.bias_hh])
    x, state = torch.randn(7, 2, 3), tuple(torch.zeros(2, 5) for _ in range(2 if cell == "lstm" else 1))
    for _ in range(3):
        outputs = []
        for direction in (plain, flat):
            direction.zero_grad()
            y, *_ = direction(x, state)
            y.square().sum().backward()
            outputs.append(y)
            with torch.no_grad():
                for weight in direction.parameters():
                    assert weight.grad is not None
                    weight.sub_(0.1 * weight.grad)
        assert torch.equal(*outputs)
    assert torch.equal(buffer, torch.cat([weight.detach().flatten() for weight in plain.parameters()]))
    assert {weight.untyped_storage().data_ptr() for weight in flat.parameters()} == {
        buffer.untyped_storage().data_ptr()
    }


def test_cpu_tensors_are_neither_copied_nor_moved() -> None:
    tensor = torch.ones(3)
    assert copy_to_device(tensor, torch.device("cpu")) is tensor
    direction = Direction(RecurrentModel(hidden_size=4), 3)
    before = [weight.data_ptr() for weight in direction.parameters()]
    assert [weight.data_ptr() for weight in flatten_parameters(direction).parameters()] == before
