"""The recurrent stack: layers of cells over packed sequences, or one symbol at a time.

Sequences of different lengths are packed step by step, so that padding is neither stored nor computed
(`Packing`). The first layer takes the input part of its gates from a table with one row per distinct word or
symbol (`TableGates`). Deeper layers compute the input part of their gates block by block (`DenseGates`).
Memory for gates therefore does not grow with the length of a sequence.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from seqtool.inference.cells import Cell, LayerState, Stepper
from seqtool.settings.model import RecurrentModel
from seqtool.types import Array, Arrays

State = tuple[LayerState, ...]  # one per layer

_BLOCK = 1 << 18  # gate values in a block: 1 MB in float32, which fits in the cache of a core
RANDOM_MEAN = 0.5  # mean of U(0, 1), from which training draws random initial states


@dataclass(frozen=True)
class Packing:
    """Layout of packed sequences: the place of each step of each sequence in one array.

    The sequences of a batch are sorted by length, longest first. Step t of sequence b is stored at place
    `offsets[t] + b`. The places of one step are contiguous and belong to the sequences that have not ended.

    Attributes:
        lengths: (batch,), descending, all above 0.
        offsets: first place of each step, then the number of places: (steps + 1,).
    """

    lengths: Array
    offsets: Array

    @classmethod
    def of(cls, lengths: Array) -> Packing:
        """Return the packing of at least one sequence of lengths (batch,), descending, all above 0."""
        steps = np.arange(lengths[0])
        counts = len(lengths) - np.searchsorted(lengths[::-1], steps, side="right")
        return cls(lengths, np.concatenate([[0], np.cumsum(counts)]))

    @classmethod
    def equal(cls, steps: int, batch: int) -> Packing:
        """Return the packing of sequences of equal length. Places are those of an array (steps, batch)."""
        return cls(np.full(batch, steps), np.arange(steps + 1) * batch)

    @property
    def total(self) -> int:
        """Number of places."""
        return int(self.offsets[-1])

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return len(self.lengths)

    @cached_property
    def steps(self) -> Array:
        """Step of each place: (total,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @cached_property
    def columns(self) -> Array:
        """Sequence of each place: (total,)."""
        columns: Array = np.arange(self.total) - self.offsets[self.steps]
        return columns

    @cached_property
    def backward(self) -> Array:
        """For each place, the place that the backward direction reads at the same step: (total,)."""
        places: Array = self.offsets[self.lengths[self.columns] - 1 - self.steps] + self.columns
        return places

    def positions(self, starts: Array) -> Array:
        """Return the position of each place (total,) in a text in which sequence b starts at `starts[b]`."""
        positions: Array = starts[self.columns] + self.steps
        return positions

    def blocks(self, rows: int) -> list[tuple[int, int]]:
        """Cut the steps into ranges (first, end). A range of several steps has at most `rows` places."""
        ranges, first, last = [], 0, len(self.offsets) - 1
        while first < last:
            stop = int(np.searchsorted(self.offsets, self.offsets[first] + rows, side="right")) - 1
            stop = max(stop, first + 1)
            ranges.append((first, stop))
            first = stop
        return ranges


class Gates(Protocol):
    """Source of the input part of a layer's gates."""

    def block(self, first: int, last: int) -> Array:
        """Return the gates of a range of places: (directions, places, gates * hidden).

        The array is valid until the next call.
        """


class TableGates:
    """Input part of gates, taken from rows of a table."""

    def __init__(self, table: Array, rows: Array, backward: Array | None = None) -> None:
        """Select rows of a table.

        Args:
            table: (rows, directions, gates * hidden).
            rows: row of each place: (total,).
            backward: `Packing.backward`, for two directions.
        """
        directions, width = table.shape[1:]
        self._table = table.reshape(-1, width)
        self._index = (
            (rows * directions)[None] if backward is None else np.stack([rows * 2, rows[backward] * 2 + 1])
        )
        self._buffer = np.empty(0, np.float32)

    def block(self, first: int, last: int) -> Array:
        """Return the gates of a range of places; see `Gates`."""
        index = self._index[:, first:last]
        size = index.size * self._table.shape[1]
        if len(self._buffer) < size:
            self._buffer = np.empty(size, np.float32)
        out = self._buffer[:size].reshape(*index.shape, -1)
        np.take(self._table, index, axis=0, out=out, mode="clip")  # the default mode copies through a buffer
        return out


class DenseGates:
    """Input part of gates, computed from the inputs of a layer (total, input)."""

    def __init__(self, cell: Cell, x: Array, backward: Array | None = None) -> None:
        self._cell = cell
        self._x = x
        self._backward = backward

    def block(self, first: int, last: int) -> Array:
        """Return the gates of a range of places; see `Gates`."""
        if self._backward is None:
            return self._cell.input_gates(self._x[None, first:last])
        return self._cell.input_gates(np.stack([self._x[first:last], self._x[self._backward[first:last]]]))


@dataclass
class StateRecorder:
    """Record states and gates by name: `encoder.0.h`, or `encoder.0.backward.h` with two directions.

    Attributes:
        names: names to record; None records all.
        arrays: recorded values (total, hidden) by name.
    """

    names: Collection[str] | None = None
    arrays: dict[str, Array] = field(default_factory=dict)

    def record(self, layer: int, stepper: Stepper, places: Sequence[Array | slice], total: int) -> None:
        """Record the state and the gates of one step of a layer.

        Args:
            layer: number of the layer, from 0.
            stepper: the layer after the step.
            places: for each direction, the places of the sequences that have not ended.
            total: number of all places.
        """
        for part, values in stepper.named_values().items():
            for direction, place in enumerate(places):
                prefix = ("forward.", "backward.")[direction] if len(places) == 2 else ""
                name = f"encoder.{layer}.{prefix}{part}"
                if self.names is None or name in self.names:
                    if name not in self.arrays:
                        self.arrays[name] = np.empty((total, values.shape[2]), np.float32)
                    self.arrays[name][place] = values[direction]


class Encoder(NamedTuple):
    """Stack of recurrent layers.

    Attributes:
        cells: one per layer.
        initial: initial state of each layer: arrays (directions, hidden).
        residual: whether the input of each layer except the first is added to its output.
    """

    cells: tuple[Cell, ...]
    initial: tuple[LayerState, ...]
    residual: bool

    @classmethod
    def from_weights(cls, model: RecurrentModel, weights: Arrays, bidirectional: bool = False) -> Encoder:
        """Build the stack from weights with the names of a model directory."""
        directions = ["forward", "backward"] if bidirectional else ["forward"]
        parts = "hc" if model.cell == "lstm" else "h"
        cells, initial = [], []
        for layer in range(model.num_layers):
            names = [f"encoder.{layer}.{direction}" for direction in directions]
            cells.append(Cell.from_weights(model, weights, names))
            initial.append(tuple(_initial_state(model, weights, layer, directions, part) for part in parts))
        return cls(tuple(cells), tuple(initial), model.residual)

    @property
    def width(self) -> int:
        """Width of the output: hidden size times directions."""
        return self.cells[-1].hidden * self.cells[-1].directions

    def initial_state(self, batch: int) -> State:
        """Return the state before the first symbol of `batch` sequences."""
        return tuple(
            tuple(np.broadcast_to(part[:, None], (len(part), batch, part.shape[1])) for part in parts)
            for parts in self.initial
        )

    def run(
        self,
        gates: Gates,
        packing: Packing,
        state: State | None = None,
        recorder: StateRecorder | None = None,
        output: Array | None = None,
    ) -> tuple[Array, State]:
        """Run all layers over packed sequences.

        Args:
            gates: input part of the gates of the first layer.
            packing: layout of the sequences.
            state: state before the first step; by default the initial state.
            recorder: recorder of states and gates.
            output: output weights (width, labels), applied to the last layer block by block. The states of
                the last layer are then not stored.

        Returns:
            y (total, width) by place, or (total, labels) with `output`; and the state of each sequence after
            its last step.
        """
        zero = [state is None and not any(part.any() for part in parts) for parts in self.initial]
        state = state or self.initial_state(packing.batch)
        backward = packing.backward if self.cells[0].directions == 2 else None
        final: list[LayerState] = []
        x = np.empty(0, np.float32)
        for layer, cell in enumerate(self.cells):
            source = DenseGates(cell, x, backward) if layer else gates
            stepper = cell.stepper(state[layer], zero[layer])
            last = output if layer == len(self.cells) - 1 else None
            y = _run_layer(layer, stepper, source, packing, recorder, last)
            if self.residual and layer:
                y += x if last is None else x @ last
            x = y
            final.append(stepper.whole)
        return x, tuple(final)

    def steppers(self, state: State) -> list[Stepper]:
        """Return one stepper per layer, to read one symbol at a time. They start from a copy of the state."""
        return [cell.stepper(parts) for cell, parts in zip(self.cells, state, strict=True)]

    def advance(self, steppers: Sequence[Stepper], gates: Array) -> Array:
        """Advance one-directional layers by one symbol.

        Args:
            steppers: result of `steppers`.
            gates: input part of the gates of the first layer (1, batch, gates * hidden).

        Returns:
            y (batch, width), valid until the next call.
        """
        steppers[0].step(gates)
        y: Array = steppers[0].h[0]
        for stepper in steppers[1:]:
            stepper.step(stepper.cell.input_gates(y[None]))
            y = y + stepper.h[0] if self.residual else stepper.h[0]
        return y


def _initial_state(
    model: RecurrentModel, weights: Arrays, layer: int, directions: Sequence[str], part: str
) -> Array:
    """Return the initial value (directions, hidden) of `h` or `c`."""
    if model.initial_state == "learned":
        stacked = np.stack([weights[f"initial_state.{layer}.{direction}.{part}"] for direction in directions])
        learned: Array = stacked.astype(np.float32, copy=False)
        return learned
    value = RANDOM_MEAN if model.initial_state == "random" else 0.0
    return np.full((len(directions), model.hidden_size), value, np.float32)


def _run_layer(
    layer: int,
    stepper: Stepper,
    gates: Gates,
    packing: Packing,
    recorder: StateRecorder | None,
    output: Array | None,
) -> Array:
    """Run one layer and return y (total, directions * hidden), or (total, labels) with output weights."""
    cell = stepper.cell
    weights = None if output is None else output.reshape(cell.directions, cell.hidden, -1)
    y = _result_array(packing.total, cell, weights)
    blocks = packing.blocks(_BLOCK // (cell.directions * cell.gates))
    sizes = packing.offsets[[last for _, last in blocks]] - packing.offsets[[first for first, _ in blocks]]
    states = np.empty((cell.directions, int(sizes.max()), cell.hidden), np.float32)
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
            states[:, start:stop] = stepper.h
            if recorder is not None:
                places = _places(packing, low + start, low + stop, cell.directions)
                recorder.record(layer, stepper, places, packing.total)
        for direction, places_of in enumerate(_places(packing, low, high, cell.directions)):
            block_states = states[direction, : high - low]
            if weights is None:
                y[places_of, direction] = block_states
            else:
                y[places_of, 0] += block_states @ weights[direction]
    packed: Array = y.reshape(packing.total, -1)
    return packed


def _result_array(total: int, cell: Cell, weights: Array | None) -> Array:
    """Return the array for a result: empty (total, directions, hidden), or zeros (total, 1, labels)."""
    if weights is None:
        return np.empty((total, cell.directions, cell.hidden), np.float32)
    return np.zeros((total, 1, weights.shape[2]), np.float32)


def _places(packing: Packing, first: int, last: int, directions: int) -> list[Array | slice]:
    """Return, for each direction, the places to which the results of a range of places are written."""
    forward: list[Array | slice] = [slice(first, last)]
    return [*forward, packing.backward[first:last]] if directions == 2 else forward
