"""Which weights a network has, and in which shapes, worked out from its settings and vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqtool.settings import CharModel, Feature, RecurrentModel, TaggerModel, feature_list

Shape = tuple[int, ...]
Shapes = dict[str, Shape]

_GATES = {"rnn": 1, "gru": 3, "lstm": 4}
MARKS = 3  # numbers that stand for no character of their own: unknown, begin, end


def character_shapes(model: CharModel, symbols: int) -> Shapes:
    """Weights of a character model."""
    onehot = model.input == "onehot"
    shapes: Shapes = {} if onehot else {"embedding.weight": (symbols, model.embedding_dim)}
    shapes |= _encoder(model, symbols if onehot else model.embedding_dim, ["forward"])
    if model.output == "none":
        return shapes
    shapes["output.bias"] = (symbols,)
    if not model.tied:
        shapes["output.weight"] = (symbols, model.hidden_size)
    elif model.embedding_dim != model.hidden_size:
        shapes["bridge.weight"] = (model.embedding_dim, model.hidden_size)
    return shapes


def tagger_shapes(model: TaggerModel, vocab: Mapping[str, Any]) -> Shapes:
    """Weights of a tagger."""
    shapes: Shapes = {}
    width = 0
    for index, feature in enumerate(feature_list(model)):
        more, wide = _feature(f"features.{index}.", feature, vocab, index)
        shapes |= more
        width += wide
    if model.projection:
        shapes |= {"projection.weight": (model.projection, width), "projection.bias": (model.projection,)}
        shapes |= (
            {f"norm.{part}": (model.projection,) for part in ("weight", "bias")} if model.layer_norm else {}
        )
        width = model.projection
    directions = ["forward", "backward"] if model.bidirectional else ["forward"]
    shapes |= _encoder(model, width, directions)
    labels = len(vocab["labels"])
    shapes |= {"output.weight": (labels, len(directions) * model.hidden_size), "output.bias": (labels,)}
    if model.decoder == "crf":
        shapes |= {"crf.transitions": (labels, labels), "crf.start": (labels,), "crf.end": (labels,)}
    return shapes


def _feature(prefix: str, feature: Feature, vocab: Mapping[str, Any], index: int) -> tuple[Shapes, int]:
    """Weights of a feature, and the width of what it gives."""
    if feature.name == "char_cnn":
        shapes: Shapes = {"embedding.weight": (len(vocab["characters"]) + MARKS, feature.char_dim)}
        shapes |= {"conv.weight": (feature.dim, feature.char_dim, feature.width), "conv.bias": (feature.dim,)}
    elif feature.name == "char_lstm":
        shapes = {"embedding.weight": (len(vocab["characters"]) + MARKS, feature.char_dim)}
        for direction in ("forward", "backward"):
            shapes |= {
                f"{direction}.{part}": shape
                for part, shape in _cell(4, feature.char_dim, feature.dim).items()
            }
    else:
        unknown = feature.unknown or feature.name == "vectors"
        shapes = {"weight": (len(vocab["features"][index]) + unknown, feature.dim)}
    return {prefix + name: shape for name, shape in shapes.items()}, feature.dim * (
        2 if feature.name == "char_lstm" else 1
    )


def _encoder(model: RecurrentModel, entering: int, directions: list[str]) -> Shapes:
    shapes: Shapes = {}
    for layer in range(model.num_layers):
        for direction in directions:
            parts = _cell(_GATES[model.cell], entering, model.hidden_size)
            shapes |= {f"encoder.{layer}.{direction}.{part}": shape for part, shape in parts.items()}
            if model.initial_state == "learned":
                states = "hc" if model.cell == "lstm" else "h"
                shapes |= {
                    f"initial_state.{layer}.{direction}.{part}": (model.hidden_size,) for part in states
                }
        entering = len(directions) * model.hidden_size
    return shapes


def _cell(gates: int, entering: int, hidden: int) -> Shapes:
    rows = gates * hidden
    return {
        "weight_ih": (rows, entering),
        "weight_hh": (rows, hidden),
        "bias_ih": (rows,),
        "bias_hh": (rows,),
    }
