"""Losses and gradient norms of training steps, kept on the device until they are read.

On a CPU, every step is read at once. A GPU works through a queue of operations; a host that read the loss of
every step would wait for the step to end before it could queue the next one, and the GPU would be idle in
between. The numbers therefore stay on the GPU, and the host reads them a few times per second.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor

READ_EVERY = 0.2  # seconds between two reads from a GPU; the progress display needs no more


@dataclass(frozen=True)
class MetricSums:
    """Metrics of the steps since the last read.

    Attributes:
        loss_sum: loss of all steps in nats.
        loss: loss of the last step in nats.
        norm: gradient norm of the last step.
        not_finite: number of the first step whose loss or gradient was not finite; 0 if all were finite.
    """

    loss_sum: float
    loss: float
    norm: float
    not_finite: int


class StepMetrics:
    """Metrics of the steps since the last read.

    Attributes:
        deferred: whether the metrics stay on the device until they are read.
    """

    def __init__(self, device: torch.device, *, deferred: bool | None = None) -> None:
        """Create empty metrics.

        Args:
            device: the device of the network.
            deferred: overrides the default, which is True on every device but a CPU.
        """
        self.deferred = device.type != "cpu" if deferred is None else deferred
        self._last: tuple[Tensor, Tensor, int] | None = None
        self._sum: Tensor | None = None
        self._not_finite: Tensor | None = None
        self._read_at = -math.inf

    @property
    def is_due(self) -> bool:
        """True if the last read was at least `READ_EVERY` seconds ago."""
        return time.monotonic() - self._read_at >= READ_EVERY

    @property
    def not_finite(self) -> Tensor | None:
        """First step since the last read that was not finite, or 0, on the device; None if not deferred.

        No later step may change a weight.
        """
        return self._not_finite

    def add(self, loss: Tensor, norm: Tensor, step: int) -> None:
        """Add the summed loss and the gradient norm of update number `step` (from 1)."""
        if self.deferred:
            finite = torch.isfinite(loss) & torch.isfinite(norm)
            this = torch.where(finite, 0, step)
            first = self._not_finite
            self._not_finite = this if first is None else torch.where(first == 0, this, first)
            self._sum = loss if self._sum is None else self._sum + loss
        self._last = loss, norm, step

    def read(self) -> MetricSums | None:
        """Return the metrics of all steps since the last read; None if there were none.

        The host waits for the device."""
        if self._last is None:
            return None
        (loss, norm, step), self._last, self._read_at = self._last, None, time.monotonic()
        if self._sum is None or self._not_finite is None:
            loss_value, norm_value = loss.item(), norm.item()
            finite = math.isfinite(loss_value) and math.isfinite(norm_value)
            return MetricSums(loss_value, loss_value, norm_value, 0 if finite else step)
        tensors = self._sum, loss, norm, self._not_finite
        stacked = torch.stack(
            [tensor.to(loss.dtype) for tensor in tensors]
        )  # so that the host waits only once
        total, loss_value, norm_value, first = stacked.tolist()
        self._sum = self._not_finite = None
        return MetricSums(total, loss_value, norm_value, int(first))
