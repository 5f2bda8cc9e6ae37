"""Hidden units by name: `h12` is the twelfth unit's state in the first layer, `2.c7` the seventh's cell in the second.

Units and layers are counted from 1 by people, from 0 by arrays. The letters are torch's: h state, c cell; i, f, o, g gates
and candidate of an LSTM; r, z, n those of a GRU.
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
SHOWN = 8  # units of a part that is named without numbers
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
    """One number of a network's state or gates, watched over time."""

    layer: int
    part: str
    index: int

    @property
    def name(self) -> str:
        """As a person writes it."""
        return f"{f'{self.layer + 1}.' if self.layer else ''}{self.part}{self.index + 1}"

    @property
    def array(self) -> str:
        """The array of `CharacterModel.states` it is a column of."""
        return f"encoder.{self.layer}.{self.part}"


def parse_units(texts: Sequence[str], model: RecurrentModel, limit: int | None = SHOWN) -> list[Unit]:
    """The units that names stand for: `h3`, `c1-8`, `2.f5`, or `h` alone for the first ones.

    Args:
        texts: names, each text one or several with commas between them.
        limit: how many a letter alone stands for; None: all of its layer.

    Raises:
        SeqtoolError: a name that is none, or a unit that the network does not have.
    """
    units: list[Unit] = []
    for name in (name.strip() for text in texts for name in text.split(",")):
        match = _NAME.fullmatch(name)
        if match is None:
            raise _mistake(name, "expected a unit such as h3, c1-8 or 2.f5", model)
        layer, part = int(match[1] or 1), match[2]
        if part not in PARTS[model.cell]:
            raise _mistake(name, f"an {model.cell} has no {part!r}", model)
        if not 1 <= layer <= model.num_layers:
            raise _mistake(name, f"there is no layer {layer}", model)
        first = int(match[3] or 1)
        last = int(match[4] or match[3] or min(limit or model.hidden_size, model.hidden_size))
        if not 1 <= first <= last <= model.hidden_size:
            raise _mistake(name, f"units are counted from 1 to {model.hidden_size}", model)
        units += [Unit(layer - 1, part, index) for index in range(first - 1, last)]
    return list(dict.fromkeys(units))


def _mistake(name: str, message: str, model: RecurrentModel) -> SeqtoolError:
    parts = ", ".join(f"{part} ({MEANINGS[part]})" for part in PARTS[model.cell])
    layers = f" in {model.num_layers} layers" if model.num_layers > 1 else ""
    return SeqtoolError(
        f"{name!r}: {message}",
        place="--units",
        hint=f"this network has {model.hidden_size} units{layers}, each with {parts}",
    )


def shades(unit: Unit, values: Array) -> Array:
    """A unit's values as colours are chosen by them, from -1 (blue) to 1 (red).

    Gates keep their meaning: 0 is -1 and 1 is 1. A state or cell is taken in proportion to the largest one shown.
    """
    if unit.part in "ifozr":
        return np.asarray(2 * values - 1, np.float32)
    largest = float(np.abs(values).max(initial=0.0))
    return np.asarray(values / (largest or 1.0), np.float32)
