"""Input of a tagger's recurrent layers: the vectors of a word's features side by side, then the dense layer.

Arrays are (words, width).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqtool.data.tagging.word_encoder import END, EncodedWords
from seqtool.inference.cells import Cell
from seqtool.inference.encoder import Encoder, Packing, TableGates
from seqtool.settings.model import Feature, RecurrentModel, TaggerModel, feature_list
from seqtool.types import Array, Arrays

_EPSILON = np.float32(1e-5)  # of torch's layer norm


class ValueEmbedding(NamedTuple):
    """Embedding of a feature's values. The number -1 of an unseen value selects the mean of all rows."""

    table: Array

    @classmethod
    def from_weights(cls, feature: Feature, weight: Array) -> ValueEmbedding:
        """Build the embedding from a weight (rows, dim)."""
        table = weight.astype(np.float32, copy=False)
        if not (feature.unknown or feature.name == "vectors"):
            table = np.concatenate([table, table.mean(0, keepdims=True)])  # index -1 selects the last row
        return cls(table)

    def vectors(self, ids: Array) -> Array:
        """Return the vectors (words, dim) of value numbers (words,)."""
        vectors: Array = self.table[ids]
        return vectors


class CharacterCnn(NamedTuple):
    """Convolution over the characters of a word, ReLU, and the maximum over the positions within the word.

    Attributes:
        tables: contribution of a character at each position of the filter, embedding included: (filter width,
            characters, dim).
        bias: (dim,).
    """

    tables: Array
    bias: Array

    @classmethod
    def from_weights(cls, weights: Arrays, prefix: str) -> CharacterCnn:
        """Build the feature from the weights whose names start with a prefix."""
        embedding = weights[f"{prefix}embedding.weight"].astype(np.float32, copy=False)
        filters = weights[f"{prefix}conv.weight"].astype(
            np.float32, copy=False
        )  # (dim, char_dim, filter width)
        bias = weights[f"{prefix}conv.bias"].astype(np.float32, copy=False)
        return cls(embedding @ filters.transpose(2, 1, 0), bias)

    def vectors(self, characters: Array, lengths: Array) -> Array:
        """Return the vectors (words, dim) of words.

        Only positions within a word are computed. ReLU is applied after the maximum, which gives the same
        result.

        Args:
            characters: character numbers (words, longest).
            lengths: number of characters of each word: (words,).
        """
        width = len(self.tables)
        characters, lengths = _pad_to_filter(characters, lengths, width)
        counts = lengths - width + 1
        starts = np.cumsum(counts) - counts
        words = np.repeat(np.arange(len(counts)), counts)
        positions = np.arange(len(words)) - starts[words]
        sums = self.tables[0][characters[words, positions]]
        for offset in range(1, width):
            sums += self.tables[offset][characters[words, positions + offset]]
        vectors: Array = np.maximum.reduceat(sums, starts, axis=0) + self.bias
        return np.maximum(vectors, 0, out=vectors)


def _pad_to_filter(characters: Array, lengths: Array, width: int) -> tuple[Array, Array]:
    """Pad words with fewer characters than the width of the filter with end marks."""
    missing = width - characters.shape[1]
    if missing > 0:
        characters = np.pad(characters, ((0, 0), (0, missing)), constant_values=END)
    steps = np.arange(characters.shape[1])
    short = (steps >= lengths[:, None]) & (steps < width)
    return np.where(short, END, characters), np.maximum(lengths, width)


class CharacterLstm(NamedTuple):
    """Last states of a bidirectional LSTM over the characters of a word.

    Attributes:
        encoder: the LSTM.
        table: input gates of each character: (characters, 2, 4 * dim).
    """

    encoder: Encoder
    table: Array

    @classmethod
    def from_weights(cls, feature: Feature, weights: Arrays, prefix: str) -> CharacterLstm:
        """Build the feature from the weights whose names start with a prefix."""
        model = RecurrentModel(cell="lstm", hidden_size=feature.dim)
        cell = Cell.from_weights(model, weights, [f"{prefix}forward", f"{prefix}backward"])
        zeros = np.zeros((2, feature.dim), np.float32)
        embedding = weights[f"{prefix}embedding.weight"].astype(np.float32, copy=False)
        return cls(Encoder((cell,), ((zeros, zeros),), False), cell.gate_table(embedding))

    def vectors(self, characters: Array, lengths: Array) -> Array:
        """Return the vectors (words, 2 * dim) of words; arguments as for `CharacterCnn.vectors`."""
        order = np.argsort(-lengths, kind="stable")
        packing = Packing.of(lengths[order])
        rows = characters[order[packing.columns], packing.steps]
        _, state = self.encoder.run(TableGates(self.table, rows, packing.backward), packing)
        last = state[0][0]  # (2, words, dim), longest word first
        vectors = np.empty((len(order), 2 * last.shape[2]), np.float32)
        vectors[order] = np.concatenate([last[0], last[1]], axis=1)
        return vectors


class Projection(NamedTuple):
    """Dense layer: linear, optional layer norm, and GELU in its tanh form (Hendrycks and Gimpel 2016).

    Attributes:
        weight: (inputs, width).
        bias: (width,).
        norm: weight and bias (width,) of the layer norm, or None.
    """

    weight: Array
    bias: Array
    norm: tuple[Array, Array] | None

    @classmethod
    def from_weights(cls, model: TaggerModel, weights: Arrays) -> Projection | None:
        """Build the layer, or return None for a model without one."""
        if not model.projection:
            return None
        weight = np.ascontiguousarray(weights["projection.weight"].T, np.float32)
        norm = None
        if model.layer_norm:
            norm = weights["norm.weight"].astype(np.float32), weights["norm.bias"].astype(np.float32)
        return cls(weight, weights["projection.bias"].astype(np.float32), norm)

    def __call__(self, x: Array) -> Array:
        """Return the output (words, width) of inputs (words, inputs)."""
        y = x @ self.weight
        y += self.bias
        if self.norm is not None:
            y -= y.mean(1, keepdims=True)
            y /= np.sqrt(np.square(y).mean(1, keepdims=True) + _EPSILON)
            y *= self.norm[0]
            y += self.norm[1]
        return gelu(y)


def gelu(x: Array) -> Array:
    """Apply GELU in its tanh form, in place: 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ** 3)))."""
    inner = np.square(x)
    inner *= np.float32(0.044715)
    inner += np.float32(1)
    inner *= x
    inner *= np.float32(np.sqrt(2 / np.pi))
    np.tanh(inner, out=inner)
    inner += np.float32(1)
    inner *= np.float32(0.5)
    x *= inner
    return x


WordFeature = ValueEmbedding | CharacterCnn | CharacterLstm


class WordEmbedder(NamedTuple):
    """All layers between the numbers of a word and the first recurrent layer.

    Attributes:
        features: in the order of the settings.
        widths: width of each feature's vectors.
        projection: dense layer over the features side by side, or None.
    """

    features: tuple[WordFeature, ...]
    widths: tuple[int, ...]
    projection: Projection | None

    @classmethod
    def from_weights(cls, model: TaggerModel, weights: Arrays) -> WordEmbedder:
        """Build the layers of a tagger from weights with the names of a model directory."""
        features: list[WordFeature] = []
        widths: list[int] = []
        for index, feature in enumerate(feature_list(model)):
            prefix = f"features.{index}."
            if feature.name == "char_cnn":
                features.append(CharacterCnn.from_weights(weights, prefix))
            elif feature.name == "char_lstm":
                features.append(CharacterLstm.from_weights(feature, weights, prefix))
            else:
                features.append(ValueEmbedding.from_weights(feature, weights[f"{prefix}weight"]))
            widths.append(feature.dim * (2 if feature.name == "char_lstm" else 1))
        return cls(tuple(features), tuple(widths), Projection.from_weights(model, weights))

    def __call__(self, words: EncodedWords) -> Array:
        """Return the vectors (words, width) of encoded words."""
        x = np.empty((len(words.ids), sum(self.widths)), np.float32)
        start, column = 0, 0
        for feature, width in zip(self.features, self.widths, strict=True):
            part = x[:, start : start + width]
            if isinstance(feature, ValueEmbedding):
                part[:] = feature.vectors(words.ids[:, column])
                column += 1
            else:
                assert words.characters is not None and words.lengths is not None
                part[:] = feature.vectors(words.characters, words.lengths)
            start += width
        return x if self.projection is None else self.projection(x)
