"""Typed values of a model directory: `config.json` and `vocab.json` read and checked without pydantic.

The values are named tuples, since defining a frozen dataclass adds 0.4 ms to the start of every command.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args

from seqtool.data.text.conditions import ConditionRule, Conditions, Source
from seqtool.data.vocabulary import SymbolVocabulary, Unit
from seqtool.inference.checked_values import (
    CONFIG,
    VOCAB,
    are_counts,
    are_strings,
    fail,
    fits,
    one_of,
    read_features,
    read_settings,
    section,
    shown,
)
from seqtool.inference.heads_config import HeadsConfig, HeadsVocabulary, read_heads, read_heads_vocabulary
from seqtool.settings.model import CharModel, TaggerModel, feature_list
from seqtool.settings.values import Scheme, is_text_encoding
from seqtool.types import Json

Normalize = Literal["none", "nfc"]
TextKind = Literal["pairs", "text", "lines"]


class CharacterConfig(NamedTuple):
    """Configuration of a character model.

    Attributes:
        network: settings of the network.
        kind: the training data: aligned `pairs`, running `text`, or single `lines`.
        unit: unit of a symbol: `char`, `byte` or `word`.
        normalize: Unicode normalization of text.
        encoding: encoding of the training files.
        condition: place of each line's condition in the training files; None without conditions.
        tokenized: white space separates the words of a text.
    """

    network: CharModel
    kind: TextKind
    unit: Unit
    normalize: Normalize
    encoding: str = "utf-8"
    condition: ConditionRule | None = None
    tokenized: bool = False


class TaggerConfig(NamedTuple):
    """Configuration of a tagger.

    Attributes:
        network: settings of the network; its features are a list.
        scheme: span scheme of the training files.
        inner_scheme: span scheme of the network's labels.
        tokenizer: tokenizer for raw text: `whitespace`, `basic`, or None for a script without spaces between
            words.
        normalize: Unicode normalization of words.
        heads: the labels of a tagger that predicts several; None for a single label.
    """

    network: TaggerModel
    scheme: Scheme
    inner_scheme: Scheme
    tokenizer: str | None = None
    normalize: Normalize = "nfc"
    heads: HeadsConfig | None = None


class WordVocabulary(NamedTuple):
    """Words and labels of a tagger's training data.

    Attributes:
        labels: labels of the network, in its span scheme.
        counts: frequency of each training word.
        features: values of each feature, None for a feature over characters.
        characters: characters of training words, None without features over characters.
        further: labels of the further columns of a tagger that predicts several.
        combinations: combinations of labels that are scored together, as label numbers.
        lemmas: of known words, by form: first labels, each followed by the number of a script.
    """

    labels: tuple[str, ...]
    counts: Mapping[str, int]
    features: tuple[Sequence[str] | None, ...]
    characters: Sequence[str] | None
    further: tuple[Sequence[str], ...] = ()
    combinations: tuple[tuple[int, ...], ...] = ()
    lemmas: Mapping[str, Sequence[int]] = {}


def read_character_config(config: Json) -> CharacterConfig:
    """Read the configuration of a character model.

    Raises:
        ModelError: a missing or unknown key, or a value that is not allowed.
    """
    kind: TextKind = one_of(config.get("kind"), "kind", get_args(TextKind))
    symbols = section(config, "symbols")
    unit: Unit = one_of(symbols.get("unit"), "symbols.unit", get_args(Unit))
    normalize: Normalize = one_of(symbols.get("normalize"), "symbols.normalize", get_args(Normalize))
    network = read_settings(CharModel, section(config, "model"), "model")
    if network.tied and network.input == "onehot":
        fail(CONFIG, "model.tied: expected an embedding to share weights with, found one-hot input")
    condition = None if config.get("condition") is None else _condition(section(config, "condition"))
    if condition is not None and kind != "lines":
        fail(CONFIG, f"condition: expected a model of lines, found one of {kind}")
    tokenized = symbols.get("tokenized", False)
    if type(tokenized) is not bool:
        fail(CONFIG, f"symbols.tokenized: expected true or false, found {shown(tokenized)}")
    encoding = _encoding(config, "encoding")
    return CharacterConfig(network, kind, unit, normalize, encoding, condition, tokenized)


def _condition(values: Mapping[str, object]) -> ConditionRule:
    source: Source = one_of(values.get("source"), "condition.source", get_args(Source))
    others = [values.get(name) for name in ("separator", "column", "text")]
    strings = [value for value in others if isinstance(value, str) and value]
    if len(strings) < len(others) or len(values) != len(others) + 1:
        fail(CONFIG, "condition: expected source, separator, column and text")
    return ConditionRule(source, *strings)


def read_conditions(vocab: Mapping[str, object]) -> Conditions:
    """Read the conditions of a model of lines.

    Raises:
        ModelError: a missing key, or a value that is not allowed.
    """
    values = vocab.get("conditions")
    if not isinstance(values, dict) or not are_strings(values.get("names")) or len(values["names"]) < 2:
        fail(VOCAB, "conditions: expected names, a list of at least two strings")
    names, counts = values["names"], values.get("counts")
    if len(set(names)) != len(names) or not all(names):
        fail(VOCAB, "conditions: expected different names, found one twice, or an empty one")
    if not are_counts(counts) or len(counts) != len(names) or not sum(counts):
        fail(VOCAB, f"conditions: expected {len(names):,} counts")
    return Conditions(tuple(names), tuple(counts))


def read_tagger_config(config: Json) -> TaggerConfig:
    """Read the configuration of a tagger.

    Raises:
        ModelError: a missing or unknown key, or a value that is not allowed.
    """
    from seqtool.data.tokenization.rules import TokenizerName  # character models do without

    scheme: Scheme = one_of(config.get("scheme"), "scheme", get_args(Scheme))
    inner_scheme: Scheme = one_of(config.get("inner_scheme"), "inner_scheme", get_args(Scheme))
    if (scheme == "none") != (inner_scheme == "none"):
        fail(CONFIG, "scheme and inner_scheme: expected both or none of them to mark spans")
    words = section(config, "words")
    normalize: Normalize = one_of(words.get("normalize"), "words.normalize", get_args(Normalize))
    model = section(config, "model")
    with_features = {**model, "features": read_features(model.get("features"))}
    network = read_settings(TaggerModel, with_features, "model")
    model |= {name: value for name, value in with_features.items() if name not in model}
    tokenizer = config.get("tokenizer")
    if tokenizer is not None:
        tokenizer = one_of(tokenizer, "tokenizer", get_args(TokenizerName))
    if type(words.get("tokens", "")) is not str:
        fail(CONFIG, "words.tokens: expected text")
    if not isinstance(config.get("tokenizer_f1"), float | None):
        fail(CONFIG, "tokenizer_f1: expected a number or null")
    _check_layout(config.get("layout", {}))
    heads = None if config.get("heads") is None else read_heads(section(config, "heads"))
    return TaggerConfig(network, scheme, inner_scheme, tokenizer, normalize, heads)


def _check_layout(layout: object) -> None:
    """Check the description of the training files that `data.formats.layout` reads."""
    if not isinstance(layout, dict):
        fail(CONFIG, "layout: expected a JSON object")
    _encoding(layout, "layout.encoding")
    for name in ("label", "separator", "text_key", "label_key"):
        if type(layout.get(name, "")) is not str:
            fail(CONFIG, f"layout.{name}: expected text")
    for name in ("columns", "labels"):
        if not are_strings(layout.get(name, [])):
            fail(CONFIG, f"layout.{name}: expected a list of strings")
    if not fits(layout.get("width"), int | None):
        fail(CONFIG, "layout.width: expected a number or null")


def _encoding(values: Json, name: str) -> str:
    """Return the encoding of the training files; models of UTF-8 files, and older ones, do not record it."""
    encoding = values.get("encoding", "utf-8")
    if not isinstance(encoding, str) or not is_text_encoding(encoding):
        fail(CONFIG, f"{name}: expected a text encoding, found {shown(encoding)}")
    return encoding


def read_symbol_vocabulary(vocab: Json, unit: Unit, *, tokenized: bool = False) -> SymbolVocabulary:
    """Read the vocabulary of a text model.

    Raises:
        ModelError: a missing key, or a value that is not allowed.
    """
    symbols = vocab.get("symbols")
    kind: type = int if unit == "byte" else str
    if not isinstance(symbols, list) or not symbols or not all(type(symbol) is kind for symbol in symbols):
        fail(VOCAB, f"symbols: expected a list of {'strings' if kind is str else 'bytes'}")
    if unit == "byte" and not all(0 <= symbol < 256 for symbol in symbols):
        fail(VOCAB, "symbols: expected bytes from 0 to 255")
    if len(set(symbols)) != len(symbols):
        fail(VOCAB, "symbols: expected different symbols, found one twice")
    if not are_counts(vocab.get("counts", [])):
        fail(VOCAB, "counts: expected a list of whole numbers")
    unknown = vocab.get("unknown")
    if unknown is not None and (type(unknown) is not int or not 0 <= unknown < len(symbols)):
        fail(VOCAB, f"unknown: expected the number of a symbol, found {shown(unknown)}")
    if unit != "word":
        return SymbolVocabulary.from_json(vocab, unit)
    from seqtool.data.word_vocabulary import read_vocabulary  # other models do without

    characters = vocab.get("characters")
    is_list = are_strings(characters) and all(len(one) == 1 for one in characters)
    if characters is not None and not (is_list and len(set(characters)) == len(characters)):
        fail(VOCAB, "characters: expected a list of different characters, or null")
    if not all(symbols):
        fail(VOCAB, "symbols: expected words, found an empty one")
    return read_vocabulary(vocab, unit, tokenized=tokenized)


def read_word_vocabulary(
    vocab: Json, network: TaggerModel, heads: HeadsConfig | None = None
) -> WordVocabulary:
    """Read the vocabulary of a tagger.

    Args:
        heads: the labels of a tagger that predicts several.

    Raises:
        ModelError: a missing key, or a value that is not allowed.
    """
    from seqtool.data.tagging.word_encoder import CHARACTER_FEATURES  # character models do without

    labels, forms, counts = vocab.get("labels"), vocab.get("forms"), vocab.get("counts")
    if not are_strings(labels) or not labels:
        fail(VOCAB, "labels: expected a list of strings")
    if not are_strings(forms):
        fail(VOCAB, "forms: expected a list of strings")
    if not are_counts(counts):
        fail(VOCAB, "counts: expected a list of whole numbers")
    if len(forms) != len(counts):
        fail(VOCAB, f"counts: expected one for each of {len(forms):,} forms, found {len(counts):,}")
    over_characters = [feature.name in CHARACTER_FEATURES for feature in feature_list(network)]
    features, characters = vocab.get("features"), vocab.get("characters")
    if not isinstance(features, list) or len(features) != len(over_characters):
        fail(VOCAB, f"features: expected {len(over_characters)} lists of values")
    for index, (values, is_null) in enumerate(zip(features, over_characters, strict=True)):
        if not (values is None if is_null else are_strings(values)):
            expected = "null" if is_null else "a list of strings"
            fail(VOCAB, f"features.{index}: expected {expected}")
    if (any(over_characters) or characters is not None) and not are_strings(characters):
        fail(VOCAB, "characters: expected a list of strings")
    further = HeadsVocabulary() if heads is None else read_heads_vocabulary(vocab, heads)
    known = dict(zip(forms, counts, strict=True))
    return WordVocabulary(tuple(labels), known, tuple(features), characters, *further)
