"""Events of a training run: frozen values that the trainer yields and that listeners receive.

This module imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StepEvent:
    """One update of the weights.

    Attributes:
        step: updates so far.
        epoch: the epoch of this update, counted from 1.
        position: batches done in this epoch, of `batches`.
        loss: nats per symbol or token of this step; on a GPU of the last step whose loss was read.
        items: symbols or tokens in this step.
        lr: learning rate of this update.
        grad_norm: norm of the whole gradient before clipping; on a GPU as for `loss`.
        total_steps: updates of the whole run, if epochs or max_steps determine it.
        seconds: time of the run so far.
        time_limit: seconds after which the run ends, if max_minutes says so.
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
    seconds: float = field(default=0.0, compare=False)
    time_limit: float | None = None


@dataclass(frozen=True)
class RowEvent:
    """A row of the table of epochs: an evaluation, or the end of an epoch in a run without validation.

    While listeners handle this event, the network holds the weights that the row describes.

    Attributes:
        step: the update before the row; in a run without validation the update right after it.
        epoch: counted from 1.
        seconds: time of the run so far, evaluations and listeners included.
        lr: learning rate of that update.
        train_loss: nats per symbol or token since the beginning of the epoch, or since the previous
            evaluation.
        grad_norm: norm of the whole gradient in the last step, before clipping.
        rate: symbols or tokens per second of training since the previous row.
        best: whether this row is the best so far.
        last: whether the run ends with it.
        scores: `val_loss` and the other scores of the task; empty without validation.
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


Event = StepEvent | RowEvent


@dataclass(frozen=True)
class Prediction:
    """The network's output for the example of the preview.

    Attributes:
        symbols: predicted symbols or labels, or the characters of a sample.
        expected: the correct ones, equally many; empty for a sample.
        separator: printed between symbols.
    """

    symbols: tuple[str, ...]
    expected: tuple[str, ...] = ()
    separator: str = ""

    def text(self) -> str:
        """Join the predicted symbols."""
        return self.separator.join(self.symbols)

    def expected_text(self) -> str | None:
        """Join the correct symbols; None for a sample."""
        return self.separator.join(self.expected) if self.expected else None
