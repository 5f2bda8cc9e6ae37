"""ONNX graphs of text models and taggers, built from the arrays of their model directories alone.

Arrays are (time, batch, …) as everywhere in this project. The steps before and after the network (symbols to
numbers, words to features, scores to labels) are not part of the graph; docs/model-format.md describes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqtool.data.tagging.word_encoder import END
from seqtool.export.onnx_graph import Graph
from seqtool.export.onnx_symbol_scores import symbol_scores
from seqtool.inference.encoder import RANDOM_MEAN
from seqtool.settings.model import (
    CharModel,
    Feature,
    RecurrentModel,
    TaggerModel,
    TokenizerModel,
    feature_list,
)
from seqtool.types import Array, Arrays

# Positions in torch's order of gates, in ONNX's order: LSTM i o f c, GRU z r h.
GATES = {"rnn": (0,), "lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}
FLOAT, INTEGER = np.float32, np.int64
INT32 = 6  # ONNX's number of the type


def state_names(model: RecurrentModel) -> list[list[str]]:
    """Return the names of each layer's states: h.0, c.0, h.1 …"""
    parts = "hc" if model.cell == "lstm" else "h"
    return [[f"{part}.{layer}" for part in parts] for layer in range(model.num_layers)]


def character_graph(model: CharModel, symbols: int, weights: Arrays) -> Graph:
    """Return the graph of a text model.

    Inputs are symbol numbers, states and the conditions of lines. Outputs are the states after the last
    symbol, and scores of symbols at each step or, without an output layer, states at each step.
    """
    graph = Graph()
    ids = graph.input("ids", INTEGER, ["time", "batch"])
    if model.input == "onehot":
        x = graph.add("OneHot", ids, graph.constant(symbols), graph.constant(np.array([0, 1], FLOAT)))
    else:
        x = graph.add("Gather", graph.constant(_float(weights["embedding.weight"]), "embedding.weight"), ids)
    if "condition.weight" in weights:
        table = graph.constant(_float(weights["condition.weight"]), "condition.weight")
        x = graph.with_rows(x, table, graph.input("conditions", INTEGER, ["batch"]), ids)
    shape: list[str | int] = [1, "batch", model.hidden_size]
    for layer, names in enumerate(state_names(model)):
        states = [graph.input(name, FLOAT, shape) for name in names]
        y, last_states = _layer(graph, _Layer(model, weights, (f"encoder.{layer}.forward",)), x, states)
        x = graph.add("Add", y, x) if model.residual and layer else y
        for name, state in zip(names, last_states, strict=True):
            graph.output(state, f"{name}.next", FLOAT, shape)
    width = model.hidden_size
    if model.output != "none":
        x, width = symbol_scores(graph, model, weights, x), symbols
    graph.output(x, "logits", FLOAT, ["time", "batch", width])
    return graph


def score_names(columns: Sequence[str]) -> list[str]:
    """Return the names of a tagger's outputs: `scores`, or one for each of several columns."""
    return [f"scores.{name}" for name in columns] or ["scores"]


def tagger_graph(
    model: TaggerModel, weights: Arrays, columns: Sequence[str] = (), kinds: Sequence[str] = ()
) -> Graph:
    """Return the graph of a tagger.

    Inputs are numbers of the words' features and lengths of sentences. The output is the score of each label
    at each word, before decoding; a tagger of several labels has an output for each column.

    Args:
        columns: names of several columns.
        kinds: kind of each column; the layer of a `lemma` also reads the input of the first layer.
    """
    graph = Graph()
    lengths = graph.add("Cast", graph.input("lengths", INTEGER, ["batch"]), to=INT32)
    directions = ("forward", "backward") if model.bidirectional else ("forward",)
    words = _words(graph, model, weights)
    y = _sequence_layers(graph, model, weights, directions, words, lengths)
    for column, name in enumerate(score_names(columns)):
        layer = f"heads.{column}" if column else "output"
        x = graph.add("Concat", y, words, axis=2) if kinds[column : column + 1] == ("lemma",) else y
        labels = len(weights[f"{layer}.bias"])
        graph.output(_linear(graph, weights, layer, x), name, FLOAT, ["time", "batch", labels])
    return graph


def tokenizer_graph(model: TokenizerModel, classes: Array, weights: Arrays) -> Graph:
    """Return the graph of a tokenizer.

    Inputs are symbol numbers, padded with 0, and lengths of texts. The output is the score of each class of
    boundary, and of a sentence end, at each character.

    Args:
        classes: class of each symbol (symbols,).
    """
    graph = Graph()
    lengths = graph.add("Cast", graph.input("lengths", INTEGER, ["batch"]), to=INT32)
    symbols = graph.input("symbols", INTEGER, ["time", "batch"])
    around = model.width // 2
    padded = graph.add("Pad", symbols, graph.constant([around, 0, around, 0]))
    by_class = _float(weights["classes.weight"])[classes]
    table = np.concatenate([_float(weights["embedding.weight"]), by_class], axis=1)
    x = graph.add("Gather", graph.constant(table), padded)
    x = graph.add("Transpose", x, perm=[1, 2, 0])
    filters, bias = (graph.constant(_float(weights[f"conv.{name}"])) for name in ("weight", "bias"))
    x = graph.add("Transpose", graph.add("Relu", graph.add("Conv", x, filters, bias)), perm=[2, 0, 1])
    x = _sequence_layers(graph, model, weights, ("forward", "backward"), x, lengths)
    outputs = len(weights["output.bias"])
    graph.output(_linear(graph, weights, "output", x), "scores", FLOAT, ["time", "batch", outputs])
    return graph


# --- recurrent layers ---------------------------------------------------------------------------------------


def _sequence_layers(
    graph: Graph, model: RecurrentModel, weights: Arrays, directions: Sequence[str], x: str, lengths: str
) -> str:
    """Add all layers over padded sequences that start from the initial state: (time, batch, width)."""
    batch = graph.add("Shape", lengths)
    for layer, names in enumerate(state_names(model)):
        states = []
        for name in names:
            shape = graph.add(
                "Concat",
                graph.constant([len(directions)]),
                batch,
                graph.constant([model.hidden_size]),
                axis=0,
            )
            values = initial_values(model, weights, layer, directions, name[0])
            states.append(graph.add("Expand", graph.constant(values[:, None]), shape))
        prefixes = tuple(f"encoder.{layer}.{direction}" for direction in directions)
        y, _ = _layer(graph, _Layer(model, weights, prefixes), x, states, lengths)
        x = graph.add("Add", y, x) if model.residual and layer else y
    return x


@dataclass(frozen=True)
class _Layer:
    """The arrays of a recurrent layer.

    Attributes:
        settings: the cell and its size.
        weights: all arrays of the network.
        prefixes: beginning of the names of each direction's arrays.
    """

    settings: RecurrentModel
    weights: Arrays
    prefixes: tuple[str, ...]

    def matrices(self, side: str) -> Array:
        """Return the input matrix (`ih`) or the state matrix (`hh`): (directions, gates * hidden, width)."""
        return np.stack([self._gates(f"{prefix}.weight_{side}") for prefix in self.prefixes])

    def biases(self) -> Array:
        """Return both biases in one row: (directions, 2 * gates * hidden)."""
        rows = [
            np.concatenate([self._gates(f"{prefix}.bias_{side}") for side in ("ih", "hh")])
            for prefix in self.prefixes
        ]
        return np.stack(rows)

    def _gates(self, name: str) -> Array:
        """Return the rows of a weight or a bias in ONNX's order of gates."""
        order = GATES[self.settings.cell]
        gates = np.split(_float(self.weights[name]), len(order))
        return np.concatenate([gates[position] for position in order])


def _layer(
    graph: Graph, layer: _Layer, x: str, states: Sequence[str], lengths: str = ""
) -> tuple[str, list[str]]:
    """Add a layer in all its directions.

    Returns:
        y (time, batch, directions * hidden), and the states after the last step.
    """
    y, last_states = _recurrent(graph, layer, x, states, lengths)
    y = graph.add("Transpose", y, perm=[0, 2, 1, 3])  # (time, directions, batch, hidden)
    return graph.add("Reshape", y, graph.constant([0, 0, -1])), last_states


def _recurrent(
    graph: Graph, layer: _Layer, x: str, states: Sequence[str], lengths: str
) -> tuple[str, list[str]]:
    """Add ONNX's own recurrent operator.

    Returns:
        y (time, directions, batch, hidden), and the states after the last step.
    """
    cell, directions = layer.settings.cell, len(layer.prefixes)
    matrices = [layer.matrices("ih"), layer.matrices("hh")]
    attributes: dict[str, int | str | list[str]] = {
        "hidden_size": matrices[1].shape[2],
        "direction": "bidirectional" if directions == 2 else "forward",
    }
    if cell == "gru":
        # As in torch, the reset gate scales the product of the recurrent matrix and the state, bias included.
        attributes["linear_before_reset"] = 1
    if cell == "rnn":
        attributes["activations"] = [layer.settings.nonlinearity.capitalize()] * directions
    y, *last_states = (graph.new_name(name) for name in ("y", "h", "c")[: 3 if cell == "lstm" else 2])
    constants = [graph.constant(matrix) for matrix in (*matrices, layer.biases())]
    graph.add(cell.upper(), x, *constants, lengths, *states, outputs=[y, *last_states], **attributes)
    return y, last_states


def initial_values(
    model: RecurrentModel, weights: Arrays, layer: int, directions: Sequence[str], part: str
) -> Array:
    """Return a layer's state `h` or `c` before the first step: (directions, hidden)."""
    if model.initial_state == "learned":
        names = [f"initial_state.{layer}.{direction}.{part}" for direction in directions]
        return np.stack([_float(weights[name]) for name in names])
    value = RANDOM_MEAN if model.initial_state == "random" else 0
    return np.full((len(directions), model.hidden_size), value, FLOAT)


# --- word features ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Characters:
    """Names of values of the characters of all words of a batch.

    Attributes:
        ids: character numbers (words, longest), with the end mark as padding.
        lengths: number of characters (words,), at least 1.
        shape: the shape (time, batch, -1).
    """

    ids: str
    lengths: str
    shape: str


def _words(graph: Graph, model: TaggerModel, weights: Arrays) -> str:
    """Add the concatenated word features and the dense layer: (time, batch, width)."""
    features = feature_list(model)
    looked_up = [feature for feature in features if not feature.name.startswith("char_")]
    ids = graph.input("features", INTEGER, ["time", "batch", len(looked_up)]) if looked_up else ""
    characters = _characters(graph) if len(looked_up) < len(features) else _Characters("", "", "")
    parts, column = [], 0
    for index, feature in enumerate(features):
        prefix = f"features.{index}."
        if feature in looked_up:
            parts.append(_embedding(graph, feature, weights[f"{prefix}weight"], ids, column))
            column += 1
        else:
            add_network = _convolution if feature.name == "char_cnn" else _character_lstm
            vectors = add_network(graph, feature, weights, prefix, characters)
            parts.append(graph.add("Reshape", vectors, characters.shape))
    x = graph.add("Concat", *parts, axis=2) if len(parts) > 1 else parts[0]
    return _projection(graph, model, weights, x) if model.projection else x


def _embedding(graph: Graph, feature: Feature, weight: Array, ids: str, column: int) -> str:
    table = _float(weight)
    if not (feature.unknown or feature.name == "vectors"):
        # A value that training did not contain has the number -1: it selects this last row, the mean.
        table = np.concatenate([table, table.mean(0, keepdims=True)])
    numbers = graph.add("Gather", ids, graph.constant(np.array(column, INTEGER)), axis=2)
    return graph.add("Gather", graph.constant(table), numbers)


def _characters(graph: Graph) -> _Characters:
    """Add the inputs for characters, with one row for each word of the batch."""
    ids = graph.input("characters", INTEGER, ["time", "batch", "longest"])
    counts = graph.input("character_lengths", INTEGER, ["time", "batch"])
    shape = graph.add("Concat", graph.add("Shape", counts), graph.constant([-1]), axis=0)
    longest = graph.add("Shape", ids, start=2)
    flat = graph.add("Reshape", ids, graph.add("Concat", graph.constant([-1]), longest, axis=0))
    padding = graph.add("Less", flat, graph.constant(np.array(0, INTEGER)))
    flat = graph.add("Where", padding, graph.constant(np.array(END, INTEGER)), flat)
    lengths = graph.add("Reshape", counts, graph.constant([-1]))
    return _Characters(flat, graph.add("Max", lengths, graph.constant(np.array(1, INTEGER))), shape)


def _convolution(
    graph: Graph, feature: Feature, weights: Arrays, prefix: str, characters: _Characters
) -> str:
    """Add a convolution, the maximum over a word's own positions, and a ReLU: (words, dim)."""
    width = feature.width
    # A word shorter than the filter is padded with end marks.
    padding = graph.constant(np.array([0, 0, 0, width - 1], INTEGER))
    padded = graph.add("Pad", characters.ids, padding, graph.constant(np.array(END, INTEGER)))
    x = graph.add("Gather", graph.constant(_float(weights[f"{prefix}embedding.weight"])), padded)
    x = graph.add("Transpose", x, perm=[0, 2, 1])
    filters, bias = (graph.constant(_float(weights[f"{prefix}conv.{name}"])) for name in ("weight", "bias"))
    x = graph.add("Conv", x, filters, bias)
    zero, one = (graph.constant(np.array(value, INTEGER)) for value in (0, 1))
    columns = graph.add("Squeeze", graph.add("Shape", characters.ids, start=1), graph.constant([0]))
    positions = graph.add("Unsqueeze", graph.add("Range", zero, columns, one), graph.constant([0]))
    size = graph.constant(np.array(width, INTEGER))
    last = graph.add("Sub", graph.add("Max", characters.lengths, size), size)
    inside = graph.add("LessOrEqual", positions, graph.add("Unsqueeze", last, graph.constant([1])))
    mask = graph.add("Unsqueeze", inside, graph.constant([1]))
    masked = graph.add("Where", mask, x, graph.constant(np.array(-3e38, FLOAT)))
    return graph.add("Relu", graph.add("ReduceMax", masked, axes=[2], keepdims=0))


def _character_lstm(
    graph: Graph, feature: Feature, weights: Arrays, prefix: str, characters: _Characters
) -> str:
    """Add an LSTM over characters: the last states of both directions, (words, 2 * dim)."""
    table = graph.constant(_float(weights[f"{prefix}embedding.weight"]))
    x = graph.add("Gather", table, graph.add("Transpose", characters.ids, perm=[1, 0]))
    settings = RecurrentModel(cell="lstm", hidden_size=feature.dim)
    layer = _Layer(settings, weights, (f"{prefix}forward", f"{prefix}backward"))
    _, last_states = _recurrent(graph, layer, x, [], graph.add("Cast", characters.lengths, to=INT32))
    by_word = graph.add("Transpose", last_states[0], perm=[1, 0, 2])
    return graph.add("Reshape", by_word, graph.constant([0, -1]))


def _projection(graph: Graph, model: TaggerModel, weights: Arrays, x: str) -> str:
    """Add the dense layer: linear, layer normalization if the model has it, and GELU in its tanh form."""
    x = _linear(graph, weights, "projection", x)
    if model.layer_norm:
        scale, shift = (graph.constant(_float(weights[f"norm.{name}"])) for name in ("weight", "bias"))
        x = graph.add("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-5)

    def number(value: float) -> str:
        return graph.constant(np.array(value, FLOAT))

    inner = graph.add("Add", graph.add("Mul", graph.add("Mul", x, x), number(0.044715)), number(1))
    inner = graph.add("Tanh", graph.add("Mul", graph.add("Mul", inner, x), number(float(np.sqrt(2 / np.pi)))))
    return graph.add("Mul", x, graph.add("Mul", graph.add("Add", inner, number(1)), number(0.5)))


def _linear(graph: Graph, weights: Arrays, name: str, x: str) -> str:
    x = graph.add("MatMul", x, graph.constant(_float(weights[f"{name}.weight"]).T))
    return graph.add("Add", x, graph.constant(_float(weights[f"{name}.bias"])))


def _float(weight: Array) -> Array:
    return np.ascontiguousarray(weight, FLOAT)
