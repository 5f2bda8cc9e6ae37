"""A working model from a stored one: choose its class, and check that its weights fit its configuration.

The manifest is read in one place only, here: no other module chooses the class of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from seqtool.errors import ModelError
from seqtool.inference.checked_values import COPY_HINT
from seqtool.inference.heads_config import HeadsConfig
from seqtool.inference.model_config import (
    WordVocabulary,
    read_character_config,
    read_conditions,
    read_symbol_vocabulary,
    read_tagger_config,
    read_word_vocabulary,
)
from seqtool.settings.model import (
    CharModel,
    Feature,
    RecurrentModel,
    TaggerModel,
    TokenizerModel,
    feature_list,
)
from seqtool.storage.model_directory import StoredModel
from seqtool.types import Arrays

if TYPE_CHECKING:
    from seqtool.inference import character, tagger, tokenizer

    Model = character.CharacterModel | tagger.TaggerModel | tokenizer.TokenizerModel

Shapes = dict[str, tuple[int, ...]]

_GATES = {"rnn": 1, "gru": 3, "lstm": 4}
MARKS = 3  # rows of a character embedding before the first character: unknown, begin, end


def load_model(stored: StoredModel) -> Model:
    """Build a model from a stored one.

    Raises:
        ModelError: configuration, vocabulary and weights do not fit each other.
    """
    load: Mapping[str, Callable[[StoredModel], Model]] = {
        "char": load_character_model,
        "tagger": load_tagger,
        "tokenizer": load_tokenizer,
    }
    return load[stored.task](stored)


def load_character_model(stored: StoredModel) -> character.CharacterModel:
    """Build a character model.

    Raises:
        ModelError: configuration, vocabulary and weights do not fit each other.
    """
    from seqtool.inference.character import AlignedModel, CharacterModel, LineModel

    config = read_character_config(stored.config)
    vocabulary = read_symbol_vocabulary(stored.vocab, config.unit, tokenized=config.tokenized)
    check_layers(stored.weights, config.network)
    conditions = None if config.condition is None else read_conditions(stored.vocab)
    names = () if conditions is None else conditions.names
    check_weights(stored.weights, character_shapes(config.network, len(vocabulary), len(names)))
    if conditions is not None:
        from seqtool.inference.conditional import ConditionalModel  # other models do without

        return ConditionalModel(config, vocabulary, conditions, stored.weights)
    model_class = {"pairs": AlignedModel, "text": CharacterModel, "lines": LineModel}[config.kind]
    return model_class(config, vocabulary, stored.weights)


def load_tagger(stored: StoredModel) -> tagger.TaggerModel:
    """Build a tagger.

    Raises:
        ModelError: configuration, vocabulary and weights do not fit each other.
    """
    from seqtool.inference.tagger import TaggerModel

    config = read_tagger_config(stored.config)
    vocabulary = read_word_vocabulary(stored.vocab, config.network, config.heads)
    check_layers(stored.weights, config.network)
    check_weights(stored.weights, tagger_shapes(config.network, vocabulary, config.heads))
    if config.heads is None:
        return TaggerModel(config, vocabulary, stored.weights)
    from seqtool.inference.multilabel_tagger import MultiLabelTagger  # taggers of one label do without

    return MultiLabelTagger(config, vocabulary, stored.weights)


def load_tokenizer(stored: StoredModel) -> tokenizer.TokenizerModel:
    """Build a tokenizer.

    Raises:
        ModelError: configuration, vocabulary and weights do not fit each other.
    """
    from seqtool.inference.tokenizer import TokenizerModel
    from seqtool.inference.tokenizer_config import read_tokenizer_config, read_tokenizer_vocabulary

    stored = stored.parts.get("tokenizer", stored)
    config, vocabulary = read_tokenizer_config(stored.config), read_tokenizer_vocabulary(stored.vocab)
    check_layers(stored.weights, config.network)
    check_weights(stored.weights, tokenizer_shapes(config.network, len(vocabulary.characters)))
    return TokenizerModel(config, vocabulary, stored.weights)


def check_layers(weights: Arrays, model: RecurrentModel) -> None:
    """Check that there can be so many layers, before the shapes of their arrays are listed.

    Raises:
        ModelError: there are more layers than arrays.
    """
    if model.num_layers > len(weights):
        message = f"model.num_layers: {model.num_layers:,} layers, but only {len(weights):,} arrays"
        raise ModelError(message, place="config.json", hint=COPY_HINT)


def check_weights(weights: Arrays, shapes: Shapes) -> None:
    """Check that a network has exactly the weights that it needs. `storage` has checked that they are finite.

    Raises:
        ModelError: the first array by name that is missing, not needed, or of a wrong shape or type.
    """
    for name in sorted(shapes.keys() | weights.keys()):
        if name not in weights:
            problem = f"expected shape {shapes[name]}, found no such array"
        elif name not in shapes:
            problem = "not an array of this network"
        elif weights[name].shape != shapes[name]:
            problem = f"expected shape {shapes[name]}, found {weights[name].shape}"
        elif weights[name].dtype not in (np.float32, np.float16):
            problem = f"expected float32 or float16, found {weights[name].dtype}"
        else:
            continue
        raise ModelError(f"{name}: {problem}", place="weights.safetensors", hint=COPY_HINT)


# --- shapes of weights --------------------------------------------------------------------------------------


def character_shapes(model: CharModel, symbols: int, conditions: int = 0) -> Shapes:
    """Return the shapes of a character model's weights by name; `conditions`: their number."""
    onehot = model.input == "onehot"
    shapes: Shapes = {} if onehot else {"embedding.weight": (symbols, model.embedding_dim)}
    width = symbols if onehot else model.embedding_dim
    if conditions:
        shapes["condition.weight"] = (conditions, model.condition_dim)
        width += model.condition_dim
    shapes |= _encoder_shapes(model, width, ["forward"])
    if model.output == "none":
        return shapes
    shapes["output.bias"] = (symbols,)
    groups = len(model.output_bounds(symbols)) - 1
    if groups:
        width = model.embedding_dim if model.tied else model.hidden_size
        shapes |= {"clusters.weight": (groups, width), "clusters.bias": (groups,)}
    if not model.tied:
        shapes["output.weight"] = (symbols, model.hidden_size)
    elif model.embedding_dim != model.hidden_size:
        shapes["bridge.weight"] = (model.embedding_dim, model.hidden_size)
    return shapes


def tagger_shapes(model: TaggerModel, vocabulary: WordVocabulary, heads: HeadsConfig | None = None) -> Shapes:
    """Return the shapes of a tagger's weights by name; `heads` are the labels if there are several."""
    shapes: Shapes = {}
    width = 0
    for index, feature in enumerate(feature_list(model)):
        feature_shapes, feature_width = _feature_shapes(feature, vocabulary, index)
        shapes |= feature_shapes
        width += feature_width
    if model.projection:
        shapes |= {"projection.weight": (model.projection, width), "projection.bias": (model.projection,)}
        if model.layer_norm:
            shapes |= {f"norm.{part}": (model.projection,) for part in ("weight", "bias")}
        width = model.projection
    directions = ["forward", "backward"] if model.bidirectional else ["forward"]
    shapes |= _encoder_shapes(model, width, directions)
    labels = len(vocabulary.labels)
    shapes |= {"output.weight": (labels, len(directions) * model.hidden_size), "output.bias": (labels,)}
    if model.decoder == "crf":
        shapes |= {"crf.transitions": (labels, labels), "crf.start": (labels,), "crf.end": (labels,)}
    if heads is not None:
        shapes |= _heads_shapes(heads, vocabulary, len(directions) * model.hidden_size, width)
    return shapes


def _heads_shapes(heads: HeadsConfig, vocabulary: WordVocabulary, width: int, word_width: int) -> Shapes:
    """Return the shapes of the output layers of further labels, and of the biases of combinations."""
    shapes: Shapes = {}
    for column, labels in enumerate(vocabulary.further, 1):
        inputs = width + word_width * (heads.columns[column].kind == "lemma")
        shapes |= {f"heads.{column}.weight": (len(labels), inputs), f"heads.{column}.bias": (len(labels),)}
    if heads.combined:
        shapes["heads.combinations"] = (len(vocabulary.combinations),)
    return shapes


def tokenizer_shapes(model: TokenizerModel, symbols: int) -> Shapes:
    """Return the shapes of a tokenizer's weights by name."""
    from seqtool.data.tokenization.boundaries import OUTPUTS
    from seqtool.data.tokenization.characters import CLASS_COUNT

    return {
        "embedding.weight": (symbols, model.embedding_dim),
        "classes.weight": (CLASS_COUNT, model.class_dim),
        "conv.weight": (model.filters, model.embedding_dim + model.class_dim, model.width),
        "conv.bias": (model.filters,),
        **_encoder_shapes(model, model.filters, ["forward", "backward"]),
        "output.weight": (OUTPUTS, 2 * model.hidden_size),
        "output.bias": (OUTPUTS,),
    }


def _feature_shapes(feature: Feature, vocabulary: WordVocabulary, index: int) -> tuple[Shapes, int]:
    """Return the shapes of a feature's weights, and the width of its vectors."""
    width = feature.dim
    values = vocabulary.features[index]
    if values is not None:
        unknown = feature.unknown or feature.name == "vectors"
        shapes: Shapes = {"weight": (len(values) + unknown, feature.dim)}
    else:
        shapes = {"embedding.weight": (len(vocabulary.characters or ()) + MARKS, feature.char_dim)}
        if feature.name == "char_cnn":
            shapes |= {
                "conv.weight": (feature.dim, feature.char_dim, feature.width),
                "conv.bias": (feature.dim,),
            }
        else:
            width = 2 * feature.dim
            for direction in ("forward", "backward"):
                shapes |= _cell_shapes(f"{direction}.", _GATES["lstm"], feature.char_dim, feature.dim)
    return {f"features.{index}.{name}": shape for name, shape in shapes.items()}, width


def _encoder_shapes(model: RecurrentModel, inputs: int, directions: list[str]) -> Shapes:
    shapes: Shapes = {}
    for layer in range(model.num_layers):
        for direction in directions:
            prefix = f"encoder.{layer}.{direction}."
            shapes |= _cell_shapes(prefix, _GATES[model.cell], inputs, model.hidden_size)
            if model.initial_state == "learned":
                for part in "hc" if model.cell == "lstm" else "h":
                    shapes[f"initial_state.{layer}.{direction}.{part}"] = (model.hidden_size,)
        inputs = len(directions) * model.hidden_size
    return shapes


def _cell_shapes(prefix: str, gates: int, inputs: int, hidden: int) -> Shapes:
    rows = gates * hidden
    shapes: Shapes = {
        "weight_ih": (rows, inputs),
        "weight_hh": (rows, hidden),
        "bias_ih": (rows,),
        "bias_hh": (rows,),
    }
    return {prefix + name: shape for name, shape in shapes.items()}
