"""The training loop: a generator of events that neither saves nor prints.

In a run with validation, a row comes after an update, with an evaluation of the updated weights. In a run
without validation, a row comes before the last update of its epoch, so that loss, prediction and weights
belong together, as in the lecture's notebook.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from seqtool.errors import Diverged
from seqtool.models.waiting_threads import adapt_to_load
from seqtool.models.weights import stored_parameters
from seqtool.settings.training import Training
from seqtool.training.engine.events import Event, RowEvent, StepEvent
from seqtool.training.engine.optimizers import (
    AveragedWeights,
    Schedule,
    build_optimizer,
    masked_update,
    unguarded_step,
)
from seqtool.training.engine.step_metrics import StepMetrics
from seqtool.training.engine.task import ShouldStop, StopEvaluation, TrainingTask, count_steps
from seqtool.training.engine.trainer_state import (
    TrainerState,
    checked_numbers,
    numbers,
    restore_tensors,
    schedule_numbers,
    tensors_to_arrays,
    without_row,
)
from seqtool.types import Arrays, Json

DIVERGED_HINT = "lower training.lr, or set training.clip_norm"


class Trainer:
    """Trains a task; `run` yields an event after every step and at every row.

    Attributes:
        task: the network and its data.
        ranks: the processes that train together.
        training: the settings.
        should_stop: returns True once a stop was requested.
        trained: weights that the optimizer changes, by their name in the model directory.
        optimizer: torch's optimizer.
        total_steps: updates of the whole run, if epochs or max_steps determine it.
        schedule: the learning rate.
        average: moving average of the weights, if the settings ask for one.
        state: numbers of the run.
        step_metrics: losses and gradient norms that are not read yet.
        end_reason: the limit that ended the run (`epochs`, `max_steps`, `max_minutes`, `patience`), or
            `stop`; empty during the run.
        can_save: whether the state can be saved now. It cannot during a row of a run without validation,
            which comes between the gradient and the update of a step.
    """

    def __init__(
        self, task: TrainingTask, training: Training, should_stop: ShouldStop = lambda: False
    ) -> None:
        self.task = task
        self.ranks = task.ranks
        self.training = training
        self.should_stop = should_stop
        self.trained = {
            name: weight for name, weight in stored_parameters(task.network).items() if weight.requires_grad
        }
        self.optimizer = build_optimizer(self.trained.values(), training)
        self._optimizer_step = unguarded_step(self.optimizer)
        self.total_steps = count_steps(task, training)
        self.schedule = Schedule(training, self.total_steps)
        self.average = AveragedWeights(list(self.trained.values()), training.ema) if training.ema else None
        self.state = TrainerState()
        self.step_metrics = StepMetrics(task.device)
        self._unread_steps: dict[int, tuple[int, int]] = {}  # step -> its epoch and batch, both from 1
        self.end_reason = ""
        self.can_save = True
        self._started, self._out_of_time = 0.0, False
        self._extra_row = False  # the due row is due only because the run ends
        self._before_row: Json = {}
        self._last_loss = math.nan  # nats per item of the last step whose metrics were read

    # --- course of a run ------------------------------------------------------------------------------------

    def run(self) -> Iterator[Event]:
        """Train until a limit is reached or a stop is requested.

        Raises:
            Diverged: a loss or gradient is not finite, or a validation loss is not. The weights are those
                before the update with that loss; a GPU may have continued for a few steps that changed
                nothing.
        """
        self._started = time.perf_counter() - self.state.seconds
        self._update_clock()
        if self.state.row_due and not self._row_is_regular(self.state.step, self.state.position == 0):
            # The run was interrupted before the row at its end; larger limits move the end.
            self._extra_row = self.state.row_due = bool(self._limit_reached())
        while not self.end_reason:
            if not self.state.row_due:
                self.end_reason = self._limit_reached()
                if self.end_reason:
                    return
            if self.ranks.any(self.should_stop()):
                self.end_reason = "stop"
            elif self.state.row_due:
                yield from self._evaluated_row()
            else:
                yield from self._step()

    def _update_clock(self) -> None:
        """Read the clock, once per step, so that all decisions of a step agree whether the time is over."""
        self.state.seconds = time.perf_counter() - self._started
        limit = self.training.max_seconds
        self._out_of_time = limit is not None and self.ranks.any(self.state.seconds >= limit)

    def _limit_reached(self, more_steps: int = 0, more_epochs: int = 0) -> str:
        """Name the limit that is reached, or that will be after more steps and epochs; empty if none is."""
        step, epoch = self.state.step + more_steps, self.state.epoch + more_epochs
        seconds = math.inf if self._out_of_time else 0.0
        return self.training.reached_limit(step, epoch, self.state.waited, seconds)

    # --- one step -------------------------------------------------------------------------------------------

    def _step(self) -> Iterator[Event]:
        """Make one update; in a run without validation, yield a due row before it."""
        began = time.perf_counter()
        adapt_to_load(self.task.device)
        state, epoch = self.state, self.state.epoch
        batches = self.task.batches(epoch)
        stop = min(state.position + self.training.accumulate, batches)
        loss, items = self._gradient(epoch, range(state.position, stop))
        norm = self._gradient_norm()
        self.step_metrics.add(loss, norm, state.step + 1)
        self._unread_steps[state.step + 1] = epoch + 1, state.position + 1
        self._update_clock()
        ends_epoch = stop >= batches
        last = bool(self._limit_reached(1, int(ends_epoch)))
        regular = self._row_is_regular(state.step + 1, ends_epoch)
        due, self._extra_row = last or regular, last and not regular
        state.items += items
        state.row_items += items
        if due or ends_epoch or not self.step_metrics.deferred or self.ranks.any(self.step_metrics.is_due):
            self._read_metrics(items)
        self._clip(norm)
        state.row_seconds += time.perf_counter() - began
        rate = self.schedule.rate(state.step)
        if due and not self.task.has_validation:
            yield from self._row_before_update(last)
        began = time.perf_counter()
        self._update_weights(rate)
        state.row_seconds += time.perf_counter() - began
        state.epoch, state.position = (epoch + 1, 0) if ends_epoch else (epoch, stop)
        if not self.task.has_validation and (due or (ends_epoch and self.training.eval_every is None)):
            state.loss_sum, state.items = 0.0, 0
        state.row_due = due and self.task.has_validation
        yield StepEvent(
            step=state.step,
            epoch=epoch + 1,
            position=stop,
            batches=batches,
            loss=self._last_loss,
            items=items,
            lr=rate,
            grad_norm=state.grad_norm,
            total_steps=self.total_steps,
            seconds=state.seconds,
            time_limit=self.training.max_seconds,
        )

    def _gradient(self, epoch: int, indices: range) -> tuple[Tensor, int]:
        """Compute the gradient of the mean loss over some batches.

        Returns:
            The summed loss and the number of items, of all ranks.
        """
        batches = [self.task.batch(epoch, index) for index in indices]
        items = max(1, sum(count for _, count in batches))
        for weight in self.trained.values():
            weight.grad = None
        dtype = torch.float32 if self.task.device.type == "mps" else torch.float64  # mps has no float64
        total = torch.zeros((), device=self.task.device, dtype=dtype)
        for index, (batch, _) in zip(indices, batches, strict=True):
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
        """Return the norm of the gradient of all weights together."""
        return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(self._gradients())))  # type: ignore[no-any-return]

    def _gradients(self) -> list[Tensor]:
        return [weight.grad for weight in self.trained.values() if weight.grad is not None]

    def _read_metrics(self, items: int = 0) -> None:
        """Add the metrics of the steps since the last read to the state.

        Args:
            items: symbols or tokens of the last step; 0 leaves the loss that steps report unchanged.

        Raises:
            Diverged: a loss or gradient norm is not finite.
        """
        sums, state = self.step_metrics.read(), self.state
        if sums is None:
            return
        if sums.not_finite:
            subject = "gradient" if math.isfinite(sums.loss_sum) else "loss"
            epoch, batch = self._unread_steps[sums.not_finite]
            raise Diverged(
                f"the {subject} is no longer finite at step {sums.not_finite} (epoch {epoch}, batch {batch})",
                hint=DIVERGED_HINT,
            )
        self._unread_steps.clear()
        state.loss_sum += sums.loss_sum
        state.grad_norm = sums.norm
        self._last_loss = sums.loss / items if items else self._last_loss

    def _clip(self, norm: Tensor) -> None:
        """Scale the gradient down to `clip_norm`. A GPU computes the factor, and the host does not wait."""
        longest = self.training.clip_norm
        if longest is None:
            return
        if self.step_metrics.deferred:
            torch._foreach_mul_(self._gradients(), (longest / (norm + 1e-6)).clamp(max=1.0))
        elif norm.item() > longest:
            torch._foreach_mul_(self._gradients(), longest / (norm.item() + 1e-6))

    def _update_weights(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        masked_update(self._optimizer_step, self.optimizer, self.step_metrics.not_finite)
        self.state.step += 1
        if self.average is not None:
            self.average.update(self.state.step)

    # --- rows -----------------------------------------------------------------------------------------------

    def _row_is_regular(self, step: int, ends_epoch: bool) -> bool:
        """Return whether the settings ask for a row at a step; the last step of a run has one in any case."""
        every = self.training.eval_every
        if every is not None:
            return step % every == 0
        prints_epoch = (self.state.epoch + 1) % self.training.print_every == 0
        return ends_epoch and (self.task.has_validation or prints_epoch)

    def _row_before_update(self, last: bool) -> Iterator[Event]:
        self.can_save = False
        with self._averages_swapped_in():
            yield self._row({}, self.state.step + 1, self.state.epoch + 1, last)
        self.can_save = True

    def _evaluated_row(self) -> Iterator[Event]:
        state = self.state
        self._read_metrics()
        with self._averages_swapped_in():
            try:
                scores = self.task.evaluate(self.should_stop)
            except StopEvaluation:
                self.end_reason = "stop"
                return
            if not math.isfinite(scores["val_loss"]):
                message = f"the validation loss is no longer finite after step {state.step}"
                raise Diverged(message, hint=DIVERGED_HINT)
            epoch, last = state.epoch + (1 if state.position else 0), bool(self._limit_reached())
            row = self._row(scores, state.step, epoch, last)
            state.loss_sum, state.items, state.row_due = 0.0, 0, False
            yield row

    def _averages_swapped_in(self) -> AbstractContextManager[None]:
        """Put the averaged weights, if there are any, into the network for the block."""
        return nullcontext() if self.average is None else self.average.swapped_in()

    def _row(self, scores: Mapping[str, float], step: int, epoch: int, last: bool) -> RowEvent:
        state = self.state
        self._before_row = numbers(self.state, self.schedule)
        train_loss = state.loss_sum / max(1, state.items)
        quality = self.task.quality(train_loss, scores)
        best = state.best is None or quality > state.best
        if best:
            state.best = quality
        state.waited = 0 if best else state.waited + 1
        lr = self.schedule.rate(step - 1)
        self.schedule.update(best)
        rate = state.row_items / max(1e-9, state.row_seconds)
        state.row_items, state.row_seconds = 0, 0.0
        self._update_clock()
        last = last or bool(self._limit_reached())
        return RowEvent(step, epoch, state.seconds, lr, train_loss, state.grad_norm, rate, best, last, scores)

    # --- exact resume ---------------------------------------------------------------------------------------

    def state_json(self) -> Json:
        """Return every number that an exact resume needs.

        Raises:
            RuntimeError: `can_save` is False.
        """
        self._check_can_save()
        return numbers(self.state, self.schedule)

    @property
    def before_extra_row(self) -> Json | None:
        """Numbers as they would be without the last row, if only the end of the run asked for that row."""
        if not self._extra_row or self.state.row_due:
            return None
        return without_row(numbers(self.state, self.schedule), self._before_row, self.training)

    def state_arrays(self) -> Arrays:
        """Copy every tensor that an exact resume needs: weights, optimizer, averages, carried state.

        Raises:
            RuntimeError: `can_save` is False.
        """
        self._check_can_save()
        return tensors_to_arrays(self.trained, self.optimizer, self.average, self.task.carried_state())

    def load_state(self, arrays: Arrays, stored: Json, before_extra_row: Json | None = None) -> None:
        """Restore what `state_arrays` and `state_json` returned; the run then continues exactly.

        Raises:
            ModelError: it is not the state of a run with this network and these settings.
        """
        state = TrainerState.from_json(stored.get("progress"))
        factor, waited = schedule_numbers(stored.get("schedule"))
        self.task.restore_carried_state(restore_tensors(arrays, self.trained, self.optimizer, self.average))
        self.state, self.schedule.factor, self.schedule.waited = state, factor, waited
        self._before_row, self._extra_row = checked_numbers(before_extra_row), before_extra_row is not None

    def _check_can_save(self) -> None:
        if not self.can_save:
            raise RuntimeError("the state cannot be saved between a step's gradient and its update")
        self._read_metrics()
