"""Recurrent cells in numpy: one step of one layer, for all its directions and the whole batch at once.

The equations and the gate order of stored weights are those of torch: i f g o for the LSTM, r z n for the GRU
with `r * (W h + b)`. In memory, the gates with a sigmoid come first and their weights are halved. One tanh
over all gates then computes both functions, because sigmoid(x) = (1 + tanh(x / 2)) / 2. Halving a binary
number is exact, so no precision is lost.

The module `encoder` runs these steps over sequences.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqtool.settings.model import RecurrentModel
from seqtool.types import Array, Arrays

LayerState = tuple[Array, ...]  # (h,) or (h, c), each (directions, batch, hidden)

# Gates in their order in memory, each with its index in torch's order. Gates with a sigmoid come first.
_ORDER = {"rnn": {"h": 0}, "gru": {"r": 0, "z": 1, "n": 2}, "lstm": {"i": 0, "f": 1, "o": 3, "g": 2}}
_SIGMOIDS = {"rnn": 0, "gru": 2, "lstm": 3}


class Cell(NamedTuple):
    """Weights of one layer.

    Attributes:
        kind: `rnn`, `gru` or `lstm`.
        relu: an `rnn` uses ReLU instead of tanh.
        inputs: input weights (directions, input, gates * hidden).
        bias: sum of both biases (directions, 1, gates * hidden), without the GRU's recurrent bias of n.
        recurrent: recurrent weights (directions, hidden, gates * hidden).
        reset_bias: the GRU's recurrent bias of n (directions, 1, hidden), which the reset gate scales;
            otherwise empty.
    """

    kind: str
    relu: bool
    inputs: Array
    bias: Array
    recurrent: Array
    reset_bias: Array

    @classmethod
    def from_weights(cls, model: RecurrentModel, weights: Arrays, names: list[str]) -> Cell:
        """Build a layer from stored weights.

        Args:
            names: for each direction, the common prefix of its weights, for example `encoder.0.forward`.
        """
        hidden = model.hidden_size
        kind = model.cell

        def stack_directions(part: str) -> Array:
            return np.stack([_reorder_gates(weights[f"{name}.{part}"], kind, hidden) for name in names])

        bias, hidden_bias = stack_directions("bias_ih"), stack_directions("bias_hh")
        reset_bias = hidden_bias[:, None, 2 * hidden :].copy() if kind == "gru" else hidden_bias[:, None, :0]
        if kind == "gru":
            hidden_bias[:, 2 * hidden :] = 0
        return cls(
            kind=kind,
            relu=kind == "rnn" and model.nonlinearity == "relu",
            inputs=np.ascontiguousarray(stack_directions("weight_ih").transpose(0, 2, 1)),
            bias=(bias + hidden_bias)[:, None, :],
            recurrent=np.ascontiguousarray(stack_directions("weight_hh").transpose(0, 2, 1)),
            reset_bias=reset_bias,
        )

    @property
    def directions(self) -> int:
        """Number of directions: 1 or 2."""
        return len(self.recurrent)

    @property
    def hidden(self) -> int:
        """Width of one direction."""
        return int(self.recurrent.shape[1])

    @property
    def gates(self) -> int:
        """Width of all gates of one direction: gates * hidden."""
        return int(self.recurrent.shape[2])

    def input_gates(self, x: Array, out: Array | None = None) -> Array:
        """Return the input part of the gates of x (count, input): (directions, count, gates * hidden)."""
        gates: Array = np.matmul(x, self.inputs, out=out)
        gates += self.bias
        return gates

    def gate_table(self, x: Array) -> Array:
        """Return the input part of the gates of x (rows, input): (rows, directions, gates * hidden)."""
        table = np.empty((len(x), self.directions, self.gates), np.float32)
        self.input_gates(x, out=table.transpose(1, 0, 2))
        return table

    def stepper(self, state: LayerState, zero: bool = False) -> Stepper:
        """Return a stepper that starts from a copy of a state.

        Args:
            zero: the state is known to be zero, so that the first step can skip the recurrent product.
        """
        classes = {"rnn": RnnStepper, "gru": GruStepper, "lstm": LstmStepper}
        return classes[self.kind](self, state, zero)


def _reorder_gates(weight: Array, kind: str, hidden: int) -> Array:
    """Return a stored weight or bias in memory order and in float32, its sigmoid gates halved."""
    blocks = weight.astype(np.float32).reshape(-1, hidden, *weight.shape[1:])
    ordered = blocks[list(_ORDER[kind].values())]
    ordered[: _SIGMOIDS[kind]] *= np.float32(0.5)
    return ordered.reshape(weight.shape)


class Stepper:
    """State of a cell for one batch. Each step changes the state in place.

    The sequences of a batch are sorted by length, longest first, so that the unfinished ones are always the
    first `count`. A finished sequence keeps the state of its last step.

    Attributes:
        whole: state of all sequences, each array (directions, batch, hidden).
        running: the same of the unfinished sequences, as views.
        h: hidden state (directions, count, hidden) of the unfinished sequences.
        sums: sums before the gates' functions (directions, count, gates * hidden).
        gates: gate values (gates, directions, count, hidden). All values of one gate are contiguous, since
            numpy is two to three times as fast on contiguous values as on pieces of rows.
    """

    def __init__(self, cell: Cell, state: LayerState, zero: bool = False) -> None:
        self.cell = cell
        self.whole: LayerState = tuple(np.array(part, np.float32, order="C") for part in state)
        self._zero = zero
        self._sums = np.empty((*self.whole[0].shape[:2], cell.gates), np.float32)
        self._gate_buffer = np.empty(self._sums.size, np.float32)
        self.narrow(self.whole[0].shape[1])

    def narrow(self, count: int) -> None:
        """Continue with the first `count` sequences only."""
        self.running = tuple(part[:, :count] for part in self.whole)
        self.h = self.running[0]
        self.sums = self._sums[:, :count]
        self.sums_by_gate = by_gate(self.sums, self.cell.hidden)
        self.gates = self._gate_buffer[: self.sums.size].reshape(self.sums_by_gate.shape)
        self.set_views()

    def set_views(self) -> None:
        """Set the views of single gates. This is done once for many steps, not in each step."""

    def step(self, x: Array) -> None:
        """Advance by one symbol.

        Args:
            x: `Cell.input_gates` of the symbol, (directions, count, gates * hidden).
        """
        raise NotImplementedError

    def recur(self) -> None:
        """Write the recurrent part of the gates to `sums`. It is zero after a zero state."""
        if self._zero:
            self.sums[...] = 0
            self._zero = False
        else:
            np.matmul(self.h, self.cell.recurrent, out=self.sums)

    def named_values(self) -> dict[str, Array]:
        """Return state and gates after a step, each (directions, count, hidden), by torch's letters."""
        values = dict(zip("hc", self.running, strict=False))
        if self.cell.kind != "rnn":
            values.update(zip(_ORDER[self.cell.kind], self.gates, strict=True))
        return values


def by_gate(values: Array, hidden: int) -> Array:
    """Return a view (gates, directions, count, hidden) of values (directions, count, gates * hidden)."""
    return values.reshape(*values.shape[:2], -1, hidden).transpose(2, 0, 1, 3)


class RnnStepper(Stepper):
    """Elman network (Elman 1990): h = tanh(W x + U h + b), or ReLU instead of tanh."""

    def step(self, x: Array) -> None:
        self.recur()
        np.add(self.sums, x, out=self.sums)
        if self.cell.relu:
            np.maximum(self.sums, 0, out=self.h)
        else:
            np.tanh(self.sums, out=self.h)


class LstmStepper(Stepper):
    """LSTM (Hochreiter and Schmidhuber 1997) with forget gates (Gers et al. 2000).

    c = f * c + i * g; h = o * tanh(c).
    """

    def set_views(self) -> None:
        self.sigmoids = self.gates[:3]
        self.i, self.f, self.o, self.g = self.gates
        self.c = self.running[1]

    def step(self, x: Array) -> None:
        c, h = self.c, self.h
        self.recur()
        np.add(self.sums, x, out=self.sums)
        np.tanh(self.sums_by_gate, out=self.gates)
        _to_sigmoids(self.sigmoids)
        np.multiply(c, self.f, out=c)
        np.multiply(self.i, self.g, out=h)  # h serves as a buffer until the end of the step
        np.add(c, h, out=c)
        np.tanh(c, out=h)
        np.multiply(h, self.o, out=h)


class GruStepper(Stepper):
    """GRU (Cho et al. 2014) in torch's form: n = tanh(W x + b + r * (U h + b')); h = (1 - z) * n + z * h."""

    def set_views(self) -> None:
        self.sigmoids = self.gates[:2]
        self.r, self.z, self.n = self.gates

    def step(self, x: Array) -> None:
        h, n, sums = self.h, self.n, self.sums_by_gate
        inputs = by_gate(x, self.cell.hidden)
        self.recur()
        np.add(sums[:2], inputs[:2], out=self.sigmoids)
        np.tanh(self.sigmoids, out=self.sigmoids)
        _to_sigmoids(self.sigmoids)
        np.add(sums[2], self.cell.reset_bias, out=n)
        np.multiply(n, self.r, out=n)
        np.add(n, inputs[2], out=n)
        np.tanh(n, out=n)
        np.subtract(h, n, out=h)
        np.multiply(h, self.z, out=h)
        np.add(h, n, out=h)


_HALF = np.float32(0.5)


def _to_sigmoids(values: Array) -> None:
    """Turn tanh(x / 2) into sigmoid(x), in place."""
    np.multiply(values, _HALF, out=values)
    np.add(values, _HALF, out=values)
