"""The model of `tag`, `predict`, `sample` and `score`: find it, verify it, and prepare it for use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

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
    from seqtool.types import Json


@dataclass(frozen=True)
class LoadedTextModel:
    """A character model and its name in messages."""

    model: CharacterModel
    name: str


@dataclass(frozen=True)
class LoadedTagger:
    """A tagger, its name in messages, and its `config.json`."""

    model: TaggerModel
    name: str
    config: Json


def character_model(
    reference: str | None, runs_dir: Path | None, wanted: ModelFilter = CHARACTER_MODEL
) -> LoadedTextModel:
    """Load the character model that a command names, or the newest one, whose name is printed on stderr.

    Raises:
        ModelError: there is no model, it is damaged, or it is of another task.
    """
    name, stored = _find(reference, runs_dir, wanted, "seqtool.inference.character")
    from seqtool.inference.load import load_character_model

    return LoadedTextModel(load_character_model(stored), name)


def text_model(reference: str | None, runs_dir: Path | None) -> LoadedTextModel:
    """Load a character model that can continue a text and has a probability for one.

    Raises:
        ModelError: as `character_model`; also for a model of aligned pairs, with a hint at `predict`.
    """
    root = runs_root(runs_dir)
    if not _is_named(reference):
        manifests = [manifest for _, manifest in finished_runs(root) if CHARACTER_MODEL.accepts(manifest)]
        if manifests and all(map(ALIGNED_MODEL.accepts, manifests)):
            raise _aligned_model_error(str(root), "found only character models of aligned pairs")
    loaded = character_model(reference, runs_dir, TEXT_MODEL)
    if loaded.model.aligned:
        raise _aligned_model_error(loaded.name, "found a model of aligned pairs")
    return loaded


def _aligned_model_error(place: str, found: str) -> ModelError:
    message = f"{found}, which can neither continue a text nor give its probability"
    return ModelError(message, place=place, hint="show the output for a text: seqtool predict TEXT")


def tagger(reference: str | None, runs_dir: Path | None) -> LoadedTagger:
    """Load the tagger that a command names, or the newest one, whose name is printed on stderr.

    Raises:
        ModelError: there is no model, it is damaged, or it is of another task.
    """
    name, stored = _find(reference, runs_dir, TAGGER, "seqtool.inference.tagger")
    from seqtool.inference.load import load_tagger

    return LoadedTagger(load_tagger(stored), name, stored.config)


def _find(
    reference: str | None, runs_dir: Path | None, wanted: ModelFilter, module: str
) -> tuple[str, StoredModel]:
    """Return the name and the contents of a model directory, and import the module that uses it."""
    place = find_model(reference, runs_root(runs_dir), wanted)
    stored = _read_during_import(place.model, module)
    _expect_task(stored, wanted, place.name)
    if not _is_named(reference):
        say(f"model: {place.name} (the newest)")
    return place.name, stored


def _expect_task(stored: StoredModel, wanted: ModelFilter, name: str) -> None:
    """Refuse a model of another task.

    Raises:
        ModelError: the task of the model is not the wanted one.
    """
    if wanted.task in (None, stored.task):
        return
    from seqtool.tasks import definition

    expected, found = definition(str(wanted.task)), definition(stored.task)
    hint = f"use it with: seqtool {found.use_command} --model {name}"
    raise ModelError(f"expected a {expected.noun}, found a {found.noun}", place=name, hint=hint)


def _read_during_import(folder: Path, module: str) -> StoredModel:
    """Read and verify a model directory in another thread while this thread imports a module.

    Raises:
        ModelError: as `read_model`.
    """
    outcome: list[StoredModel | Exception] = []

    def read() -> None:
        try:
            outcome.append(read_model(folder))
        except Exception as error:  # raised again in the thread of the caller
            outcome.append(error)

    thread = Thread(target=read, daemon=True)  # Ctrl-C does not wait for it
    thread.start()
    import_module(module)
    thread.join()
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _is_named(reference: str | None) -> bool:
    return bool(reference or os.environ.get("SEQTOOL_MODEL"))
