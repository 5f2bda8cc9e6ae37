"""Training and validating a character model: parallel streams of running text, lines, or aligned pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seqtool.data.batches import SequenceBatches, TextStreams
from seqtool.data.characters import CharCorpus
from seqtool.models.character import CharacterNetwork
from seqtool.models.recurrent import State
from seqtool.settings import CharSettings
from seqtool.training.loop import StopEvaluation
from seqtool.training.randomness import generator, stack_masks

CARRIED_STREAMS = 32
WARM_UP = 256  # symbols read before a stream's first scored one
BLOCK_BATCH = 128
EVALUATION_CHUNK = 256  # steps between two looks at the stop flag

Stop = Callable[[], bool]


class CharacterTask:
    """Batches, losses and evaluations of a character model."""

    def __init__(self, network: CharacterNetwork, corpus: CharCorpus, settings: CharSettings, device: torch.device) -> None:
        self.network = network.to(device)
        self.corpus = corpus
        self.settings = settings
        self.device = device
        self.has_validation = corpus.val is not None
        self._state: State | None = None
        training = settings.training
        if corpus.kind == "text":
            self._streams = TextStreams(corpus.train, training.batch_size, training.window, settings.seed)
        else:
            sequences = corpus.train
            self._sequences = SequenceBatches(sequences.inputs, sequences.targets, training.batch_size, settings.seed, training.shuffle)

    def batches(self, epoch: int) -> int:
        """Batches in an epoch."""
        return self._streams.steps_per_epoch if self.corpus.kind == "text" else self._sequences.steps(epoch)

    def batch(self, epoch: int, index: int) -> tuple[tuple[Tensor, Tensor], int]:
        """Inputs and targets (time, batch), and the number of targets that count."""
        if self.corpus.kind == "text":
            inputs, targets = self._streams.batch(epoch, index)
            return (self._tensor(inputs), self._tensor(targets)), targets.size
        made = self._sequences.batch(epoch, index)
        return (self._tensor(made.inputs), self._tensor(made.targets)), int((made.targets >= 0).sum())

    def _tensor(self, array: np.ndarray[Any, Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def loss(self, batch: tuple[Tensor, Tensor], epoch: int, index: int, step: int) -> Tensor:  # noqa: ARG002 - the form of a Task
        """Summed cross-entropy in nats; for running text the state is carried on, detached."""
        inputs, targets = batch
        width = inputs.shape[1]
        self.network.train()
        masks = stack_masks(self.network.encoder, width, self.network.input_size, self.settings.seed, step)
        logits, state = self.network(inputs, self._entering_state(width, index, step), masks)
        if self.corpus.kind == "text":
            self._state = tuple(tuple(part.detach() for part in parts) for parts in state)
        return summed_cross_entropy(logits, targets)

    def _entering_state(self, batch: int, index: int, step: int) -> State:
        seed = self.settings.seed
        fresh = self.network.encoder.initial_state(batch, generator(seed, "initial state", step))
        if self.corpus.kind != "text" or index == 0 or self._state is None:
            return fresh
        reset = self.settings.model.state_reset
        if not reset:
            return self._state
        kept = torch.empty(batch, 1).bernoulli_(1 - reset, generator=generator(seed, "state reset", step)).to(self.device)
        return tuple(
            tuple(part * kept + start * (1 - kept) for part, start in zip(parts, starts, strict=True))
            for parts, starts in zip(self._state, fresh, strict=True)
        )

    @torch.no_grad()
    def evaluate(self, should_stop: Stop) -> dict[str, float]:
        """Losses on the validation data, in nats per symbol."""
        self.network.eval()
        if self.corpus.kind == "text":
            loss = carried_loss(self.network, self.corpus.val, self.device, should_stop)
            blocks = blocks_loss(self.network, self.corpus.val, self.settings.training.window, self.device, should_stop)
            return {"val_loss": loss, "val_bits_per_char": loss / math.log(2), "val_loss_blocks": blocks}
        return self._evaluate_sequences(should_stop)

    def _evaluate_sequences(self, should_stop: Stop) -> dict[str, float]:
        sequences = self.corpus.val
        batches = SequenceBatches(sequences.inputs, sequences.targets, BLOCK_BATCH, 0, False)
        total, count, right = 0.0, 0, 0
        for index in range(batches.steps(0)):
            _leave_if(should_stop)
            made = batches.batch(0, index)
            inputs, targets = self._tensor(made.inputs), self._tensor(made.targets)
            logits, _ = self.network(inputs, self.network.encoder.initial_state(inputs.shape[1]))
            total += summed_cross_entropy(logits, targets).item()
            right += int((logits.argmax(2) == targets).sum())
            count += int((targets >= 0).sum())
        loss = total / count
        return {"val_loss": loss, "val_bits_per_char": loss / math.log(2), "val_accuracy": right / count}

    def quality(self, train_loss: float, scores: Mapping[str, float]) -> float:
        """Lower loss is better: on validation data where there are some."""
        return -scores.get("val_loss", train_loss)

    def carried_state(self) -> dict[str, Tensor]:
        """The streams' state between two windows."""
        if self._state is None:
            return {}
        return {f"{layer}.{part}": tensor for layer, parts in enumerate(self._state) for part, tensor in enumerate(parts)}

    def restore_carried_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `carried_state` gave."""
        parts = 2 if self.settings.model.cell == "lstm" else 1
        if tensors:
            layers = len(tensors) // parts
            self._state = tuple(tuple(tensors[f"{layer}.{part}"].to(self.device) for part in range(parts)) for layer in range(layers))


def summed_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy in nats, summed over all targets but those of -1. Logits (time, batch, symbols), targets (time, batch)."""
    return functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum", ignore_index=-1)


def _leave_if(should_stop: Stop) -> None:
    if should_stop():
        raise StopEvaluation


def carried_loss(network: CharacterNetwork, text: np.ndarray[Any, Any], device: torch.device, should_stop: Stop = lambda: False) -> float:
    """Nats per symbol over all of a text with carried state: the `carried` protocol.

    The text is cut into contiguous streams that run side by side, each warmed on the symbols before it, which are not
    scored; this equals one single pass within 1e-3.

    Args:
        text: symbol numbers (length,).
    """
    targets_total = len(text) - 1
    streams = max(1, min(CARRIED_STREAMS, targets_total // (4 * WARM_UP)))
    length = -(-targets_total // streams)
    warm = WARM_UP if streams > 1 else 0
    steps = warm + length
    # Input position of each step: the warm-up of the first stream lies before the text and is thrown away with its state.
    positions = np.arange(steps)[:, None] + (np.arange(streams) * length - warm)
    scored = (np.arange(steps)[:, None] >= warm) & (positions < targets_total)
    inputs = text[np.clip(positions, 0, targets_total - 1)].astype(np.int64)
    targets = np.where(scored, text[np.clip(positions + 1, 0, targets_total)].astype(np.int64), -1)
    state = network.encoder.initial_state(streams)
    total = 0.0
    for chunk in _chunks(warm, steps):
        _leave_if(should_stop)
        if chunk.start == warm and warm:
            state = _restarted(state, network.encoder.initial_state(streams))
        logits, state = network(torch.from_numpy(inputs[chunk]).to(device), state)
        if chunk.start >= warm:
            total += summed_cross_entropy(logits, torch.from_numpy(targets[chunk]).to(device)).item()
    return total / targets_total


def _chunks(warm: int, steps: int) -> list[slice]:
    edges = [*range(0, warm, EVALUATION_CHUNK), *range(warm, steps, EVALUATION_CHUNK), steps]
    return [slice(start, stop) for start, stop in zip(edges, edges[1:], strict=False)]


def _restarted(state: State, fresh: State) -> State:
    """The state with its first stream started anew."""
    return tuple(
        tuple(torch.cat([start[:1], part[1:]]) for part, start in zip(parts, starts, strict=True))
        for parts, starts in zip(state, fresh, strict=True)
    )


def blocks_loss(
    network: CharacterNetwork, text: np.ndarray[Any, Any], block: int, device: torch.device, should_stop: Stop = lambda: False
) -> float:
    """Nats per symbol over all of a text cut into blocks that each start from the initial state: the `blocks N` protocol.

    Args:
        text: symbol numbers (length,).
        block: N, symbols in a block.
    """
    targets_total = len(text) - 1
    blocks = -(-targets_total // block)
    positions = np.arange(blocks) * block + np.arange(block)[:, None]  # (time, blocks)
    inputs = text[np.minimum(positions, targets_total - 1)].astype(np.int64)
    targets = np.where(positions < targets_total, text[np.minimum(positions + 1, targets_total)].astype(np.int64), -1)
    total = 0.0
    for start in range(0, blocks, BLOCK_BATCH):
        _leave_if(should_stop)
        part = slice(start, start + BLOCK_BATCH)
        made = torch.from_numpy(np.ascontiguousarray(inputs[:, part])).to(device)
        logits, _ = network(made, network.encoder.initial_state(made.shape[1]))
        total += summed_cross_entropy(logits, torch.from_numpy(np.ascontiguousarray(targets[:, part])).to(device)).item()
    return total / targets_total
