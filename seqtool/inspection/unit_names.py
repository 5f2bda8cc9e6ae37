"""Names of hidden units: `h12` is the state of unit 12 in layer 1, `2.c7` the cell of unit 7 in layer 2.

Users count units and layers from 1, arrays count them from 0. The letters are those of torch: h state, c
cell; i, f, o, g gates and candidate of an LSTM; r, z, n those of a GRU.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqtool.errors import SeqtoolError
from seqtool.settings import RecurrentModel
from seqtool.types import Array

PARTS = {"rnn": "h", "lstm": "hcifog", "gru": "hrzn"}
GATES = "ifozr"  # values from 0 to 1
SHOWN = 8  # number of units that a letter without numbers means
MEANINGS = {
    "h": "state",
    "c": "cell",
    "i": "input gate",
    "f": "forget gate",
    "o": "output gate",
    "g": "candidate",
    "r": "reset gate",
    "z": "update gate",
    "n": "candidate",
}
_NAME = re.compile(r"(?:(\d+)\.)?([a-z])(?:(\d+)(?:-(\d+))?)?", re.ASCII)


@dataclass(frozen=True, order=True)
class Unit:
    """One number of a network's state or gates at each step.

    Attributes:
        layer: counted from 0.
        part: letter of the state or gate.
        index: counted from 0.
    """

    layer: int
    part: str
    index: int

    @property
    def name(self) -> str:
        """Name of the unit as users write it."""
        return f"{f'{self.layer + 1}.' if self.layer else ''}{self.part}{self.index + 1}"

    @property
    def array(self) -> str:
        """Name of the array of `CharacterModel.states` that contains the unit as a column."""
        return f"encoder.{self.layer}.{self.part}"


def parse_units(texts: Sequence[str], model: RecurrentModel, limit: int | None = SHOWN) -> list[Unit]:
    """Return the units with the given names: `h3`, `c1-8`, `2.f5`, or `h` for the first units.

    Args:
        texts: one name or several, separated by commas, in each text.
        limit: number of units that a letter alone means; None for all of its layer.

    Raises:
        SeqtoolError: a name is malformed, or the network has no such unit.
    """
    units: list[Unit] = []
    for name in (name.strip() for text in texts for name in text.split(",")):
        match = _NAME.fullmatch(name)
        if match is None:
            raise _unit_error(name, "expected a unit such as h3, c1-8 or 2.f5", model)
        layer, part = int(match[1] or 1), match[2]
        if part not in PARTS[model.cell]:
            raise _unit_error(name, f"an {model.cell} has no {part!r}", model)
        if not 1 <= layer <= model.num_layers:
            raise _unit_error(name, f"there is no layer {layer}", model)
        first = int(match[3] or 1)
        last = int(match[4] or match[3] or min(limit or model.hidden_size, model.hidden_size))
        if not 1 <= first <= last <= model.hidden_size:
            raise _unit_error(name, f"units are counted from 1 to {model.hidden_size}", model)
        units += [Unit(layer - 1, part, index) for index in range(first - 1, last)]
    return list(dict.fromkeys(units))


def _unit_error(name: str, message: str, model: RecurrentModel) -> SeqtoolError:
    parts = ", ".join(f"{part} ({MEANINGS[part]})" for part in PARTS[model.cell])
    layers = f" in {model.num_layers} layers" if model.num_layers > 1 else ""
    return SeqtoolError(
        f"{name!r}: {message}",
        place="--units",
        hint=f"this network has {model.hidden_size} units{layers}, each with {parts}",
    )


def shades(unit: Unit, values: Array) -> Array:
    """Return a unit's values scaled to the range of its colors, from -1 (blue) to 1 (red).

    Values 0 and 1 of a gate become -1 and 1. States and cells are divided by the largest absolute value.
    """
    if unit.part in GATES:
        return np.asarray(2 * values - 1, np.float32)
    largest = float(np.abs(values).max(initial=0.0))
    return np.asarray(values / (largest or 1.0), np.float32)
