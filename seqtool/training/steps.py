"""What the loop tells its listeners: frozen reports of a step or an evaluation. No torch here, so listeners stay light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StepReport:
    """One update has been made.

    Attributes:
        step: updates so far.
        epoch: the epoch it belongs to, from 1.
        position: batches done in this epoch, of `batches`.
        loss: nats per symbol or token in this step.
        items: symbols or tokens trained on in this step.
        grad_norm: norm of the whole gradient before clipping.
    """

    step: int
    epoch: int
    position: int
    batches: int
    loss: float
    items: int
    lr: float
    grad_norm: float


@dataclass(frozen=True)
class RowReport:
    """A row of the table: an evaluation, or the end of an epoch in a run without validation.

    While a listener hears of it, the network holds the very weights that the row speaks of.

    Attributes:
        seconds: training time so far, evaluations included.
        train_loss: nats per symbol or token since the epoch (or the previous evaluation) began.
        rate: symbols or tokens trained on per second since the previous row.
        scores: `val_loss` and whatever else the task measures; empty without validation.
        best: whether this row is the best so far.
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


Report = StepReport | RowReport
