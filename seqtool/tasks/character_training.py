"""Training and validation of a character model: parallel streams of running text, lines, or aligned pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from seqtool.data.batches import SequenceBatches, TextStreams
from seqtool.data.sharding import Columns
from seqtool.errors import ModelError
from seqtool.metrics import LossCount, Tally
from seqtool.models.character import CharacterNetwork
from seqtool.models.recurrent import NO_MASKS, Masks, State, flatten_parameters
from seqtool.models.weights import copy_to_device
from seqtool.settings.experiment import CharSettings
from seqtool.training.engine.ranks import ALONE, Ranks, select_columns
from seqtool.training.engine.rng import dropout_mask, generator, initial_state, stack_masks
from seqtool.training.engine.task import ShouldStop, check_divisible, evaluation_mode, stop_together
from seqtool.training.engine.validation import blocks_loss, carried_loss, sequences_loss
from seqtool.types import Array

if TYPE_CHECKING:
    from seqtool.data.text.corpus import CharCorpus


LARGEST_EXPONENT = 700.0  # of a perplexity that a float holds


@dataclass(frozen=True)
class CharacterBatch:
    """This rank's share of a batch.

    Attributes:
        inputs: symbol numbers (time, batch).
        targets: symbol numbers (time, batch); -1 is padding.
        columns: position of these sequences in the batch of all ranks.
        conditions: condition number of each sequence (batch,); None without conditions.
    """

    inputs: Tensor
    targets: Tensor
    columns: Columns
    conditions: Tensor | None = None


class CharacterTask:
    """Batches, loss and evaluation of a character model; a `TrainingTask`.

    Attributes:
        network: on its device, in training mode.
        corpus: the encoded data.
        settings: settings of the run.
        device: device of the network.
        ranks: the processes that train together.
        is_text: whether the data are running text, whose state is carried from batch to batch.
        has_validation: whether there are validation data that can be scored.
    """

    def __init__(
        self,
        network: CharacterNetwork,
        corpus: CharCorpus,
        settings: CharSettings,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        """Move the network to the device.

        Raises:
            ConfigError: a batch has fewer sequences than there are ranks.
        """
        self.network = flatten_parameters(network.to(device)).train()
        self.ranks = ranks
        self.corpus = corpus
        self.settings = settings
        self.device = device
        self.is_text = corpus.kind == "text"
        self.has_validation = _has_validation(corpus)
        self._state: State | None = None
        training = settings.training
        self._streams: TextStreams | None = None
        self._sequences: SequenceBatches | None = None
        if self.is_text:
            self._streams = TextStreams(
                corpus.train, training.batch_size, training.window, settings.seed, ranks.shard
            )
            check_divisible(self._streams.batch_size, ranks, "streams")
        else:
            check_divisible(training.batch_size, ranks, "sequences")
            sides = corpus.train.inputs, corpus.train.targets
            self._sequences = SequenceBatches(
                *sides,
                training.batch_size,
                settings.seed,
                training.shuffle,
                ranks.shard,
                getattr(corpus.train, "conditions", None),
            )

    # --- training -------------------------------------------------------------------------------------------

    def batches(self, epoch: int) -> int:
        """Return the number of batches in an epoch."""
        if self._streams is not None:
            return self._streams.steps_per_epoch
        assert self._sequences is not None
        return self._sequences.steps(epoch)

    def batch(self, epoch: int, index: int) -> tuple[CharacterBatch, int]:
        """Return this rank's sequences, and the number of targets of all ranks."""
        conditions: Array | None = None
        if self._streams is not None:
            inputs, targets = self._streams.batch(epoch, index)
            columns, items = self._streams.columns, len(targets) * self._streams.columns.width
        else:
            assert self._sequences is not None
            sequences = self._sequences.batch(epoch, index)
            inputs, targets = sequences.inputs, sequences.targets
            columns, items, conditions = sequences.columns, sequences.items, sequences.conditions
        of_sequences = None if conditions is None else self._tensor(conditions)
        return CharacterBatch(self._tensor(inputs), self._tensor(targets), columns, of_sequences), items

    def _tensor(self, array: Array) -> Tensor:
        return copy_to_device(torch.from_numpy(array), self.device)

    def loss(self, batch: CharacterBatch, index: int, draw: int) -> Tensor:
        """Return the cross-entropy in nats, summed.

        For running text, the state is detached and carried to the next batch.

        Args:
            batch: this rank's sequences.
            index: position of the batch in its epoch.
            draw: number of earlier batches in the whole run; it keys the random draws.
        """
        encoder, columns = self.network.encoder, batch.columns
        masks = stack_masks(encoder, columns.width, encoder.input_size, self.settings.seed, draw, columns)
        before = self._state_before(columns, index, draw)
        masks = self._with_embedding_mask(masks, draw)
        y, state = self.network.read(batch.inputs, before, masks, batch.conditions)
        if self.is_text:
            self._state = tuple(tuple(part.detach().float() for part in parts) for parts in state)
        loss = self.network.loss(y, batch.targets, self.settings.training.label_smoothing)
        loss = loss + self._penalty(y, batch.targets)
        return loss * 0 if columns.idle else loss

    def _with_embedding_mask(self, masks: Masks | None, draw: int) -> Masks | None:
        """Add the mask of the embeddings of whole symbols, which all sequences and ranks share."""
        dropout = self.settings.model.embedding_dropout
        if not dropout:
            return masks
        source = generator(self.settings.seed, "embedding dropout", draw)
        kept = dropout_mask((self.network.symbols, 1), dropout, source)
        return replace(masks or NO_MASKS, symbols=copy_to_device(kept, self.device))

    def _penalty(self, y: Tensor, targets: Tensor) -> Tensor | float:
        """Return the penalties of large and of changing outputs, whose value is 0 and whose gradient is not.

        The printed loss therefore stays the cross-entropy.
        """
        large, changing = self.settings.training.activation_penalty, self.settings.training.slowness_penalty
        if not (large or changing):
            return 0.0
        penalty = large * y.float().square().mean()
        if changing and len(y) > 1:
            penalty = penalty + changing * (y[1:] - y[:-1]).float().square().mean()
        penalty = penalty * int((targets >= 0).sum())
        return penalty - penalty.detach()

    def _state_before(self, columns: Columns, index: int, draw: int) -> State:
        """Return the state before a batch.

        It is the state after the previous window; at the start of an epoch it is the initial state. With
        probability `state_reset`, a stream starts from the initial state, too.
        """
        seed, reset = self.settings.seed, self.settings.model.state_reset
        if self._state is None or index == 0:
            return initial_state(self.network.encoder, columns.width, seed, draw, columns)
        if not reset:
            return self._state
        chances = torch.rand(columns.width, 1, generator=generator(seed, "state reset", draw))
        is_reset = copy_to_device(select_columns(chances, columns), self.device) < reset
        initial = initial_state(self.network.encoder, columns.width, seed, draw, columns)
        return tuple(
            tuple(torch.where(is_reset, start, part) for part, start in zip(parts, starts, strict=True))
            for parts, starts in zip(self._state, initial, strict=True)
        )

    # --- validation -----------------------------------------------------------------------------------------

    def evaluate(self, should_stop: ShouldStop) -> dict[str, float]:
        """Return the losses on the validation data, in nats per symbol, and for lines and pairs the accuracy.

        Raises:
            StopEvaluation: a stop was requested on any rank.
        """
        val: Any = self.corpus.val
        block = self.settings.training.eval_block or self.settings.training.window
        blocks, correct, shard = LossCount(), Tally(), self.ranks.shard
        with evaluation_mode(self.network), stop_together(self.ranks, should_stop) as stop:
            if self.is_text:
                loss = carried_loss(self.network, val, self.device, stop, shard=shard)
                blocks = blocks_loss(self.network, val, block, self.device, stop, shard)
            else:
                conditions = getattr(val, "conditions", None)
                loss, correct = sequences_loss(
                    self.network, val.inputs, val.targets, self.device, stop, shard, conditions
                )
        total, count, *others = self.ranks.sums(
            loss.total, loss.count, blocks.total, blocks.count, correct.right, correct.total
        )
        blocks_total, blocks_count, right, targets = others
        mean = total / int(count)
        scores = {"val_loss": mean}
        if self.corpus.vocabulary.unit == "word":
            scores["val_perplexity"] = math.exp(min(mean, LARGEST_EXPONENT))
        else:
            scores["val_bits_per_char"] = mean / math.log(2)
        if self.is_text:
            return scores | {"val_loss_blocks": blocks_total / blocks_count}
        return scores | {"val_accuracy": right / targets}

    def quality(self, train_loss: float, scores: Mapping[str, float]) -> float:
        """Return minus the validation loss, or minus the training loss without validation."""
        return -scores.get("val_loss", train_loss)

    # --- state carried from batch to batch ------------------------------------------------------------------

    def carried_state(self) -> dict[str, Tensor]:
        """Return the state of all streams between two windows; each tensor is (batch, hidden)."""
        if self._state is None or self._streams is None:
            return {}
        named = {
            f"{layer}.{part}": tensor
            for layer, parts in enumerate(self._state)
            for part, tensor in enumerate(parts)
        }
        return {name: self.ranks.gather(tensor, self._streams.columns) for name, tensor in named.items()}

    def restore_carried_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the state that `carried_state` returned.

        Raises:
            ModelError: it is the state of another network.
        """
        if not tensors:
            self._state = None
            return
        shape = (self._streams.batch_size if self._streams else 0, self.settings.model.hidden_size)
        layers = range(self.settings.model.num_layers)
        parts = range(2 if self.settings.model.cell == "lstm" else 1)
        names = {f"{layer}.{part}" for layer in layers for part in parts}
        if names != tensors.keys() or any(tuple(tensor.shape) != shape for tensor in tensors.values()):
            raise ModelError(
                "the checkpoint's carried state does not fit the network", hint="use an earlier checkpoint"
            )
        assert self._streams is not None
        columns = self._streams.columns
        self._state = tuple(
            tuple(select_columns(tensors[f"{layer}.{part}"], columns).to(self.device) for part in parts)
            for layer in layers
        )


def _has_validation(corpus: CharCorpus) -> bool:
    """Return whether the validation data contain a symbol to predict."""
    val: Any = corpus.val
    if val is None:
        return False
    return len(val) > 1 if corpus.kind == "text" else any(len(sequence) for sequence in val.inputs)
