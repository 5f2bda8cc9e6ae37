"""Tables of numbers that fit the terminal: weights of a small network, values at symbols and tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seqtool.inspection.trace import Unit
from seqtool.reports.formatting import cell_width, fit, pad
from seqtool.safe_text import visible
from seqtool.types import Array, Arrays

SMALL = 600  # parameters; the weights of a smaller network are shown
NUMBER = 9  # columns of a number with a space
TOKEN = 16  # columns of a token


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: its heading.
        cells: its cells, one per row.
        is_number: whether the cells are on the right side, one space after the column before.
    """

    name: str
    cells: Sequence[str]
    is_number: bool = False

    @property
    def width(self) -> int:
        """Columns of the terminal with the space before it."""
        return max(map(cell_width, (self.name, *self.cells))) + (1 if self.is_number else 2)

    def padded(self, text: str) -> str:
        """Return the heading or a cell with spaces up to the width of the column."""
        return pad(text, self.width, ">") if self.is_number else "  " + pad(text, self.width - 2)


def column_blocks(first: Column, others: Sequence[Column], width: int) -> Iterator[str]:
    """Yield a table; columns that do not fit into the width follow in further tables with the same first one.

    Every table has at least one of the other columns, even if it is wider than the screen.
    """
    rest = list(others)
    while True:
        shown = [first]
        while rest and (len(shown) == 1 or sum(one.width for one in (*shown, rest[0])) + 1 <= width):
            shown.append(rest.pop(0))
        for row in zip(*((one.name, *one.cells) for one in shown), strict=True):
            cells = [column.padded(text) for column, text in zip(shown, row, strict=True)]
            if len(cells) > 1 and shown[1].is_number:
                cells[0] += " "  # two spaces after the first column
            yield "".join(cells).rstrip()
        if not rest:
            return
        yield ""


def is_small(weights: Arrays) -> bool:
    """Return whether a network is so small that its weights are shown."""
    return sum(array.size for array in weights.values()) < SMALL


def weight_lines(weights: Arrays, width: int = 80) -> Iterator[str]:
    """Yield all weights; a row that does not fit into the width is continued on the next lines."""
    yield ""
    yield "weights"
    numbers = max(1, (width - 6) // NUMBER)
    for name, array in sorted(weights.items()):
        yield f"  {name}  {'x'.join(map(str, array.shape))}"
        for row in array.reshape(-1, array.shape[-1]):
            for first in range(0, len(row), numbers):
                indent = "    " if first == 0 else "      "
                yield indent + " ".join(f"{value:8.4f}" for value in row[first : first + numbers])


def unit_table(
    tokens: Sequence[str], units: Sequence[Unit], states: Mapping[str, Array], width: int
) -> Iterator[str]:
    """Yield the values of units at each token of a sentence, for both directions if the network has two.

    Args:
        states: arrays by name, see `TaggerModel.states`.
    """
    columns = [(name, values) for unit in units for name, values in _unit_values(unit, states)]
    count = max(1, (width - TOKEN - 2) // (NUMBER + 1))
    for first in range(0, len(columns), count):
        shown = columns[first : first + count]
        yield ""
        yield f"{'token':<{TOKEN}}  " + " ".join(f"{name:>{NUMBER}}" for name, _ in shown)
        for place, token in enumerate(tokens):
            values = " ".join(f"{column[place]:{NUMBER}.4f}" for _, column in shown)
            yield f"{fit(visible(token), TOKEN)}  {values}"


def _unit_values(unit: Unit, states: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """Yield the name and the values of a unit, once for each direction."""
    if unit.array in states:
        yield unit.name, states[unit.array][:, unit.index]
        return
    layer, part = unit.array.rsplit(".", 1)
    for direction, sign in (("forward", ">"), ("backward", "<")):
        yield f"{unit.name}{sign}", np.asarray(states[f"{layer}.{direction}.{part}"][:, unit.index])
