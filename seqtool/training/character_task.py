"""Training and validating a character model: parallel streams of running text, lines, or aligned pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from seqtool.data.batches import SequenceBatches, TextStreams
from seqtool.errors import ModelError
from seqtool.metrics import LossCount
from seqtool.models.character import CharacterNetwork
from seqtool.models.recurrent import State
from seqtool.settings import CharSettings
from seqtool.training.protocols import blocks_loss, carried_loss, sequences_loss, summed_cross_entropy
from seqtool.training.randomness import generator, stack_masks, training_state
from seqtool.training.task import Stop, evaluating

if TYPE_CHECKING:
    from seqtool.data.characters import CharCorpus


class CharacterTask:
    """Batches, losses and evaluations of a character model."""

    def __init__(self, network: CharacterNetwork, corpus: CharCorpus, settings: CharSettings, device: torch.device) -> None:
        self.network = network.to(device).train()
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
            self._streams = TextStreams(corpus.train, training.batch_size, training.window, settings.seed)
        else:
            sides = corpus.train.inputs, corpus.train.targets
            self._sequences = SequenceBatches(*sides, training.batch_size, settings.seed, training.shuffle)

    # --- training -----------------------------------------------------------------------------------------------------

    def batches(self, epoch: int) -> int:
        """Batches in an epoch."""
        if self._streams is not None:
            return self._streams.steps_per_epoch
        assert self._sequences is not None
        return self._sequences.steps(epoch)

    def batch(self, epoch: int, index: int) -> tuple[tuple[Tensor, Tensor], int]:
        """Inputs and targets (time, batch), and the number of targets that count."""
        if self._streams is not None:
            inputs, targets = self._streams.batch(epoch, index)
            count = targets.size
        else:
            assert self._sequences is not None
            made = self._sequences.batch(epoch, index)
            inputs, targets = made.inputs, made.targets
            count = int((targets >= 0).sum())
        return (self._tensor(inputs), self._tensor(targets)), count

    def _tensor(self, array: np.ndarray[Any, Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def loss(self, batch: tuple[Tensor, Tensor], index: int, draw: int) -> Tensor:
        """Summed cross-entropy in nats; for running text the state is carried on, detached."""
        inputs, targets = batch
        width = inputs.shape[1]
        masks = stack_masks(self.network.encoder, width, self.network.encoder.input_size, self.settings.seed, draw)
        logits, state = self.network(inputs, self._entering_state(width, index, draw), masks)
        if self.is_text:
            self._state = tuple(tuple(part.detach().float() for part in parts) for parts in state)
        return summed_cross_entropy(logits, targets, self.settings.training.label_smoothing)

    def _entering_state(self, batch: int, index: int, draw: int) -> State:
        """The state carried on from the window before; the initial one where an epoch begins or a reset strikes a stream."""
        seed, reset = self.settings.seed, self.settings.model.state_reset
        if self._state is None or index == 0:
            return training_state(self.network.encoder, batch, seed, draw)
        if not reset:
            return self._state
        struck = torch.rand(batch, 1, generator=generator(seed, "state reset", draw)).to(self.device) < reset
        fresh = training_state(self.network.encoder, batch, seed, draw)
        return tuple(
            tuple(torch.where(struck, start, part) for part, start in zip(parts, starts, strict=True))
            for parts, starts in zip(self._state, fresh, strict=True)
        )

    # --- validation ---------------------------------------------------------------------------------------------------

    def evaluate(self, should_stop: Stop) -> dict[str, float]:
        """Losses on the validation data, in nats per symbol."""
        with evaluating(self.network):
            val: Any = self.corpus.val
            if not self.is_text:
                loss, right = sequences_loss(self.network, val.inputs, val.targets, self.device, should_stop)
                return _scores(loss) | {"val_accuracy": right.accuracy or 0.0}
            window = self.settings.training.window
            loss = carried_loss(self.network, val, self.device, should_stop)
            blocks = blocks_loss(self.network, val, window, self.device, should_stop)
            return _scores(loss) | {"val_loss_blocks": _mean(blocks)}

    def quality(self, train_loss: float, scores: Mapping[str, float]) -> float:
        """Lower loss is better: on validation data where there are some."""
        return -scores.get("val_loss", train_loss)

    # --- what is carried from window to window ------------------------------------------------------------------------

    def carried_state(self) -> dict[str, Tensor]:
        """The streams' state between two windows; each tensor (batch, hidden)."""
        if self._state is None:
            return {}
        return {f"{layer}.{part}": tensor for layer, parts in enumerate(self._state) for part, tensor in enumerate(parts)}

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
            raise ModelError("the checkpoint's carried state does not fit the network", hint="use an earlier checkpoint")
        layers = range(self.settings.model.num_layers)
        self._state = tuple(tuple(tensors[f"{layer}.{part}"].to(self.device) for part in parts) for layer in layers)


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
