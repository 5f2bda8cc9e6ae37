"""What the loop tells its listeners: frozen reports of a step or an evaluation. No torch here, so listeners stay light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StepEvent:
    """One update has been made.

    Attributes:
        step: updates so far.
        epoch: the epoch it belongs to, from 1.
        position: batches done in this epoch, of `batches`.
        loss: nats per symbol or token in this step; on a GPU in the last step that was looked at, as for grad_norm.
        items: symbols or tokens trained on in this step.
        lr: the learning rate of this update.
        grad_norm: norm of the whole gradient before clipping.
        total_steps: updates of the whole run, where epochs or max_steps tell.
    """

    step: int
    epoch: int
    position: int
    batches: int
    loss: float
    items: int
    lr: float
    grad_norm: float
    total_steps: int | None = None


@dataclass(frozen=True)
class RowEvent:
    """A row of the table: an evaluation, or the end of an epoch in a run without validation.

    While a listener hears of it, the network holds the very weights that the row speaks of.

    Attributes:
        step: the update that it comes after, or, in a run without validation, just before.
        epoch: from 1.
        seconds: time of the run so far, evaluations and listeners included.
        lr: learning rate of that update.
        train_loss: nats per symbol or token since the epoch (or the previous evaluation) began.
        grad_norm: norm of the whole gradient in the last step, before clipping.
        rate: symbols or tokens trained on per second of training since the previous row.
        best: whether this row is the best so far.
        last: whether the run ends with it.
        scores: `val_loss` and whatever else the task measures; empty without validation.
    """

    step: int
    epoch: int
    seconds: float
    lr: float
    train_loss: float
    grad_norm: float
    rate: float
    best: bool
    last: bool
    scores: Mapping[str, float] = field(default_factory=dict)


Report = StepEvent | RowEvent
