"""From words to what the recurrent layers read: features side by side, then the dense layer. Arrays are (words, width)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from seqtool.data.tagging.word_encoder import EncodedWords
from seqtool.inference.cells import Cell
from seqtool.inference.encoder import Encoder, TableGates
from seqtool.inference.packed_sequences import Packing
from seqtool.settings import Feature, RecurrentModel, TaggerModel, feature_list
from seqtool.types import Array

CHARACTER_FEATURES = ("char_cnn", "char_lstm")
END = 2  # number of the mark behind a word's last character
_EPSILON = np.float32(1e-5)  # of torch's layer norm


@dataclass(frozen=True)
class LookUp:
    """Rows of a table; -1 is a value never seen, for which the mean of all rows stands in."""

    table: Array

    @classmethod
    def from_weights(cls, feature: Feature, weight: Array) -> LookUp:
        """Args: weight: (rows, dim)."""
        table = weight.astype(np.float32, copy=False)
        if not (feature.unknown or feature.name == "vectors"):
            table = np.concatenate([table, table.mean(0, keepdims=True)])  # where an index of -1 finds it
        return cls(table)

    def vectors(self, ids: Array) -> Array:
        """Rows of numbers (words,)."""
        found: Array = self.table[ids]
        return found


class CharacterFeature(Protocol):
    """A feature that is read over a word's characters."""

    def vectors(self, characters: Array, lengths: Array) -> Array:
        """Characters (words, longest) with lengths (words,) to (words, width)."""


@dataclass(frozen=True)
class CharacterConvolution:
    """A convolution over characters, ReLU, and the maximum over a word's own positions.

    Attributes:
        tables: (filter width, characters, dim): what a character adds at each place under the filter, embedding included.
        bias: (dim,).
    """

    tables: Array
    bias: Array

    @classmethod
    def from_weights(cls, weights: Mapping[str, Array], prefix: str) -> CharacterConvolution:
        """Args: prefix: of the weights' names."""
        embedding = weights[f"{prefix}embedding.weight"].astype(np.float32, copy=False)
        filters = weights[f"{prefix}conv.weight"].astype(
            np.float32, copy=False
        )  # (dim, char_dim, filter width)
        return cls(
            embedding @ filters.transpose(2, 1, 0),
            weights[f"{prefix}conv.bias"].astype(np.float32, copy=False),
        )

    def vectors(self, characters: Array, lengths: Array) -> Array:
        """See `CharacterFeature`. Only places that lie within a word are worked out; the ReLU can wait for the maximum."""
        width = len(self.tables)
        characters, lengths = _at_least(characters, lengths, width)
        counts = lengths - width + 1
        starts = np.cumsum(counts) - counts
        words = np.repeat(np.arange(len(counts)), counts)
        places = np.arange(len(words)) - starts[words]
        summed = self.tables[0][characters[words, places]]
        for offset in range(1, width):
            summed += self.tables[offset][characters[words, places + offset]]
        found: Array = np.maximum.reduceat(summed, starts, axis=0) + self.bias
        return np.maximum(found, 0, out=found)


def _at_least(characters: Array, lengths: Array, width: int) -> tuple[Array, Array]:
    """Words of fewer characters than a filter is wide, lengthened by end marks."""
    missing = width - characters.shape[1]
    if missing > 0:
        characters = np.pad(characters, ((0, 0), (0, missing)), constant_values=END)
    steps = np.arange(characters.shape[1])
    short = (steps >= lengths[:, None]) & (steps < width)
    return np.where(short, END, characters), np.maximum(lengths, width)


@dataclass(frozen=True)
class CharacterRecurrence:
    """The last states of an LSTM read over a word's characters, forward and backward.

    Attributes:
        table: (characters, 2, 4 * dim): what the gates get from a character.
    """

    encoder: Encoder
    table: Array

    @classmethod
    def from_weights(cls, feature: Feature, weights: Mapping[str, Array], prefix: str) -> CharacterRecurrence:
        """Args: prefix: of the weights' names."""
        model = RecurrentModel(cell="lstm", hidden_size=feature.dim)
        cell = Cell.from_weights(model, weights, [f"{prefix}forward", f"{prefix}backward"])
        zeros = np.zeros((2, feature.dim), np.float32)
        embedding = weights[f"{prefix}embedding.weight"].astype(np.float32, copy=False)
        return cls(Encoder((cell,), ((zeros, zeros),), False), gate_table(cell, embedding))

    def vectors(self, characters: Array, lengths: Array) -> Array:
        """See `CharacterFeature`."""
        order = np.argsort(-lengths, kind="stable")
        packing = Packing.of(lengths[order])
        rows = characters[order[packing.columns], packing.steps]
        _, state = self.encoder.run(TableGates(self.table, rows, packing.back), packing)
        last = state[0][0]  # (2, words, dim), longest word first
        found = np.empty((len(order), 2 * last.shape[2]), np.float32)
        found[order] = np.concatenate([last[0], last[1]], axis=1)
        return found


def gate_table(cell: Cell, x: Array) -> Array:
    """What a cell's gates get from each of some inputs x (rows, input): (rows, directions, gates * hidden)."""
    table = np.empty((len(x), cell.directions, cell.gates), np.float32)
    cell.input_gates(x, out=table.transpose(1, 0, 2))
    return table


@dataclass(frozen=True)
class Projection:
    """The dense layer: linear, layer norm where there is one, GELU in its tanh form (Hendrycks and Gimpel 2016).

    Attributes:
        weight: (total, width).
        bias: (width,).
        norm: weight and bias (width,) of the layer norm, or None.
    """

    weight: Array
    bias: Array
    norm: tuple[Array, Array] | None

    @classmethod
    def from_weights(cls, model: TaggerModel, weights: Mapping[str, Array]) -> Projection | None:
        """The layer of a model, if it has one."""
        if not model.projection:
            return None
        weight = np.ascontiguousarray(weights["projection.weight"].T, np.float32)
        norm = (
            (weights["norm.weight"].astype(np.float32), weights["norm.bias"].astype(np.float32))
            if model.layer_norm
            else None
        )
        return cls(weight, weights["projection.bias"].astype(np.float32), norm)

    def __call__(self, x: Array) -> Array:
        """(words, total) to (words, width)."""
        y = x @ self.weight
        y += self.bias
        if self.norm is not None:
            y -= y.mean(1, keepdims=True)
            y /= np.sqrt(np.square(y).mean(1, keepdims=True) + _EPSILON)
            y *= self.norm[0]
            y += self.norm[1]
        return gelu(y)


def gelu(x: Array) -> Array:
    """x * Phi(x) in its tanh form, 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ** 3))), in the place of x."""
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


@dataclass(frozen=True)
class WordVectors:
    """All that lies between a word's numbers and the first recurrent layer.

    Attributes:
        features: in the order of the settings.
        width: of the features side by side.
    """

    features: tuple[LookUp | CharacterConvolution | CharacterRecurrence, ...]
    widths: tuple[int, ...]
    projection: Projection | None

    @classmethod
    def from_weights(cls, model: TaggerModel, weights: Mapping[str, Array]) -> WordVectors:
        """The features of a tagger from weights as a model directory names them."""
        features: list[LookUp | CharacterConvolution | CharacterRecurrence] = []
        widths: list[int] = []
        for index, feature in enumerate(feature_list(model)):
            prefix = f"features.{index}."
            if feature.name == "char_cnn":
                features.append(CharacterConvolution.from_weights(weights, prefix))
            elif feature.name == "char_lstm":
                features.append(CharacterRecurrence.from_weights(feature, weights, prefix))
            else:
                features.append(LookUp.from_weights(feature, weights[f"{prefix}weight"]))
            widths.append(feature.dim * (2 if feature.name == "char_lstm" else 1))
        return cls(tuple(features), tuple(widths), Projection.from_weights(model, weights))

    def __call__(self, words: EncodedWords) -> Array:
        """Vectors (words, width) of encoded words."""
        x = np.empty((len(words.ids), sum(self.widths)), np.float32)
        start, column = 0, 0
        for feature, width in zip(self.features, self.widths, strict=True):
            part = x[:, start : start + width]
            if isinstance(feature, LookUp):
                part[:] = feature.vectors(words.ids[:, column])
                column += 1
            else:
                assert words.characters is not None and words.lengths is not None
                part[:] = feature.vectors(words.characters, words.lengths)
            start += width
        return x if self.projection is None else self.projection(x)
