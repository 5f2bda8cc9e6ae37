"""torch's optimisers, without the second that their first use costs.

Creating the first `torch.optim` object, and its first step, import `torch._dynamo`, because guards against the
compiler wrap `step` and some other methods. Nothing here is ever compiled, so the guards are stepped round: the others by
telling the wrapped function that it is disabled already, that of `step` by calling the function it wraps. Where torch's
internals look different from what this file knows, plain `torch.optim` is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from seqtool.settings import Training

_FLAG = "__dynamo_disable"


def build_optimizer(parameters: Iterable[nn.Parameter], training: Training) -> Optimizer:
    """The optimiser that the settings name. Its learning rate is set anew before every step by the schedule."""
    _leave_compiler_alone()
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    common: dict[str, Any] = {"lr": training.lr, "weight_decay": training.weight_decay}
    fused = {"fused": True} if all(parameter.device.type in ("cpu", "cuda") for parameter in trained) else {}
    if training.optimizer == "adam":
        return torch.optim.Adam(trained, betas=training.betas, **common, **fused)
    if training.optimizer == "adamw":
        return torch.optim.AdamW(trained, betas=training.betas, **common, **fused)
    if training.optimizer == "sgd":
        return torch.optim.SGD(trained, momentum=training.momentum, nesterov=training.nesterov, **common)
    if training.optimizer == "rmsprop":
        return torch.optim.RMSprop(trained, momentum=training.momentum, **common)
    return torch.optim.Adagrad(trained, **common)


def bare_step(optimizer: Optimizer) -> Callable[[], None]:
    """The optimiser's step as a function, without the compiler's guard round it."""
    wrapped = getattr(type(optimizer).step, "__wrapped__", None)
    while wrapped is not None and getattr(wrapped, "__wrapped__", None) is not None:
        wrapped = wrapped.__wrapped__
    if wrapped is None or not _leave_compiler_alone():
        return lambda: optimizer.step() and None

    def step() -> None:
        with torch.no_grad():
            wrapped(optimizer)

    return step


def _leave_compiler_alone() -> bool:
    """Mark the guarded methods of `Optimizer` as already disabled for the compiler; whether there was one to mark."""
    guarded = [method.__wrapped__ for method in vars(Optimizer).values() if hasattr(method, "__wrapped__")]
    for inner in guarded:
        if getattr(inner, _FLAG, None) is None:
            setattr(inner, _FLAG, inner)
    return bool(guarded)
