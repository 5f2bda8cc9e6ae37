"""Models that commands use: the one that `--model` names, or the newest that fits."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

from seqtool.errors import ModelError
from seqtool.reports.console import say
from seqtool.storage.find_model import (
    CHARACTER_MODEL,
    TAGGER,
    TEXT_MODEL,
    TOKENIZER,
    ModelFilter,
    find_model,
    runs_root,
)
from seqtool.storage.model_directory import StoredModel, read_model

if TYPE_CHECKING:
    from seqtool.inference.character import CharacterModel
    from seqtool.inference.tagger import TaggerModel
    from seqtool.inference.tokenizer import TokenizerModel
    from seqtool.types import Json


class LoadedTextModel(NamedTuple):
    """A character model and its name in messages."""

    model: CharacterModel
    name: str


class LoadedTagger(NamedTuple):
    """A tagger, its name in messages, and its `config.json`.

    Attributes:
        tokenizer: tokenizer that was trained with the tagger.
    """

    model: TaggerModel
    name: str
    config: Json
    tokenizer: TokenizerModel | None = None


def character_model(
    reference: str | None, runs_dir: Path | None, wanted: ModelFilter = CHARACTER_MODEL
) -> LoadedTextModel:
    """Load the character model that a command names, or the one that fits, whose name is printed on stderr.

    Raises:
        ModelError: there is no model, it is damaged, or it is of another task.
    """
    name, stored = _find(reference, runs_dir, wanted, "seqtool.inference.character")
    from seqtool.inference.load import load_character_model

    return LoadedTextModel(load_character_model(stored.main), name)


def text_model(reference: str | None, runs_dir: Path | None) -> LoadedTextModel:
    """Load a character model that can continue a text and has a probability for one.

    Raises:
        ModelError: as `character_model`; also for a model of aligned pairs, with a hint at `predict`.
    """
    loaded = character_model(reference, runs_dir, TEXT_MODEL)
    if loaded.model.aligned:
        message = "found a model of aligned pairs, which can neither continue a text nor give its probability"
        hint = "show the output for a text: seqtool predict TEXT"
        raise ModelError(message, place=loaded.name, hint=hint)
    return loaded


def tagger(reference: str | None, runs_dir: Path | None, *, raw_text: bool = False) -> LoadedTagger:
    """Load the tagger that a command names, or the one that fits, whose name is printed on stderr.

    Args:
        raw_text: load the tokenizer that was trained with it, if any.

    Raises:
        ModelError: there is no model, it is damaged, or it is of another task.
    """
    name, stored = _find(reference, runs_dir, TAGGER, "seqtool.inference.tagger")
    from seqtool.inference.load import load_tagger, load_tokenizer

    splits = raw_text and "tokenizer" in stored.parts
    tokenizer_model = load_tokenizer(stored) if splits else None
    return LoadedTagger(load_tagger(stored.main), name, stored.main.config, tokenizer_model)


def tokenizer(reference: str | None, runs_dir: Path | None) -> TokenizerModel:
    """Load the tokenizer that a command names, or the one that fits, whose name is printed on stderr.

    Raises:
        ModelError: there is no model, it is damaged, or it is of another task.
    """
    _, stored = _find(reference, runs_dir, TOKENIZER, "seqtool.inference.tokenizer")
    from seqtool.inference.load import load_tokenizer

    return load_tokenizer(stored)


def _find(
    reference: str | None, runs_dir: Path | None, wanted: ModelFilter, module: str
) -> tuple[str, StoredModel]:
    """Return the name of a model and its content, and import the module that uses it."""
    location = find_model(reference, runs_root(runs_dir), wanted, say)
    stored = _read_during_import(location.model, module)
    _expect_task(stored, wanted, location.name)
    if not _is_named(reference):
        say(f"model: {location.name} ({'pretrained' if location.pretrained else 'the newest'})")
    return location.name, stored


def _expect_task(stored: StoredModel, wanted: ModelFilter, name: str) -> None:
    """Refuse a model of another task.

    Raises:
        ModelError: the task of the model is not the wanted one.
    """
    if wanted.task in (None, *stored.parts):
        return
    from seqtool.tasks.interface import definition

    expected, found = definition(str(wanted.task)), definition(stored.task)
    hint = f"use it with: seqtool {found.use_command} --model {name}"
    raise ModelError(f"expected a {expected.noun}, found a {found.noun}", place=name, hint=hint)


def _read_during_import(folder: Path, module: str) -> StoredModel:
    """Read a model directory in another thread while this thread imports a module.

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
