"""Averaged weights: an exponential moving average (Polyak and Juditsky 1992), swapped in where weights are shown or kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class AveragedWeights:
    """The moving average of a network's parameters; its memory grows with the number of updates until it is `decay`."""

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float) -> None:
        self.parameters = parameters
        self.decay = decay
        self._other = [
            parameter.detach().clone() for parameter in parameters
        ]  # what the network does not hold at present
        self._swapped = False

    @property
    def averages(self) -> Sequence[Tensor]:
        """The averages, wherever they are."""
        return [parameter.detach() for parameter in self.parameters] if self._swapped else self._other

    @property
    def trained(self) -> Sequence[Tensor]:
        """The weights that are trained, wherever they are."""
        return self._other if self._swapped else [parameter.detach() for parameter in self.parameters]

    def update(self, step: int) -> None:
        """Take in the weights after update number `step` (from 1)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._other, list(self.trained), 1 - decay)

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Put the averages into the network for the block, and the trained weights back after it."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        self._swapped = not self._swapped
        for parameter, other in zip(self.parameters, self._other, strict=True):
            kept = parameter.detach().clone()
            parameter.detach().copy_(other)
            other.copy_(kept)
