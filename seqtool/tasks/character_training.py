"""Training and validating a character model: parallel streams of running text, lines, or aligned pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from seqtool.data.batches import SequenceBatches, TextStreams
from seqtool.data.sharding import Columns
from seqtool.errors import ModelError
from seqtool.metrics import LossCount, Tally
from seqtool.models.character import CharacterNetwork
from seqtool.models.recurrent import State, flatten_parameters
from seqtool.models.weights import copy_to_device
from seqtool.settings import CharSettings
from seqtool.training.engine.ranks import ALONE, Ranks, own
from seqtool.training.engine.rng import generator, stack_masks, training_state
from seqtool.training.engine.task import Stop, check_divisible, evaluating, leaving_together
from seqtool.training.engine.validation import blocks_loss, carried_loss, sequences_loss, summed_cross_entropy
from seqtool.types import Array

if TYPE_CHECKING:
    from seqtool.data.text.corpus import CharCorpus


@dataclass(frozen=True)
class CharacterBatch:
    """This rank's share of a batch: inputs and targets (time, batch), and where they stand in the whole of it."""

    inputs: Tensor
    targets: Tensor
    columns: Columns


class CharacterTask:
    """Batches, losses and evaluations of a character model."""

    def __init__(
        self,
        network: CharacterNetwork,
        corpus: CharCorpus,
        settings: CharSettings,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        self.network = flatten_parameters(network.to(device)).train()
        self.ranks = ranks
        self.corpus = corpus
        self.settings = settings
        self.device = device
        self.is_text = corpus.kind == "text"
        self.has_validation = _scorable(corpus)
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
                *sides, training.batch_size, settings.seed, training.shuffle, ranks.shard
            )

    # --- training -----------------------------------------------------------------------------------------------------

    def batches(self, epoch: int) -> int:
        """Batches in an epoch."""
        if self._streams is not None:
            return self._streams.steps_per_epoch
        assert self._sequences is not None
        return self._sequences.steps(epoch)

    def batch(self, epoch: int, index: int) -> tuple[CharacterBatch, int]:
        """This rank's sequences, and the number of targets of all ranks."""
        if self._streams is not None:
            inputs, targets = self._streams.batch(epoch, index)
            columns = self._streams.columns
            return CharacterBatch(self._tensor(inputs), self._tensor(targets), columns), len(
                targets
            ) * columns.width
        assert self._sequences is not None
        made = self._sequences.batch(epoch, index)
        return CharacterBatch(self._tensor(made.inputs), self._tensor(made.targets), made.columns), made.items

    def _tensor(self, array: Array) -> Tensor:
        return copy_to_device(torch.from_numpy(array), self.device)

    def loss(self, batch: CharacterBatch, index: int, draw: int) -> Tensor:
        """Summed cross-entropy in nats; for running text the state is carried on, detached."""
        encoder, columns = self.network.encoder, batch.columns
        masks = stack_masks(encoder, columns.width, encoder.input_size, self.settings.seed, draw, columns)
        logits, state = self.network(batch.inputs, self._entering_state(columns, index, draw), masks)
        if self.is_text:
            self._state = tuple(tuple(part.detach().float() for part in parts) for parts in state)
        loss = summed_cross_entropy(logits, batch.targets, self.settings.training.label_smoothing)
        return loss * 0 if columns.idle else loss

    def _entering_state(self, columns: Columns, index: int, draw: int) -> State:
        """The state carried on from the window before; the initial one where an epoch begins or a reset strikes a stream."""
        seed, reset = self.settings.seed, self.settings.model.state_reset
        if self._state is None or index == 0:
            return training_state(self.network.encoder, columns.width, seed, draw, columns)
        if not reset:
            return self._state
        chances = torch.rand(columns.width, 1, generator=generator(seed, "state reset", draw))
        struck = copy_to_device(own(chances, columns), self.device) < reset
        fresh = training_state(self.network.encoder, columns.width, seed, draw, columns)
        return tuple(
            tuple(torch.where(struck, start, part) for part, start in zip(parts, starts, strict=True))
            for parts, starts in zip(self._state, fresh, strict=True)
        )

    # --- validation ---------------------------------------------------------------------------------------------------

    def evaluate(self, should_stop: Stop) -> dict[str, float]:
        """Losses on the validation data, in nats per symbol."""
        val: Any = self.corpus.val
        block = self.settings.training.eval_block or self.settings.training.window
        blocks, right, shard = LossCount(), Tally(), self.ranks.shard
        with evaluating(self.network), leaving_together(self.ranks, should_stop) as stop:
            if self.is_text:
                loss = carried_loss(self.network, val, self.device, stop, shard=shard)
                blocks = blocks_loss(self.network, val, block, self.device, stop, shard)
            else:
                loss, right = sequences_loss(self.network, val.inputs, val.targets, self.device, stop, shard)
        total, count, *more = self.ranks.sums(
            loss.total, loss.count, blocks.total, blocks.count, right.right, right.total
        )
        scores = _scores(LossCount(total, int(count)))
        if self.is_text:
            return scores | {"val_loss_blocks": more[0] / more[1]}
        return scores | {"val_accuracy": more[2] / more[3]}

    def quality(self, train_loss: float, scores: Mapping[str, float]) -> float:
        """Lower loss is better: on validation data where there are some."""
        return -scores.get("val_loss", train_loss)

    # --- what is carried from window to window ------------------------------------------------------------------------

    def carried_state(self) -> dict[str, Tensor]:
        """The state of all streams between two windows; each tensor (batch, hidden)."""
        if self._state is None or self._streams is None:
            return {}
        named = {
            f"{layer}.{part}": tensor
            for layer, parts in enumerate(self._state)
            for part, tensor in enumerate(parts)
        }
        return {name: self.ranks.gather(tensor, self._streams.columns) for name, tensor in named.items()}

    def restore_carried_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `carried_state` gave.

        Raises:
            ModelError: if it is the state of another network.
        """
        if not tensors:
            self._state = None
            return
        shape = (self._streams.batch_size if self._streams else 0, self.settings.model.hidden_size)
        parts = range(2 if self.settings.model.cell == "lstm" else 1)
        names = {f"{layer}.{part}": None for layer in range(self.settings.model.num_layers) for part in parts}
        if names.keys() != tensors.keys() or any(tuple(tensor.shape) != shape for tensor in tensors.values()):
            raise ModelError(
                "the checkpoint's carried state does not fit the network", hint="use an earlier checkpoint"
            )
        assert self._streams is not None
        layers, columns = range(self.settings.model.num_layers), self._streams.columns
        self._state = tuple(
            tuple(own(tensors[f"{layer}.{part}"], columns).to(self.device) for part in parts)
            for layer in layers
        )


def _scorable(corpus: CharCorpus) -> bool:
    """Whether there is anything to validate on: a symbol to predict."""
    val: Any = corpus.val
    if val is None:
        return False
    return len(val) > 1 if corpus.kind == "text" else any(len(sequence) for sequence in val.inputs)


def _mean(loss: LossCount) -> float:
    return loss.total / loss.count


def _scores(loss: LossCount) -> dict[str, float]:
    return {"val_loss": _mean(loss), "val_bits_per_char": _mean(loss) / math.log(2)}
