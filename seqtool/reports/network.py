"""A network in words: its parts in the order in which data passes through them, with sizes and parameter counts.

Works on what a model directory holds (config, vocabulary, arrays), so that an untrained network, one in training and one
from disk are described by the same lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seqtool.safe_text import shorten, visible

Part = tuple[str, str, int]  # name, what it does, parameters
Shapes = Mapping[str, Sequence[int]]


def network_title(config: Mapping[str, Any], shapes: Shapes) -> str:
    """One line: what kind of network it is, and how many parameters it has."""
    model = config["model"]
    cell = {"rnn": "Elman RNN", "lstm": "LSTM", "gru": "GRU"}[model["cell"]]
    direction = "bidirectional " if model.get("bidirectional") else ""
    what = "character model" if config["task"] == "char" else "tagger"
    return f"{direction}{cell} {what}, {_count(shapes):,} parameters"


def network_parts(config: Mapping[str, Any], vocab: Mapping[str, Any], shapes: Shapes) -> list[Part]:
    """The parts of a network, in the order in which data passes through them."""
    parts = _symbol_input(config, vocab, shapes) if config["task"] == "char" else _word_input(config, shapes)
    return [*parts, *_encoder(config["model"], shapes), *_output(config, vocab, shapes)]


def _symbol_input(config: Mapping[str, Any], vocab: Mapping[str, Any], shapes: Shapes) -> list[Part]:
    symbols = [chr(symbol) if isinstance(symbol, int) else symbol for symbol in vocab["symbols"]]
    listing = shorten(" ".join(visible(symbol) for symbol in symbols), 40)
    if config["model"]["input"] == "onehot":
        return [("input", f"one-hot of {len(symbols)} symbols: {listing}", 0)]
    rows, dim = shapes["embedding.weight"]
    return [("embedding", f"{rows} symbols -> {dim}", _count(shapes, "embedding."))]


def _word_input(config: Mapping[str, Any], shapes: Shapes) -> list[Part]:
    parts: list[Part] = []
    for index, feature in enumerate(config["model"]["features"]):
        prefix = f"features.{index}."
        name = feature["name"] + (str(feature["length"]) if feature["name"] in ("prefix", "suffix") else "")
        if f"{prefix}weight" in shapes:
            rows, dim = shapes[f"{prefix}weight"]
            what = f"{rows} values -> {dim}"
        else:
            characters = shapes[f"{prefix}embedding.weight"][0]
            what = (
                f"{characters} characters -> {feature['dim'] * (2 if feature['name'] == 'char_lstm' else 1)}"
            )
        parts.append((name, what, _count(shapes, prefix)))
    if "projection.weight" in shapes:
        width, total = shapes["projection.weight"]
        norm = ", layer norm" if "norm.weight" in shapes else ""
        parts.append(
            (
                "projection",
                f"linear {total} -> {width}{norm}, GELU",
                _count(shapes, "projection.") + _count(shapes, "norm."),
            )
        )
    return parts


def _encoder(model: Mapping[str, Any], shapes: Shapes) -> list[Part]:
    parts: list[Part] = []
    for layer in range(model["num_layers"]):
        entering = shapes[f"encoder.{layer}.forward.weight_ih"][1]
        width = model["hidden_size"]
        cell = f"{model['cell']} ({model['nonlinearity']})" if model["cell"] == "rnn" else model["cell"]
        directions = " x 2 directions" if model.get("bidirectional") else ""
        residual = ", residual" if model["residual"] and layer else ""
        start = "" if model["initial_state"] == "zeros" else f", {model['initial_state']} initial state"
        count = _count(shapes, f"encoder.{layer}.") + _count(shapes, f"initial_state.{layer}.")
        parts.append(
            (f"layer {layer + 1}", f"{cell} {entering} -> {width}{directions}{residual}{start}", count)
        )
    return parts


def _output(config: Mapping[str, Any], vocab: Mapping[str, Any], shapes: Shapes) -> list[Part]:
    if "output.bias" not in shapes:
        return []
    width = shapes["output.bias"][0]
    if "output.weight" not in shapes:
        bridge = (
            f"linear {shapes['bridge.weight'][1]} -> {shapes['bridge.weight'][0]}, "
            if "bridge.weight" in shapes
            else ""
        )
        return [
            (
                "output",
                f"{bridge}the embedding again -> {width} symbols",
                _count(shapes, "output.") + _count(shapes, "bridge."),
            )
        ]
    what = f"linear {shapes['output.weight'][1]} -> {width}"
    if config["task"] == "tagger":
        what += f" labels: {shorten(' '.join(visible(label) for label in vocab['labels']), 40)}"
    parts: list[Part] = [("output", what, _count(shapes, "output."))]
    if config["task"] == "tagger" and config["model"]["decoder"] != "softmax":
        parts.append(
            (
                "decoder",
                {"viterbi": "constrained Viterbi", "crf": "linear-chain CRF"}[config["model"]["decoder"]],
                _count(shapes, "crf."),
            )
        )
    return parts


def _count(shapes: Shapes, prefix: str = "") -> int:
    total = 0
    for name, shape in shapes.items():
        if name.startswith(prefix):
            size = 1
            for length in shape:
                size *= length
            total += size
    return total
