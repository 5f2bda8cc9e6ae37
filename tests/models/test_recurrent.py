"""Recurrent stack, compared with the equations of the cells, with torch and with numeric gradients."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seqtool.models.recurrent import Direction, Masks, RecurrentStack, reorder, reversal
from seqtool.settings.model import RecurrentModel
from seqtool.types import Array

CELLS: list[dict[str, Any]] = [
    {"cell": "rnn"},
    {"cell": "rnn", "nonlinearity": "relu"},
    {"cell": "gru"},
    {"cell": "lstm"},
]
LENGTHS = torch.tensor([5, 3, 1])


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def cell_step(
    model: RecurrentModel, w: dict[str, Array], x: Array, h: Array, c: Array
) -> tuple[Array, Array]:
    """Compute one step by the textbook equations; the GRU resets after the matrix product, as in torch."""
    a, b = w["weight_ih"] @ x + w["bias_ih"], w["weight_hh"] @ h + w["bias_hh"]
    if model.cell == "rnn":
        return (np.tanh(a + b) if model.nonlinearity == "tanh" else np.maximum(a + b, 0)), c
    if model.cell == "gru":
        (ar, az, an), (br, bz, bn) = np.split(a, 3), np.split(b, 3)
        z = sigmoid(az + bz)
        return (1 - z) * np.tanh(an + sigmoid(ar + br) * bn) + z * h, c
    i, f, g, o = np.split(a + b, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def run_cell(
    model: RecurrentModel, w: dict[str, Array], sequence: Array, h: Array, c: Array
) -> tuple[Array, Array, Array]:
    """Return the outputs of a whole sequence (time, hidden), and h and c after it."""
    outputs = []
    for x in sequence:
        h, c = cell_step(model, w, x, h, c)
        outputs.append(h)
    return np.array(outputs), h, c


def run_by_equations(stack: RecurrentStack, sequence: Array, start: list[tuple[Array, Array]]) -> Array:
    """Run all layers over one unpadded sequence (time, input)."""
    weights = {name: weight.detach().numpy() for name, weight in stack.named_parameters()}
    both = len(stack.layers[0].directions)
    for layer in range(stack.model.num_layers):
        outputs = []
        for number, direction in enumerate(["forward", "backward"][:both]):
            prefix = f"{layer}.{direction}."
            w = {
                name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)
            }
            ordered = sequence[::-1] if number else sequence
            y = run_cell(stack.model, w, ordered, *start[layer * both + number])[0]
            outputs.append(y[::-1] if number else y)
        y = np.concatenate(outputs, axis=1)
        sequence = y + sequence if stack.model.residual and layer else y
    return sequence


def small_stack(input_size: int = 3, bidirectional: bool = False, **model: Any) -> RecurrentStack:
    torch.manual_seed(1)
    return RecurrentStack(
        RecurrentModel(hidden_size=4, **model), input_size, bidirectional=bidirectional
    ).double()


def random_state(stack: RecurrentStack, batch: int) -> Any:
    return tuple(tuple(torch.randn_like(part) for part in parts) for parts in stack.initial_state(batch))


@pytest.mark.parametrize(
    ("cell", "bidirectional", "shape"),
    list(product(CELLS, [False, True], [(1, False), (2, False), (3, True)])),
)
def test_outputs_follow_the_equations(
    cell: dict[str, Any], bidirectional: bool, shape: tuple[int, bool]
) -> None:
    stack = small_stack(bidirectional=bidirectional, num_layers=shape[0], residual=shape[1], **cell)
    x, state = torch.randn(5, 3, 3, dtype=torch.double), random_state(stack, 3)
    back = reversal(LENGTHS, 5) if bidirectional else None
    y, _ = stack(x, state, None, back)
    for column, length in enumerate(LENGTHS.tolist()):
        start = [(parts[0][column].numpy(), parts[-1][column].numpy()) for parts in state]
        expected = run_by_equations(stack, x[:length, column].numpy(), start)
        np.testing.assert_allclose(y[:length, column].detach().numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_outputs_are_equal_if_a_sequence_is_read_in_parts(cell: dict[str, Any]) -> None:
    stack = small_stack(num_layers=2, **cell)
    x, state = torch.randn(7, 2, 3, dtype=torch.double), stack.initial_state(2)
    whole, last = stack(x, state)
    first, between = stack(x[:3], state)
    second, ended = stack(x[3:], between)
    assert torch.allclose(whole, torch.cat([first, second]), atol=1e-12)
    assert all(
        torch.allclose(a, b, atol=1e-12)
        for x, y in zip(last, ended, strict=True)
        for a, b in zip(x, y, strict=True)
    )


@pytest.mark.parametrize("cell", CELLS)
def test_last_state_follows_the_equations(cell: dict[str, Any]) -> None:
    stack = small_stack(**cell)
    x, state = torch.randn(4, 1, 3, dtype=torch.double), random_state(stack, 1)
    _, last = stack(x, state)
    w = {
        name.removeprefix("0.forward."): weight.detach().numpy() for name, weight in stack.named_parameters()
    }
    _, h, c = run_cell(stack.model, w, x[:, 0].numpy(), state[0][0][0].numpy(), state[0][-1][0].numpy())
    np.testing.assert_allclose(last[0][0][0].detach().numpy(), h, atol=1e-12)
    if stack.model.cell == "lstm":
        np.testing.assert_allclose(last[0][1][0].detach().numpy(), c, atol=1e-12)


@pytest.mark.parametrize(("cell", "bidirectional"), list(product(CELLS, [False, True])))
def test_gradients_equal_numeric_ones(cell: dict[str, Any], bidirectional: bool) -> None:
    stack = small_stack(2, bidirectional, num_layers=2, residual=True, initial_state="learned", **cell)
    x = torch.randn(3, 2, 2, dtype=torch.double, requires_grad=True)
    lengths = torch.tensor([3, 2])
    back = reversal(lengths, 3) if bidirectional else None
    masks = Masks(output=torch.tensor([[0.0, 2.0] * (stack.width // 2)], dtype=torch.double))
    with torch.no_grad():
        for weight in stack.parameters():
            weight.normal_(0, 0.5)

    def outputs(*_: Tensor) -> Tensor:  # gradcheck changes x and the weights in place
        y, _ = stack(x, stack.initial_state(2), masks, back)
        return torch.cat([y[:3, 0], y[:2, 1]])

    assert torch.autograd.gradcheck(outputs, (x, *stack.parameters()))


@pytest.mark.parametrize(("cell", "bidirectional"), list(product(CELLS, [False, True])))
def test_weights_are_drawn_in_the_order_of_torch(cell: dict[str, Any], bidirectional: bool) -> None:
    kinds = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
    torch.manual_seed(5)
    theirs = kinds[cell["cell"]](3, 4, 2, bidirectional=bidirectional)
    torch.manual_seed(5)
    ours = RecurrentStack(
        RecurrentModel(hidden_size=4, num_layers=2, forget_bias=None, **cell), 3, bidirectional=bidirectional
    )
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize("value", [0.0, 1.0, 2.5])
def test_forget_bias_is_the_sum_of_both_biases(value: float) -> None:
    torch.manual_seed(5)
    plain = Direction(RecurrentModel(hidden_size=4, forget_bias=None), 3)
    torch.manual_seed(5)
    direction = Direction(RecurrentModel(hidden_size=4, forget_bias=value), 3)
    assert torch.equal((direction.bias_ih + direction.bias_hh)[4:8], torch.full((4,), value))
    others = [0, 1, 2, 3, *range(8, 16)]
    assert torch.equal(direction.bias_ih[others], plain.bias_ih[others])
    assert torch.equal(direction.weight_hh, plain.weight_hh)


def test_padding_does_not_change_the_outputs() -> None:
    stack = small_stack(bidirectional=True, num_layers=2)
    x = torch.randn(5, 3, 3, dtype=torch.double)
    other = x.clone()
    for column, length in enumerate(LENGTHS.tolist()):
        other[length:, column] = 99
    back = reversal(LENGTHS, 5)
    ours, theirs = (stack(each, stack.initial_state(3), None, back)[0] for each in (x, other))
    for column, length in enumerate(LENGTHS.tolist()):
        assert torch.equal(ours[:length, column], theirs[:length, column])


def test_reversal_reverses_each_sequence_within_its_length() -> None:
    x = torch.arange(15.0).view(5, 3, 1)
    reversed_x = reorder(x, reversal(LENGTHS, 5))
    assert reversed_x[:, :, 0].T.tolist() == [[12, 9, 6, 3, 0], [7, 4, 1, 10, 13], [2, 5, 8, 11, 14]]
    assert torch.equal(reorder(reversed_x, reversal(LENGTHS, 5)), x)


def test_masks_multiply_input_output_and_layers_between() -> None:
    stack = small_stack(num_layers=2)
    x, state = torch.randn(6, 2, 3, dtype=torch.double), stack.initial_state(2)
    keep = torch.tensor([[0.0, 2.0, 2.0], [2.0, 0.0, 2.0]], dtype=torch.double)
    masked, _ = stack(x, state, Masks(input=keep))
    assert torch.equal(masked, stack(x * keep, state)[0])
    out = torch.tensor([[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 1.0]], dtype=torch.double)
    masked, _ = stack(x, state, Masks(output=out))
    assert torch.equal(masked, stack(x, state)[0] * out)
    assert bool((masked[:, out == 0] == 0).all())  # the mask is the same at every step
    masked, _ = stack(x, state, Masks(between=(out,)))
    lower, *_ = stack.layers[0].directions[0](x, state[0])
    assert torch.equal(masked, stack.layers[1].directions[0](lower * out, state[1])[0])


@pytest.mark.parametrize("cell", CELLS)
def test_recurrent_mask_multiplies_the_recurrent_matrix(cell: dict[str, Any]) -> None:
    stack, x = small_stack(**cell), torch.randn(6, 2, 3, dtype=torch.double)
    state = random_state(stack, 2)
    weight = stack.layers[0].directions[0].weight_hh
    mask = (torch.rand(weight.shape) < 0.5).double() * 2
    dropped, _ = stack(x, state, Masks(recurrent=(mask,)))
    dropped.sum().backward()
    assert (
        weight.grad is not None
        and bool((weight.grad[mask == 0] == 0).all())
        and bool((weight.grad != 0).any())
    )
    plain, _ = stack(x, state)
    with torch.no_grad():
        weight.mul_(mask)
    assert torch.equal(dropped, stack(x, state)[0])
    assert not torch.allclose(dropped, plain)


def test_initial_states_are_zero_random_or_learned() -> None:
    zeros = small_stack().initial_state(2)
    assert all(bool((part == 0).all()) for part in zeros[0])
    stack = small_stack(initial_state="random", num_layers=2)
    assert all(bool((part == 0.5).all()) for parts in stack.initial_state(2) for part in parts)
    drawn = torch.stack(
        [part for parts in stack.initial_state(500, torch.Generator().manual_seed(1)) for part in parts]
    )
    assert len(torch.unique(drawn)) > 7_900
    assert 0 <= drawn.min() < 0.01 and 0.99 < drawn.max() < 1
    assert drawn.mean().item() == pytest.approx(0.5, abs=0.02)
    learned = small_stack(initial_state="learned")
    with torch.no_grad():
        dict(learned.initial.named_parameters())["0.forward.c"].fill_(3)
    assert bool((learned.initial_state(5)[0][1] == 3).all())
