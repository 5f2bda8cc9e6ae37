"""The recurrent stack at work: layers of cells over packed sequences, or one symbol at a time.

What the first layer's gates get from the input comes ready-made: rows of a table, one for each distinct word or symbol
(`TableGates`). Deeper layers, and input too varied for a table, are multiplied out block by block (`DenseGates`), so that
memory does not grow with what gates need, whatever a sequence's length.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from seqtool.inference.cells import Cell, Parts, Stepper
from seqtool.inference.packed_sequences import Packing
from seqtool.settings import RecurrentModel
from seqtool.types import Array

State = tuple[Parts, ...]  # for every layer its parts, each (directions, batch, hidden)

_BLOCK = 1 << 18  # numbers in a block of gates: a megabyte, which stays in a core's cache
RANDOM_MEAN = 0.5  # of U(0, 1), what initial states are drawn from in training where they are random


class Gates(Protocol):
    """Where a layer's input gates come from."""

    def block(self, first: int, last: int) -> Array:
        """Gates of a range of places: (directions, places, gates * hidden); valid until the next call."""


class TableGates:
    """Gates that are rows of a table."""

    def __init__(self, table: Array, rows: Array, back: Array | None = None) -> None:
        """Take rows of a table.

        Args:
            table: (rows, directions, gates * hidden).
            rows: (total,) row of each place.
            back: `Packing.back`, for two directions.
        """
        directions, width = table.shape[1:]
        self._table = table.reshape(-1, width)
        self._index = (rows * directions)[None] if back is None else np.stack([rows * 2, rows[back] * 2 + 1])
        self._buffer = np.empty(0, np.float32)

    def block(self, first: int, last: int) -> Array:
        """See `Gates`."""
        index = self._index[:, first:last]
        size = index.size * self._table.shape[1]
        if len(self._buffer) < size:
            self._buffer = np.empty(size, np.float32)
        out = self._buffer[:size].reshape(*index.shape, -1)
        np.take(
            self._table, index, axis=0, out=out, mode="clip"
        )  # another mode would copy by way of a buffer
        return out


class DenseGates:
    """Gates that are multiplied out from inputs (total, input)."""

    def __init__(self, cell: Cell, x: Array, back: Array | None = None) -> None:
        self._cell = cell
        self._x = x
        self._back = back

    def block(self, first: int, last: int) -> Array:
        """See `Gates`."""
        if self._back is None:
            return self._cell.input_gates(self._x[None, first:last])
        return self._cell.input_gates(np.stack([self._x[first:last], self._x[self._back[first:last]]]))


@dataclass
class Watch:
    """States and gates of every place, noted on the way: `encoder.0.h`, or `encoder.0.backward.h` with two directions.

    Attributes:
        wanted: which to note; None: all.
        found: (total, hidden) by name.
    """

    wanted: Collection[str] | None = None
    found: dict[str, Array] = field(default_factory=dict)

    def note(self, layer: int, stepper: Stepper, places: Sequence[Array | slice], total: int) -> None:
        """Note what a stepper holds.

        Args:
            places: for each direction, where its running sequences' values belong.
            total: the number of places in all.
        """
        for part, values in stepper.named().items():
            for direction, place in enumerate(places):
                name = f"encoder.{layer}.{('forward.', 'backward.')[direction] if len(places) == 2 else ''}{part}"
                if self.wanted is None or name in self.wanted:
                    if name not in self.found:
                        self.found[name] = np.empty((total, values.shape[2]), np.float32)
                    self.found[name][place] = values[direction]


@dataclass(frozen=True)
class Encoder:
    """Layers on top of each other.

    Attributes:
        cells: of each layer.
        starts: initial state of each layer, its parts (directions, hidden).
        residual: from the second layer on, a layer's input is added to its output.
    """

    cells: tuple[Cell, ...]
    starts: tuple[Parts, ...]
    residual: bool

    @classmethod
    def from_weights(
        cls, model: RecurrentModel, weights: Mapping[str, Array], bidirectional: bool = False
    ) -> Encoder:
        """The stack from weights as a model directory names them."""
        directions = ["forward", "backward"] if bidirectional else ["forward"]
        cells, starts = [], []
        for layer in range(model.num_layers):
            cells.append(
                Cell.from_weights(
                    model, weights, [f"encoder.{layer}.{direction}" for direction in directions]
                )
            )
            starts.append(
                tuple(
                    _start(model, weights, layer, directions, part)
                    for part in ("hc" if model.cell == "lstm" else "h")
                )
            )
        return cls(tuple(cells), tuple(starts), model.residual)

    @property
    def width(self) -> int:
        """What leaves the last layer: hidden size times directions."""
        return self.cells[-1].hidden * self.cells[-1].directions

    def initial_state(self, batch: int) -> State:
        """The state before the first symbol of `batch` sequences."""
        return tuple(
            tuple(np.broadcast_to(part[:, None], (len(part), batch, part.shape[1])) for part in parts)
            for parts in self.starts
        )

    def run(
        self,
        gates: Gates,
        packing: Packing,
        state: State | None = None,
        watch: Watch | None = None,
        output: Array | None = None,
    ) -> tuple[Array, State]:
        """Run all layers over packed sequences.

        Args:
            gates: the first layer's.
            state: before the first step; by default the initial one.
            watch: notes states and gates.
            output: weights (width, labels) that the last layer's states are multiplied with block by block, so that they need
                not be held.

        Returns:
            y (total, width or labels), in the order of places, and the state of each sequence after its last step.
        """
        zero = [state is None and not any(part.any() for part in parts) for parts in self.starts]
        state = state or self.initial_state(packing.batch)
        back = packing.back if self.cells[0].directions == 2 else None
        after: list[Parts] = []
        x = np.empty(0, np.float32)
        for layer, cell in enumerate(self.cells):
            source = DenseGates(cell, x, back) if layer else gates
            stepper = cell.stepper(state[layer], zero[layer])
            last = output if layer == len(self.cells) - 1 else None
            y = _run_layer(layer, stepper, source, packing, watch, last)
            if self.residual and layer:
                y += x if last is None else x @ last
            x = y
            after.append(stepper.whole)
        return x, tuple(after)

    def start(self, state: State) -> list[Stepper]:
        """Steppers of all layers, to go on one symbol at a time; the state is copied."""
        return [cell.stepper(parts) for cell, parts in zip(self.cells, state, strict=True)]

    def advance(self, steppers: Sequence[Stepper], gates: Array) -> Array:
        """Go one symbol further in one direction.

        Args:
            gates: the first layer's, (1, batch, gates * hidden).

        Returns:
            y (batch, width), valid until the next call.
        """
        steppers[0].step(gates)
        y: Array = steppers[0].h[0]
        for stepper in steppers[1:]:
            stepper.step(stepper.cell.input_gates(y[None]))
            y = y + stepper.h[0] if self.residual else stepper.h[0]
        return y


def _start(
    model: RecurrentModel, weights: Mapping[str, Array], layer: int, directions: Sequence[str], part: str
) -> Array:
    if model.initial_state == "learned":
        stacked = np.stack([weights[f"initial_state.{layer}.{direction}.{part}"] for direction in directions])
        learned: Array = stacked.astype(np.float32, copy=False)
        return learned
    value = RANDOM_MEAN if model.initial_state == "random" else 0.0
    return np.full((len(directions), model.hidden_size), value, np.float32)


def _run_layer(
    layer: int, stepper: Stepper, gates: Gates, packing: Packing, watch: Watch | None, output: Array | None
) -> Array:
    """One layer over all sequences: y (total, directions * hidden), or what the output makes of it: (total, labels)."""
    cell = stepper.cell
    weights = None if output is None else output.reshape(cell.directions, cell.hidden, -1)
    y = _no_rows(packing.total, cell, weights)
    blocks = packing.blocks(_BLOCK // (cell.directions * cell.gates))
    sizes = packing.offsets[[last for _, last in blocks]] - packing.offsets[[first for first, _ in blocks]]
    done = np.empty((cell.directions, int(sizes.max()), cell.hidden), np.float32)
    running = packing.batch
    for first, last in blocks:
        low, *offsets = packing.offsets[first : last + 1].tolist()
        high, stop = offsets[-1], 0
        block = gates.block(low, high)
        for offset in offsets:
            start, stop = stop, offset - low
            if stop - start != running:
                running = stop - start
                stepper.narrow(running)
            stepper.step(block[:, start:stop])
            done[:, start:stop] = stepper.h
            if watch is not None:
                watch.note(
                    layer, stepper, _places(packing, low + start, low + stop, cell.directions), packing.total
                )
        for direction, places in enumerate(_places(packing, low, high, cell.directions)):
            found = done[direction, : high - low]
            if weights is None:
                y[places, direction] = found
            else:
                y[places, 0] += found @ weights[direction]
    packed: Array = y.reshape(packing.total, -1)
    return packed


def _no_rows(total: int, cell: Cell, weights: Array | None) -> Array:
    """Where a layer's result goes: (total, directions, hidden), to be filled, or (total, 1, labels), to be added to."""
    if weights is None:
        return np.empty((total, cell.directions, cell.hidden), np.float32)
    return np.zeros((total, 1, weights.shape[2]), np.float32)


def _places(packing: Packing, first: int, last: int, directions: int) -> list[Array | slice]:
    """Where the values of a range of places belong, for each direction."""
    ahead: list[Array | slice] = [slice(first, last)]
    return [*ahead, packing.back[first:last]] if directions == 2 else ahead
