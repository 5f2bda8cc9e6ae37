"""Tagger network: word features, masks, hidden words, and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from seqtool.models.recurrent import Masks
from seqtool.models.tagger import (
    CharacterCnn,
    CharacterLstm,
    FeatureEmbedding,
    TaggerNetwork,
    WordFeatures,
    WordInput,
)
from seqtool.models.weights import weight_arrays
from seqtool.settings.model import Feature, TaggerModel
from seqtool.types import Array
from tests.support.small_networks import tagger_network

WORDS = [[1, 3, 4, 5, 6, 2], [1, 7, 2], [1, 2], [1, 3, 3, 2]]
LENGTHS = torch.tensor([len(word) for word in WORDS])
CHARACTERS = torch.tensor([word + [-1] * (6 - len(word)) for word in WORDS])
FEATURES = (
    Feature(name="char_cnn", dim=3, char_dim=2, width=3),
    Feature(name="lower", dim=4),
    Feature(name="char_lstm", dim=2, char_dim=2),
    Feature(name="shape", dim=1, unknown=False),
)


def word_input(order: list[int]) -> tuple[WordInput, Tensor]:
    """Return two sentences of two words; `order` gives each distinct word its row of characters."""
    tokens = torch.tensor([[0, 3], [1, 2]])
    places = torch.tensor(order)
    ids = torch.stack([tokens, tokens], dim=2)
    back = torch.argsort(places)
    return WordInput(ids, CHARACTERS[back], LENGTHS[back], places[tokens]), tokens


# --- word features ------------------------------------------------------------------------------------------


def test_embedding_without_unknown_row_gives_unseen_values_the_mean() -> None:
    torch.manual_seed(0)
    part = FeatureEmbedding(Feature(name="form", dim=4, unknown=False), 5)
    found = part(torch.tensor([[0, -1], [4, 2]]))
    assert torch.equal(found[0, 0], part.weight[0]) and torch.equal(found[1, 0], part.weight[4])
    assert torch.allclose(found[0, 1], part.weight.mean(0))


def test_embedding_with_unknown_row_looks_up_row_0() -> None:
    part = FeatureEmbedding(Feature(name="form", dim=4), 5)
    assert torch.equal(part(torch.tensor([[0, 3]]))[0], part.weight[[0, 3]])


@pytest.mark.parametrize("frozen", [False, True])
def test_embedding_copies_pretrained_vectors(frozen: bool) -> None:
    vectors = torch.randn(3, 2)
    part = FeatureEmbedding(
        Feature(name="vectors", dim=2, path="v.txt", frozen=frozen, unknown=False), 3, vectors
    )
    assert torch.equal(part.weight, vectors) and part.weight.requires_grad is not frozen
    assert part.weight.data_ptr() != vectors.data_ptr()  # training leaves the caller's array alone
    assert part.has_unknown_row


@pytest.mark.parametrize(
    ("embedding_scale", "projection", "scale"),
    [(None, 8, 0.1), (None, 0, 1.0), (0.3, 8, 0.3), (0.3, 0, 0.3), (0.0, 8, 0.0)],
)
def test_embeddings_before_a_projection_are_small_at_first(
    embedding_scale: float | None, projection: int, scale: float
) -> None:
    """The default scale is 0.1, so that rare words have little influence; without a projection it is 1."""
    model = TaggerModel(
        features=(Feature(name="form", dim=50),),
        hidden_size=4,
        projection=projection,
        embedding_scale=embedding_scale,
    )
    torch.manual_seed(0)
    network = TaggerNetwork(model, [400], 0, 2, (np.ones(2, bool), np.ones((2, 2), bool), np.ones(2, bool)))
    (part,) = network.features.parts
    assert isinstance(part, FeatureEmbedding)
    assert float(part.weight.detach().std()) == pytest.approx(scale, rel=0.05)


def convolved(part: CharacterCnn, word: list[int]) -> Array:
    """Apply the convolution to one word without padding, except end marks up to the filter's width."""
    width = part.width
    word = word + [2] * (width - len(word))
    x = part.embedding.weight.detach().numpy()[word]
    weight, bias = part.conv.weight.detach().numpy(), part.conv.bias
    assert bias is not None
    windows = [x[start : start + width] for start in range(len(word) - width + 1)]
    values = [np.einsum("wc,dcw->d", window, weight) + bias.detach().numpy() for window in windows]
    maximum: Array = np.maximum(np.max(values, axis=0), 0)
    return maximum


@pytest.mark.parametrize("width", [1, 2, 3, 5, 8])
def test_character_cnn_ignores_padding(width: int) -> None:
    torch.manual_seed(0)
    part = CharacterCnn(Feature(name="char_cnn", dim=7, char_dim=3, width=width), 9)
    found = part(CHARACTERS, LENGTHS).detach().numpy()
    for row, word in zip(found, WORDS, strict=True):
        np.testing.assert_allclose(row, convolved(part, word), rtol=1e-5, atol=1e-6)


def test_character_lstm_returns_the_last_states_of_both_directions() -> None:
    torch.manual_seed(0)
    part = CharacterLstm(Feature(name="char_lstm", dim=4, char_dim=3), 9)
    found = part(CHARACTERS, LENGTHS)
    start = (torch.zeros(1, 4), torch.zeros(1, 4))
    for row, word in zip(found, WORDS, strict=True):
        x = part.embedding(torch.tensor(word)).unsqueeze(1)
        ahead, *_ = part.directions[0](x, start)
        back, *_ = part.directions[1](x.flip(0), start)
        assert torch.allclose(row, torch.cat([ahead[-1, 0], back[-1, 0]]), atol=1e-6)


def test_features_are_concatenated_in_the_order_of_the_settings() -> None:
    torch.manual_seed(0)
    features = WordFeatures(FEATURES, [0, 9, 0, 9], 9, {})
    words, tokens = word_input([0, 1, 2, 3])
    found = features(words)
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


def test_gradients_of_word_features_equal_numeric_ones() -> None:
    torch.manual_seed(0)
    features = WordFeatures(FEATURES, [0, 4, 0, 4], 9, {}).double()
    words, _ = word_input([0, 1, 2, 3])
    assert torch.autograd.gradcheck(lambda *_: features(words), tuple(features.parameters()))


# --- whole network ------------------------------------------------------------------------------------------


def test_projection_follows_the_equations_of_layer_norm_and_gelu() -> None:
    network = tagger_network()
    x = torch.randn(2, 3, 7)
    weights = {name: torch.from_numpy(array).double() for name, array in weight_arrays(network).items()}
    y = x.double() @ weights["projection.weight"].T + weights["projection.bias"]
    y = (y - y.mean(2, keepdim=True)) / (y.var(2, unbiased=False, keepdim=True) + 1e-5).sqrt() * weights[
        "norm.weight"
    ] + weights["norm.bias"]
    expected = 0.5 * y * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (y + 0.044715 * y**3)))
    assert torch.allclose(network._project(x).double(), expected, atol=1e-5)


def test_input_mask_applies_to_the_features() -> None:
    network = tagger_network(bidirectional=False)
    ids = torch.tensor([[[1, 2], [3, 4]], [[5, 6], [7, 0]]])
    mask = torch.tensor([[0.0, 2.0, 2.0, 0.0, 2.0, 2.0, 0.0], [1.0] * 7])
    lengths, state = torch.tensor([2, 2]), network.encoder.initial_state(2)
    found = network(WordInput(ids), lengths, state, Masks(input=mask))
    y, _ = network.encoder(network._project(network.features(WordInput(ids)) * mask), state)
    assert torch.equal(found, network.output(y))


def test_hidden_words_do_not_change_the_scores() -> None:
    network = tagger_network()
    lengths, state = torch.tensor([3]), network.encoder.initial_state(1)
    visible = torch.tensor([1.0, 0.0, 1.0]).view(3, 1, 1)
    ids = torch.tensor([[1, 2], [3, 4], [5, 6]]).unsqueeze(1)
    other = torch.tensor([[1, 2], [6, 0], [5, 6]]).unsqueeze(1)
    found = network(WordInput(ids), lengths, state, None, visible)
    assert torch.equal(found, network(WordInput(other), lengths, state, None, visible))
    assert not torch.equal(found, network(WordInput(ids), lengths, state))
    assert torch.equal(
        network(WordInput(ids), lengths, state, None, torch.ones(3, 1, 1)),
        network(WordInput(ids), lengths, state),
    )


def test_scores_of_a_sentence_do_not_depend_on_the_batch() -> None:
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


def test_gradients_of_the_tagger_equal_numeric_ones() -> None:
    network = tagger_network(decoder="crf", hidden_size=2, projection=3).double()
    ids, lengths = torch.tensor([[[1, 2], [3, 4]], [[5, 6], [0, 0]]]), torch.tensor([2, 1])
    labels = torch.tensor([[0, 2], [1, -1]])
    assert network.crf is not None
    crf = network.crf

    def loss(*_: torch.Tensor) -> torch.Tensor:
        return crf.loss(network(WordInput(ids), lengths, network.encoder.initial_state(2)), labels, lengths)

    assert torch.autograd.gradcheck(loss, tuple(network.parameters()))
