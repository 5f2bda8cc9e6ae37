"""Tests of word features and the dense layer against torch and against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from seqtool.inference.word_features import (
    CharacterCnn,
    CharacterLstm,
    Projection,
    ValueEmbedding,
    gelu,
)
from seqtool.settings.model import Feature, TaggerModel
from seqtool.types import Array

LENGTHS = np.array([2, 7, 3, 66, 4, 3])


def characters() -> Array:
    """Return words as [begin] + characters + [end], padded with -1."""
    draw = np.random.default_rng(0)
    words = np.full((len(LENGTHS), LENGTHS.max()), -1)
    for row, length in enumerate(LENGTHS):
        words[row, :length] = [1, *draw.choice([0, 3, 4, 5, 6], length - 2), 2]
    return words


@pytest.mark.parametrize("width", [1, 2, 3, 5, 9])
def test_character_cnn_equals_torch_on_each_word_alone(width: int) -> None:
    torch.manual_seed(1)
    embedding, conv = torch.nn.Embedding(7, 4), torch.nn.Conv1d(4, 6, width)
    parameters = [*embedding.named_parameters("x.embedding"), *conv.named_parameters("x.conv")]
    ours = CharacterCnn.from_weights(
        {name: parameter.detach().numpy() for name, parameter in parameters}, "x."
    )
    vectors = ours.vectors(characters(), LENGTHS)
    for word, length, vector in zip(characters(), LENGTHS.tolist(), vectors, strict=True):
        ids = [
            *word[:length].tolist(),
            *[2] * (width - length),
        ]  # a short word is padded with end marks
        expected = functional.relu(conv(embedding(torch.tensor(ids)).T[None])).amax(2)[0]
        np.testing.assert_allclose(vector, expected.detach().numpy(), atol=1e-5)


def test_batch_of_words_shorter_than_the_filter_is_padded() -> None:
    draw = np.random.default_rng(0)
    shapes = {"x.embedding.weight": (5, 3), "x.conv.weight": (4, 3, 6), "x.conv.bias": (4,)}
    ours = CharacterCnn.from_weights(
        {name: draw.standard_normal(shape) for name, shape in shapes.items()}, "x."
    )
    short = ours.vectors(np.array([[1, 4, 2]]), np.array([3]))
    np.testing.assert_allclose(short, ours.vectors(np.array([[1, 4, 2, 2, 2, 2]]), np.array([6])))


def test_character_lstm_equals_last_states_of_torch_on_each_word_alone() -> None:
    torch.manual_seed(1)
    embedding, lstm = torch.nn.Embedding(7, 4), torch.nn.LSTM(4, 5, bidirectional=True)
    weights = {"x.embedding.weight": embedding.weight.detach().numpy()}
    for name, parameter in lstm.named_parameters():
        direction = "backward" if name.endswith("_reverse") else "forward"
        weights[f"x.{direction}.{name.removesuffix('_reverse').removesuffix('_l0')}"] = (
            parameter.detach().numpy()
        )
    ours = CharacterLstm.from_weights(Feature(name="char_lstm", dim=5, char_dim=4), weights, "x.")
    vectors = ours.vectors(characters(), LENGTHS)
    for word, length, vector in zip(characters(), LENGTHS.tolist(), vectors, strict=True):
        _, (h, _) = lstm(embedding(torch.from_numpy(word[:length]))[:, None])
        np.testing.assert_allclose(vector, h.reshape(-1).detach().numpy(), atol=1e-5)


def test_unseen_value_without_unknown_row_has_the_mean_of_all_rows() -> None:
    table = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    ids = np.array([2, -1, 0])
    without = ValueEmbedding.from_weights(Feature(name="form", unknown=False), table).vectors(ids)
    np.testing.assert_allclose(without, np.stack([table[2], table.mean(0), table[0]]))
    for feature in (Feature(name="form"), Feature(name="vectors", unknown=False, path="x")):
        np.testing.assert_array_equal(
            ValueEmbedding.from_weights(feature, table).vectors(np.array([0, 3])), table[[0, 3]]
        )


@pytest.mark.parametrize("norm", [True, False])
def test_dense_layer_equals_torch(norm: bool) -> None:
    torch.manual_seed(1)
    linear, layer_norm = torch.nn.Linear(7, 5), torch.nn.LayerNorm(5)
    torch.nn.init.normal_(layer_norm.weight)
    torch.nn.init.normal_(layer_norm.bias)
    weights = {
        f"projection.{name}": parameter.detach().numpy() for name, parameter in linear.named_parameters()
    }
    if norm:
        weights |= {
            f"norm.{name}": parameter.detach().numpy() for name, parameter in layer_norm.named_parameters()
        }
    ours = Projection.from_weights(TaggerModel(projection=5, layer_norm=norm), weights)
    assert ours is not None
    x = torch.randn(9, 7) * 3
    y = linear(x)
    expected = functional.gelu(layer_norm(y) if norm else y, approximate="tanh")
    np.testing.assert_allclose(ours(x.numpy()), expected.detach().numpy(), atol=1e-5)


def test_gelu_of_large_values_equals_torch() -> None:
    x = np.array([-60.0, -1.0, 0.0, 1.0, 60.0], np.float32)
    np.testing.assert_allclose(
        gelu(x.copy()), functional.gelu(torch.from_numpy(x), approximate="tanh").numpy(), atol=1e-6
    )


def test_model_without_projection_has_no_dense_layer() -> None:
    assert Projection.from_weights(TaggerModel(projection=0), {}) is None
