"""Typed values of a model directory: `config.json` and `vocab.json` read and checked without pydantic.

The values are named tuples, since defining a frozen dataclass adds 0.4 ms to the start of every command.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from functools import cache
from types import UnionType
from typing import (
    Any,
    Literal,
    NamedTuple,
    NoReturn,
    TypeGuard,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from seqtool.data.vocabulary import SymbolVocabulary, Unit
from seqtool.errors import ModelError
from seqtool.safe_text import shorten
from seqtool.settings import CharModel, Feature, Scheme, TaggerModel, feature_list, is_text_encoding
from seqtool.types import Json

Normalize = Literal["none", "nfc"]
TextKind = Literal["pairs", "text", "lines"]
T = TypeVar("T")

CONFIG, VOCAB = "config.json", "vocab.json"
COPY_HINT = "copy the whole model directory again, or train it again"


class CharacterConfig(NamedTuple):
    """Configuration of a character model.

    Attributes:
        network: settings of the network.
        kind: the training data: aligned `pairs`, running `text`, or single `lines`.
        unit: unit of a symbol: `char` or `byte`.
        normalize: Unicode normalization of text.
        encoding: encoding of the training files.
    """

    network: CharModel
    kind: TextKind
    unit: Unit
    normalize: Normalize
    encoding: str = "utf-8"


class TaggerConfig(NamedTuple):
    """Configuration of a tagger.

    Attributes:
        network: settings of the network; its features are a list.
        scheme: span scheme of the training files.
        inner_scheme: span scheme of the network's labels.
        tokenizer: tokenizer for raw text: `whitespace`, `basic`, or None for a script without spaces between
            words.
        normalize: Unicode normalization of words.
    """

    network: TaggerModel
    scheme: Scheme
    inner_scheme: Scheme
    tokenizer: str | None = None
    normalize: Normalize = "nfc"


class WordVocabulary(NamedTuple):
    """Words and labels of a tagger's training data.

    Attributes:
        labels: labels of the network, in its span scheme.
        counts: frequency of each training word.
        features: values of each feature, None for a feature over characters.
        characters: characters of training words, None without features over characters.
    """

    labels: tuple[str, ...]
    counts: Mapping[str, int]
    features: tuple[Sequence[str] | None, ...]
    characters: Sequence[str] | None


def read_character_config(config: Json) -> CharacterConfig:
    """Read the configuration of a character model.

    Raises:
        ModelError: a missing or unknown key, or a value that is not allowed.
    """
    kind: TextKind = _one_of(config.get("kind"), "kind", get_args(TextKind))
    symbols = _section(config, "symbols")
    unit: Unit = _one_of(symbols.get("unit"), "symbols.unit", get_args(Unit))
    normalize: Normalize = _one_of(symbols.get("normalize"), "symbols.normalize", get_args(Normalize))
    network = _settings(CharModel, _section(config, "model"), "model")
    if network.tied and network.input == "onehot":
        _fail(CONFIG, "model.tied: expected an embedding to share weights with, found one-hot input")
    return CharacterConfig(network, kind, unit, normalize, _encoding(config, "encoding"))


def read_tagger_config(config: Json) -> TaggerConfig:
    """Read the configuration of a tagger.

    Raises:
        ModelError: a missing or unknown key, or a value that is not allowed.
    """
    from seqtool.data.tokenization.rules import TokenizerName  # character models do without

    scheme: Scheme = _one_of(config.get("scheme"), "scheme", get_args(Scheme))
    inner_scheme: Scheme = _one_of(config.get("inner_scheme"), "inner_scheme", get_args(Scheme))
    if (scheme == "none") != (inner_scheme == "none"):
        _fail(CONFIG, "scheme and inner_scheme: expected both or none of them to mark spans")
    words = _section(config, "words")
    normalize: Normalize = _one_of(words.get("normalize"), "words.normalize", get_args(Normalize))
    section = _section(config, "model")
    with_features = {**section, "features": _features(section.get("features"))}
    network = _settings(TaggerModel, with_features, "model")
    section |= {name: value for name, value in with_features.items() if name not in section}
    tokenizer = config.get("tokenizer")
    if tokenizer is not None:
        tokenizer = _one_of(tokenizer, "tokenizer", get_args(TokenizerName))
    if type(words.get("tokens", "")) is not str:
        _fail(CONFIG, "words.tokens: expected text")
    if not isinstance(config.get("tokenizer_f1"), float | None):
        _fail(CONFIG, "tokenizer_f1: expected a number or null")
    _check_layout(config.get("layout", {}))
    return TaggerConfig(network, scheme, inner_scheme, tokenizer, normalize)


def _check_layout(layout: object) -> None:
    """Check the description of the training files that `data.formats.layout` reads."""
    if not isinstance(layout, dict):
        _fail(CONFIG, "layout: expected a JSON object")
    _encoding(layout, "layout.encoding")
    for name in ("label", "separator", "text_key", "label_key"):
        if type(layout.get(name, "")) is not str:
            _fail(CONFIG, f"layout.{name}: expected text")
    if not _are_strings(layout.get("columns", [])):
        _fail(CONFIG, "layout.columns: expected a list of strings")
    if not _fits(layout.get("width"), int | None):
        _fail(CONFIG, "layout.width: expected a number or null")


def _encoding(section: Json, name: str) -> str:
    """Return the encoding of the training files; models of UTF-8 files, and older ones, do not record it."""
    encoding = section.get("encoding", "utf-8")
    if not isinstance(encoding, str) or not is_text_encoding(encoding):
        _fail(CONFIG, f"{name}: expected a text encoding, found {_shown(encoding)}")
    return encoding


def read_symbol_vocabulary(vocab: Json, unit: Unit) -> SymbolVocabulary:
    """Read the vocabulary of a character model.

    Raises:
        ModelError: a missing key, or a value that is not allowed.
    """
    symbols = vocab.get("symbols")
    kind: type = str if unit == "char" else int
    if not isinstance(symbols, list) or not symbols or not all(type(symbol) is kind for symbol in symbols):
        _fail(VOCAB, f"symbols: expected a list of {'strings' if kind is str else 'bytes'}")
    if unit == "byte" and not all(0 <= symbol < 256 for symbol in symbols):
        _fail(VOCAB, "symbols: expected bytes from 0 to 255")
    if len(set(symbols)) != len(symbols):
        _fail(VOCAB, "symbols: expected different symbols, found one twice")
    if not _are_counts(vocab.get("counts", [])):
        _fail(VOCAB, "counts: expected a list of whole numbers")
    unknown = vocab.get("unknown")
    if unknown is not None and (type(unknown) is not int or not 0 <= unknown < len(symbols)):
        _fail(VOCAB, f"unknown: expected the number of a symbol, found {_shown(unknown)}")
    return SymbolVocabulary.from_json(vocab, unit)


def read_word_vocabulary(vocab: Json, network: TaggerModel) -> WordVocabulary:
    """Read the vocabulary of a tagger.

    Raises:
        ModelError: a missing key, or a value that is not allowed.
    """
    from seqtool.data.tagging.word_encoder import CHARACTER_FEATURES  # character models do without

    labels, forms, counts = vocab.get("labels"), vocab.get("forms"), vocab.get("counts")
    if not _are_strings(labels) or not labels:
        _fail(VOCAB, "labels: expected a list of strings")
    if not _are_strings(forms):
        _fail(VOCAB, "forms: expected a list of strings")
    if not _are_counts(counts):
        _fail(VOCAB, "counts: expected a list of whole numbers")
    if len(forms) != len(counts):
        _fail(VOCAB, f"counts: expected one for each of {len(forms):,} forms, found {len(counts):,}")
    over_characters = [feature.name in CHARACTER_FEATURES for feature in feature_list(network)]
    features, characters = vocab.get("features"), vocab.get("characters")
    if not isinstance(features, list) or len(features) != len(over_characters):
        _fail(VOCAB, f"features: expected {len(over_characters)} lists of values")
    for index, (values, is_null) in enumerate(zip(features, over_characters, strict=True)):
        if not (values is None if is_null else _are_strings(values)):
            expected = "null" if is_null else "a list of strings"
            _fail(VOCAB, f"features.{index}: expected {expected}")
    if (any(over_characters) or characters is not None) and not _are_strings(characters):
        _fail(VOCAB, "characters: expected a list of strings")
    return WordVocabulary(tuple(labels), dict(zip(forms, counts, strict=True)), tuple(features), characters)


# --- single values ------------------------------------------------------------------------------------------


def _fail(place: str, message: str, hint: str = COPY_HINT) -> NoReturn:
    raise ModelError(message, place=place, hint=hint)


def _section(config: Json, name: str) -> Json:
    value = config.get(name)
    if not isinstance(value, dict):
        _fail(CONFIG, f"{name}: expected a JSON object")
    return value


def _one_of(value: object, name: str, allowed: Sequence[T]) -> T:
    for option in allowed:
        if value == option:
            return option
    _fail(CONFIG, f"{name}: expected one of {', '.join(map(str, allowed))}, found {_shown(value)}")


def _shown(value: object) -> str:
    return shorten(repr(value), 60)


def _are_counts(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and set(map(type, value)) <= {int} and min(value, default=0) >= 0


def _are_strings(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and set(map(type, value)) <= {str}


def _features(items: object) -> tuple[Feature, ...]:
    if not isinstance(items, list | tuple) or not items:
        _fail(CONFIG, "model.features: expected a list of features", hint="")
    return tuple(_settings(Feature, item, f"model.features.{index}") for index, item in enumerate(items))


def _settings(cls: type[T], value: object, where: str) -> T:
    """Read a dataclass of settings from a JSON object and check its types and lower limits.

    Keys that the object lacks are added to it.
    """
    if not isinstance(value, dict):
        _fail(CONFIG, f"{where}: expected a JSON object", hint="")
    hints = _type_hints(cls)  # type: ignore[arg-type]
    for name, item in value.items():
        if name not in hints:
            hint = "the model was written by another version of seqtool"
            _fail(CONFIG, f"{where}.{name}: unknown key", hint)
        if not _fits(item, hints[name]):
            _fail(CONFIG, f"{where}.{name}: not an allowed value: {_shown(item)}", hint="")
    for field in fields(cls):  # type: ignore[arg-type]
        least, number = field.metadata.get("ge"), value.get(field.name)
        if least is not None and number is not None and number < least:
            _fail(CONFIG, f"{where}.{field.name}: expected at least {least}, found {number}", hint="")
        if number is None and field.default is MISSING and field.default_factory is MISSING:
            _fail(CONFIG, f"{where}.{field.name}: is missing", hint="")
    settings = cls(**value)
    if len(value) < len(hints):
        value |= {name: getattr(settings, name) for name in hints.keys() - value.keys()}
    return settings


@cache
def _type_hints(cls: type) -> dict[str, object]:
    """Return the types of a dataclass's fields."""
    return get_type_hints(cls)


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a value has an annotated type. Only the types of network settings are known."""
    origin = get_origin(hint)
    if origin is Literal:
        return any(value == allowed and type(value) is type(allowed) for allowed in get_args(hint))
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(item, get_args(hint)[0]) for item in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is hint
