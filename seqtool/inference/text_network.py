"""Network of a text model: symbol numbers in, scores of symbols out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

import numpy as np

from seqtool.decoding import log_softmax
from seqtool.inference.cells import Stepper
from seqtool.inference.encoder import Encoder, Packing, State, StateRecorder, TableGates
from seqtool.settings.model import CharModel
from seqtool.types import Array, Arrays

_TABLE = 1 << 22  # numbers of a table of input gates that is computed at once
_SCORES = 1 << 21  # largest number of scores in memory
SINGLE_PASS = 10_000  # longest text, in symbols, that is read in one pass


class TextNetwork:
    """Embedding, recurrent layers and output layer of a text model.

    Attributes:
        settings: settings of the network.
        symbol_count: number of symbols.
        condition_gates: part of the first layer's gates that depends on the condition of a line (conditions,
            gates * hidden); None without conditions.
    """

    def __init__(self, settings: CharModel, weights: Arrays) -> None:
        self.settings = settings
        self._encoder = Encoder.from_weights(settings, weights)
        self._first = self._encoder.cells[0]
        condition = weights.get("condition.weight")
        self.condition_gates: Array | None = None
        if condition is not None:
            # The first layer reads the embedding of the condition after that of the symbol, so its gates are
            # the sum of a part for the symbol and a part for the condition.
            inputs, last = np.split(self._first.inputs, [-condition.shape[1]], axis=1)
            self._first = self._first._replace(inputs=inputs)
            self.condition_gates = _float32(condition) @ last[0]
        self._embedding = weights.get("embedding.weight")
        self.symbol_count = self._first.inputs.shape[1] if self._embedding is None else len(self._embedding)
        # The input gates of the first layer depend on the symbol alone, so one row per symbol is enough. Of
        # many symbols, the rows are computed when they are needed.
        self._added_gates: Array | float = 0.0
        is_small = self.symbol_count * self._first.gates <= _TABLE
        self._table = self._gate_rows(np.arange(self.symbol_count)) if is_small else None
        self._output: tuple[Array, ...] = ()
        if settings.output != "none":
            last = weights["embedding.weight"] if settings.tied else weights["output.weight"]
            between = [weights["bridge.weight"]] if "bridge.weight" in weights else []
            self._output = tuple(np.ascontiguousarray(_float32(weight).T) for weight in (*between, last))
            self._bias = _float32(weights["output.bias"])
        self._bounds = settings.output_bounds(self.symbol_count)
        self._clusters: tuple[Array, Array] | None = None
        if len(self._bounds) > 1:
            cluster = _float32(weights["clusters.weight"]), _float32(weights["clusters.bias"])
            self._clusters = np.ascontiguousarray(cluster[0].T), cluster[1]

    def initial_state(self, batch: int = 1) -> State:
        """Return the state before the first symbol of `batch` sequences."""
        return self._encoder.initial_state(batch)

    def forward(self, ids: Array, state: State | None = None) -> tuple[Array, State]:
        """Return the scores of the next (or the aligned) symbols.

        Args:
            ids: symbol numbers (time, batch).
            state: state before the first of them; by default the initial state. It is not changed.

        Returns:
            logits (time, batch, symbols) and the state after the last symbol.
        """
        steps, batch = ids.shape
        state = state or self.initial_state(batch)
        if not steps:
            width = self.symbol_count if self._output else self._encoder.width
            return np.zeros((0, batch, width), np.float32), state
        y, state = self._run(ids, state)
        return self._logits(y).reshape(steps, batch, -1), state

    def read(self, ids: Array, state: State) -> State:
        """Return the state after symbol numbers (time, batch), without computing scores."""
        return self._run(ids, state)[1]

    def losses(self, ids: Array, targets: Array, state: State | None = None) -> tuple[Array, State]:
        """Return the loss of each target in nats, float64, and the state after the last symbol.

        Args:
            ids: symbol numbers (time, batch).
            targets: the symbols to predict (time, batch).
            state: state before the first of them; by default the initial state.
        """
        state = state or self.initial_state(ids.shape[1])
        if not ids.size:
            return np.zeros(ids.shape), state
        y, state = self._run(np.asarray(ids, np.int64), state)
        return self._target_losses(y, targets.reshape(-1)).reshape(ids.shape), state

    def packed_losses(self, ids: Array, targets: Array, packing: Packing) -> Array:
        """Return the loss of each target in nats (total,), float64, after packed sequences (total,)."""
        y, _ = self._encoder.run(self._gates(ids), packing)
        return self._target_losses(y, targets)

    def _target_losses(self, y: Array, targets: Array) -> Array:
        """Return the loss of targets (count,) after outputs (count, hidden), a group of rows at a time."""
        losses = np.empty(len(y))
        rows = max(1, _SCORES // self.symbol_count)
        for start in range(0, len(y), rows):
            stop = min(start + rows, len(y))
            chosen = np.arange(stop - start), np.asarray(targets[start:stop], np.int64)
            losses[start:stop] = -log_softmax(self._logits(y[start:stop]))[chosen]
        return losses

    def forward_recorded(
        self, ids: Array, state: State, names: Collection[str] | None
    ) -> tuple[dict[str, Array], State]:
        """Return states, gates and `logits` after each symbol, and the state after the last one.

        Args:
            ids: symbol numbers (time, batch).
            state: state before the first of them.
            names: names to return; None returns all.

        Returns:
            arrays (time, batch, …) by name, and the state.
        """
        steps, batch = ids.shape
        recorder = StateRecorder(names)
        y, state = self._run(ids, state, recorder)
        if names is None or "logits" in names:
            recorder.arrays["logits"] = self._logits(y)
        return {name: values.reshape(steps, batch, -1) for name, values in recorder.arrays.items()}, state

    def step(self, ids: Array, state: State) -> tuple[Array, State]:
        """Return the scores (batch, symbols) after one more symbol, numbers (batch,), and the new state.

        The old state is not changed.
        """
        steppers = self._encoder.steppers(state)
        logits = self._logits(self._encoder.advance(steppers, self._rows(ids).transpose(1, 0, 2)))
        return logits, tuple(stepper.whole for stepper in steppers)

    def steppers_after(self, ids: Array) -> list[Stepper]:
        """Return steppers in the state after symbol numbers (length,), without computing scores."""
        state = self.initial_state()
        for start in range(0, len(ids), SINGLE_PASS):
            _, state = self._run(ids[start : start + SINGLE_PASS, None], state)
        return self._encoder.steppers(state)

    def advance(self, steppers: Sequence[Stepper], number: int) -> Array:
        """Advance steppers by one symbol and return the scores (symbols,) of the next."""
        gates = self._rows(np.array([number]))[0, :, None]
        scores: Array = self._logits(self._encoder.advance(steppers, gates))[0]
        return scores

    def _run(self, ids: Array, state: State, recorder: StateRecorder | None = None) -> tuple[Array, State]:
        gates = self._gates(ids.reshape(-1))
        return self._encoder.run(gates, Packing.equal(*ids.shape), state, recorder)

    def _gates(self, ids: Array) -> TableGates:
        """Return the input gates of the first layer at symbols (count,)."""
        if self._table is not None:
            return TableGates(self._table, ids)
        distinct, rows = np.unique(ids, return_inverse=True)
        return TableGates(self._gate_rows(distinct), rows)

    def _rows(self, ids: Array) -> Array:
        """Return the input gates of the first layer for symbols (count, 1, gates * hidden)."""
        return self._gate_rows(ids) if self._table is None else self._table[ids]

    def _gate_rows(self, ids: Array) -> Array:
        if self._embedding is None:
            gates: Array = self._first.inputs[0][ids][:, None] + self._first.bias
        else:
            gates = self._first.gate_table(_float32(self._embedding[ids]))
        gates += self._added_gates
        return gates

    def _logits(self, y: Array) -> Array:
        """Apply the output layer: (count, hidden) to (count, symbols). Without one, return the states."""
        if not self._output:
            return y
        for weight in self._output[:-1]:
            y = y @ weight
        scores: Array = y @ self._output[-1]
        scores += self._bias
        if self._clusters is not None:
            _normalize(scores, y @ self._clusters[0] + self._clusters[1], self._bounds)
        return scores


def _normalize(scores: Array, clusters: Array, bounds: Sequence[int]) -> None:
    """Replace the scores (count, symbols) of an adaptive output by log probabilities.

    Args:
        clusters: scores of the groups of symbols (count, groups).
        bounds: end of the first symbols, then the end of each group.
    """
    head = np.concatenate([scores[:, : bounds[0]], clusters], axis=1)
    head -= _log_sums(head)
    scores[:, : bounds[0]] = head[:, : bounds[0]]
    for group, (start, stop) in enumerate(pairwise(bounds)):
        part = scores[:, start:stop]
        part += head[:, bounds[0] + group, None] - _log_sums(part)


def _log_sums(scores: Array) -> Array:
    """Return the logarithm of the sum of exponentials of each row (count, 1)."""
    largest = scores.max(1, keepdims=True)
    sums: Array = np.log(np.exp(scores - largest).sum(1, keepdims=True)) + largest
    return sums


def _float32(weight: Array) -> Array:
    return weight.astype(np.float32, copy=False)
