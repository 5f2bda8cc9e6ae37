"""Character models and taggers with random weights, without training and without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from seqtool.data.tagging.word_encoder import WordEncoder
from seqtool.data.tokenization.characters import CharacterEncoder
from seqtool.data.tokenization.expansions import Expansions
from seqtool.data.vocabulary import SymbolVocabulary
from seqtool.data.word_vocabulary import WordSymbols
from seqtool.inference.character import CharacterModel
from seqtool.inference.heads_config import read_heads
from seqtool.inference.load import (
    Shapes,
    character_shapes,
    load_character_model,
    load_tagger,
    tagger_shapes,
    tokenizer_shapes,
)
from seqtool.inference.model_config import read_word_vocabulary
from seqtool.inference.tagger import TaggerModel
from seqtool.settings.model import CharModel, Feature
from seqtool.settings.model import TaggerModel as TaggerSettings
from seqtool.settings.model import TokenizerModel as TokenizerSettings
from seqtool.storage.model_directory import Manifest, StoredModel
from seqtool.types import Array

Weights = dict[str, Array]
Parts = tuple[dict[str, Any], dict[str, Any], Weights]  # config, vocab, weights

WORDS = (
    "The",
    "dog",
    "ate",
    "the",
    "apple",
    "Everybody",
    "read",
    "that",
    "book",
    "20 000",
    "naïve",
    "x" * 80,
    "ß",
    "!",
)
UNSEEN = ("cat", "Dogs", "A", "?", "q" * 70)
SPAN_LABELS = ("O", "B-x", "I-x", "E-x", "S-x", "S-y")
FEATURES = (
    Feature(name="lower", dim=5, min_count=2),
    Feature(name="form", dim=4, unknown=False),
    Feature(name="prefix", length=2, dim=3),
    Feature(name="suffix", length=3, dim=3),
    Feature(name="shape", dim=2),
)


def stored_model(parts: Parts) -> StoredModel:
    """Return a stored model that was never written to a disk."""
    config, vocab, weights = parts
    return StoredModel(config, vocab, weights, Manifest(task=config["task"]))


def random_weights(shapes: Shapes, seed: int = 0, scale: float = 0.4) -> Weights:
    """Return normally distributed weights."""
    draw = np.random.default_rng(seed)
    return {name: (draw.standard_normal(shape) * scale).astype(np.float32) for name, shape in shapes.items()}


def character_parts(
    model: CharModel,
    symbols: Sequence[str],
    *,
    kind: str = "text",
    seed: int = 0,
    scale: float = 0.4,
    **vocab: Any,
) -> Parts:
    """Return the parts of a character model over symbols; `vocab`: unit, unknown."""
    vocabulary = SymbolVocabulary(symbols, **vocab)
    config = {
        "task": "char",
        "kind": kind,
        "model": asdict(model),
        "symbols": {"unit": vocabulary.unit, "normalize": "none"},
    }
    return config, vocabulary.to_json(), random_weights(character_shapes(model, len(symbols)), seed, scale)


def conditional_parts(
    model: CharModel, symbols: Sequence[str], names: Sequence[str], counts: Sequence[int], *, seed: int = 0
) -> Parts:
    """Return the parts of a model of lines with conditions; `counts`: training lines of each."""
    config, vocab, _ = character_parts(model, symbols, kind="lines")
    config["condition"] = {"source": "file", "separator": "auto", "column": "1", "text": "2"}
    vocab["conditions"] = {"names": list(names), "counts": list(counts)}
    return config, vocab, random_weights(character_shapes(model, len(symbols), len(names)), seed, 0.6)


def word_parts(
    model: CharModel,
    words: Sequence[str],
    characters: Sequence[str] | None = None,
    *,
    unknown: int | None = None,
    tokenized: bool = False,
    kind: str = "text",
    seed: int = 0,
    scale: float = 0.4,
) -> Parts:
    """Return the parts of a text model over words, which spells unknown ones if it has characters."""
    vocabulary = WordSymbols(words, unknown, (), characters, tokenized=tokenized)
    config = {
        "task": "char",
        "kind": kind,
        "model": asdict(model),
        "symbols": {"unit": "word", "normalize": "none", "tokenized": tokenized},
    }
    return config, vocabulary.to_json(), random_weights(character_shapes(model, len(vocabulary)), seed, scale)


def character_model(model: CharModel, symbols: Sequence[str], **options: Any) -> CharacterModel:
    """Return a character model; options as for `character_parts`."""
    return load_character_model(stored_model(character_parts(model, symbols, **options)))


def tagger_parts(
    model: TaggerSettings, labels: Sequence[str] = SPAN_LABELS, *, scheme: str = "iob2", seed: int = 0
) -> Parts:
    """Return the parts of a tagger with the training words `WORDS`, the first the most frequent.

    Args:
        model: settings with a list of features.
    """
    assert isinstance(model.features, tuple)
    encoder = WordEncoder.build(
        model.features, {word: len(WORDS) - place for place, word in enumerate(WORDS)}, "nfc"
    )
    vocab = {"labels": list(labels), **encoder.to_json()}
    config = {
        "task": "tagger",
        "kind": "tagger",
        "model": asdict(model),
        "words": {"normalize": "nfc", "tokens": "words"},
        "scheme": scheme,
        "inner_scheme": "none" if scheme == "none" else "bioes",
        "tokenizer": "whitespace",
        "tokenizer_f1": None,
        "layout": {"label": "auto", "columns": [], "width": 2, "text_key": "tokens", "label_key": "labels"},
    }
    return config, vocab, random_weights(tagger_shapes(model, read_word_vocabulary(vocab, model)), seed)


def multilabel_parts(model: TaggerSettings, *, seed: int = 0) -> Parts:
    """Return the parts of a tagger of parts of speech, spans, further labels and lemmas.

    The first and the third column are scored together.
    """
    labels = (("DET", "NN", "V"), SPAN_LABELS, ("a", "b", "c", "d"), ("l |", "t |", "l |-", "l =be"))
    columns = [
        {"name": "upos", "kind": "label", "scheme": "none", "inner_scheme": "none"},
        {"name": "misc:NE", "kind": "label", "scheme": "iob2", "inner_scheme": "bioes"},
        {"name": "xpos", "kind": "label", "scheme": "none", "inner_scheme": "none"},
        {"name": "lemma", "kind": "lemma", "scheme": "none", "inner_scheme": "none"},
    ]
    config, vocab, _ = tagger_parts(model, labels[0], scheme="none")
    config |= {"heads": {"columns": columns, "combined": [0, 2]}}
    combinations = [[0, 0], [0, 1], [1, 1], [1, 2], [1, 3], [2, 0], [2, 3]]
    further = [list(names) for names in labels[1:]]
    lemmas = random_lemmas(len(vocab["forms"]), len(labels[0]), len(labels[3]), seed)
    vocab |= {"heads": {"columns": further, "combinations": combinations, "lemmas": lemmas}}
    heads = read_heads(config["heads"])
    shapes = tagger_shapes(model, read_word_vocabulary(vocab, model, heads), heads)
    return config, vocab, random_weights(shapes, seed)


def random_lemmas(forms: int, labels: int, scripts: int, seed: int) -> list[list[int]]:
    """Return known lemmas of half of the forms, as in `vocab.json`."""
    draw = np.random.default_rng((seed, forms))
    rows: list[list[int]] = []
    for _ in range(forms):
        known = np.flatnonzero(draw.random(labels) < 0.4).tolist() if draw.random() < 0.5 else []
        rows.append([number for label in known for number in (label, int(draw.integers(scripts)))])
    return rows


def tokenizer_parts(model: TokenizerSettings, *, inner_spaces: bool = False, seed: int = 0) -> Parts:
    """Return the parts of a tokenizer that knows some ASCII characters and one multiword token."""
    encoder = CharacterEncoder.build(["abcdefgABC 012.,!?'"], 1)
    expansions = Expansions.learn([("ab", ("a", "the", "b"))])
    config = {"task": "tokenizer", "kind": "tokenizer", "model": asdict(model), "inner_spaces": inner_spaces}
    vocab = {**encoder.to_json(), **expansions.to_json()}
    return config, vocab, random_weights(tokenizer_shapes(model, len(encoder)), seed)


def tagger(model: TaggerSettings, labels: Sequence[str] = SPAN_LABELS, **options: Any) -> TaggerModel:
    """Return a tagger; options as for `tagger_parts`."""
    return load_tagger(stored_model(tagger_parts(model, labels, **options)))


def random_sentences(lengths: Sequence[int], seed: int = 0) -> list[list[str]]:
    """Return sentences of known and unseen words."""
    draw = np.random.default_rng(seed)
    words = WORDS + UNSEEN
    return [[words[number] for number in draw.integers(0, len(words), length)] for length in lengths]
