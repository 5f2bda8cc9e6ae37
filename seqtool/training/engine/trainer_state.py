"""State of a trainer, as a checkpoint stores it: numbers for JSON, and named arrays.

Array names are `weight/NAME`, `optimizer/NAME/PART`, `average/NAME` and `carried/PART`; NAME is the name of a
weight in the model directory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from seqtool.errors import ModelError
from seqtool.settings.training import Training
from seqtool.training.engine.optimizers import AveragedWeights, Schedule
from seqtool.types import Array, Arrays, Json

MOST = 1 << 48  # steps, batches or symbols; no run has as many
REPAIR = "use an earlier checkpoint, or restart with --overwrite"


# --- numbers ------------------------------------------------------------------------------------------------


@dataclass
class TrainerState:
    """Numbers of a run in progress.

    Attributes:
        step: updates so far.
        draws: batches so far; they key the random draws.
        epoch: finished epochs.
        position: batches so far in the current epoch.
        loss_sum: nats over `items`, since the start of the epoch or the previous evaluation.
        items: symbols or tokens in `loss_sum`.
        seconds: time of the run so far.
        row_seconds: time of training steps since the previous row.
        row_items: symbols or tokens in `row_seconds`.
        grad_norm: gradient norm of the last step.
        best: quality of the best row; None before the first row.
        waited: rows since the best row.
        row_due: whether the validation data are evaluated before the next batch.
    """

    step: int = 0
    draws: int = 0
    epoch: int = 0
    position: int = 0
    loss_sum: float = 0.0
    items: int = 0
    seconds: float = 0.0
    row_seconds: float = 0.0
    row_items: int = 0
    grad_norm: float = 0.0
    best: float | None = None
    waited: int = 0
    row_due: bool = False

    def to_json(self) -> Json:
        """Return all numbers by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: object) -> Self:
        """Restore the numbers that `to_json` returned.

        Raises:
            ModelError: a number is missing, unknown, or of another type.
        """
        if not isinstance(values, Mapping) or set(values) != {field.name for field in fields(cls)}:
            raise ModelError("the checkpoint's progress is not what this version writes", hint=REPAIR)
        for field in fields(cls):
            _check_number(field.name, values[field.name], field.type)
        return cls(**values)


def _check_number(name: str, value: object, type_: object) -> None:
    if type_ == "bool":
        fits = isinstance(value, bool)
    elif type_ == "int":
        fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST
    else:
        fits = (isinstance(value, float) and math.isfinite(value)) or (
            value is None and type_ == "float | None"
        )
    if not fits:
        raise ModelError(f"the checkpoint is damaged: progress.{name} is {str(value)[:40]!r}", hint=REPAIR)


def numbers(state: TrainerState, schedule: Schedule) -> Json:
    """Return every number that an exact resume needs."""
    factors = {"factor": schedule.factor, "waited": schedule.waited}
    return {"progress": state.to_json(), "schedule": factors}


def checked_numbers(stored: Json | None) -> Json:
    """Return the result of `numbers` from a checkpoint; empty if it has none.

    Raises:
        ModelError: a number is missing, unknown, or of another type.
    """
    if stored is None:
        return {}
    TrainerState.from_json(stored.get("progress"))
    schedule_numbers(stored.get("schedule"))
    return stored


def without_row(after: Json, before: Json, training: Training) -> Json:
    """Return the numbers of a trainer as they would be if its last row had not been made.

    Args:
        after: numbers after the row.
        before: numbers before the row.
        training: the settings.
    """
    old = before["progress"]
    undone = {name: old[name] for name in ("best", "waited", "loss_sum", "items")}
    if after["progress"]["position"] == 0 and training.eval_every is None:  # every epoch has its own sum
        undone |= {"loss_sum": 0.0, "items": 0}
    return {"progress": {**after["progress"], **undone, "row_due": False}, "schedule": before["schedule"]}


def schedule_numbers(values: object) -> tuple[float, int]:
    """Return `factor` and `waited` of a schedule.

    Raises:
        ModelError: one of them is missing or of another type.
    """
    if isinstance(values, Mapping):
        factor, waited = values.get("factor"), values.get("waited")
        if isinstance(factor, float) and 0 < factor <= 1 and isinstance(waited, int) and 0 <= waited <= MOST:
            return factor, waited
    raise ModelError("the checkpoint's schedule is not what this version writes", hint=REPAIR)


# --- tensors ------------------------------------------------------------------------------------------------


def tensors_to_arrays(
    trained: Mapping[str, nn.Parameter],
    optimizer: Optimizer,
    average: AveragedWeights | None,
    carried: Mapping[str, Tensor],
) -> Arrays:
    """Copy all tensors of a trainer to arrays.

    Args:
        trained: weights by their name in the model directory.
        optimizer: its tensors are stored for each weight.
        average: the moving average of the weights, if there is one.
        carried: state that the task carries from batch to batch.
    """
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


def restore_tensors(
    arrays: Arrays,
    trained: Mapping[str, nn.Parameter],
    optimizer: Optimizer,
    average: AveragedWeights | None,
) -> dict[str, Tensor]:
    """Copy arrays from `tensors_to_arrays` into a trainer, and return the task's carried state by name.

    Raises:
        ModelError: names, shapes or types do not fit; nothing is changed then.
    """
    _check_arrays(arrays, trained, has_average=average is not None)
    with torch.no_grad():
        for index, (name, parameter) in enumerate(trained.items()):
            parameter.copy_(torch.from_numpy(arrays[f"weight/{name}"]))
            if average is not None:
                average.averages[index].copy_(torch.from_numpy(arrays[f"average/{name}"]))
            parts = _with_prefix(arrays, f"optimizer/{name}/")
            if parts:
                optimizer.state[parameter] = {
                    part: _optimizer_tensor(part, value, parameter, optimizer)
                    for part, value in parts.items()
                }
    return {name: torch.from_numpy(value).clone() for name, value in _with_prefix(arrays, "carried/").items()}


def _optimizer_tensor(part: str, value: Array, parameter: nn.Parameter, optimizer: Optimizer) -> Tensor:
    """Return a tensor of the optimizer on its device.

    torch keeps the step counter on the CPU, except for a fused optimizer.
    """
    on_cpu = part == "step" and not optimizer.param_groups[0].get("fused")
    return torch.from_numpy(value).clone().to("cpu" if on_cpu else parameter.device)


def _with_prefix(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _check_arrays(arrays: Arrays, trained: Mapping[str, nn.Parameter], *, has_average: bool) -> None:
    """Check that every weight has its array of the right shape, and that every array belongs to a weight."""
    kinds = ("weight", "average") if has_average else ("weight",)
    expected = {f"{kind}/{name}": tuple(weight.shape) for name, weight in trained.items() for kind in kinds}
    for name, shape in expected.items():
        actual = arrays[name].shape if name in arrays else "nothing"
        if actual != shape:
            raise ModelError(
                f"the checkpoint does not fit: expected {name} of {shape}, found {actual}", hint=REPAIR
            )
    for name, value in arrays.items():
        kind, _, rest = name.partition("/")
        owner, _, part = rest.rpartition("/")
        is_part = kind == "optimizer" and owner in trained and bool(part)
        if not (kind == "carried" or name in expected or is_part) or value.dtype != np.float32:
            raise ModelError(f"the checkpoint does not fit: found {name} of type {value.dtype}", hint=REPAIR)
        if kind == "optimizer" and value.shape not in ((), tuple(trained[owner].shape)):
            raise ModelError(f"the checkpoint does not fit: found {name} of {value.shape}", hint=REPAIR)
