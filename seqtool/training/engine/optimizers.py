"""torch's optimisers, without the second that their first use costs.

Creating the first `torch.optim` object, and its first step, import `torch._dynamo`: guards against the compiler wrap
`add_param_group` and `step`. Nothing here is ever compiled, so the guards are stepped round: that of `add_param_group` by
telling the function inside, for the moment, that it is disabled already; that of `step` by calling the function inside.
Where torch's internals look different from what this file knows, plain `torch.optim` does the same, a second later.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from seqtool.settings import Training

# One fused call instead of a dozen small ones. Below this it saves nothing that counts, and the plain way is, to the last
# bit, what `torch.optim.Adam(parameters)` in a notebook does.
FUSED_FROM = 10_000  # weights
_FLAG = "__dynamo_disable"  # where the guard keeps the function that it calls in the end


def build_optimizer(parameters: Iterable[nn.Parameter], training: Training) -> Optimizer:
    """The optimiser that the settings name. Its learning rate is set anew before every step by the schedule."""
    trained = list(parameters)
    with _no_guard():
        return _plain_optimizer(trained, training)


def _plain_optimizer(trained: list[nn.Parameter], training: Training) -> Optimizer:
    common: dict[str, Any] = {"lr": training.lr, "weight_decay": training.weight_decay}
    large = sum(parameter.numel() for parameter in trained) >= FUSED_FROM
    fused = (
        {"fused": True}
        if large and all(parameter.device.type in ("cpu", "cuda") for parameter in trained)
        else {}
    )
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


def bare_step(optimizer: Optimizer) -> Callable[[], None]:
    """The optimiser's step as a function, without the compiler's guard and the profiler's hook round it."""
    inner = inspect.unwrap(type(optimizer).step)
    if inner is type(optimizer).step or list(inspect.signature(inner).parameters) != ["self", "closure"]:

        def plain() -> None:
            optimizer.step()

        return plain

    def step() -> None:
        with torch.no_grad():
            inner(optimizer)

    return step


def masked_update(update: Callable[[], None], optimizer: Optimizer, broken: Tensor | None) -> None:
    """Make an update, which changes no weight if a step up to this one was broken, and ask nobody whether it was.

    Args:
        update: the optimiser's step.
        broken: a number on the weights' device, 0 if all was finite; None: known to be.
    """
    if broken is None:
        update()
    elif optimizer.param_groups[0].get("fused"):
        optimizer.found_inf = (broken != 0).to(torch.float32)  # type: ignore[attr-defined]  # as a gradient scaler tells it
        update()
    else:
        weights = [weight.detach() for group in optimizer.param_groups for weight in group["params"]]
        before = [weight.clone() for weight in weights]
        update()
        for weight, old in zip(weights, before, strict=True):
            weight.copy_(torch.where(broken != 0, old, weight))


@contextmanager
def _no_guard() -> Iterator[None]:
    """Let optimisers be created without the compiler's guard; everything is as before after it."""
    inner = getattr(Optimizer.add_param_group, "__wrapped__", None)
    if inner is None or getattr(inner, _FLAG, None) is not None:
        yield  # no guard, or one that has been passed already
        return
    setattr(inner, _FLAG, inner)
    try:
        yield
    finally:
        delattr(inner, _FLAG)
