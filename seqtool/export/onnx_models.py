"""The networks of model directories as ONNX graphs, from their arrays alone: the recurrent stack, character models, taggers.

Arrays are (time, batch, …) as in the rest of the house. Gates are put into ONNX's order: LSTM i o f c, GRU z r h. What comes
before and after the network (symbols to numbers, words to features, scores to labels) stays outside; docs/model-format.md says how.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seqtool.data.tagging.word_encoder import END
from seqtool.export.onnx_graph import Graph
from seqtool.inference.encoder import RANDOM_MEAN
from seqtool.settings import CharModel, Feature, RecurrentModel, TaggerModel, feature_list
from seqtool.types import Array

GATES = {"rnn": (0,), "lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}  # ONNX's gates by their place in torch's order
FLOAT, INTEGER = np.float32, np.int64
Weights = Mapping[str, Array]


def state_names(model: RecurrentModel) -> list[list[str]]:
    """The parts of each layer's state: h.0, c.0, h.1 …"""
    return [
        [f"{part}.{layer}" for part in ("hc" if model.cell == "lstm" else "h")]
        for layer in range(model.num_layers)
    ]


def character_graph(model: CharModel, symbols: int, weights: Weights) -> Graph:
    """Numbers of symbols and states in; scores (or, without an output layer, states of each step) and states out."""
    graph = Graph()
    ids = graph.input("ids", INTEGER, ["time", "batch"])
    if model.input == "onehot":
        x = graph.add("OneHot", ids, graph.constant(symbols), graph.constant(np.array([0, 1], FLOAT)))
    else:
        x = graph.add("Gather", graph.constant(_float(weights["embedding.weight"]), "embedding.weight"), ids)
    for layer, names in enumerate(state_names(model)):
        states = [graph.input(name, FLOAT, [1, "batch", model.hidden_size]) for name in names]
        y, after = _layer(graph, model, weights, [f"encoder.{layer}.forward"], x, states)
        x = graph.add("Add", y, x) if model.residual and layer else y
        for name, state in zip(names, after, strict=True):
            graph.output(state, f"{name}.next", FLOAT, [1, "batch", model.hidden_size])
    logits, width = x, model.hidden_size
    if model.output == "linear":
        logits, width = _character_output(graph, model, weights, x), symbols
    graph.output(logits, "logits", FLOAT, ["time", "batch", width])
    return graph


def _character_output(graph: Graph, model: CharModel, weights: Weights, x: str) -> str:
    last = weights["embedding.weight" if model.tied else "output.weight"]
    for weight in (*([weights["bridge.weight"]] if "bridge.weight" in weights else []), last):
        x = graph.add("MatMul", x, graph.constant(_float(weight).T))
    return graph.add("Add", x, graph.constant(_float(weights["output.bias"])))


def tagger_graph(model: TaggerModel, labels: int, weights: Weights) -> Graph:
    """Numbers of words' features and lengths of sentences in; scores of labels out, before any decoding."""
    graph = Graph()
    lengths = graph.add(
        "Cast", graph.input("lengths", INTEGER, ["batch"]), to=6
    )  # int32, as the operators want it
    x = _words(graph, model, weights)
    directions = ["forward", "backward"] if model.bidirectional else ["forward"]
    batch = graph.add("Shape", lengths)
    for layer, names in enumerate(state_names(model)):
        starts = [_start(graph, model, weights, layer, directions, name[0], batch) for name in names]
        y, _ = _layer(
            graph,
            model,
            weights,
            [f"encoder.{layer}.{direction}" for direction in directions],
            x,
            starts,
            lengths,
        )
        x = graph.add("Add", y, x) if model.residual and layer else y
    scores = graph.add("MatMul", x, graph.constant(_float(weights["output.weight"]).T))
    scores = graph.add("Add", scores, graph.constant(_float(weights["output.bias"])))
    graph.output(scores, "scores", FLOAT, ["time", "batch", labels])
    return graph


# --- the recurrent stack ----------------------------------------------------------------------------------------------


def _layer(
    graph: Graph,
    model: RecurrentModel,
    weights: Weights,
    names: list[str],
    x: str,
    states: list[str],
    lengths: str = "",
) -> tuple[str, list[str]]:
    """One layer in all its directions: y (time, batch, directions * hidden) and the states after the last step."""
    y, after = _recurrent(graph, model, weights, names, x, states, lengths)
    y = graph.add("Transpose", y, perm=[0, 2, 1, 3])  # (time, directions, batch, hidden)
    return graph.add("Reshape", y, graph.constant([0, 0, -1])), after


def _recurrent(
    graph: Graph,
    model: RecurrentModel,
    weights: Weights,
    names: list[str],
    x: str,
    states: list[str],
    lengths: str,
) -> tuple[str, list[str]]:
    """ONNX's own operator; each name is that of a direction's weights without their last part."""
    kind = model.cell
    matrices = [
        np.stack([_gates(weights[f"{name}.weight_{side}"], kind) for name in names]) for side in ("ih", "hh")
    ]
    biases = [
        np.concatenate([_gates(weights[f"{name}.bias_{side}"], kind) for side in ("ih", "hh")])
        for name in names
    ]
    attributes: dict[str, Any] = {
        "hidden_size": matrices[1].shape[2],
        "direction": "bidirectional" if len(names) == 2 else "forward",
    }
    if kind == "gru":
        attributes["linear_before_reset"] = (
            1  # the reset gate scales what the recurrent matrix gives, bias included
        )
    if kind == "rnn":
        attributes["activations"] = [model.nonlinearity.capitalize()] * len(names)
    y, *after = (graph.fresh(name) for name in ("y", "h", "c")[: 3 if kind == "lstm" else 2])
    constants = [graph.constant(matrix) for matrix in (*matrices, np.stack(biases))]
    graph.add(kind.upper(), x, *constants, lengths, *states, outputs=[y, *after], **attributes)
    return y, after


def _gates(weight: Array, kind: str) -> Array:
    """Rows of a stored weight or bias in ONNX's order of gates."""
    return np.concatenate([np.split(_float(weight), len(GATES[kind]))[place] for place in GATES[kind]])


def _start(
    graph: Graph,
    model: RecurrentModel,
    weights: Weights,
    layer: int,
    directions: list[str],
    part: str,
    batch: str,
) -> str:
    """The state before the first word, the same for every sentence: (directions, batch, hidden)."""
    shape = graph.add(
        "Concat", graph.constant([len(directions)]), batch, graph.constant([model.hidden_size]), axis=0
    )
    return graph.add(
        "Expand", graph.constant(start_values(model, weights, layer, directions, part)[:, None]), shape
    )


def start_values(
    model: RecurrentModel, weights: Weights, layer: int, directions: list[str], part: str
) -> Array:
    """A layer's state before the first symbol: (directions, hidden)."""
    if model.initial_state == "learned":
        return np.stack(
            [_float(weights[f"initial_state.{layer}.{direction}.{part}"]) for direction in directions]
        )
    return np.full(
        (len(directions), model.hidden_size), RANDOM_MEAN if model.initial_state == "random" else 0, FLOAT
    )


# --- words ------------------------------------------------------------------------------------------------------------


def _words(graph: Graph, model: TaggerModel, weights: Weights) -> str:
    """What the recurrent layers read: features side by side, then the dense layer: (time, batch, width)."""
    features = feature_list(model)
    looked_up = [feature for feature in features if not feature.name.startswith("char_")]
    ids = graph.input("features", INTEGER, ["time", "batch", len(looked_up)]) if looked_up else ""
    characters = _characters(graph) if len(looked_up) < len(features) else ("", "", "")
    parts, column = [], 0
    for index, feature in enumerate(features):
        prefix = f"features.{index}."
        if feature in looked_up:
            parts.append(_look_up(graph, feature, weights[f"{prefix}weight"], ids, column))
            column += 1
        else:
            make = _convolution if feature.name == "char_cnn" else _character_lstm
            flat = make(graph, feature, weights, prefix, characters[0], characters[1])
            parts.append(graph.add("Reshape", flat, characters[2]))
    x = graph.add("Concat", *parts, axis=2) if len(parts) > 1 else parts[0]
    return _projection(graph, model, weights, x) if model.projection else x


def _look_up(graph: Graph, feature: Feature, weight: Array, ids: str, column: int) -> str:
    table = _float(weight)
    if not (feature.unknown or feature.name == "vectors"):
        table = np.concatenate(
            [table, table.mean(0, keepdims=True)]
        )  # -1, a value never seen, finds it as the last row
    numbers = graph.add("Gather", ids, graph.constant(np.array(column, INTEGER)), axis=2)
    return graph.add("Gather", graph.constant(table), numbers)


def _characters(graph: Graph) -> tuple[str, str, str]:
    """Characters (words, longest) with end marks for padding, their numbers (words,), and the shape (time, batch, -1)."""
    given = graph.input("characters", INTEGER, ["time", "batch", "longest"])
    counts = graph.input("character_lengths", INTEGER, ["time", "batch"])
    shape = graph.add("Concat", graph.add("Shape", counts), graph.constant([-1]), axis=0)
    longest = graph.add("Shape", given, start=2)
    flat = graph.add("Reshape", given, graph.add("Concat", graph.constant([-1]), longest, axis=0))
    padding = graph.add("Less", flat, graph.constant(np.array(0, INTEGER)))
    flat = graph.add("Where", padding, graph.constant(np.array(END, INTEGER)), flat)
    lengths = graph.add("Reshape", counts, graph.constant([-1]))
    return flat, graph.add("Max", lengths, graph.constant(np.array(1, INTEGER))), shape


def _convolution(
    graph: Graph, feature: Feature, weights: Weights, prefix: str, characters: str, lengths: str
) -> str:
    """Convolution, maximum over a word's own positions, ReLU: (words, dim)."""
    width = feature.width
    more = graph.constant(
        np.array([0, 0, 0, width - 1], INTEGER)
    )  # a word shorter than the filter is lengthened by end marks
    padded = graph.add("Pad", characters, more, graph.constant(np.array(END, INTEGER)))
    x = graph.add("Gather", graph.constant(_float(weights[f"{prefix}embedding.weight"])), padded)
    x = graph.add("Transpose", x, perm=[0, 2, 1])
    filters, bias = (graph.constant(_float(weights[f"{prefix}conv.{name}"])) for name in ("weight", "bias"))
    x = graph.add("Conv", x, filters, bias)
    zero, one = (graph.constant(np.array(value, INTEGER)) for value in (0, 1))
    columns = graph.add("Squeeze", graph.add("Shape", characters, start=1), graph.constant([0]))
    places = graph.add("Unsqueeze", graph.add("Range", zero, columns, one), graph.constant([0]))
    last = graph.add(
        "Sub",
        graph.add("Max", lengths, graph.constant(np.array(width, INTEGER))),
        graph.constant(np.array(width, INTEGER)),
    )
    inside = graph.add("LessOrEqual", places, graph.add("Unsqueeze", last, graph.constant([1])))
    masked = graph.add(
        "Where",
        graph.add("Unsqueeze", inside, graph.constant([1])),
        x,
        graph.constant(np.array(-3e38, FLOAT)),
    )
    return graph.add("Relu", graph.add("ReduceMax", masked, axes=[2], keepdims=0))


def _character_lstm(
    graph: Graph, feature: Feature, weights: Weights, prefix: str, characters: str, lengths: str
) -> str:
    """The last states of both directions side by side: (words, 2 * dim)."""
    x = graph.add(
        "Gather",
        graph.constant(_float(weights[f"{prefix}embedding.weight"])),
        graph.add("Transpose", characters, perm=[1, 0]),
    )
    model = RecurrentModel(cell="lstm", hidden_size=feature.dim)
    names = [f"{prefix}forward", f"{prefix}backward"]
    _, after = _recurrent(graph, model, weights, names, x, [], graph.add("Cast", lengths, to=6))
    return graph.add("Reshape", graph.add("Transpose", after[0], perm=[1, 0, 2]), graph.constant([0, -1]))


def _projection(graph: Graph, model: TaggerModel, weights: Weights, x: str) -> str:
    """Linear, layer norm where there is one, GELU in its tanh form."""
    x = graph.add("MatMul", x, graph.constant(_float(weights["projection.weight"]).T))
    x = graph.add("Add", x, graph.constant(_float(weights["projection.bias"])))
    if model.layer_norm:
        scale, shift = (graph.constant(_float(weights[f"norm.{name}"])) for name in ("weight", "bias"))
        x = graph.add("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-5)

    def number(value: float) -> str:
        return graph.constant(np.array(value, FLOAT))

    inner = graph.add("Add", graph.add("Mul", graph.add("Mul", x, x), number(0.044715)), number(1))
    inner = graph.add("Tanh", graph.add("Mul", graph.add("Mul", inner, x), number(float(np.sqrt(2 / np.pi)))))
    return graph.add("Mul", x, graph.add("Mul", graph.add("Add", inner, number(1)), number(0.5)))


def _float(weight: Array) -> Array:
    return np.ascontiguousarray(weight, FLOAT)
