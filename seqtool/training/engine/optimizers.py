"""Updates of the weights: torch's optimizers, learning-rate schedules, and the moving average of weights.

This module also contains the workaround for torch's slow first optimizer. The first `torch.optim` object and
its first step import `torch._dynamo`, which takes a second, because guards of torch's compiler wrap
`add_param_group` and `step`. seqtool never compiles a network, so it bypasses the guards.
`_without_compiler_guard` marks `add_param_group` as already disabled for the compiler while an optimizer is
created; `unguarded_step` calls the function inside the wrapper of `step`. If a version of torch has other
internals, the same code uses plain `torch.optim` and is only slower.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from seqtool.settings.training import Training

# Networks with at least this many weights use torch's fused update, one call instead of a dozen. A smaller
# network gains nothing from it, and its updates stay bit-identical to `torch.optim.Adam(parameters)` in a
# notebook.
FUSED_FROM = 10_000
_FLAG = "__dynamo_disable"  # attribute in which torch's guard keeps the function that it finally calls


# --- optimizers ---------------------------------------------------------------------------------------------


def build_optimizer(parameters: Iterable[nn.Parameter], training: Training) -> Optimizer:
    """Create the optimizer that the settings name, without importing torch's compiler.

    The trainer sets the learning rate before every update, from the schedule.
    """
    trained = list(parameters)
    with _without_compiler_guard():
        return _plain_optimizer(trained, training)


def _plain_optimizer(trained: list[nn.Parameter], training: Training) -> Optimizer:
    common: dict[str, Any] = {"lr": training.lr, "weight_decay": training.weight_decay}
    large = sum(parameter.numel() for parameter in trained) >= FUSED_FROM
    supported = all(parameter.device.type in ("cpu", "cuda") for parameter in trained)
    fused = {"fused": True} if large and supported else {}
    if training.optimizer == "adam":
        return torch.optim.Adam(trained, betas=training.betas, **common, **fused)
    if training.optimizer == "adamw":
        return torch.optim.AdamW(trained, betas=training.betas, **common, **fused)
    if training.optimizer == "sgd":
        return torch.optim.SGD(
            trained, momentum=training.momentum, nesterov=training.nesterov, **common, **fused
        )
    if training.optimizer == "rmsprop":
        return torch.optim.RMSprop(trained, momentum=training.momentum, **common)
    return torch.optim.Adagrad(trained, **common)


@contextmanager
def _without_compiler_guard() -> Iterator[None]:
    """Bypass the guard of `add_param_group` inside the block; torch is unchanged afterwards."""
    inner = getattr(Optimizer.add_param_group, "__wrapped__", None)
    if inner is None or getattr(inner, _FLAG, None) is not None:
        yield  # there is no guard, or the compiler is already loaded
        return
    setattr(inner, _FLAG, inner)
    try:
        yield
    finally:
        delattr(inner, _FLAG)


def unguarded_step(optimizer: Optimizer) -> Callable[[], None]:
    """Return the optimizer's step as a function, without the compiler's guard and the profiler's hook."""
    inner = inspect.unwrap(type(optimizer).step)
    if inner is type(optimizer).step or list(inspect.signature(inner).parameters) != ["self", "closure"]:

        def plain() -> None:
            optimizer.step()

        return plain

    def step() -> None:
        with torch.no_grad():
            inner(optimizer)

    return step


def masked_update(update: Callable[[], None], optimizer: Optimizer, not_finite: Tensor | None) -> None:
    """Update the weights, unless a step up to this one was not finite. The host does not wait for a GPU.

    Args:
        update: the optimizer's step.
        optimizer: the optimizer itself.
        not_finite: a number on the device of the weights, 0 if all steps were finite; None if the host knows
            that they were.
    """
    if not_finite is None:
        update()
    elif optimizer.param_groups[0].get("fused"):
        # A fused update changes nothing if `found_inf` is 1; torch's gradient scaler uses the same attribute.
        optimizer.found_inf = (not_finite != 0).to(torch.float32)  # type: ignore[attr-defined]
        update()
    else:
        weights = [weight.detach() for group in optimizer.param_groups for weight in group["params"]]
        before = [weight.clone() for weight in weights]
        update()
        for weight, old in zip(weights, before, strict=True):
            weight.copy_(torch.where(not_finite != 0, old, weight))


# --- learning rate ------------------------------------------------------------------------------------------


@dataclass
class Schedule:
    """Learning rate of each update. It depends on the step alone, except for `plateau`, which counts rows.

    Attributes:
        training: kind, peak and parameters of the schedule.
        total: updates of the whole run, if known; `cosine` needs it.
        factor: current multiplier of the rate; only `plateau` changes it.
        waited: rows without improvement since `plateau` last changed the factor.
    """

    training: Training
    total: int | None
    factor: float = 1.0
    waited: int = 0

    def rate(self, step: int) -> float:
        """Return the learning rate of the update that follows `step` earlier ones."""
        settings = self.training
        if step < settings.warmup_steps:
            return settings.lr * (step + 1) / settings.warmup_steps
        if settings.schedule == "cosine":
            return settings.lr * self._cosine(step)
        if settings.schedule == "step":
            return settings.lr * settings.decay_factor ** (step // settings.decay_steps)
        return settings.lr * self.factor

    def _cosine(self, step: int) -> float:
        """Return a factor that falls from 1 to `final_lr` (Loshchilov and Hutter 2017, one period)."""
        if self.total is None:
            raise ValueError("a cosine schedule needs the number of updates")
        first, lowest = self.training.warmup_steps, self.training.final_lr
        done = min(1.0, (step - first) / max(1, self.total - first))
        return lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * done))

    def update(self, improved: bool) -> None:
        """Count a row; `plateau` lowers the rate after `decay_steps` rows without improvement."""
        if self.training.schedule != "plateau":
            return
        self.waited = 0 if improved else self.waited + 1
        if self.waited >= self.training.decay_steps:
            self.factor *= self.training.decay_factor
            self.waited = 0


# --- moving average -----------------------------------------------------------------------------------------


class AveragedWeights:
    """Exponential moving average of a network's parameters (Polyak and Juditsky 1992).

    The decay grows with the number of updates until it reaches `decay`. Evaluations and stored models use the
    averages, which are swapped into the network for that time.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float) -> None:
        self.parameters = parameters
        self.decay = decay
        # The values that the network does not hold now: normally the averages.
        self._other = [parameter.detach().clone() for parameter in parameters]
        self._swapped = False

    @property
    def averages(self) -> Sequence[Tensor]:
        """Averages of all parameters, whether or not they are swapped in."""
        return [parameter.detach() for parameter in self.parameters] if self._swapped else self._other

    @property
    def trained(self) -> Sequence[Tensor]:
        """Weights that the optimizer changes, whether or not the averages are swapped in."""
        return self._other if self._swapped else [parameter.detach() for parameter in self.parameters]

    def update(self, step: int) -> None:
        """Include the weights after update number `step` (from 1)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._other, list(self.trained), 1 - decay)

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Put the averages into the network for the block, and the trained weights back afterwards."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        self._swapped = not self._swapped
        for parameter, other in zip(self.parameters, self._other, strict=True):
            current = parameter.detach().clone()
            parameter.detach().copy_(other)
            other.copy_(current)
