"""From a verified model directory to a model that works: whether vocabulary and weights are those that the config calls for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeGuard, get_args

import numpy as np

from seqtool.errors import ModelError
from seqtool.inference import model_config as settings_of
from seqtool.inference.weight_shapes import Shapes, character_shapes, tagger_shapes
from seqtool.settings import Scheme, feature_list
from seqtool.storage.model_directory import StoredModel
from seqtool.types import Array

if TYPE_CHECKING:
    from seqtool.inference.character import CharacterModel
    from seqtool.inference.tagger import TaggerModel

_WEIGHTS, _CONFIG, _VOCAB = "weights.safetensors", "config.json", "vocab.json"
_HINT = "copy the whole model directory again, or train it again"
Json = Mapping[str, Any]


def load_model(bundle: StoredModel) -> CharacterModel | TaggerModel:
    """A model that is ready to be used.

    Raises:
        ModelError: if config, vocabulary and weights do not belong together, naming what does not fit.
    """
    return load_character_model(bundle) if bundle.task == "char" else load_tagger(bundle)


def load_character_model(bundle: StoredModel) -> CharacterModel:
    """A character model; errors as `load_model`."""
    from seqtool.inference.character import CharacterModel

    config, vocab = bundle.config, bundle.vocab
    _one_of(config, "kind", ("pairs", "text", "lines"))
    symbols = _section(config, "symbols")
    _one_of(symbols, "unit", ("char", "byte"), "symbols.")
    _one_of(symbols, "normalize", ("none", "nfc"), "symbols.")
    model = settings_of.character(_section(config, "model"))
    if model.tied and model.input == "onehot":
        raise ModelError("model.tied: there is no embedding to be tied to", place=_CONFIG, hint=_HINT)
    _check_symbols(vocab, symbols["unit"])
    check_weights(bundle.weights, character_shapes(model, len(vocab["symbols"])))
    return CharacterModel.from_parts(config, vocab, bundle.weights)


def load_tagger(bundle: StoredModel) -> TaggerModel:
    """A tagger; errors as `load_model`."""
    from seqtool.inference.tagger import TaggerModel

    config, vocab = bundle.config, bundle.vocab
    for name in ("scheme", "inner_scheme"):
        _one_of(config, name, get_args(Scheme))
    if (config["scheme"] == "none") != (config["inner_scheme"] == "none"):
        raise ModelError("scheme and inner_scheme: only one of them marks spans", place=_CONFIG, hint=_HINT)
    _one_of(_section(config, "words"), "normalize", ("none", "nfc"), "words.")
    model = settings_of.tagger(_section(config, "model"))
    _check_words(vocab, [feature.name in ("char_cnn", "char_lstm") for feature in feature_list(model)])
    check_weights(bundle.weights, tagger_shapes(model, vocab))
    return TaggerModel.from_parts(config, vocab, bundle.weights)


def check_weights(weights: Mapping[str, Array], shapes: Shapes) -> None:
    """See that weights are those of a network.

    Raises:
        ModelError: naming the first array that is missing, not called for, of another shape or type, or not finite.
    """
    for name in sorted(shapes.keys() | weights.keys()):
        if name not in weights:
            raise ModelError(
                f"{name}: expected shape {shapes[name]}, found no such array", place=_WEIGHTS, hint=_HINT
            )
        if name not in shapes:
            raise ModelError(f"{name}: not an array of this network", place=_WEIGHTS, hint=_HINT)
        array = weights[name]
        if array.shape != shapes[name]:
            raise ModelError(
                f"{name}: expected shape {shapes[name]}, found {array.shape}", place=_WEIGHTS, hint=_HINT
            )
        if array.dtype not in (np.float32, np.float16):
            raise ModelError(
                f"{name}: expected float32 or float16, found {array.dtype}", place=_WEIGHTS, hint=_HINT
            )
        if not np.isfinite(array).all():
            raise ModelError(f"{name}: a weight is not finite", place=_WEIGHTS, hint="train the model again")


def _section(config: Json, name: str) -> Json:
    value = config.get(name)
    if not isinstance(value, dict):
        raise ModelError(f"{name}: expected a JSON object", place=_CONFIG, hint=_HINT)
    return value


def _one_of(config: Json, name: str, allowed: tuple[str, ...], prefix: str = "") -> None:
    if config.get(name) not in allowed:
        message = f"{prefix}{name}: expected one of {', '.join(allowed)}, found {config.get(name)!r}"
        raise ModelError(message, place=_CONFIG, hint=_HINT)


def _check_symbols(vocab: Json, unit: str) -> None:
    symbols = vocab.get("symbols")
    kind: type = str if unit == "char" else int
    if not isinstance(symbols, list) or not symbols or not all(type(symbol) is kind for symbol in symbols):
        raise ModelError(
            f"symbols: expected a list of {'strings' if kind is str else 'bytes'}", place=_VOCAB, hint=_HINT
        )
    if unit == "byte" and not all(0 <= symbol < 256 for symbol in symbols):
        raise ModelError("symbols: expected bytes from 0 to 255", place=_VOCAB, hint=_HINT)
    if len(set(symbols)) != len(symbols):
        raise ModelError("symbols: one stands there twice", place=_VOCAB, hint=_HINT)
    if not _counts(vocab.get("counts", [])):
        raise ModelError("counts: expected a list of whole numbers", place=_VOCAB, hint=_HINT)
    unknown = vocab.get("unknown")
    if unknown is not None and (type(unknown) is not int or not 0 <= unknown < len(symbols)):
        raise ModelError(
            f"unknown: expected the number of a symbol, found {unknown!r}", place=_VOCAB, hint=_HINT
        )


def _check_words(vocab: Json, over_characters: list[bool]) -> None:
    labels = vocab.get("labels")
    if not _strings(labels) or not labels:
        raise ModelError("labels: expected a list of strings", place=_VOCAB, hint=_HINT)
    forms, counts = vocab.get("forms"), vocab.get("counts")
    if not _strings(forms):
        raise ModelError("forms: expected a list of strings", place=_VOCAB, hint=_HINT)
    if not _counts(counts):
        raise ModelError("counts: expected a list of whole numbers", place=_VOCAB, hint=_HINT)
    if len(forms) != len(counts):
        raise ModelError(
            f"counts: expected one for each of {len(forms):,} forms, found {len(counts):,}",
            place=_VOCAB,
            hint=_HINT,
        )
    features = vocab.get("features")
    if not isinstance(features, list) or len(features) != len(over_characters):
        raise ModelError(
            f"features: expected {len(over_characters)} lists of values", place=_VOCAB, hint=_HINT
        )
    for index, (values, character) in enumerate(zip(features, over_characters, strict=True)):
        if not (values is None if character else _strings(values)):
            raise ModelError(
                f"features.{index}: expected {'null' if character else 'a list of strings'}",
                place=_VOCAB,
                hint=_HINT,
            )
    if (any(over_characters) or vocab.get("characters") is not None) and not _strings(
        vocab.get("characters")
    ):
        raise ModelError("characters: expected a list of strings", place=_VOCAB, hint=_HINT)


def _counts(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and set(map(type, value)) <= {int} and min(value, default=0) >= 0


def _strings(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and set(map(type, value)) <= {str}
