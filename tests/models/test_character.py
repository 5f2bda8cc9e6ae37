"""Character network: one-hot input, tied weights, and a network without output layer."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from tests.support.small_networks import character_network


def test_onehot_input_selects_columns_of_the_input_matrix() -> None:
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


def test_network_without_output_layer_returns_the_states() -> None:
    network = character_network(output="none")
    logits, state = network(torch.tensor([[1], [2]]), network.encoder.initial_state(1))
    assert torch.equal(logits[-1], state[0][0])
