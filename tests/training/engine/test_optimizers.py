"""Updates of the weights: optimizers without torch's compiler, learning-rate schedules, moving average."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from seqtool.settings.training import Training
from seqtool.training.engine import optimizers
from seqtool.training.engine.optimizers import (
    FUSED_FROM,
    AveragedWeights,
    Schedule,
    build_optimizer,
    unguarded_step,
)

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

# Trains with each optimizer of seqtool, checks that the compiler is not loaded, then uses plain torch.optim.
COMPARE = """
import sys
import torch
from torch import nn
from seqtool.settings.training import Training
from seqtool.training.engine.optimizers import _plain_optimizer, unguarded_step, build_optimizer
from tests.training.engine.test_optimizers import KINDS, train

torch.set_num_threads(1)
unguarded = [[train(build_optimizer, unguarded_step, kind, size) for size in (3, 200)] for kind in KINDS]
assert "torch._dynamo" not in sys.modules and "torch._inductor" not in sys.modules
plain = lambda optimizer: (lambda: optimizer.step())
guarded = [[train(_plain_optimizer, plain, kind, size) for size in (3, 200)] for kind in KINDS]
assert "torch._dynamo" in sys.modules
for kind, first, second in zip(KINDS, unguarded, guarded):
    for a, b in zip(first, second):
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


def test_every_optimizer_equals_torchs_bit_for_bit_and_does_not_import_the_compiler() -> None:
    process = subprocess.run(
        [sys.executable, "-c", COMPARE], capture_output=True, text=True, timeout=300, check=False
    )
    assert process.returncode == 0 and process.stdout == "equal\n", process.stderr


def unwrappable(method: Any) -> Any:
    """Wrap a method without recording the wrapped function."""

    def same(self: Any, *arguments: Any) -> Any:
        return method(self, *arguments)

    return same


@pytest.mark.parametrize("kind", KINDS[::3])
def test_other_internals_of_torch_lead_to_plain_optimizers(
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


def test_torch_is_unchanged_after_an_optimizer_is_built() -> None:
    inner = torch.optim.Optimizer.add_param_group.__wrapped__  # type: ignore[attr-defined]
    before = getattr(inner, optimizers._FLAG, None)
    build_optimizer([nn.Parameter(torch.zeros(2))], Training(epochs=1))
    assert getattr(inner, optimizers._FLAG, None) is before


def test_update_records_no_gradients() -> None:
    weight = nn.Parameter(torch.ones(3))
    optimizer = build_optimizer([weight], Training(epochs=1, optimizer="sgd", lr=0.5))
    weight.grad = torch.ones(3)
    unguarded_step(optimizer)()
    assert weight.tolist() == [0.5] * 3 and weight.is_leaf and torch.is_grad_enabled()


# --- learning rate ------------------------------------------------------------------------------------------


def build_schedule(total: int | None = 100, **training: Any) -> Schedule:
    return Schedule(Training(epochs=1, lr=0.4, **training), total)


def test_cosine_schedule_falls_from_the_peak_to_its_end() -> None:
    schedule = build_schedule(110, schedule="cosine", warmup_steps=10, final_lr=0.1)
    assert [schedule.rate(step) for step in (0, 4, 9, 10, 60, 110, 200)] == pytest.approx(
        [0.04, 0.2, 0.4, 0.4, 0.22, 0.04, 0.04]
    )
    assert schedule.rate(35) == pytest.approx(0.4 * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi / 4))))
    with pytest.raises(ValueError, match="number of updates"):
        build_schedule(None, schedule="cosine").rate(0)


def test_constant_and_step_schedules_follow_their_formula() -> None:
    assert [build_schedule(warmup_steps=4).rate(step) for step in (0, 3, 4, 999)] == pytest.approx(
        [0.1, 0.4, 0.4, 0.4]
    )
    schedule = build_schedule(schedule="step", decay_steps=10, decay_factor=0.5)
    assert [schedule.rate(step) for step in (0, 9, 10, 25)] == pytest.approx([0.4, 0.4, 0.2, 0.1])


@given(st.sampled_from(["constant", "cosine", "step"]), st.integers(0, 20), st.integers(0, 300))
def test_rates_depend_only_on_the_step_and_stay_in_range(kind: Any, warmup: int, step: int) -> None:
    schedule = build_schedule(schedule=kind, warmup_steps=warmup)
    rate = schedule.rate(step)
    schedule.update(False)
    assert schedule.rate(step) == rate and 0 <= rate <= 0.4 * (1 + 1e-15)  # 0.4 * 12 / 12 is rounded up


def test_plateau_schedule_waits_for_improvement() -> None:
    schedule = build_schedule(schedule="plateau", decay_steps=2, decay_factor=0.5)
    factors = []
    for improved in (True, False, True, False, False, False, False, True, False):
        schedule.update(improved)
        factors.append(schedule.factor)
    assert factors == [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25]


# --- moving average -----------------------------------------------------------------------------------------


def test_averages_follow_their_formula_and_are_swapped_in_and_out() -> None:
    weight = nn.Parameter(torch.zeros(2))
    average = AveragedWeights([weight], 0.5)
    expected = 0.0
    for step in range(1, 20):
        with torch.no_grad():
            weight.fill_(step)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert average.averages[0].tolist() == pytest.approx([expected] * 2, rel=1e-6)
    address = weight.data_ptr()
    with average.swapped_in():
        assert weight.tolist() == average.averages[0].tolist() == pytest.approx([expected] * 2, rel=1e-6)
        assert average.trained[0].tolist() == [19, 19]
    assert (
        weight.tolist() == average.trained[0].tolist() == [19, 19]
        and weight.data_ptr() == address
        and weight.requires_grad
    )
    with pytest.raises(RuntimeError), average.swapped_in():
        raise RuntimeError
    assert weight.tolist() == [19, 19]
