"""Hidden units ranked by their correlation with a pattern of a text, such as quotations.

A pattern gives a number for each character. The text is read once. Sums are accumulated part by part in
double precision, so that the memory does not depend on the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seqtool.data.vocabulary import text_bytes
from seqtool.errors import SeqtoolError
from seqtool.inference.character import CharacterModel
from seqtool.inspection.trace import Unit, encode_for_trace, trace_parts
from seqtool.types import Array

REGEX = "regex:"
_OPENING, _CLOSING = "([{", ")]}"
_STRAIGHT_QUOTE = '"'


@dataclass(frozen=True)
class RankedUnit:
    """A unit and its correlation with a pattern, from -1 to 1."""

    unit: Unit
    correlation: float


# --- ranking ------------------------------------------------------------------------------------------------


def state_arrays(model: CharacterModel) -> list[str]:
    """Return the names of the arrays that are ranked by default: states and cells of every layer."""
    parts = "hc" if model.settings.cell == "lstm" else "h"
    return [f"encoder.{layer}.{part}" for layer in range(model.settings.num_layers) for part in parts]


def symbol_pattern(model: CharacterModel, name: str, text: str) -> Array:
    """Return the value of a pattern at each symbol of a text; all bytes of a character have its value.

    Raises:
        SeqtoolError: there is no such pattern, or its value is the same at all symbols.
    """
    text = model.normalize(text.removesuffix(model.boundary) + model.boundary)
    values = pattern_values(name, text)
    if model.vocabulary.unit == "byte":
        values = np.repeat(values, [len(text_bytes(character)) for character in text])
    if model.vocabulary.unit == "word":
        values = _values_of_words(model, text, values)
    if not len(values) or np.ptp(values) == 0:
        raise SeqtoolError(
            f"{name}: the pattern has the same value everywhere in the text, so no unit can follow it",
            place="--find",
            hint="give a text that contains the pattern with --text or --file",
        )
    return values


def _values_of_words(model: CharacterModel, text: str, values: Array) -> Array:
    """Return the value of each symbol of words: the largest of the characters that it writes.

    A symbol that writes none has the value of the character before it.
    """
    sizes = model.vocabulary.character_sizes[model.encode(text)]
    ends = np.cumsum(sizes)
    starts = np.maximum(0, np.minimum(ends - sizes, ends - 1))
    pairs = zip(starts.tolist(), ends.tolist(), strict=True)
    return np.array([values[start : max(end, start + 1)].max(initial=-np.inf) for start, end in pairs])


def rank_units(
    model: CharacterModel, text: str, patterns: Mapping[str, Array], arrays: Sequence[str]
) -> dict[str, list[RankedUnit]]:
    """Return the units by the absolute value of their correlation with each pattern, largest first.

    Args:
        patterns: values (length,) at the symbols of the text's trace, by name.
        arrays: names of the arrays with the units, such as `encoder.0.h`.

    Raises:
        DataError: a symbol is unknown.
    """
    ids = encode_for_trace(model, text)
    targets = np.stack([np.asarray(values, np.float64) for values in patterns.values()], axis=1)
    targets = (targets - targets.mean(0)) / targets.std(0)
    sums: dict[str, _Sums] = {}
    for positions, states in trace_parts(model, ids, set(arrays)):
        for name in arrays:
            values = states[name].astype(np.float64)
            if name not in sums:
                sums[name] = _Sums(values, targets.shape[1])
            sums[name].add(values, targets[positions])
    correlations = {name: sums[name].correlations(len(ids)) for name in arrays}
    return {pattern: _ranked(correlations, column) for column, pattern in enumerate(patterns)}


class _Sums:
    """Sums over symbols for the units of one array.

    Values are shifted by their mean in the first part of the text, to limit the rounding error of the
    variance.
    """

    def __init__(self, values: Array, targets: int) -> None:
        units = values.shape[1]
        self._shift = values.mean(0)
        self._values = np.zeros(units)
        self._squares = np.zeros(units)
        self._products = np.zeros((units, targets))

    def add(self, values: Array, targets: Array) -> None:
        """Add values (count, units) and targets (count, targets)."""
        values = values - self._shift
        self._values += values.sum(0)
        self._squares += np.einsum("tu,tu->u", values, values)
        self._products += values.T @ targets

    def correlations(self, count: int) -> Array:
        """Return correlations (units, targets) with standardized targets; 0 for a constant unit."""
        deviation = np.sqrt(np.maximum(self._squares / count - (self._values / count) ** 2, 0))
        varies = deviation > 1e-7
        quotients = self._products / count / np.where(varies, deviation, 1)[:, None]
        result: Array = np.where(varies[:, None], quotients, 0.0)
        return result


def _ranked(correlations: Mapping[str, Array], column: int) -> list[RankedUnit]:
    units = []
    for name, values in correlations.items():
        layer, part = int(name.split(".")[1]), name.rpartition(".")[2]
        units += [
            RankedUnit(Unit(layer, part, index), float(value))
            for index, value in enumerate(values[:, column].tolist())
        ]
    return sorted(units, key=lambda one: (-abs(one.correlation), one.unit))


def excerpt(values: Array, text: str, length: int) -> tuple[int, int]:
    """Return the start and the end of an excerpt in which a pattern occurs.

    It begins at the start of a line if the pattern occurs in the first half of the excerpt.

    Args:
        values: value of the pattern at each character of the text.
        length: largest number of characters in the excerpt.
    """
    first = int((values > values.mean()).argmax())
    start = text.rfind("\n", 0, first) + 1
    if first - start > length // 2:
        start = first - length // 2
    return start, min(len(text), start + length)


# --- patterns -----------------------------------------------------------------------------------------------


def pattern_values(name: str, text: str) -> Array:
    """Return the value of a pattern at each character: (length,), float64.

    Args:
        name: one of `PATTERNS`, or `regex:` and a regular expression (`^` and `$` match at line feeds).

    Raises:
        SeqtoolError: the pattern or the regular expression is invalid.
    """
    if name.startswith(REGEX):
        return _inside_matches(name.removeprefix(REGEX), text)
    if name not in PATTERNS:
        raise SeqtoolError(
            f"{name!r}: there is no such pattern",
            place="--find",
            hint=f"one of {', '.join(PATTERNS)}, regex:EXPRESSION",
        )
    return np.array(PATTERNS[name](text), np.float64)


def _quotes(text: str) -> list[float]:
    """Return 1 from an opening quotation mark to the character before the closing one.

    A blank line ends a quotation. Only double marks count, since a single mark is usually an apostrophe.
    """
    values, inside, before = [], False, ""
    for character in text:
        if character in "“«":
            inside = True
        elif character in "”»" or (character == before == "\n"):
            inside = False
        elif character == _STRAIGHT_QUOTE:
            inside = not inside
        values.append(float(inside))
        before = character
    return values


def _line_position(text: str) -> list[float]:
    """Return the number of characters since the last line feed; 0 at the line feed itself."""
    values, position = [], 0
    for character in text:
        position = 0 if character == "\n" else position + 1
        values.append(float(position))
    return values


def _brackets(text: str) -> list[float]:
    """Return the number of open brackets."""
    values, depth = [], 0
    for character in text:
        if character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth = max(0, depth - 1)
        values.append(float(depth))
    return values


def _capitals(text: str) -> list[float]:
    return [float(character.isupper()) for character in text]


def _spaces(text: str) -> list[float]:
    return [float(character.isspace()) for character in text]


PATTERNS: dict[str, Callable[[str], Sequence[float]]] = {
    "quotes": _quotes,
    "line-position": _line_position,
    "capitals": _capitals,
    "spaces": _spaces,
    "brackets": _brackets,
}


def _inside_matches(expression: str, text: str) -> Array:
    """Return 1 inside the matches of a regular expression."""
    try:
        compiled = re.compile(expression, re.MULTILINE)
    except re.error as error:
        hint = "write it for Python's re module, with MULTILINE"
        raise SeqtoolError(f"{expression!r}: {error}", place="--find", hint=hint) from None
    values = np.zeros(len(text))
    for match in compiled.finditer(text):
        values[match.start() : match.end()] = 1
    return values
