"""The recurrent stack against the cells' equations written out, torch's own modules, and numeric gradients."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seqtool.models.recurrent import Direction, Masks, RecurrentStack, reorder, reversal
from seqtool.models.weights import stored_parameters
from seqtool.settings import RecurrentModel
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
    """One step of one sequence, as the textbooks have it (the GRU with torch's reset after the product)."""
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


def read(
    model: RecurrentModel, w: dict[str, Array], sequence: Array, h: Array, c: Array
) -> tuple[Array, Array, Array]:
    outputs = []
    for x in sequence:
        h, c = cell_step(model, w, x, h, c)
        outputs.append(h)
    return np.array(outputs), h, c


def by_hand(stack: RecurrentStack, sequence: Array, start: list[tuple[Array, Array]]) -> Array:
    """All layers over one unpadded sequence."""
    weights = {name: weight.detach().numpy() for name, weight in stack.named_parameters()}
    both = len(stack.layers[0].directions)
    for layer in range(stack.model.num_layers):
        outputs = []
        for number, direction in enumerate(["forward", "backward"][:both]):
            prefix = f"{layer}.{direction}."
            w = {
                name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)
            }
            given = sequence[::-1] if number else sequence
            y = read(stack.model, w, given, *start[layer * both + number])[0]
            outputs.append(y[::-1] if number else y)
        y = np.concatenate(outputs, axis=1)
        sequence = y + sequence if stack.model.residual and layer else y
    return sequence


def small_stack(input_size: int = 3, bidirectional: bool = False, **given: Any) -> RecurrentStack:
    torch.manual_seed(1)
    return RecurrentStack(
        RecurrentModel(hidden_size=4, **given), input_size, bidirectional=bidirectional
    ).double()


def random_state(stack: RecurrentStack, batch: int) -> Any:
    return tuple(tuple(torch.randn_like(part) for part in parts) for parts in stack.initial_state(batch))


@pytest.mark.parametrize(
    ("cell", "bidirectional", "shape"),
    list(product(CELLS, [False, True], [(1, False), (2, False), (3, True)])),
)
def test_the_stack_follows_the_equations(
    cell: dict[str, Any], bidirectional: bool, shape: tuple[int, bool]
) -> None:
    stack = small_stack(bidirectional=bidirectional, num_layers=shape[0], residual=shape[1], **cell)
    x, state = torch.randn(5, 3, 3, dtype=torch.double), random_state(stack, 3)
    back = reversal(LENGTHS, 5) if bidirectional else None
    y, _ = stack(x, state, None, back)
    for column, length in enumerate(LENGTHS.tolist()):
        start = [(parts[0][column].numpy(), parts[-1][column].numpy()) for parts in state]
        expected = by_hand(stack, x[:length, column].numpy(), start)
        np.testing.assert_allclose(y[:length, column].detach().numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_a_sequence_may_be_read_in_parts(cell: dict[str, Any]) -> None:
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
def test_a_carried_state_follows_the_equations(cell: dict[str, Any]) -> None:
    stack = small_stack(**cell)
    x, state = torch.randn(4, 1, 3, dtype=torch.double), random_state(stack, 1)
    _, last = stack(x, state)
    w = {
        name.removeprefix("0.forward."): weight.detach().numpy() for name, weight in stack.named_parameters()
    }
    _, h, c = read(stack.model, w, x[:, 0].numpy(), state[0][0][0].numpy(), state[0][-1][0].numpy())
    np.testing.assert_allclose(last[0][0][0].detach().numpy(), h, atol=1e-12)
    if stack.model.cell == "lstm":
        np.testing.assert_allclose(last[0][1][0].detach().numpy(), c, atol=1e-12)


@pytest.mark.parametrize(("cell", "bidirectional"), list(product(CELLS, [False, True])))
def test_gradients_are_those_found_by_small_changes(cell: dict[str, Any], bidirectional: bool) -> None:
    stack = small_stack(2, bidirectional, num_layers=2, residual=True, initial_state="learned", **cell)
    x = torch.randn(3, 2, 2, dtype=torch.double, requires_grad=True)
    lengths = torch.tensor([3, 2])
    back = reversal(lengths, 3) if bidirectional else None
    masks = Masks(output=torch.tensor([[0.0, 2.0] * (stack.width // 2)], dtype=torch.double))
    with torch.no_grad():
        for weight in stack.parameters():
            weight.normal_(0, 0.5)

    def outputs(*_: Tensor) -> Tensor:  # the check changes x and the weights in their places
        y, _ = stack(x, stack.initial_state(2), masks, back)
        return torch.cat([y[:3, 0], y[:2, 1]])

    assert torch.autograd.gradcheck(outputs, (x, *stack.parameters()))


@pytest.mark.parametrize(("cell", "bidirectional"), list(product(CELLS, [False, True])))
def test_weights_are_drawn_as_torch_draws_them(cell: dict[str, Any], bidirectional: bool) -> None:
    kinds = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
    torch.manual_seed(5)
    theirs = kinds[cell["cell"]](3, 4, 2, bidirectional=bidirectional)
    torch.manual_seed(5)
    ours = RecurrentStack(
        RecurrentModel(hidden_size=4, num_layers=2, forget_bias=None, **cell), 3, bidirectional=bidirectional
    )
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize("value", [0.0, 1.0, 2.5])
def test_the_forget_gates_bias_is_what_was_asked_for(value: float) -> None:
    torch.manual_seed(5)
    plain = Direction(RecurrentModel(hidden_size=4, forget_bias=None), 3)
    torch.manual_seed(5)
    direction = Direction(RecurrentModel(hidden_size=4, forget_bias=value), 3)
    assert torch.equal((direction.bias_ih + direction.bias_hh)[4:8], torch.full((4,), value))
    others = [0, 1, 2, 3, *range(8, 16)]
    assert torch.equal(direction.bias_ih[others], plain.bias_ih[others])
    assert torch.equal(direction.weight_hh, plain.weight_hh)


def test_weights_bear_the_names_of_a_model_directory() -> None:
    network = nn.Module()
    network.encoder = RecurrentStack(
        RecurrentModel(num_layers=2, hidden_size=3, initial_state="learned"), 2, bidirectional=True
    )
    parts = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    places = [f"{layer}.{direction}" for layer in range(2) for direction in ("forward", "backward")]
    expected = {f"encoder.{place}.{part}" for place in places for part in parts}
    assert set(stored_parameters(network)) == expected | {
        f"initial_state.{place}.{part}" for place in places for part in "hc"
    }
    assert {name for name in network.state_dict() if "initial" not in name} == expected


def test_padding_does_not_reach_the_scores() -> None:
    stack = small_stack(bidirectional=True, num_layers=2)
    x = torch.randn(5, 3, 3, dtype=torch.double)
    other = x.clone()
    for column, length in enumerate(LENGTHS.tolist()):
        other[length:, column] = 99
    back = reversal(LENGTHS, 5)
    ours, theirs = (stack(given, stack.initial_state(3), None, back)[0] for given in (x, other))
    for column, length in enumerate(LENGTHS.tolist()):
        assert torch.equal(ours[:length, column], theirs[:length, column])


def test_reversal_turns_each_sequence_round_within_its_length() -> None:
    x = torch.arange(15.0).view(5, 3, 1)
    turned = reorder(x, reversal(LENGTHS, 5))
    assert turned[:, :, 0].T.tolist() == [[12, 9, 6, 3, 0], [7, 4, 1, 10, 13], [2, 5, 8, 11, 14]]
    assert torch.equal(reorder(turned, reversal(LENGTHS, 5)), x)


def test_masks_act_where_they_say() -> None:
    stack = small_stack(num_layers=2)
    x, state = torch.randn(6, 2, 3, dtype=torch.double), stack.initial_state(2)
    keep = torch.tensor([[0.0, 2.0, 2.0], [2.0, 0.0, 2.0]], dtype=torch.double)
    masked, _ = stack(x, state, Masks(input=keep))
    assert torch.equal(masked, stack(x * keep, state)[0])
    out = torch.tensor([[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 1.0]], dtype=torch.double)
    masked, _ = stack(x, state, Masks(output=out))
    assert torch.equal(masked, stack(x, state)[0] * out)
    assert bool((masked[:, out == 0] == 0).all())  # the same places at every step: the mask is locked
    masked, _ = stack(x, state, Masks(between=(out,)))
    lower, _ = stack.layers[0].directions[0](x, state[0])
    assert torch.equal(masked, stack.layers[1].directions[0](lower * out, state[1])[0])


@pytest.mark.parametrize("cell", CELLS)
def test_weight_dropout_takes_weights_from_the_recurrent_matrix(cell: dict[str, Any]) -> None:
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


def test_initial_states() -> None:
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
