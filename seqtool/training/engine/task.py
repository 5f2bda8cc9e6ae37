"""What the loop asks of a task: batches, their loss, and an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from seqtool.errors import ConfigError
from seqtool.training.engine.ranks import Ranks

Stop = Callable[[], bool]


class StopEvaluation(Exception):
    """An evaluation was left because a stop was asked for; what it had counted is thrown away."""


class TrainingTask(Protocol):
    """What is trained."""

    device: torch.device
    has_validation: bool
    ranks: Ranks

    @property
    def network(self) -> nn.Module:
        """What learns."""

    def batches(self, epoch: int) -> int:
        """How many batches epoch number `epoch` (from 0) has."""

    def batch(self, epoch: int, index: int) -> tuple[Any, int]:
        """A batch (this rank's share) and how many symbols or tokens count in it (in all shares).

        A function of (seed, epoch, index) alone.
        """

    def loss(self, batch: Any, index: int, draw: int) -> Tensor:
        """The summed loss of this rank's share of a batch, in nats; may carry state on to the next.

        Args:
            index: the batch's place in its epoch.
            draw: batches before it in the whole run: what its random draws go by.
        """

    def evaluate(self, should_stop: Stop) -> dict[str, float]:
        """Scores on the validation data; leaves everything as it was. Raises StopEvaluation."""

    def quality(self, train_loss: float, scores: Mapping[str, float]) -> float:
        """What the best row has most of."""

    def carried_state(self) -> dict[str, Tensor]:
        """State carried from batch to batch, by name, of all ranks."""

    def restore_carried_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `carried_state` gave."""


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """No dropout and no gradients inside the block; the network is in its former mode after it."""
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(training)


def leave_if(should_stop: Stop) -> None:
    """Leave an evaluation when a stop is asked for."""
    if should_stop():
        raise StopEvaluation


@contextmanager
def leaving_together(ranks: Ranks, should_stop: Stop) -> Iterator[Stop]:
    """Let each rank leave its share of an evaluation at its own time, and all leave the evaluation if one has."""
    left = False
    try:
        yield should_stop
    except StopEvaluation:
        left = True
    if ranks.any(left):
        raise StopEvaluation


def check_divisible(size: int, ranks: Ranks, what: str) -> None:
    """Raise ConfigError where a batch has not even one of its parts for each rank."""
    if size < ranks.shard.size:
        raise ConfigError(
            f"a batch of {size} {what} cannot be divided among {ranks.shard.size} ranks",
            place="training.batch_size",
            hint=f"set it to {ranks.shard.size} or a multiple of it, or start fewer ranks (torchrun --nproc-per-node)",
        )
