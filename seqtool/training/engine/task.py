"""The interface between the trainer and a task: batches, loss, evaluation; helpers for evaluations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from seqtool.errors import ConfigError
from seqtool.settings.training import Training
from seqtool.training.engine.ranks import Ranks

ShouldStop = Callable[[], bool]


class StopEvaluation(Exception):
    """A stop was requested during an evaluation; its counts so far are discarded."""


class TrainingTask(Protocol):
    """A network joined to its data.

    Attributes:
        device: where the network is.
        has_validation: whether there are validation data that can be scored.
        ranks: the processes that train together.
    """

    device: torch.device
    has_validation: bool
    ranks: Ranks

    @property
    def network(self) -> nn.Module:
        """The network that is trained."""

    def batches(self, epoch: int) -> int:
        """Return the number of batches in an epoch (from 0)."""

    def batch(self, epoch: int, index: int) -> tuple[Any, int]:
        """Return this rank's share of a batch, and the number of symbols or tokens in all shares.

        A batch depends only on the seed, the epoch and the index.
        """

    def loss(self, batch: Any, index: int, draw: int) -> Tensor:
        """Return the loss of this rank's share of a batch in nats, summed.

        The task may carry state to the next batch.

        Args:
            batch: as returned by `batch`.
            index: position of the batch in its epoch.
            draw: number of earlier batches in the whole run; it keys the random draws.
        """

    def evaluate(self, should_stop: ShouldStop) -> dict[str, float]:
        """Return the scores on the validation data. The state of training does not change.

        Raises:
            StopEvaluation: a stop was requested on any rank.
        """

    def quality(self, train_loss: float, scores: Mapping[str, float]) -> float:
        """Return the number by which rows are compared; larger is better."""

    def carried_state(self) -> dict[str, Tensor]:
        """Return the state carried from batch to batch, by name, of all ranks."""

    def restore_carried_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the state that `carried_state` returned."""


def count_steps(task: TrainingTask, training: Training) -> int | None:
    """Return the updates of a whole run; None if neither epochs nor max_steps is set."""
    counts = [] if training.max_steps is None else [training.max_steps]
    if training.epochs is not None:
        counts.append(sum(-(-task.batches(epoch) // training.accumulate) for epoch in range(training.epochs)))
    return min(counts, default=None)


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Disable dropout and gradients inside the block; the network's mode is restored afterwards."""
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(training)


def check_stop(should_stop: ShouldStop) -> None:
    """Raise StopEvaluation if a stop was requested."""
    if should_stop():
        raise StopEvaluation


@contextmanager
def stop_together(ranks: Ranks, should_stop: ShouldStop) -> Iterator[ShouldStop]:
    """Let each rank stop its share of an evaluation early.

    If any rank did, all ranks stop the evaluation at the end of the block.

    Raises:
        StopEvaluation: any rank has stopped.
    """
    stopped = False
    try:
        yield should_stop
    except StopEvaluation:
        stopped = True
    if ranks.any(stopped):
        raise StopEvaluation


def check_divisible(size: int, ranks: Ranks, items: str) -> None:
    """Check that a batch contains at least one item for each rank.

    Args:
        size: items of a batch.
        ranks: the processes that train together.
        items: name of the items, in the plural.

    Raises:
        ConfigError: there are more ranks than items.
    """
    if size < ranks.shard.size:
        raise ConfigError(
            f"a batch of {size} {items} cannot be divided among {ranks.shard.size} ranks",
            place="training.batch_size",
            hint=f"use a multiple of {ranks.shard.size}, or start fewer ranks (torchrun --nproc-per-node)",
        )
