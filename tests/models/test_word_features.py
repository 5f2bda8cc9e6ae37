"""Word features against what they are said to be, word by word."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from seqtool.models.tagger import (
    CharacterCnn,
    CharacterLstm,
    FeatureEmbedding,
    TaggerNetwork,
    WordFeatures,
    WordInput,
)
from seqtool.settings import Feature, TaggerModel
from seqtool.types import Array

WORDS = [[1, 3, 4, 5, 6, 2], [1, 7, 2], [1, 2], [1, 3, 3, 2]]
LENGTHS = torch.tensor([len(word) for word in WORDS])
CHARACTERS = torch.tensor([word + [-1] * (6 - len(word)) for word in WORDS])


def test_an_unseen_value_without_unknown_row_gets_the_mean_of_all_rows() -> None:
    torch.manual_seed(0)
    part = FeatureEmbedding(Feature(name="form", dim=4, unknown=False), 5)
    found = part(torch.tensor([[0, -1], [4, 2]]))
    assert torch.equal(found[0, 0], part.weight[0]) and torch.equal(found[1, 0], part.weight[4])
    assert torch.allclose(found[0, 1], part.weight.mean(0))


def test_row_0_is_the_unknown_one_where_there_is_one() -> None:
    part = FeatureEmbedding(Feature(name="form", dim=4), 5)
    assert torch.equal(part(torch.tensor([[0, 3]]))[0], part.weight[[0, 3]])


@pytest.mark.parametrize("frozen", [False, True])
def test_vectors_come_from_their_file(frozen: bool) -> None:
    vectors = torch.randn(3, 2)
    part = FeatureEmbedding(
        Feature(name="vectors", dim=2, path="v.txt", frozen=frozen, unknown=False), 3, vectors
    )
    assert torch.equal(part.weight, vectors) and part.weight.requires_grad is not frozen
    assert part.weight.data_ptr() != vectors.data_ptr()  # training leaves the caller's array alone
    assert part.has_unknown_row


def convolved(part: CharacterCnn, word: list[int]) -> Array:
    """One word by itself: padded with end marks to the filter's width, convolved, ReLU, maximum over its own positions."""
    width = part.width
    word = word + [2] * (width - len(word))
    x = part.embedding.weight.detach().numpy()[word]
    weight, bias = part.conv.weight.detach().numpy(), part.conv.bias
    assert bias is not None
    windows = [x[place : place + width] for place in range(len(word) - width + 1)]
    values = [np.einsum("wc,dcw->d", window, weight) + bias.detach().numpy() for window in windows]
    found: Array = np.maximum(np.max(values, axis=0), 0)
    return found


@pytest.mark.parametrize("width", [1, 2, 3, 5, 8])
def test_the_character_cnn_reads_each_word_by_itself(width: int) -> None:
    torch.manual_seed(0)
    part = CharacterCnn(Feature(name="char_cnn", dim=7, char_dim=3, width=width), 9)
    found = part(CHARACTERS, LENGTHS).detach().numpy()
    for row, word in zip(found, WORDS, strict=True):
        np.testing.assert_allclose(row, convolved(part, word), rtol=1e-5, atol=1e-6)


def test_the_character_lstm_gives_the_last_states_of_both_directions() -> None:
    torch.manual_seed(0)
    part = CharacterLstm(Feature(name="char_lstm", dim=4, char_dim=3), 9)
    found = part(CHARACTERS, LENGTHS)
    start = (torch.zeros(1, 4), torch.zeros(1, 4))
    for row, word in zip(found, WORDS, strict=True):
        x = part.embedding(torch.tensor(word)).unsqueeze(1)
        ahead, _ = part.directions[0](x, start)
        back, _ = part.directions[1](x.flip(0), start)
        assert torch.allclose(row, torch.cat([ahead[-1, 0], back[-1, 0]]), atol=1e-6)


FEATURES = (
    Feature(name="char_cnn", dim=3, char_dim=2, width=3),
    Feature(name="lower", dim=4),
    Feature(name="char_lstm", dim=2, char_dim=2),
    Feature(name="shape", dim=1, unknown=False),
)


def word_input(order: list[int]) -> tuple[WordInput, Tensor]:
    """Two sentences of two words; `order` says which row of the character table each of four distinct words has."""
    tokens = torch.tensor([[0, 3], [1, 2]])
    places = torch.tensor(order)
    ids = torch.stack([tokens, tokens], dim=2)
    back = torch.argsort(places)
    return WordInput(ids, CHARACTERS[back], LENGTHS[back], places[tokens]), tokens


def test_features_stand_side_by_side_in_the_order_of_the_settings() -> None:
    torch.manual_seed(0)
    features = WordFeatures(FEATURES, [0, 9, 0, 9], 9, {})
    given, tokens = word_input([0, 1, 2, 3])
    found = features(given)
    assert features.width == 3 + 4 + 4 + 1 == found.shape[2]
    cnn, lower, lstm, shape = features.parts
    assert torch.equal(found[:, :, :3], cnn(CHARACTERS, LENGTHS)[tokens])
    assert torch.equal(found[:, :, 3:7], lower(tokens))
    assert torch.equal(found[:, :, 7:11], lstm(CHARACTERS, LENGTHS)[tokens])
    assert torch.equal(found[:, :, 11:], shape(tokens))
    other, _ = word_input([2, 0, 3, 1])
    assert torch.allclose(features(other), found, atol=1e-6)
    assert {name.split(".")[0] for name, _ in features.named_parameters()} == {"0", "1", "2", "3"}
    assert {"2.forward.weight_ih", "2.backward.bias_hh", "0.conv.bias", "1.weight"} <= {
        name for name, _ in features.named_parameters()
    }


def test_gradients_are_those_found_by_small_changes() -> None:
    torch.manual_seed(0)
    features = WordFeatures(FEATURES, [0, 4, 0, 4], 9, {}).double()
    given, _ = word_input([0, 1, 2, 3])
    assert torch.autograd.gradcheck(lambda *_: features(given), tuple(features.parameters()))


@pytest.mark.parametrize(
    ("given", "projection", "scale"),
    [(None, 8, 0.1), (None, 0, 1.0), (0.3, 8, 0.3), (0.3, 0, 0.3), (0.0, 8, 0.0)],
)
def test_first_embeddings_are_small_before_a_projection(
    given: float | None, projection: int, scale: float
) -> None:
    """0.1 by default, so that rare words say little; torch's own 1 without a projection, as in the notebook."""
    model = TaggerModel(
        features=(Feature(name="form", dim=50),), hidden_size=4, projection=projection, embedding_scale=given
    )
    torch.manual_seed(0)
    network = TaggerNetwork(model, [400], 0, 2, (np.ones(2, bool), np.ones((2, 2), bool), np.ones(2, bool)))
    (part,) = network.features.parts
    assert isinstance(part, FeatureEmbedding)
    assert float(part.weight.detach().std()) == pytest.approx(scale, rel=0.05)
