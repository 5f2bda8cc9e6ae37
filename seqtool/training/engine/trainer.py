"""The training loop: a generator of reports that neither saves nor prints.

A row of a run with validation comes after an update, with its evaluation. Without validation it comes before the epoch's
last update: loss, prediction and weights then belong together, as in the lecture's notebook.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from seqtool.errors import Diverged
from seqtool.models.weights import stored_parameters
from seqtool.settings import Training
from seqtool.training.engine import tensor_state
from seqtool.training.engine.ema import AveragedWeights
from seqtool.training.engine.events import Event, RowEvent, StepEvent
from seqtool.training.engine.optimizers import bare_step, build_optimizer, masked_update
from seqtool.training.engine.schedules import Schedule
from seqtool.training.engine.step_metrics import StepMetrics
from seqtool.training.engine.task import Stop, StopEvaluation, TrainingTask
from seqtool.training.engine.trainer_state import TrainerState
from seqtool.types import Array

__all__ = ["Trainer", "TrainingTask"]

MEND = "lower training.lr, or set training.clip_norm; the best model so far is kept"


class Trainer:
    """Trains a task; `run` yields a report after every step and at every row.

    Attributes:
        ended: why the run ended: `epochs`, `max_steps`, `max_minutes`, `patience`, `stop`; empty while it goes on.
        can_save: whether a state may be taken now: not inside a row of a run without validation, which is told of between
            a step's gradient and its update.
    """

    def __init__(self, task: TrainingTask, training: Training, should_stop: Stop = lambda: False) -> None:
        self.task = task
        self.ranks = task.ranks
        self.training = training
        self.should_stop = should_stop
        self.trained = {
            name: weight for name, weight in stored_parameters(task.network).items() if weight.requires_grad
        }
        self.optimizer = build_optimizer(self.trained.values(), training)
        self._update = bare_step(self.optimizer)
        self.total_steps = self._count_steps()
        self.schedule = Schedule(training, self.total_steps)
        self.average = AveragedWeights(list(self.trained.values()), training.ema) if training.ema else None
        self.state = TrainerState()
        self.step_metrics = StepMetrics(task.device)
        self._places: dict[int, tuple[int, int]] = {}  # epoch and batch of the steps that are not read yet
        self.ended = ""
        self.can_save = True
        self._started = 0.0
        self._late = False
        self._shown_loss = math.nan  # nats per item of the last step that was read

    def _count_steps(self) -> int | None:
        """Updates of the whole run, where epochs or max_steps tell."""
        counts = [] if self.training.max_steps is None else [self.training.max_steps]
        if self.training.epochs is not None:
            counts.append(
                sum(
                    -(-self.task.batches(epoch) // self.training.accumulate)
                    for epoch in range(self.training.epochs)
                )
            )
        return min(counts, default=None)

    # --- the course of a run ------------------------------------------------------------------------------------------

    def run(self) -> Iterator[Event]:
        """Train until one of the limits is reached or a stop is asked for.

        Raises:
            Diverged: before an update whose loss or gradient is not finite (on a GPU: before anything of it is kept), or at an
                evaluation whose loss is not.
        """
        self._started = time.perf_counter() - self.state.seconds
        self._look_at_clock()
        while not self.ended:
            if not self.state.row_due:
                self.ended = self._limit_reached()
                if self.ended:
                    return
            if self.ranks.any(self.should_stop()):
                self.ended = "stop"
            elif self.state.row_due:
                yield from self._evaluated_row()
            else:
                yield from self._step()

    def _look_at_clock(self) -> None:
        """Note the time, and whether it is up; noted once a step, so that all of the step goes by the same answer."""
        self.state.seconds = time.perf_counter() - self._started
        minutes = self.training.max_minutes
        self._late = minutes is not None and self.ranks.any(self.state.seconds >= minutes * 60)

    def _limit_reached(self, steps_more: int = 0, epochs_more: int = 0) -> str:
        """The limit that is reached, or will be after some more steps and epochs; empty if there is none."""
        training, state = self.training, self.state
        if training.max_steps is not None and state.step + steps_more >= training.max_steps:
            return "max_steps"
        if training.epochs is not None and state.epoch + epochs_more >= training.epochs:
            return "epochs"
        if training.patience is not None and state.waited >= training.patience:
            return "patience"
        return "max_minutes" if self._late else ""

    def _step(self) -> Iterator[Event]:
        """One update, and in a run without validation the row before it."""
        began = time.perf_counter()
        state, epoch = self.state, self.state.epoch
        batches = self.task.batches(epoch)
        stop = min(state.position + self.training.accumulate, batches)
        loss, items = self._gradient(epoch, range(state.position, stop))
        norm = self._gradient_norm()
        self.step_metrics.note(loss, norm, state.step + 1)
        self._places[state.step + 1] = epoch + 1, state.position + 1
        self._look_at_clock()
        ends_epoch = stop >= batches
        last = bool(self._limit_reached(1, int(ends_epoch)))
        due = self._row_is_due(ends_epoch, last)
        state.items += items
        state.row_items += items
        if due or ends_epoch or not self.step_metrics.deferred or self.ranks.any(self.step_metrics.due):
            self._read(items)
        self._clip(norm)
        state.row_seconds += time.perf_counter() - began
        rate = self.schedule.rate(state.step)
        if due and not self.task.has_validation:
            yield from self._row_before_update(last)
        began = time.perf_counter()
        self._make_update(rate)
        state.row_seconds += time.perf_counter() - began
        state.epoch, state.position = (epoch + 1, 0) if ends_epoch else (epoch, stop)
        if not self.task.has_validation and (due or (ends_epoch and self.training.eval_every is None)):
            state.loss_sum, state.items = 0.0, 0
        state.row_due = due and self.task.has_validation
        yield StepEvent(
            state.step,
            epoch + 1,
            stop,
            batches,
            self._shown_loss,
            items,
            rate,
            state.grad_norm,
            self.total_steps,
        )

    def _gradient(self, epoch: int, indices: range) -> tuple[Tensor, int]:
        """Add up the gradient of the mean loss over some batches; the summed loss and its number of items, of all ranks."""
        made = [self.task.batch(epoch, index) for index in indices]
        items = max(1, sum(count for _, count in made))
        for weight in self.trained.values():
            weight.grad = None
        total = torch.zeros(
            (),
            device=self.task.device,
            dtype=torch.float32 if self.task.device.type == "mps" else torch.float64,
        )
        for index, (batch, _) in zip(indices, made, strict=True):
            with self._precision():
                loss = self.task.loss(batch, index, self.state.draws)
            (loss / items).backward()  # type: ignore[no-untyped-call]
            total = total + loss.detach()
            self.state.draws += 1
        return self.ranks.add_gradients(self.trained.values(), total), items

    def _precision(self) -> AbstractContextManager[object]:
        if self.training.precision == "float32":
            return nullcontext()
        return torch.autocast(self.task.device.type, dtype=torch.bfloat16)

    def _gradient_norm(self) -> Tensor:
        """The norm of the whole gradient."""
        norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(self._gradients())))
        return norm

    def _gradients(self) -> list[Tensor]:
        return [weight.grad for weight in self.trained.values() if weight.grad is not None]

    def _read(self, items: int = 0) -> None:
        """Take what the steps have measured into the run's numbers.

        Args:
            items: of the last step.

        Raises:
            Diverged: if a loss or norm is not finite.
        """
        found, state = self.step_metrics.read(), self.state
        if found is None:
            return
        if found.broken:
            what = "gradient" if math.isfinite(found.loss_sum) else "loss"
            epoch, batch = self._places[found.broken]
            raise Diverged(
                f"the {what} is no longer finite at step {found.broken} (epoch {epoch}, batch {batch})",
                hint=MEND,
            )
        self._places.clear()
        state.loss_sum += found.loss_sum
        state.grad_norm = found.norm
        self._shown_loss = found.loss / items if items else self._shown_loss

    def _clip(self, norm: Tensor) -> None:
        """Shorten the gradient; on a GPU without asking it how long it is."""
        longest = self.training.clip_norm
        if longest is None:
            return
        if self.step_metrics.deferred:
            torch._foreach_mul_(self._gradients(), (longest / (norm + 1e-6)).clamp(max=1.0))
        elif norm.item() > longest:
            torch._foreach_mul_(self._gradients(), longest / (norm.item() + 1e-6))

    def _make_update(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        masked_update(self._update, self.optimizer, self.step_metrics.broken)
        self.state.step += 1
        if self.average is not None:
            self.average.update(self.state.step)

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _row_is_due(self, ends_epoch: bool, last: bool) -> bool:
        every = self.training.eval_every
        if last:
            return True
        if every is not None:
            return (self.state.step + 1) % every == 0
        return ends_epoch and (
            self.task.has_validation or (self.state.epoch + 1) % self.training.print_every == 0
        )

    def _row_before_update(self, last: bool) -> Iterator[Event]:
        self.can_save = False
        with self._shown_weights():
            yield self._row({}, self.state.step + 1, self.state.epoch + 1, last)
        self.can_save = True

    def _evaluated_row(self) -> Iterator[Event]:
        state = self.state
        self._read()
        with self._shown_weights():
            try:
                scores = self.task.evaluate(self.should_stop)
            except StopEvaluation:
                self.ended = "stop"
                return
            if not math.isfinite(scores["val_loss"]):
                raise Diverged(f"the validation loss is no longer finite after step {state.step}", hint=MEND)
            epoch = state.epoch + (1 if state.position else 0)
            row = self._row(scores, state.step, epoch, bool(self._limit_reached()))
            state.loss_sum, state.items, state.row_due = 0.0, 0, False
            yield row

    def _shown_weights(self) -> AbstractContextManager[None]:
        """The averaged weights in the network, where there are some."""
        return nullcontext() if self.average is None else self.average.swapped_in()

    def _row(self, scores: Mapping[str, float], step: int, epoch: int, last: bool) -> RowEvent:
        state = self.state
        train_loss = state.loss_sum / max(1, state.items)
        quality = self.task.quality(train_loss, scores)
        best = state.best is None or quality > state.best
        if best:
            state.best = quality
        state.waited = 0 if best else state.waited + 1
        lr = self.schedule.rate(step - 1)
        self.schedule.evaluated(best)
        rate = state.row_items / max(1e-9, state.row_seconds)
        state.row_items, state.row_seconds = 0, 0.0
        self._look_at_clock()
        last = last or bool(self._limit_reached())
        return RowEvent(step, epoch, state.seconds, lr, train_loss, state.grad_norm, rate, best, last, scores)

    # --- exact resume -------------------------------------------------------------------------------------------------

    def state_json(self) -> dict[str, Any]:
        """Every plain number that going on exactly needs. Raises RuntimeError where `can_save` says no."""
        self._check_can_save()
        schedule = {"factor": self.schedule.factor, "waited": self.schedule.waited}
        return {"progress": self.state.to_json(), "schedule": schedule}

    def state_arrays(self) -> dict[str, Array]:
        """Copies of every tensor that going on exactly needs: weights, optimiser, averages, carried state.

        Raises RuntimeError where `can_save` says no.
        """
        self._check_can_save()
        return tensor_state.pack(self.trained, self.optimizer, self.average, self.task.carried_state())

    def load_state(self, arrays: Mapping[str, Array], numbers: Mapping[str, Any]) -> None:
        """Take back what `state_arrays` and `state_json` gave; the run then goes on as if it had never stopped.

        Raises:
            ModelError: if they are not the state of a run like this one.
        """
        state = TrainerState.from_json(numbers.get("progress"))
        factor, waited = tensor_state.schedule_numbers(numbers.get("schedule"))
        self.task.restore_carried_state(
            tensor_state.unpack(arrays, self.trained, self.optimizer, self.average)
        )
        self.state, self.schedule.factor, self.schedule.waited = state, factor, waited

    def _check_can_save(self) -> None:
        if not self.can_save:
            raise RuntimeError("a state cannot be taken between a step's gradient and its update")
        self._read()
