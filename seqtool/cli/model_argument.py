"""A trained model, found, verified and ready to be used: what `tag`, `predict`, `sample` and `score` begin with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from seqtool.errors import ModelError
from seqtool.reports.console import say
from seqtool.storage.find_model import (
    ALIGNED_MODEL,
    CHARACTER_MODEL,
    TAGGER,
    TEXT_MODEL,
    ModelFilter,
    find_model,
    finished_runs,
    runs_root,
)
from seqtool.storage.model_directory import StoredModel, read_model

if TYPE_CHECKING:
    from seqtool.inference.character import CharacterModel
    from seqtool.inference.tagger import TaggerModel


@dataclass(frozen=True)
class LoadedTextModel:
    """A character model and what a person calls it."""

    model: CharacterModel
    name: str


@dataclass(frozen=True)
class LoadedTagger:
    """A tagger and what a person calls it."""

    model: TaggerModel
    name: str
    config: dict[str, Any]


def character_model(
    reference: str | None, runs_dir: Path | None, wanted: ModelFilter = CHARACTER_MODEL
) -> LoadedTextModel:
    """The character model that a command means; the newest one is named on stderr.

    Raises:
        ModelError: if there is none, if it is damaged, or if it is a tagger.
    """
    place = find_model(reference, runs_root(runs_dir), wanted)
    bundle = _read_bundle(place.model, meanwhile="seqtool.inference.character")
    if bundle.task != "char":
        raise ModelError(
            "a tagger, not a character model",
            place=place.name,
            hint=f"tag text with it: seqtool tag --model {place.name} TEXT",
        )
    from seqtool.inference.load import load_character_model

    _name_newest(reference, place.name)
    return LoadedTextModel(load_character_model(bundle), place.name)


def text_model(reference: str | None, runs_dir: Path | None) -> LoadedTextModel:
    """A character model of running text or of lines, which can go on with a text and say how likely one is.

    Raises:
        ModelError: as `character_model`; a model of aligned pairs, pointing to `predict`.
    """
    root = runs_root(runs_dir)
    if not reference and not os.environ.get("SEQTOOL_MODEL"):
        known = [manifest for _, manifest in finished_runs(root) if CHARACTER_MODEL.accepts(manifest)]
        if known and all(map(ALIGNED_MODEL.accepts, known)):
            raise _aligned(str(root), "the only character models here are of aligned pairs")
    used = character_model(reference, runs_dir, TEXT_MODEL)
    if used.model.aligned:
        raise _aligned(used.name, "a model of aligned pairs")
    return used


def _aligned(place: str, what: str) -> ModelError:
    message = f"{what}: such a model gives a symbol for a symbol, it neither goes on with a text nor says how likely one is"
    return ModelError(message, place=place, hint="see what it makes of a text: seqtool predict TEXT")


def tagger(reference: str | None, runs_dir: Path | None) -> LoadedTagger:
    """The tagger that a command means; the newest one is named on stderr.

    Raises:
        ModelError: if there is none, if it is damaged, or if it is a character model.
    """
    place = find_model(reference, runs_root(runs_dir), TAGGER)
    bundle = _read_bundle(place.model, meanwhile="seqtool.inference.tagger")
    if bundle.task != "tagger":
        raise ModelError(
            "a character model, not a tagger",
            place=place.name,
            hint="train a tagger: seqtool train-tagger CONFIG",
        )
    from seqtool.inference.load import load_tagger

    _name_newest(reference, place.name)
    return LoadedTagger(load_tagger(bundle), place.name, bundle.config)


def _read_bundle(folder: Path, meanwhile: str) -> StoredModel:
    """A verified model directory, read and hashed by another thread while this one imports the module that will use it.

    Raises:
        ModelError: as `read_model`.
    """
    outcome: list[StoredModel | Exception] = []

    def read() -> None:
        try:
            outcome.append(read_model(folder))
        except Exception as error:  # raised below, in the caller's thread
            outcome.append(error)

    thread = Thread(target=read, daemon=True)  # Ctrl-C need not wait for it
    thread.start()
    import_module(meanwhile)
    thread.join()
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _name_newest(reference: str | None, name: str) -> None:
    if not reference and not os.environ.get("SEQTOOL_MODEL"):
        say(f"model: {name} (the newest)")
