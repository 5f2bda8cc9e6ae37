"""Configuration and vocabulary of a tokenizer, read and checked without pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from seqtool.data.tokenization.characters import CharacterEncoder
from seqtool.data.tokenization.expansions import Expansions
from seqtool.inference.checked_values import (
    CONFIG,
    VOCAB,
    are_counts,
    are_strings,
    fail,
    read_settings,
    section,
    shown,
)
from seqtool.settings.model import TokenizerModel
from seqtool.types import Json


class TokenizerConfig(NamedTuple):
    """Configuration of a tokenizer.

    Attributes:
        network: settings of the network.
        inner_spaces: whether tokens may contain spaces.
    """

    network: TokenizerModel
    inner_spaces: bool


class TokenizerVocabulary(NamedTuple):
    """Characters of the training text, and words of multiword tokens."""

    characters: CharacterEncoder
    expansions: Expansions


def read_tokenizer_config(config: Json) -> TokenizerConfig:
    """Read the configuration of a tokenizer.

    Raises:
        ModelError: a missing or unknown key, or a value that is not allowed.
    """
    network = read_settings(TokenizerModel, section(config, "model"), "model")
    if network.width % 2 == 0:
        fail(CONFIG, f"model.width: expected an odd number, found {network.width}")
    inner_spaces = config.get("inner_spaces")
    if type(inner_spaces) is not bool:
        fail(CONFIG, f"inner_spaces: expected true or false, found {shown(inner_spaces)}")
    return TokenizerConfig(network, inner_spaces)


def read_tokenizer_vocabulary(vocab: Json) -> TokenizerVocabulary:
    """Read the vocabulary of a tokenizer.

    Raises:
        ModelError: a missing key, or a value that is not allowed.
    """
    characters, counts = vocab.get("characters"), vocab.get("character_counts")
    if not are_strings(characters) or not all(len(item) == 1 for item in characters):
        fail(VOCAB, "characters: expected a list of characters")
    if len(set(characters)) != len(characters):
        fail(VOCAB, "characters: expected different characters, found one twice")
    if not are_counts(counts) or len(counts) != len(characters):
        fail(VOCAB, f"character_counts: expected {len(characters):,} whole numbers")
    encoder = CharacterEncoder(dict(zip(characters, counts, strict=True)))
    suffixes, prefixes = (_rules(vocab, f"expansion_{part}") for part in ("suffixes", "prefixes"))
    forms = _forms(vocab, "expansions")
    always = _forms(vocab, "always_expanded") if "always_expanded" in vocab else {}
    return TokenizerVocabulary(encoder, Expansions(forms, suffixes, prefixes, always))


def _forms(vocab: Json, name: str) -> Mapping[str, tuple[str, ...]]:
    forms = vocab.get(name)
    if not isinstance(forms, dict):
        fail(VOCAB, f"{name}: expected a JSON object")
    for form, words in forms.items():
        if not are_strings(words) or not words:
            fail(VOCAB, f"{name}: expected a list of words for {shown(form)}, found {shown(words)}")
    return {form: tuple(words) for form, words in forms.items()}


def _rules(vocab: Json, name: str) -> Mapping[str, str]:
    rules = vocab.get(name)
    if not isinstance(rules, dict) or "" in rules or not are_strings(list(rules.values())):
        fail(VOCAB, f"{name}: expected texts by the parts of forms that they replace")
    return rules
