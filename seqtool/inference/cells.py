"""Recurrent cells in numpy: one step of a layer, all its directions and the whole batch at once.

Equations and gate order of the stored weights are torch's (LSTM i f g o; GRU r z n with `r * (W h + b)`). Inside, gates
that pass a sigmoid come first, and their weights are halved, so that one tanh over all gates serves both functions:
sigmoid(x) = (1 + tanh(x / 2)) / 2. Halving is exact in binary, so nothing is lost.

What runs these steps over sequences is in `encoder`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seqtool.settings import RecurrentModel
from seqtool.types import Array

Parts = tuple[Array, ...]  # the state of a layer: (h,) or (h, c), each (directions, batch, hidden)

# Gates in the order in which they lie inside, each with its place in torch's order; sigmoid gates first.
_ORDER = {"rnn": {"h": 0}, "gru": {"r": 0, "z": 1, "n": 2}, "lstm": {"i": 0, "f": 1, "o": 3, "g": 2}}
_SIGMOIDS = {"rnn": 0, "gru": 2, "lstm": 3}


@dataclass(frozen=True)
class Cell:
    """The weights of one layer.

    Attributes:
        kind: `rnn`, `gru` or `lstm`.
        relu: the rnn's nonlinearity is not tanh.
        inputs: (directions, input, gates * hidden).
        bias: (directions, 1, gates * hidden): both biases, but for the GRU's recurrent one of n.
        recurrent: (directions, hidden, gates * hidden).
        reset_bias: (directions, 1, hidden): the GRU's recurrent bias of n, which the reset gate scales; else empty.
    """

    kind: str
    relu: bool
    inputs: Array
    bias: Array
    recurrent: Array
    reset_bias: Array

    @classmethod
    def from_weights(cls, model: RecurrentModel, weights: Mapping[str, Array], names: list[str]) -> Cell:
        """Args: names: of each direction's weights, without the last part: `encoder.0.forward`."""
        hidden = model.hidden_size
        kind = model.cell

        def stacked(part: str) -> Array:
            return np.stack([_inside(weights[f"{name}.{part}"], kind, hidden) for name in names])

        bias, hidden_bias = stacked("bias_ih"), stacked("bias_hh")
        reset_bias = hidden_bias[:, None, 2 * hidden :].copy() if kind == "gru" else hidden_bias[:, None, :0]
        if kind == "gru":
            hidden_bias[:, 2 * hidden :] = 0
        return cls(
            kind=kind,
            relu=kind == "rnn" and model.nonlinearity == "relu",
            inputs=np.ascontiguousarray(stacked("weight_ih").transpose(0, 2, 1)),
            bias=(bias + hidden_bias)[:, None, :],
            recurrent=np.ascontiguousarray(stacked("weight_hh").transpose(0, 2, 1)),
            reset_bias=reset_bias,
        )

    @property
    def directions(self) -> int:
        """1 or 2."""
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
        """What the gates get from inputs x (count, input), for each direction: (directions, count, gates * hidden)."""
        found: Array = np.matmul(x, self.inputs, out=out)
        found += self.bias
        return found

    def stepper(self, state: Parts, zero: bool = False) -> Stepper:
        """This cell at work, from a state that is copied. Args: zero: the state is known to be zero."""
        kinds = {"rnn": RnnStepper, "gru": GruStepper, "lstm": LstmStepper}
        return kinds[self.kind](self, state, zero)


def _inside(weight: Array, kind: str, hidden: int) -> Array:
    """Rows of a stored weight or bias in the inner order, float32, with those of sigmoid gates halved."""
    blocks = weight.astype(np.float32).reshape(-1, hidden, *weight.shape[1:])
    ordered = blocks[list(_ORDER[kind].values())]
    ordered[: _SIGMOIDS[kind]] *= np.float32(0.5)
    return ordered.reshape(weight.shape)


class Stepper:
    """A cell at work on a batch, whose state each step advances in place.

    Sequences of a batch stand longest first, so that those still running are always the first `count`; the state of one
    that has ended stays what it was after its last step.

    Attributes:
        h: (directions, count, hidden), the state of the running sequences.
        sums: (directions, count, gates * hidden), what is added up for the gates.
        gates: (gates, directions, count, hidden), after their functions. The values of a gate lie together, for numpy is two
            to three times as fast there as on pieces of rows.
    """

    def __init__(self, cell: Cell, state: Parts, zero: bool = False) -> None:
        self.cell = cell
        self.whole: Parts = tuple(np.array(part, np.float32, order="C") for part in state)
        self._zero = zero
        self._sums = np.empty((*self.whole[0].shape[:2], cell.gates), np.float32)
        self._room = np.empty(self._sums.size, np.float32)
        self.narrow(self.whole[0].shape[1])

    def narrow(self, count: int) -> None:
        """Go on with the first `count` sequences only."""
        self.running = tuple(part[:, :count] for part in self.whole)
        self.h = self.running[0]
        self.sums = self._sums[:, :count]
        self.sums_by_gate = by_gate(self.sums, self.cell.hidden)
        self.gates = self._room[: self.sums.size].reshape(self.sums_by_gate.shape)
        self.cut()

    def cut(self) -> None:
        """Name the parts that a step works with, once for many steps."""

    def step(self, x: Array) -> None:
        """Advance by one symbol, given `Cell.input_gates` of it: (directions, count, gates * hidden)."""
        raise NotImplementedError

    def recur(self) -> None:
        """What the gates get from the state before, into `sums`; nothing from one that is zero."""
        if self._zero:
            self.sums[...] = 0
            self._zero = False
        else:
            np.matmul(self.h, self.cell.recurrent, out=self.sums)

    def named(self) -> dict[str, Array]:
        """State and gates after a step, each (directions, count, hidden), under torch's letters."""
        found = dict(zip("hc", self.running, strict=False))
        if self.cell.kind != "rnn":
            found.update(zip(_ORDER[self.cell.kind], self.gates, strict=True))
        return found


def by_gate(values: Array, hidden: int) -> Array:
    """Values (directions, count, gates * hidden) seen as (gates, directions, count, hidden)."""
    return values.reshape(*values.shape[:2], -1, hidden).transpose(2, 0, 1, 3)


class RnnStepper(Stepper):
    """Elman 1990: h = tanh(W x + U h + b), or ReLU in the place of tanh."""

    def step(self, x: Array) -> None:
        self.recur()
        np.add(self.sums, x, out=self.sums)
        if self.cell.relu:
            np.maximum(self.sums, 0, out=self.h)
        else:
            np.tanh(self.sums, out=self.h)


class LstmStepper(Stepper):
    """Hochreiter and Schmidhuber 1997, with forget gates (Gers et al. 2000): c = f * c + i * g; h = o * tanh(c)."""

    def cut(self) -> None:
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
        np.multiply(self.i, self.g, out=h)  # its place is free until the end of the step
        np.add(c, h, out=c)
        np.tanh(c, out=h)
        np.multiply(h, self.o, out=h)


class GruStepper(Stepper):
    """Cho et al. 2014 as torch has it: n = tanh(W x + b + r * (U h + b')); h = (1 - z) * n + z * h."""

    def cut(self) -> None:
        self.sigmoids = self.gates[:2]
        self.r, self.z, self.n = self.gates

    def step(self, x: Array) -> None:
        h, n, sums = self.h, self.n, self.sums_by_gate
        given = by_gate(x, self.cell.hidden)
        self.recur()
        np.add(sums[:2], given[:2], out=self.sigmoids)
        np.tanh(self.sigmoids, out=self.sigmoids)
        _to_sigmoids(self.sigmoids)
        np.add(sums[2], self.cell.reset_bias, out=n)
        np.multiply(n, self.r, out=n)
        np.add(n, given[2], out=n)
        np.tanh(n, out=n)
        np.subtract(h, n, out=h)
        np.multiply(h, self.z, out=h)
        np.add(h, n, out=h)


_HALF = np.float32(0.5)


def _to_sigmoids(values: Array) -> None:
    """Make sigmoids, in place, of the tanh of what was halved."""
    np.multiply(values, _HALF, out=values)
    np.add(values, _HALF, out=values)
