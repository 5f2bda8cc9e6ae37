"""Two directions side by side give the bytes of one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from seqtool.models import recurrent
from seqtool.models.recurrent import Masks, RecurrentStack, reversal
from seqtool.models.side_by_side import Pass, pays, side_by_side
from seqtool.settings.model import RecurrentModel

LENGTHS = torch.tensor([9, 7, 4])


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    for name in ("GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def gradients(stack: RecurrentStack, x: Tensor, masks: Masks | None, with_state: bool) -> list[Tensor]:
    stack.zero_grad()
    x = x.detach().requires_grad_()
    y, last = stack(x, stack.initial_state(3), masks, reversal(LENGTHS, 9))
    loss = y.square().sum()
    if with_state:
        loss = loss + sum(part.sin().sum() for state in last for part in state)
    loss.backward()
    found = [y.detach(), *(part.detach() for state in last for part in state), x.grad]
    found += [weight.grad for weight in stack.parameters()]
    assert all(one is not None for one in found)
    return found


@pytest.mark.parametrize("cell", [{"cell": "rnn"}, {"cell": "lstm"}, {"cell": "gru"}])
@pytest.mark.parametrize("initial_state", ["zeros", "learned"])
@pytest.mark.parametrize("with_state", [False, True])
def test_outputs_and_gradients_are_those_of_one_after_the_other(
    cell: dict[str, Any], initial_state: Any, with_state: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(3)
    model = RecurrentModel(**cell, hidden_size=12, num_layers=2, initial_state=initial_state)
    stack, x = RecurrentStack(model, 5, bidirectional=True), torch.randn(9, 3, 5)
    masks = Masks(recurrent=tuple((torch.rand(d.weight_hh.shape) < 0.5) * 2.0 for d in stack.directions))
    used: list[int] = []

    def counted(passes: Sequence[Pass]) -> list[tuple[Tensor, ...]]:
        used.append(len(passes))
        return side_by_side(passes)

    monkeypatch.setattr(recurrent, "side_by_side", counted)
    for chosen in (None, masks):
        together = gradients(stack, x, chosen, with_state)
        with monkeypatch.context() as patch:
            patch.setattr(recurrent, "pays", lambda *_: False)
            alone = gradients(stack, x, chosen, with_state)
        assert all(torch.equal(one, other) for one, other in zip(together, alone, strict=True))
    assert used == [2] * 4  # two layers, with and without masks


def test_pass_without_effect_on_the_loss_has_no_gradient() -> None:
    x, other = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    ((y,), _) = side_by_side([(lambda one: (one * 2,), [x]), (lambda one: (one * 3,), [other])])
    for _ in range(2):
        y.sum().backward(retain_graph=True)  # type: ignore[no-untyped-call]
    assert x.grad is not None and x.grad.tolist() == [4.0] * 3
    assert other.grad is None


def test_one_direction_one_thread_spinning_threads_and_use_run_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = torch.zeros(2, 2)
    passes: list[Pass] = [(lambda y: (y,), [x]), (lambda y: (y,), [x])]
    assert pays(x, passes)
    assert not pays(x, passes[:1])
    with torch.no_grad():
        assert not pays(x, passes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not pays(x, passes)
    with monkeypatch.context() as spinning:
        spinning.setenv("OMP_WAIT_POLICY", "ACTIVE")
        assert not pays(x, passes)
    torch.set_num_threads(1)
    assert not pays(x, passes)


@pytest.mark.parametrize("wrong", [0, 1])
def test_error_of_either_pass_is_raised_and_the_threads_are_restored(wrong: int) -> None:
    def run(x: Tensor) -> tuple[Tensor, ...]:
        return (x * 2,)

    def fail(x: Tensor) -> tuple[Tensor, ...]:
        raise ValueError(f"no room for {len(x)}")

    functions = [run, run]
    functions[wrong] = fail
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match="no room"):
        side_by_side([(function, [x]) for function in functions])
    assert torch.get_num_threads() == 2
    results = side_by_side([(run, [x]), (run, [x])])
    assert [one.tolist() for (one,) in results] == [[2.0] * 3] * 2
