"""What steps measure: read at once on a CPU; on a GPU left there until somebody looks, since looking makes the host wait.

A GPU works on what the host has queued. A host that asked for every loss would wait for each step to end before it could
queue the next one, and the GPU would stand idle in between.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor

READ_EVERY = 0.2  # seconds between two looks at a GPU: the pace of the progress display


@dataclass(frozen=True)
class MetricSums:
    """Measurements since the reading before.

    Attributes:
        loss_sum: nats of all steps.
        loss: nats of the last step.
        norm: of its gradient.
        broken: the first step whose loss or gradient was not finite; 0 if all were.
    """

    loss_sum: float
    loss: float
    norm: float
    broken: int


class StepMetrics:
    """Losses and gradient norms of the steps since the last reading."""

    def __init__(self, device: torch.device, *, deferred: bool | None = None) -> None:
        """Args: deferred: whether they stay on the device; by default on a GPU."""
        self.deferred = device.type != "cpu" if deferred is None else deferred
        self._last: tuple[Tensor, Tensor, int] | None = None
        self._sum: Tensor | None = None
        self._broken: Tensor | None = None
        self._read_at = -math.inf

    @property
    def due(self) -> bool:
        """Whether it is time to look at a GPU."""
        return time.monotonic() - self._read_at >= READ_EVERY

    @property
    def broken(self) -> Tensor | None:
        """On a GPU: the first step since the last reading that was not finite, or 0; from it on, no update may change a weight."""
        return self._broken

    def note(self, loss: Tensor, norm: Tensor, step: int) -> None:
        """Take the summed loss and the gradient's norm of update number `step` (from 1)."""
        if self.deferred:
            finite = torch.isfinite(loss) & torch.isfinite(norm)
            now = torch.where(finite, 0, step)
            self._broken = now if self._broken is None else torch.where(self._broken == 0, now, self._broken)
            self._sum = loss if self._sum is None else self._sum + loss
        self._last = loss, norm, step

    def read(self) -> MetricSums | None:
        """All that was noted; None if nothing was. The host waits for the device."""
        if self._last is None:
            return None
        (loss, norm, step), self._last, self._read_at = self._last, None, time.monotonic()
        if self._sum is None or self._broken is None:
            nats, length = loss.item(), norm.item()
            return MetricSums(
                nats, nats, length, 0 if math.isfinite(nats) and math.isfinite(length) else step
            )
        parts = self._sum, loss, norm, self._broken
        total, nats, length, broken = torch.stack(
            [part.to(loss.dtype) for part in parts]
        ).tolist()  # one wait for all four
        self._sum = self._broken = None
        return MetricSums(total, nats, length, int(broken))
