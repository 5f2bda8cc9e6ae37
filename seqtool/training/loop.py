"""The training loop: a generator of reports that neither saves nor prints.

A row of a run with validation comes after an update, with its evaluation. Without validation it comes before the epoch's
last update: loss, prediction and weights then belong together, as in the lecture's notebook.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from seqtool.errors import Diverged
from seqtool.settings import Training
from seqtool.training.averaging import AveragedWeights
from seqtool.training.optimizers import bare_step, build_optimizer
from seqtool.training.schedules import Schedule
from seqtool.training.steps import Report, RowReport, StepReport

Stop = Callable[[], bool]


class StopEvaluation(Exception):
    """An evaluation was left because a stop was asked for; what it had counted is thrown away."""


class Task(Protocol):
    """What is trained: batches, their loss, and an evaluation."""

    network: nn.Module
    has_validation: bool

    def batches(self, epoch: int) -> int:
        """How many batches epoch number `epoch` (from 0) has."""

    def batch(self, epoch: int, index: int) -> tuple[Any, int]:
        """A batch and how many symbols or tokens count in it; a function of (seed, epoch, index) alone."""

    def loss(self, batch: Any, epoch: int, index: int, step: int) -> Tensor:
        """The summed loss of a batch, in nats; may carry state on to the next."""

    def evaluate(self, should_stop: Stop) -> dict[str, float]:
        """Scores on the validation data; leaves everything as it was. Raises StopEvaluation."""

    def quality(self, train_loss: float, scores: Mapping[str, float]) -> float:
        """What the best row has most of."""

    def carried_state(self) -> dict[str, Tensor]:
        """State carried from batch to batch, by name."""

    def restore_carried_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `carried_state` gave."""


class Progress:
    """Where a run stands: plain numbers, all that resuming needs beside tensors."""

    def __init__(self) -> None:
        self.step = 0
        self.epoch = 0  # finished epochs
        self.position = 0  # batches done in the current epoch
        self.loss_sum = 0.0  # since the last row
        self.items = 0
        self.items_since_row = 0
        self.seconds = 0.0
        self.best: float | None = None
        self.waited = 0  # evaluations without progress
        self.grad_norm = 0.0
        self.pending_row = False  # an evaluation is due before the next batch


class Trainer:
    """Trains a task; `run` yields a report after every step and at every row.

    Attributes:
        ended: why the run ended: `epochs`, `max_steps`, `max_minutes`, `patience`, `stop`; empty while it goes on.
    """

    def __init__(self, task: Task, training: Training, should_stop: Stop = lambda: False) -> None:
        self.task = task
        self.training = training
        self.should_stop = should_stop
        self.parameters = [parameter for parameter in task.network.parameters() if parameter.requires_grad]
        self.optimizer = build_optimizer(self.parameters, training)
        self._update = bare_step(self.optimizer)
        self.schedule = Schedule(training, self.total_steps())
        self.average = AveragedWeights(self.parameters, training.ema) if training.ema else None
        self.progress = Progress()
        self.ended = ""
        self._row_started = (0.0, 0)

    def total_steps(self) -> int | None:
        """Updates of the whole run, where epochs or max_steps tell."""
        counts = [] if self.training.max_steps is None else [self.training.max_steps]
        if self.training.epochs is not None:
            counts.append(sum(-(-self.task.batches(epoch) // self.training.accumulate) for epoch in range(self.training.epochs)))
        return min(counts, default=None)

    def run(self) -> Iterator[Report]:
        """Train until one of the limits is reached or a stop is asked for.

        Raises:
            Diverged: before an update whose loss or gradient is not finite.
        """
        self._clock = time.perf_counter() - self.progress.seconds
        while not self.ended:
            if self.progress.pending_row:
                yield from self._evaluated_row()
                if self.ended:
                    break
            if self._out_of_time():
                break
            batches = self.task.batches(self.progress.epoch)
            yield from self._one_update(batches)
            if self.progress.position >= batches:
                self.progress.epoch += 1
                self.progress.position = 0
            if not self.ended and self.should_stop():
                self.ended = "stop"

    def _one_update(self, batches: int) -> Iterator[Report]:
        progress = self.progress
        epoch, first = progress.epoch, progress.position
        indices = range(first, min(first + self.training.accumulate, batches))
        made = [self.task.batch(epoch, index) for index in indices]
        items = sum(count for _, count in made)
        self.optimizer.zero_grad(set_to_none=True)
        loss_sum = 0.0
        for index, (batch, _) in zip(indices, made, strict=True):
            loss = self.task.loss(batch, epoch, index, progress.step)
            (loss / items).backward()  # type: ignore[no-untyped-call]
            loss_sum += loss.item()
        progress.grad_norm = self._clip(loss_sum)
        progress.loss_sum += loss_sum
        progress.items += items
        progress.items_since_row += items
        end_of_epoch = indices.stop >= batches
        last = self._is_last_update(end_of_epoch)
        if not self.task.has_validation and end_of_epoch and self._row_is_due(epoch + 1, last):
            yield self._row({}, epoch + 1, last)
        rate = self.schedule.rate(progress.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._update()
        progress.step += 1
        progress.position = indices.stop
        if self.average is not None:
            self.average.update(progress.step)
        progress.seconds = time.perf_counter() - self._clock
        if end_of_epoch and not self.task.has_validation:
            progress.loss_sum, progress.items = 0.0, 0
        progress.pending_row = self.task.has_validation and (last or self._evaluation_is_due(end_of_epoch))
        if last and not self.task.has_validation:
            self.ended = self._limit()
        yield StepReport(progress.step, epoch + 1, indices.stop, batches, loss_sum / items, items, rate, progress.grad_norm)

    def _clip(self, loss: float) -> float:
        """Clip the gradient; its norm before that.

        Raises:
            Diverged: if loss or norm is not finite.
        """
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        value = norm.item()
        if not (math.isfinite(loss) and math.isfinite(value)):
            what = "loss" if not math.isfinite(loss) else "gradient"
            raise Diverged(
                f"the {what} is no longer finite at step {self.progress.step + 1} "
                f"(epoch {self.progress.epoch + 1}, batch {self.progress.position + 1})",
                hint="lower training.lr, or set training.clip_norm; the best model so far is kept",
            )
        if self.training.clip_norm is not None and value > self.training.clip_norm:
            torch._foreach_mul_(gradients, self.training.clip_norm / (value + 1e-6))
        return value

    def _row_is_due(self, epoch: int, last: bool) -> bool:
        return last or epoch == 1 or epoch % self.training.print_every == 0

    def _evaluation_is_due(self, end_of_epoch: bool) -> bool:
        every = self.training.eval_every
        return end_of_epoch if every is None else self.progress.step % every == 0

    def _is_last_update(self, end_of_epoch: bool) -> bool:
        training, progress = self.training, self.progress
        if training.max_steps is not None and progress.step + 1 >= training.max_steps:
            return True
        return end_of_epoch and training.epochs is not None and progress.epoch + 1 >= training.epochs

    def _limit(self) -> str:
        steps = self.training.max_steps
        return "max_steps" if steps is not None and self.progress.step >= steps else "epochs"

    def _out_of_time(self) -> bool:
        minutes = self.training.max_minutes
        if minutes is not None and time.perf_counter() - self._clock >= minutes * 60:
            self.ended = "max_minutes"
        return bool(self.ended)

    def _evaluated_row(self) -> Iterator[Report]:
        with self.average.swapped_in() if self.average is not None else nullcontext():
            try:
                scores = self.task.evaluate(self.should_stop)
            except StopEvaluation:
                self.ended = "stop"
                return
            epoch = self.progress.epoch + (1 if self.progress.position else 0)
            steps, epochs = self.training.max_steps, self.training.epochs
            last = (steps is not None and self.progress.step >= steps) or (epochs is not None and self.progress.epoch >= epochs)
            row = self._row(scores, epoch, last)
            self.schedule.evaluated(row.best)
            self.progress.loss_sum, self.progress.items = 0.0, 0
            self.progress.pending_row = False
            if last:
                self.ended = self._limit()
            elif self.training.patience is not None and self.progress.waited >= self.training.patience:
                self.ended = "patience"
            yield row

    def _row(self, scores: dict[str, float], epoch: int, last: bool) -> RowReport:
        progress = self.progress
        train_loss = progress.loss_sum / max(1, progress.items)
        quality = self.task.quality(train_loss, scores)
        best = progress.best is None or quality > progress.best
        progress.best = quality if best else progress.best
        progress.waited = 0 if best else progress.waited + 1
        progress.seconds = time.perf_counter() - self._clock
        since, items = progress.seconds - self._row_started[0], progress.items_since_row
        self._row_started, progress.items_since_row = (progress.seconds, 0), 0
        return RowReport(
            step=progress.step + (0 if self.task.has_validation else 1),
            epoch=epoch,
            seconds=progress.seconds,
            lr=self.schedule.rate(max(0, progress.step - (1 if self.task.has_validation else 0))),
            train_loss=train_loss,
            grad_norm=progress.grad_norm,
            rate=items / max(1e-9, since),
            best=best,
            last=last,
            scores=scores,
        )

    # --- exact resume -------------------------------------------------------------------------------------------------

    def state_json(self) -> dict[str, Any]:
        """Every plain number that going on exactly needs."""
        return {
            "progress": dict(vars(self.progress)),
            "schedule": {"factor": self.schedule.factor, "waited": self.schedule.waited},
            "training": asdict(self.training),
        }

    def state_tensors(self) -> dict[str, Tensor]:
        """Every tensor that going on exactly needs: weights, optimiser, averages, carried state."""
        tensors = {f"weight.{index}": parameter.detach() for index, parameter in enumerate(self.parameters)}
        for index, parameter in enumerate(self.parameters):
            for name, value in self.optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer.{index}.{name}"] = value
        if self.average is not None:
            tensors.update({f"average.{index}": value for index, value in enumerate(self.average.averages)})
        tensors.update({f"carried.{name}": value for name, value in self.task.carried_state().items()})
        return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}

    def load_state(self, numbers: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Take back what `state_json` and `state_tensors` gave; the run then goes on as if it had never stopped."""
        vars(self.progress).update(numbers["progress"])
        self.schedule.factor = numbers["schedule"]["factor"]
        self.schedule.waited = numbers["schedule"]["waited"]
        self._row_started = (self.progress.seconds, 0)
        with torch.no_grad():
            for index, parameter in enumerate(self.parameters):
                parameter.copy_(tensors[f"weight.{index}"])
                prefix = f"optimizer.{index}."
                state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
                if state:
                    # The step counter stays on the CPU where torch keeps it, unless the optimiser is fused on a GPU.
                    self.optimizer.state[parameter] = {name: value.clone().to(parameter.device) for name, value in state.items()}
            if self.average is not None:
                for index, average in enumerate(self.average.averages):
                    average.copy_(tensors[f"average.{index}"])
        carried = {name.removeprefix("carried."): value for name, value in tensors.items() if name.startswith("carried.")}
        self.task.restore_carried_state(carried)
