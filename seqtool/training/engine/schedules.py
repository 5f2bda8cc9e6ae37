"""The course of the learning rate: a function of the step alone, but for `plateau`, which counts evaluations."""

from __future__ import annotations

import math
from dataclasses import dataclass

from seqtool.settings import Training


@dataclass
class Schedule:
    """The learning rate at each step.

    Attributes:
        training: kind, peak and numbers of the schedule.
        total: updates of the whole run, where they are known; `cosine` needs it.
        factor: `plateau`: what the rate is multiplied by at present.
        waited: `plateau`: evaluations without progress since the last change.
    """

    training: Training
    total: int | None
    factor: float = 1.0
    waited: int = 0

    def rate(self, step: int) -> float:
        """The learning rate of the update that follows `step` earlier ones."""
        settings = self.training
        if step < settings.warmup_steps:
            return settings.lr * (step + 1) / settings.warmup_steps
        if settings.schedule == "cosine":
            return settings.lr * self._cosine(step)
        if settings.schedule == "step":
            return settings.lr * settings.decay_factor ** (step // settings.decay_steps)
        return settings.lr * self.factor

    def _cosine(self, step: int) -> float:
        """From 1 after warm-up to `final_lr` at the end (Loshchilov and Hutter 2017, one period)."""
        if self.total is None:
            raise ValueError("a cosine schedule needs the number of updates")
        first, lowest = self.training.warmup_steps, self.training.final_lr
        done = min(1.0, (step - first) / max(1, self.total - first))
        return lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * done))

    def evaluated(self, progress: bool) -> None:
        """Hear of a row: `plateau` lowers the rate after decay_steps of them without progress."""
        if self.training.schedule != "plateau":
            return
        self.waited = 0 if progress else self.waited + 1
        if self.waited >= self.training.decay_steps:
            self.factor *= self.training.decay_factor
            self.waited = 0
