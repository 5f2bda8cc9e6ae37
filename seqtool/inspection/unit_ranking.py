"""Which hidden units follow a pattern of a text: every unit's correlation with it, found in one reading of the text.

Sums are taken piece by piece in double precision, so that a long text needs no more memory than a short one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtool.data.vocabulary import BOUNDARY
from seqtool.errors import SeqtoolError
from seqtool.inference.character import CharacterModel
from seqtool.inspection.patterns import pattern_values
from seqtool.inspection.text_trace import Trace, pieces, read, read_symbols
from seqtool.inspection.unit_names import Unit
from seqtool.types import Array

LONGEST = 100_000  # symbols of a text that units are ranked on
CONTEXT = 1000  # characters that are read before an excerpt
STATES = "hc"  # the parts that are ranked where nothing else is said


@dataclass(frozen=True)
class RankedUnit:
    """A unit and how well it follows a pattern, from -1 to 1."""

    unit: Unit
    correlation: float


def state_parts(model: CharacterModel) -> list[str]:
    """The arrays that are ranked where nothing else is said: states and cells of every layer."""
    cells = STATES if model.settings.cell == "lstm" else "h"
    return [f"encoder.{layer}.{part}" for layer in range(model.settings.num_layers) for part in cells]


def pattern_of_symbols(model: CharacterModel, name: str, text: str) -> Array:
    """What a pattern says of each symbol of a reading of the text: bytes as their character.

    Raises:
        SeqtoolError: a pattern that is none, or that is the same all over the text.
    """
    if model.kind == "lines":
        text = text.removesuffix(BOUNDARY) + BOUNDARY
    text = model.normalized(text)
    values = pattern_values(name, text)
    if model.vocabulary.unit == "byte":
        values = np.repeat(values, [len(character.encode("utf-8", "surrogatepass")) for character in text])
    if not len(values) or np.ptp(values) == 0:
        hint = "give a text that has it with --text or --file"
        raise SeqtoolError(
            f"{name}: the text is the same all over in this respect, so no unit can follow it",
            place="--find",
            hint=hint,
        )
    return values


def rank_units(
    model: CharacterModel, text: str, targets: Mapping[str, Array], parts: Sequence[str]
) -> dict[str, list[RankedUnit]]:
    """The units of some parts by how well they follow each target, the best first.

    Args:
        targets: (length,) for the symbols of a reading of the text, by name.
        parts: names of arrays such as `encoder.0.h`.

    Raises:
        DataError: an unknown symbol.
    """
    ids = read_symbols(model, text)
    y = np.stack([np.asarray(values, np.float64) for values in targets.values()], axis=1)
    y = (y - y.mean(0)) / y.std(0)
    sums: dict[str, list[Any]] = {part: [0.0, 0.0, 0.0] for part in parts}  # of x, x * x and x * y
    starts: dict[str, Array] = {}
    for positions, found in pieces(model, ids, set(parts)):
        for part in parts:
            x = found[part].astype(np.float64)
            x -= starts.setdefault(
                part, x.mean(0)
            )  # near the mean, so that little is lost in the difference below
            for place, more in enumerate((x.sum(0), np.einsum("tu,tu->u", x, x), x.T @ y[positions])):
                sums[part][place] = sums[part][place] + more
    correlations = {part: _correlations(sums[part], len(ids)) for part in parts}
    return {name: _ranked(correlations, column) for column, name in enumerate(targets)}


def _correlations(sums: Sequence[Any], count: int) -> Array:
    """(units, targets), 0 for a unit that does not change; the targets have mean 0 and deviation 1."""
    x, squares, products = sums
    deviation = np.sqrt(np.maximum(squares / count - (x / count) ** 2, 0))
    moves = deviation > 1e-7
    found: Array = np.where(moves[:, None], products / count / np.where(moves, deviation, 1)[:, None], 0.0)
    return found


def _ranked(correlations: Mapping[str, Array], column: int) -> list[RankedUnit]:
    units = []
    for part, values in correlations.items():
        layer, letter = int(part.split(".")[1]), part.rpartition(".")[2]
        units += [
            RankedUnit(Unit(layer, letter, index), float(value))
            for index, value in enumerate(values[:, column].tolist())
        ]
    return sorted(units, key=lambda one: (-abs(one.correlation), one.unit))


def excerpt(values: Array, text: str, length: int) -> tuple[int, int]:
    """A stretch of characters, from the beginning of a line, in which a pattern (a number for each character) is seen."""
    first = int((values > values.mean()).argmax())
    start = text.rfind("\n", 0, first) + 1
    if first - start > length // 2:
        start = first - length // 2
    return start, min(len(text), start + length)


def read_excerpt(model: CharacterModel, text: str, start: int, end: int, units: Sequence[Unit]) -> Trace:
    """A reading of a stretch of a text, what stands before it having been read too."""
    before = text[max(0, start - CONTEXT) : start] if model.kind != "lines" else ""
    reading = read(model, before + text[start:end], {unit.array for unit in units})
    return reading.last(len(reading.symbols) - len(model.encode(before)))
