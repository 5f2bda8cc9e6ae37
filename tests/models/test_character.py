"""Character network: one-hot input, tied weights, adaptive softmax, and a network without output layer."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from seqtool.models.recurrent import Masks
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


# --- adaptive softmax ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("cutoffs", [(2,), (1, 4), (3, 5), (2, 9)])
def test_adaptive_loss_is_the_cross_entropy_of_the_log_probabilities(
    tied: bool, cutoffs: tuple[int, ...]
) -> None:
    network = character_network(output="adaptive", cutoffs=cutoffs, tied=tied, embedding_dim=3)
    y = torch.randn(7, 4, 5, dtype=torch.float32, requires_grad=True)
    targets = torch.randint(-1, 6, (7, 4), generator=torch.Generator().manual_seed(1))
    log_probabilities = network.scores(y)
    assert torch.allclose(log_probabilities.exp().sum(-1), torch.ones(7, 4), atol=1e-5)
    expected = functional.nll_loss(
        log_probabilities.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum"
    )
    found = network.loss(y, targets)
    assert torch.allclose(found, expected, atol=1e-4)
    parameters = [y, *(value for value in network.parameters() if value.requires_grad)]
    for ours, theirs in zip(
        torch.autograd.grad(found, parameters, allow_unused=True),
        torch.autograd.grad(expected, parameters, allow_unused=True),
        strict=True,
    ):
        assert (ours is None) == (theirs is None)
        assert ours is None or torch.allclose(ours, theirs, atol=1e-4)


def test_cutoffs_beyond_the_vocabulary_have_no_effect() -> None:
    network = character_network(output="adaptive", cutoffs=(6, 100))
    assert network.clusters is None and network.bounds == (6,)


def test_mask_of_symbols_drops_whole_embeddings() -> None:
    network = character_network(embedding_dim=3)
    mask = torch.tensor([[0.0], [2.0], [2.0], [2.0], [2.0], [2.0]])
    ids, state = torch.tensor([[0, 1], [2, 0]]), network.encoder.initial_state(2)
    found, _ = network.read(ids, state, Masks(symbols=mask))
    assert network.embedding is not None
    x = network.embedding(ids) * mask[ids]
    assert torch.equal(found, network.encoder(x, state)[0])
