"""A trained model, found, verified and ready to be used: what `tag`, `predict`, `sample` and `score` begin with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqtool.bundle import read_bundle
from seqtool.errors import ModelError
from seqtool.reports.console import say
from seqtool.runs import find_model, runs_root
from seqtool.runtime.character import CharacterModel
from seqtool.runtime.load import load_model
from seqtool.runtime.tagger import TaggerModel


@dataclass(frozen=True)
class UsedCharacterModel:
    """A character model and what a person calls it."""

    model: CharacterModel
    name: str
    manifest: dict[str, Any]


@dataclass(frozen=True)
class UsedTagger:
    """A tagger and what a person calls it."""

    model: TaggerModel
    name: str
    manifest: dict[str, Any]
    config: dict[str, Any]


def character_model(reference: str | None, runs_dir: Path | None, kind: str | None = None) -> UsedCharacterModel:
    """The character model that a command means; the newest one is named on stderr.

    Raises:
        ModelError: if there is none, if it is damaged, or if it is a tagger.
    """
    place = find_model(reference, runs_root(runs_dir), "char", kind)
    bundle = read_bundle(place.model)
    if bundle.task != "char":
        raise ModelError(
            "a tagger, not a character model", place=place.name, hint=f"tag text with it: seqtool tag --model {place.name} TEXT"
        )
    _name_newest(reference, place.name)
    model = load_model(bundle)
    assert isinstance(model, CharacterModel)
    return UsedCharacterModel(model, place.name, bundle.manifest)


def tagger(reference: str | None, runs_dir: Path | None) -> UsedTagger:
    """The tagger that a command means; the newest one is named on stderr.

    Raises:
        ModelError: if there is none, if it is damaged, or if it is a character model.
    """
    place = find_model(reference, runs_root(runs_dir), "tagger")
    bundle = read_bundle(place.model)
    if bundle.task != "tagger":
        raise ModelError("a character model, not a tagger", place=place.name, hint="train a tagger: seqtool train-tagger CONFIG")
    _name_newest(reference, place.name)
    model = load_model(bundle)
    assert isinstance(model, TaggerModel)
    return UsedTagger(model, place.name, bundle.manifest, bundle.config)


def _name_newest(reference: str | None, name: str) -> None:
    import os

    if not reference and not os.environ.get("SEQTOOL_MODEL"):
        say(f"model: {name} (the newest)")
