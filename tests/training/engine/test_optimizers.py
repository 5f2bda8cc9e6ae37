"""Our way to torch's optimisers: the same weights to the last bit, without the compiler's import, with a way back."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from seqtool.settings import Training
from seqtool.training.engine import optimizers
from seqtool.training.engine.optimizers import FUSED_FROM, build_optimizer, unguarded_step

KINDS: list[dict[str, Any]] = [
    {"optimizer": "adam"},
    {"optimizer": "adam", "betas": (0.8, 0.9), "weight_decay": 0.1},
    {"optimizer": "adamw"},
    {"optimizer": "adamw", "weight_decay": 0.1},
    {"optimizer": "sgd"},
    {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1},
    {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
    {"optimizer": "rmsprop"},
    {"optimizer": "rmsprop", "momentum": 0.9, "weight_decay": 0.1},
    {"optimizer": "adagrad"},
    {"optimizer": "adagrad", "weight_decay": 0.1},
]

# Trains with each optimiser our way, says which modules of the compiler that took, then the same with plain torch.optim.
COMPARE = """
import sys
import torch
from torch import nn
from seqtool.settings import Training
from seqtool.training.engine.optimizers import _plain_optimizer, unguarded_step, build_optimizer
from tests.training.engine.test_optimizers import KINDS, train

torch.set_num_threads(1)
ours = [[train(build_optimizer, unguarded_step, kind, size) for size in (3, 200)] for kind in KINDS]
assert "torch._dynamo" not in sys.modules and "torch._inductor" not in sys.modules
plain = lambda optimizer: (lambda: optimizer.step())
theirs = [[train(_plain_optimizer, plain, kind, size) for size in (3, 200)] for kind in KINDS]
assert "torch._dynamo" in sys.modules
for kind, mine, yours in zip(KINDS, ours, theirs):
    for a, b in zip(mine, yours):
        assert all(torch.equal(x, y) for x, y in zip(a, b)), kind
print("equal")
"""


def train(build: Any, stepper: Any, kind: dict[str, Any], size: int) -> list[torch.Tensor]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(size, size), nn.Tanh(), nn.Linear(size, 2))
    optimizer = build(list(network.parameters()), Training(epochs=1, lr=0.01, **kind))
    step = stepper(optimizer)
    for number in range(5):
        for parameter in network.parameters():
            parameter.grad = None
        network(
            torch.randn(4, size, generator=torch.Generator().manual_seed(number))
        ).square().sum().backward()
        for group in optimizer.param_groups:
            group["lr"] = 0.01 / (number + 1)
        step()
    assert (sum(parameter.numel() for parameter in network.parameters()) >= FUSED_FROM) is (size == 200)
    return [parameter.detach() for parameter in network.parameters()]


def test_every_optimizer_is_torchs_to_the_last_bit_without_importing_the_compiler() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMPARE], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0 and done.stdout == "equal\n", done.stderr


def unwrappable(method: Any) -> Any:
    """A method that does the same and does not say what it wraps."""

    def same(self: Any, *given: Any) -> Any:
        return method(self, *given)

    return same


@pytest.mark.parametrize("kind", KINDS[::3])
def test_where_torch_looks_different_plain_optimizers_are_used(
    kind: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = train(build_optimizer, unguarded_step, kind, 3)

    def without_guards(parameters: Any, training: Training) -> torch.optim.Optimizer:
        with monkeypatch.context() as changed:
            changed.setattr(
                torch.optim.Optimizer, "add_param_group", unwrappable(torch.optim.Optimizer.add_param_group)
            )
            return build_optimizer(parameters, training)

    def opaque_step(optimizer: torch.optim.Optimizer) -> Any:
        with monkeypatch.context() as changed:
            changed.setattr(type(optimizer), "step", unwrappable(type(optimizer).step))
            step = unguarded_step(optimizer)
        assert step.__name__ == "plain"
        return step

    for build, stepper in ((without_guards, unguarded_step), (build_optimizer, opaque_step)):
        assert all(torch.equal(a, b) for a, b in zip(train(build, stepper, kind, 3), expected, strict=True))


def test_torch_is_left_as_it_was() -> None:
    inner = torch.optim.Optimizer.add_param_group.__wrapped__  # type: ignore[attr-defined]
    before = getattr(inner, optimizers._FLAG, None)
    build_optimizer([nn.Parameter(torch.zeros(2))], Training(epochs=1))
    assert getattr(inner, optimizers._FLAG, None) is before


def test_gradients_are_not_recorded_while_stepping() -> None:
    weight = nn.Parameter(torch.ones(3))
    optimizer = build_optimizer([weight], Training(epochs=1, optimizer="sgd", lr=0.5))
    weight.grad = torch.ones(3)
    unguarded_step(optimizer)()
    assert weight.tolist() == [0.5] * 3 and weight.is_leaf and torch.is_grad_enabled()
