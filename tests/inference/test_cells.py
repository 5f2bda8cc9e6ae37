"""Tests of cells and stacks in numpy against torch's modules, and of the packing against its definition."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqtool.inference.encoder import DenseGates, Encoder, Packing, StateRecorder, TableGates
from seqtool.settings.model import RecurrentModel
from seqtool.types import Array

CELLS = [("lstm", "tanh"), ("gru", "tanh"), ("rnn", "tanh"), ("rnn", "relu")]
HIDDEN, INPUT = 6, 5
LENGTHS = (7, 7, 4, 1)


def torch_stack(cell: str, nonlinearity: str, layers: int, bidirectional: bool) -> torch.nn.RNNBase:
    torch.manual_seed(3)
    form: dict[str, Any] = {"num_layers": layers, "bidirectional": bidirectional}
    if cell == "rnn":
        return torch.nn.RNN(INPUT, HIDDEN, nonlinearity=nonlinearity, **form)
    return (torch.nn.LSTM if cell == "lstm" else torch.nn.GRU)(INPUT, HIDDEN, **form)


def stored(stack: torch.nn.RNNBase) -> dict[str, Array]:
    """Return torch's weights by the names of a model directory."""
    weights = {}
    for name, parameter in stack.named_parameters():
        part, layer = name.removesuffix("_reverse").rsplit("_l", 1)
        direction = "backward" if name.endswith("_reverse") else "forward"
        weights[f"encoder.{layer}.{direction}.{part}"] = parameter.detach().numpy()
    return weights


def states(torch_state: Any, cell: str, layers: int, directions: int) -> list[list[Array]]:
    """Return torch's final state as (h[, c]) of each layer, each (directions, batch, hidden)."""
    parts = torch_state if cell == "lstm" else (torch_state,)
    return [
        [part.detach().numpy().reshape(layers, directions, -1, HIDDEN)[layer] for part in parts]
        for layer in range(layers)
    ]


@pytest.mark.parametrize(("cell", "layers", "bidirectional"), list(product(CELLS, [1, 3], [False, True])))
def test_stack_over_packed_sequences_equals_torch(
    cell: tuple[Any, Any], layers: int, bidirectional: bool
) -> None:
    """Compare packed sequences with torch's result for each sequence alone, which involves no padding."""
    stack = torch_stack(*cell, layers, bidirectional)
    model = RecurrentModel(cell=cell[0], nonlinearity=cell[1], hidden_size=HIDDEN, num_layers=layers)
    encoder = Encoder.from_weights(model, stored(stack), bidirectional)
    sequences = [
        np.random.default_rng(number).standard_normal((length, INPUT)).astype(np.float32)
        for number, length in enumerate(LENGTHS)
    ]
    packing = Packing.of(np.array(LENGTHS))
    x = np.concatenate(sequences)[packing.positions(np.cumsum(LENGTHS) - LENGTHS)]
    back = packing.backward if bidirectional else None
    dense, state = encoder.run(DenseGates(encoder.cells[0], x, back), packing)
    table, _ = encoder.run(
        TableGates(encoder.cells[0].gate_table(x), np.arange(packing.total), back), packing
    )
    np.testing.assert_allclose(table, dense, atol=1e-6)
    for number, sequence in enumerate(sequences):
        y, last = stack(torch.from_numpy(sequence[:, None]))
        np.testing.assert_allclose(dense[packing.columns == number], y[:, 0].detach().numpy(), atol=1e-5)
        for ours, theirs in zip(state, states(last, cell[0], layers, 1 + bidirectional), strict=True):
            for part, expected in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(part[:, number], expected[:, 0], atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_sequence_in_pieces_or_single_symbols_equals_whole_sequence(cell: tuple[Any, Any]) -> None:
    model = RecurrentModel(
        cell=cell[0], nonlinearity=cell[1], hidden_size=HIDDEN, num_layers=2, residual=True
    )
    encoder = Encoder.from_weights(model, stored(torch_stack(*cell, 2, False)))
    x = np.random.default_rng(1).standard_normal((9, 3, INPUT)).astype(np.float32)  # (time, batch, input)

    def run(part: Array, state: Any = None) -> Any:
        return encoder.run(
            DenseGates(encoder.cells[0], part.reshape(-1, INPUT)), Packing.equal(len(part), 3), state
        )

    whole, _ = run(x)
    first, state = run(x[:4])
    kept = [part.copy() for parts in state for part in parts]
    second, _ = run(x[4:], state)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, atol=1e-6)
    assert all(
        (part == before).all()
        for part, before in zip((part for parts in state for part in parts), kept, strict=True)
    )
    steppers = encoder.steppers(encoder.initial_state(3))
    stepped = [encoder.advance(steppers, encoder.cells[0].input_gates(symbol[None])).copy() for symbol in x]
    np.testing.assert_allclose(np.concatenate(stepped), whole, atol=1e-6)


def test_blocks_of_a_long_sequence_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder.from_weights(
        RecurrentModel(hidden_size=HIDDEN, num_layers=2), stored(torch_stack("lstm", "tanh", 2, True)), True
    )
    packing = Packing.of(np.array([40, 12, 3]))
    x = np.random.default_rng(1).standard_normal((packing.total, INPUT)).astype(np.float32)
    whole, _ = encoder.run(DenseGates(encoder.cells[0], x, packing.backward), packing)
    monkeypatch.setattr("seqtool.inference.encoder._BLOCK", 5 * 2 * 4 * HIDDEN)
    blocks, _ = encoder.run(DenseGates(encoder.cells[0], x, packing.backward), packing)
    np.testing.assert_allclose(blocks, whole, atol=1e-6)


def test_recorded_gates_follow_the_equations() -> None:
    """Compare recorded values with the textbook equations of LSTM and GRU with torch's weights."""
    x = np.random.default_rng(5).standard_normal((6, INPUT)).astype(np.float32)

    def sigmoid(z: Array) -> Array:
        values: Array = 1 / (1 + np.exp(-z))
        return values

    for cell in ("lstm", "gru"):
        weights = stored(torch_stack(cell, "tanh", 1, False))
        encoder = Encoder.from_weights(RecurrentModel(cell=cell, hidden_size=HIDDEN), weights)
        recorder = StateRecorder()
        encoder.run(DenseGates(encoder.cells[0], x), Packing.equal(6, 1), None, recorder)
        shown = {name.removeprefix("encoder.0."): values for name, values in recorder.arrays.items()}
        w, u, b, v = (
            weights[f"encoder.0.forward.{part}"] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        h = c = np.zeros(HIDDEN)
        for step in range(6):
            entering, recurrent = (
                np.split(w @ x[step] + b, len(w) // HIDDEN),
                np.split(u @ h + v, len(w) // HIDDEN),
            )
            if cell == "lstm":
                i, f, o = (sigmoid(entering[place] + recurrent[place]) for place in (0, 1, 3))
                g = np.tanh(entering[2] + recurrent[2])
                c = f * c + i * g
                h = o * np.tanh(c)
                expected = {"i": i, "f": f, "o": o, "g": g, "c": c, "h": h}
            else:
                r, z = (sigmoid(entering[place] + recurrent[place]) for place in (0, 1))
                n = np.tanh(entering[2] + r * recurrent[2])
                h = (1 - z) * n + z * h
                expected = {"r": r, "z": z, "n": n, "h": h}
            assert shown.keys() == expected.keys()
            for name, value in expected.items():
                np.testing.assert_allclose(shown[name][step], value, atol=1e-6, err_msg=f"{cell} {name}")


def test_backward_states_are_recorded_at_their_own_tokens() -> None:
    weights = stored(torch_stack("lstm", "tanh", 1, True))
    encoder = Encoder.from_weights(RecurrentModel(hidden_size=HIDDEN), weights, True)
    packing = Packing.of(np.array([5, 2]))
    x = np.random.default_rng(5).standard_normal((packing.total, INPUT)).astype(np.float32)
    recorder = StateRecorder({"encoder.0.forward.h", "encoder.0.backward.h"})
    y, _ = encoder.run(DenseGates(encoder.cells[0], x, packing.backward), packing, None, recorder)
    np.testing.assert_array_equal(
        np.concatenate(
            [recorder.arrays["encoder.0.forward.h"], recorder.arrays["encoder.0.backward.h"]], axis=1
        ),
        y,
    )


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_packing_follows_its_definition(unsorted: list[int]) -> None:
    lengths = sorted(unsorted, reverse=True)
    packing = Packing.of(np.array(lengths))
    order = [
        (step, column) for step in range(lengths[0]) for column, length in enumerate(lengths) if step < length
    ]
    assert packing.total == sum(lengths)
    assert list(zip(packing.steps.tolist(), packing.columns.tolist(), strict=True)) == order
    places = {pair: place for place, pair in enumerate(order)}
    assert packing.backward.tolist() == [places[lengths[column] - 1 - step, column] for step, column in order]
    assert sorted(packing.positions(np.cumsum(lengths) - lengths).tolist()) == list(range(sum(lengths)))
    for rows in (1, 4, 100):
        blocks = packing.blocks(rows)
        assert [step for first, last in blocks for step in range(first, last)] == list(range(lengths[0]))
        assert all(
            last - first == 1 or packing.offsets[last] - packing.offsets[first] <= rows
            for first, last in blocks
        )
