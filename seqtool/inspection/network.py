"""What `inspect` looks at: the untrained network of a config, or a trained model with the run it lies in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqtool.inference.character import CharacterModel
from seqtool.inference.load import load_model
from seqtool.inference.tagger import TaggerModel
from seqtool.storage.find_model import find_model, runs_root
from seqtool.storage.model_directory import Manifest, read_model
from seqtool.storage.run_directory import read_json_lines
from seqtool.types import Arrays

if TYPE_CHECKING:
    from seqtool.config import ReadConfig


@dataclass(frozen=True)
class Inspected:
    """A network with what is known of it.

    Attributes:
        name: what a person calls it.
        config, vocab, weights: as a model directory holds them.
        model: the same, ready to be used.
        manifest: of a trained model; None for an untrained network.
        rows: of the run's `metrics.jsonl`; empty where there is no run.
        run: the run directory, if there is one.
    """

    name: str
    config: dict[str, Any]
    vocab: dict[str, Any]
    weights: Arrays
    model: CharacterModel | TaggerModel
    manifest: Manifest | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    run: Path | None = None


def trained(reference: str, runs_dir: Path | None) -> Inspected:
    """A run or a model directory.

    Raises:
        ModelError: if there is none, or if it is damaged.
    """
    place = find_model(reference, runs_root(runs_dir))
    bundle = read_model(place.model)
    rows = list(read_json_lines(place.run / "metrics.jsonl")) if place.run else []
    return Inspected(
        place.name,
        bundle.config,
        bundle.vocab,
        bundle.weights,
        load_model(bundle),
        bundle.manifest,
        rows,
        place.run,
    )


def untrained(path: Path, overrides: Sequence[str] = ()) -> Inspected:
    """The network that a config describes, its weights freshly drawn.

    Raises:
        ConfigError: for a mistake in the config, or a character network without data or alphabet.
        DataError: if its data cannot be read.
        SeqtoolError: if torch, which draws the weights, is not installed.
    """
    from seqtool.config import read_settings
    from seqtool.settings import CharSettings
    from seqtool.tasks.network import untrained_arrays

    read = read_settings(path, overrides)
    settings = read.settings
    if isinstance(settings, CharSettings) and not (settings.data.text or settings.data.pairs):
        config, vocab = _without_data(read)
        weights = untrained_arrays(settings, symbols=len(vocab["symbols"]))
    else:
        from seqtool.tasks.prepare import prepare

        prepared = prepare(settings, runs_root() / ".cache")
        config, vocab, weights = (
            prepared.config,
            prepared.vocab,
            untrained_arrays(prepared.settings, prepared),
        )
    model = (
        CharacterModel.from_parts(config, vocab, weights)
        if config["task"] == "char"
        else TaggerModel.from_parts(config, vocab, weights)
    )
    return Inspected(f"{path} (untrained)", config, vocab, weights, model)


def _without_data(read: ReadConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """Config and vocabulary of a character network that has an alphabet and no data."""
    from seqtool.data.vocabulary import SymbolVocabulary
    from seqtool.errors import ConfigError
    from seqtool.settings import CharSettings
    from seqtool.tasks.prepare import char_config

    settings = read.settings
    assert isinstance(settings, CharSettings)
    if not settings.data.alphabet:
        raise ConfigError(
            [
                read.problem(
                    "data", "there is neither data nor an alphabet", "give data.alphabet: helo, for example"
                )
            ]
        )
    return char_config(settings, "text"), SymbolVocabulary(
        tuple(settings.data.alphabet), unit=settings.data.unit
    ).to_json()


def text_to_read(inspected: Inspected, texts: Sequence[str], files: Sequence[Path], root: Path) -> str:
    """The text to look at a character model over: the user's, or what the run held out; at most `LONGEST` characters.

    Raises:
        SeqtoolError: if there is none.
    """
    from seqtool.errors import SeqtoolError
    from seqtool.evaluation.text_data import held_out_text, read_text
    from seqtool.inspection.unit_ranking import LONGEST

    assert isinstance(inspected.model, CharacterModel)
    if texts or files:
        return "".join([*texts, read_text(files)])[:LONGEST]
    hint = "give one with --text or --file"
    if inspected.run is None or inspected.model.kind == "pairs":
        raise SeqtoolError("there is no text to look at", place=inspected.name, hint=hint)
    try:
        return held_out_text(inspected.run, root)[:LONGEST]
    except SeqtoolError as error:
        raise SeqtoolError(f"there is no text to look at: {error}", place=inspected.name, hint=hint) from None
