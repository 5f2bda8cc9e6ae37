"""One part of a run in training: network, trainer, preview, and the state for a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from seqtool.tasks.build import build_task
from seqtool.tasks.interface import Column, Prepared, definition
from seqtool.training.checkpoints import BeforeExtraRow, PartState
from seqtool.training.engine.events import RowEvent
from seqtool.training.engine.ranks import Ranks
from seqtool.training.listeners import NetworkBuilt, Row
from seqtool.types import Arrays

if TYPE_CHECKING:
    from seqtool.training.engine.task import ShouldStop


class PartTraining:
    """Trains one part of a run.

    Attributes:
        name: name of the part; empty if the run has one part.
        noun: name of the kind of model in messages.
        prepared: settings, description of the model and data.
        training: the settings of the training.
        trainer: the training loop.
        device: name of the device in torch.
        threads: CPU threads of this part.
        side_by_side: whether the parts of the run have separate threads, so that all can be trained at once.
        has_started: whether the trainer has a state that a checkpoint must contain.
        best: the best row so far; None before the first row.
        best_weights: weights of the network in that row.
    """

    def __init__(self, name: str, prepared: Prepared, stop: ShouldStop, ranks: Ranks, parts: int = 1) -> None:
        """Build the network and import torch.

        Args:
            name: name of the part.
            prepared: settings, description of the model and data.
            stop: flag that a stop signal sets.
            ranks: processes that train together.
            parts: number of parts of the run.
        """
        from seqtool.training.engine.trainer import Trainer

        self.name, self.prepared, self.training = name, prepared, prepared.settings.training
        self._definition = definition(prepared.settings.task)
        self.noun = self._definition.noun
        built = build_task(prepared, ranks, parts)
        self.device, self.threads = str(built.device), built.threads
        self.side_by_side = built.side_by_side
        self.trainer = Trainer(built.task, self.training, stop)
        self._network = built.task.network
        self._preview = self._definition.preview(prepared)
        self.has_started = False
        self._kept: PartState | None = None  # the state while another part is trained
        self.best: RowEvent | None = None
        self.best_weights: Arrays = {}
        self._best_before_row: tuple[RowEvent | None, Arrays] = (None, {})

    def weights(self) -> Arrays:
        """Return the present weights by their names in a model directory."""
        from seqtool.models.weights import weight_arrays

        return weight_arrays(self._network)

    def network_built(self, ranks: Ranks) -> NetworkBuilt:
        """Return the description of the network before its first step."""
        model = self.prepared.stored(self.weights())
        return NetworkBuilt(model, self.device, self.threads, ranks.shard.size)

    # --- state ----------------------------------------------------------------------------------------------

    @property
    def has_finished(self) -> bool:
        """True if the part has reached a limit, so that no step and no row is left."""
        state = self.trainer.state
        limit = self.training.reached_limit(state.step, state.epoch, state.waited, state.seconds)
        return bool(limit) and not state.row_due

    def begin(self) -> None:
        """Prepare for training: from now on, the state changes."""
        self.has_started, self._kept = True, None

    def end(self) -> None:
        """Keep the final state, while other parts are trained."""
        self._kept = self.state()

    def state(self) -> PartState:
        """Return everything that an exact resume of this part needs."""
        if self._kept is not None:
            return self._kept
        numbers, tensors = self.trainer.state_json(), self.trainer.state_arrays()
        earlier = self.trainer.before_extra_row
        return PartState(
            numbers=numbers,
            tensors=tensors,
            best=self.best,
            best_weights=self.best_weights,
            before_extra_row=None if earlier is None else BeforeExtraRow(earlier, *self._best_before_row),
        )

    def restore(self, state: PartState) -> None:
        """Restore the state from a checkpoint.

        Raises:
            ModelError: it does not fit the network or the optimizer of this part.
        """
        earlier = state.before_extra_row
        self.trainer.load_state(state.tensors, state.numbers, earlier.numbers if earlier else None)
        if earlier is not None:
            self._best_before_row = earlier.best, earlier.best_weights
        self.best, self.best_weights = state.best, state.best_weights
        self.has_started, self._kept = True, state

    def change_of_course(self, before: Mapping[str, object]) -> str:
        """Return why the weights will differ from those of one run with the present limits; else nothing.

        Args:
            before: settings of the training at the checkpoint.
        """
        training = self.training
        same_end = (training.epochs, training.max_steps) == (before["epochs"], before["max_steps"])
        if training.schedule != "cosine" or same_end:
            return ""
        rate = self.trainer.schedule.rate(self.trainer.state.step)
        return (
            f"the cosine schedule{f' of the {self.noun}' if self.name else ''} now ends at step "
            f"{self.trainer.total_steps:,}, and the learning rate continues at {rate:.3g}: "
            "the weights will differ from those of one run with these limits"
        )

    # --- rows -----------------------------------------------------------------------------------------------

    def row(self, event: RowEvent) -> Row:
        """Decode the preview example, and return everything that listeners receive of a row."""
        weights = self.weights()
        prediction = self._preview.prediction(weights)
        self._best_before_row = self.best, self.best_weights
        if event.best:
            self.best, self.best_weights = event, weights
        return Row(event, self._columns(event, weights), prediction, weights, self.name)

    def _columns(self, event: RowEvent, weights: Arrays) -> tuple[Column, ...]:
        if event.scores:
            return self._definition.columns(event, self.prepared.settings, self._remaining(event))
        accuracy = self._preview.training_accuracy(weights)
        columns = Column("epoch", event.epoch, "d"), Column("loss", event.train_loss, ".3f")
        return columns if accuracy is None else (*columns, Column("accuracy", accuracy, ".1%"))

    def _remaining(self, row: RowEvent) -> float | None:
        """Estimate the seconds until the end from the speed so far; None if the training has no limit."""
        total, minutes = self.trainer.total_steps, self.training.max_minutes
        by_steps = None if total is None else row.seconds / max(1, row.step) * (total - row.step)
        by_clock = None if minutes is None else minutes * 60 - row.seconds
        known = [max(0.0, seconds) for seconds in (by_steps, by_clock) if seconds is not None]
        return 0.0 if row.last else min(known, default=None)
