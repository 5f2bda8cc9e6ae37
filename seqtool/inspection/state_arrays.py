"""`--states`: what a model held in mind, written as plain arrays (npz, nothing pickled) to be computed with."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from seqtool.inference.character import CharacterModel
from seqtool.inference.tagger import TaggerModel
from seqtool.inspection.text_trace import read, read_symbols
from seqtool.inspection.unit_names import PARTS, Unit
from seqtool.storage.atomic import writing
from seqtool.types import Array


def character_states(model: CharacterModel, text: str, units: Sequence[Unit] = ()) -> dict[str, Array]:
    """`symbols`, `ids`, `bits`, and the states: those of some units by their names, or of all, in whole arrays.

    Raises:
        DataError: an unknown symbol.
    """
    layers = range(model.settings.num_layers)
    names = {unit.array for unit in units} or {
        f"encoder.{layer}.{part}" for layer in layers for part in PARTS[model.settings.cell]
    }
    reading = read(model, text, names)
    arrays = {
        "symbols": np.array(reading.symbols, "U1"),
        "ids": read_symbols(model, text),
        "bits": reading.bits,
    }
    if units:
        return arrays | {unit.name: reading.states[unit.array][:, unit.index] for unit in units}
    return arrays | reading.states


def tagger_states(model: TaggerModel, tokens: Sequence[str]) -> dict[str, Array]:
    """`tokens`, `labels` and their `probabilities`, and all states of a sentence."""
    (probabilities,) = model.probabilities([tokens])
    arrays = {
        "tokens": np.array(list(tokens), np.str_),
        "labels": np.array(model.labels, np.str_),
        "probabilities": probabilities,
    }
    return arrays | model.states(tokens)


def write_npz(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays, whole or not at all.

    Raises:
        SeqtoolError: if the file cannot be written.
    """
    with writing(path):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                np.savez(file, **arrays, allow_pickle=False)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
