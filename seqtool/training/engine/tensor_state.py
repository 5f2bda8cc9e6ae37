"""The tensors of a run in progress as plain arrays, and back: what a checkpoint holds beside numbers.

Names: `weight/NAME`, `optimizer/NAME/PART`, `average/NAME`, `carried/PART`, with NAME a weight's in the model directory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from seqtool.errors import ModelError
from seqtool.training.engine.ema import AveragedWeights
from seqtool.types import Array

Arrays = Mapping[str, Array]
OTHER_CHECKPOINT = "use an earlier checkpoint, or start anew with --overwrite"


def pack(
    trained: Mapping[str, nn.Parameter],
    optimizer: Optimizer,
    average: AveragedWeights | None,
    carried: Mapping[str, Tensor],
) -> dict[str, Array]:
    """Copies of all tensors."""
    weights = trained.values() if average is None else average.trained
    tensors: dict[str, Tensor] = {
        f"weight/{name}": weight for name, weight in zip(trained, weights, strict=True)
    }
    for name, parameter in trained.items():
        parts = optimizer.state.get(parameter, {})
        tensors |= {
            f"optimizer/{name}/{part}": value for part, value in parts.items() if isinstance(value, Tensor)
        }
    if average is not None:
        tensors |= {f"average/{name}": value for name, value in zip(trained, average.averages, strict=True)}
    tensors |= {f"carried/{name}": value for name, value in carried.items()}
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous().numpy() for name, tensor in tensors.items()
    }


def unpack(
    arrays: Arrays, trained: Mapping[str, nn.Parameter], optimizer: Optimizer, average: AveragedWeights | None
) -> dict[str, Tensor]:
    """Put arrays where `pack` had them from; what was carried from batch to batch is given back by name.

    Raises:
        ModelError: if names or shapes do not fit; nothing has then been changed.
    """
    _check(arrays, trained, average is not None)
    with torch.no_grad():
        for index, (name, parameter) in enumerate(trained.items()):
            parameter.copy_(torch.from_numpy(arrays[f"weight/{name}"]))
            if average is not None:
                average.averages[index].copy_(torch.from_numpy(arrays[f"average/{name}"]))
            parts = _below(arrays, f"optimizer/{name}/")
            if parts:
                optimizer.state[parameter] = {
                    part: _restored(part, value, parameter, optimizer) for part, value in parts.items()
                }
    return {name: torch.from_numpy(value).clone() for name, value in _below(arrays, "carried/").items()}


def _restored(part: str, value: Array, parameter: nn.Parameter, optimizer: Optimizer) -> Tensor:
    """A tensor of the optimiser. Its step counter stays on the CPU where torch keeps it, unless the optimiser is fused."""
    stays = part == "step" and not optimizer.param_groups[0].get("fused")
    return torch.from_numpy(value).clone().to("cpu" if stays else parameter.device)


def _below(arrays: Arrays, prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _check(arrays: Arrays, trained: Mapping[str, nn.Parameter], averaged: bool) -> None:
    """Every tensor of the network must be there in its shape, and nothing that does not belong to it."""
    kinds = ("weight", "average") if averaged else ("weight",)
    wanted = {f"{kind}/{name}": tuple(weight.shape) for name, weight in trained.items() for kind in kinds}
    for name, shape in wanted.items():
        found = arrays[name].shape if name in arrays else "nothing"
        if found != shape:
            raise ModelError(
                f"the checkpoint does not fit: expected {name} of {shape}, found {found}",
                hint=OTHER_CHECKPOINT,
            )
    for name, value in arrays.items():
        kind, _, rest = name.partition("/")
        owner, _, part = rest.rpartition("/")
        fits = (
            kind == "carried" or name in wanted or (kind == "optimizer" and owner in trained and bool(part))
        )
        if not fits or value.dtype != np.float32:
            raise ModelError(
                f"the checkpoint does not fit: found {name} of type {value.dtype}", hint=OTHER_CHECKPOINT
            )
        if kind == "optimizer" and value.shape not in ((), tuple(trained[owner].shape)):
            raise ModelError(
                f"the checkpoint does not fit: found {name} of {value.shape}", hint=OTHER_CHECKPOINT
            )


def schedule_numbers(values: object) -> tuple[float, int]:
    """`factor` and `waited` of a schedule.

    Raises:
        ModelError: if they are not there.
    """
    if isinstance(values, Mapping):
        factor, waited = values.get("factor"), values.get("waited")
        if (
            isinstance(factor, float)
            and 0 < factor <= 1
            and isinstance(waited, int)
            and waited >= 0
            and math.isfinite(factor)
        ):
            return factor, waited
    raise ModelError("the checkpoint's schedule is not what this version writes", hint=OTHER_CHECKPOINT)
