"""Model directories with random weights, without training and without torch."""

from __future__ import annotations

from pathlib import Path
from string import ascii_lowercase
from typing import Any

from seqtool.settings.model import CharModel, Feature, TaggerModel, TokenizerModel
from seqtool.storage.model_directory import write_model
from tests.support.random_models import (
    Parts,
    character_parts,
    conditional_parts,
    tagger_parts,
    tokenizer_parts,
)

LETTERS = "\n abcdefgh"
FEATURES = (Feature(name="form", dim=6, unknown=False),)
RICH = (
    Feature(name="lower", dim=5, min_count=2),
    Feature(name="suffix", length=3, dim=3),
    Feature(name="char_cnn", dim=4),
)


def store(folder: Path, parts: Parts, **facts: object) -> Path:
    """Write a run directory that contains a model only."""
    config, vocab, weights = parts
    write_model(
        folder / "model", config, vocab, weights, {"kind": config["kind"], "name": folder.name, **facts}
    )
    return folder


def store_character_model(folder: Path, kind: str = "text", symbols: str = LETTERS, **options: Any) -> Path:
    """Write a character model over a few letters; options as for `character_parts`."""
    model = CharModel(hidden_size=8, embedding_dim=4)
    return store(folder, character_parts(model, symbols, kind=kind, scale=0.8, **options))


def store_conditional_model(folder: Path) -> Path:
    """Write a model of lines of small letters that are red or green."""
    model = CharModel(hidden_size=8, embedding_dim=4, condition_dim=3)
    symbols = "\n " + ascii_lowercase
    return store(folder, conditional_parts(model, symbols, ("red", "green"), (3, 2)))


def store_tagger(
    folder: Path,
    *,
    decoder: str = "softmax",
    spans: bool = False,
    tokenizer: str | None = "basic",
    **more: object,
) -> Path:
    """Write a tagger over the words of `random_models.WORDS`; `more` is added to its config."""
    model = TaggerModel(features=RICH, hidden_size=6, projection=8, decoder=decoder)  # type: ignore[arg-type]
    labels = ("O", "B-x", "I-x", "E-x", "S-x", "S-y") if spans else ("DET", "NN", "V")
    config, vocab, weights = tagger_parts(model, labels, scheme="iob2" if spans else "none")
    return store(folder, ({**config, "tokenizer": tokenizer, **more}, vocab, weights))


def store_tokenizer(folder: Path, **options: Any) -> Path:
    """Write a tokenizer; options as for `tokenizer_parts`."""
    model = TokenizerModel(hidden_size=4, embedding_dim=3, class_dim=2, filters=5)
    return store(folder, tokenizer_parts(model, **options))
