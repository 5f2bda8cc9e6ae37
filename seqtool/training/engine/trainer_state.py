"""Where a run stands: plain numbers, all that resuming needs beside tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from seqtool.errors import ModelError


@dataclass
class TrainerState:
    """Numbers of a run in progress.

    Attributes:
        step: updates made.
        draws: batches trained on: what random draws go by.
        epoch: finished epochs.
        position: batches done in the epoch under way.
        loss_sum: nats over `items`, since the epoch or the previous evaluation began.
        seconds: time of the run so far.
        row_seconds: of these, in training steps since the previous row, over `row_items`.
        grad_norm: of the last step.
        best: quality of the best row.
        waited: rows without progress since then.
        row_due: an evaluation is to be made before the next batch.
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

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: object) -> Self:
        """What `to_json` gave.

        Raises:
            ModelError: if it is anything else.
        """
        if not isinstance(values, Mapping) or set(values) != {field.name for field in fields(cls)}:
            raise ModelError(
                "the checkpoint's progress is not what this version writes",
                hint="start anew with --overwrite",
            )
        for field in fields(cls):
            _check(field.name, values[field.name], field.type)
        return cls(**values)


def _check(name: str, value: object, type_: object) -> None:
    if type_ == "bool":
        fits = isinstance(value, bool)
    elif type_ == "int":
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    else:
        fits = (isinstance(value, float) and math.isfinite(value)) or (
            value is None and type_ == "float | None"
        )
    if not fits:
        raise ModelError(
            f"the checkpoint is damaged: progress.{name} is {str(value)[:40]!r}",
            hint="use an earlier checkpoint",
        )
