"""The course of the learning rate: a pure function of the step, but for `plateau`, which counts evaluations."""

from __future__ import annotations

import math
from dataclasses import dataclass

from seqtool.settings import Training


@dataclass
class Schedule:
    """The learning rate at each step.

    Attributes:
        total: steps of the whole run where they are known.
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
            assert self.total is not None
            span = max(1, self.total - settings.warmup_steps)
            done = min(1.0, (step - settings.warmup_steps) / span)
            return settings.lr * (settings.final_lr + (1 - settings.final_lr) * 0.5 * (1 + math.cos(math.pi * done)))
        if settings.schedule == "step":
            return settings.lr * settings.decay_factor ** (step // settings.decay_steps)
        return settings.lr * self.factor

    def evaluated(self, progress: bool) -> None:
        """Hear of an evaluation: `plateau` lowers the rate after decay_steps of them without progress."""
        if self.training.schedule != "plateau":
            return
        self.waited = 0 if progress else self.waited + 1
        if self.waited >= self.training.decay_steps:
            self.factor *= self.training.decay_factor
            self.waited = 0
