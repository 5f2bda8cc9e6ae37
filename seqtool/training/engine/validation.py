"""Losses of a character network on validation data: sums of nats and counts of symbols, divided at the end.

`carried` loss: the text is divided into contiguous streams that run side by side. Each stream is warmed up on
    the symbols
before it, which are not scored; the result equals one pass over the text within 1e-3. Blocks loss: the text
is divided into blocks of N symbols, each read from the initial state. `inference.text_scoring` scores with
the same streams and blocks. Ranks share the streams, the blocks and the sequences.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from seqtool.data.sharding import WHOLE, Shard
from seqtool.metrics import LossCount, Tally
from seqtool.models.character import CharacterNetwork, summed_cross_entropy
from seqtool.models.recurrent import State
from seqtool.training.engine.task import ShouldStop, check_stop
from seqtool.types import Array

STREAMS = 32
WARM_UP = 256  # symbols that a stream reads before its first scored one
BLOCKS_AT_ONCE = 128
_SYMBOLS_AT_ONCE = 1 << 14  # symbols per call of the network; a stop takes effect between two calls
_SCORES_AT_ONCE = 1 << 22  # scores per call, which limits memory


def carried_loss(
    network: CharacterNetwork,
    text: Array,
    device: torch.device,
    should_stop: ShouldStop,
    streams: int | None = None,
    shard: Shard = WHOLE,
) -> LossCount:
    """Score a text with carried state, all symbols but the first.

    Args:
        network: in evaluation mode.
        text: symbol numbers (length,).
        device: of the network.
        should_stop: returns True once a stop was requested.
        streams: number of streams. By default at most 32, and so few that the warm-up costs at most a
            quarter.
        shard: this rank's share of the streams.

    Raises:
        StopEvaluation: a stop was requested.
    """
    count = len(text) - 1
    streams = streams or max(1, min(STREAMS, count // (4 * WARM_UP)))
    length = -(-count // streams)
    starts = np.array(shard.contiguous(streams), np.int64) * length
    if not len(starts):
        return LossCount()
    state = network.encoder.initial_state(len(starts))
    loss = LossCount()
    first = -WARM_UP if streams > 1 else 0
    for steps in _step_ranges(first, 0, len(starts), network) + _step_ranges(0, length, len(starts), network):
        check_stop(should_stop)
        positions = starts + np.arange(steps.start, steps.stop)[:, None]  # (time, streams)
        if steps.start == 0 and streams > 1 and starts[0] == 0:
            state = _reset_first_stream(state, network.encoder.initial_state(len(starts)))
        scored = (positions < count) & (steps.start >= 0)
        more, state = _score_positions(network, text, positions, scored, state, device)
        loss += more
    return loss


def blocks_loss(
    network: CharacterNetwork,
    text: Array,
    block: int,
    device: torch.device,
    should_stop: ShouldStop,
    shard: Shard = WHOLE,
) -> LossCount:
    """Score a text in blocks that each start from the initial state, all symbols but the first.

    Args:
        network: in evaluation mode.
        text: symbol numbers (length,).
        block: symbols of a block.
        device: of the network.
        should_stop: returns True once a stop was requested.
        shard: this rank's share of the blocks.

    Raises:
        StopEvaluation: a stop was requested.
    """
    count = len(text) - 1
    block_starts = np.array(shard.contiguous(-(-count // block)), np.int64) * block
    loss = LossCount()
    for start in range(0, len(block_starts), BLOCKS_AT_ONCE):
        starts = block_starts[start : start + BLOCKS_AT_ONCE]
        state = network.encoder.initial_state(len(starts))
        for steps in _step_ranges(0, block, len(starts), network):
            check_stop(should_stop)
            positions = starts + np.arange(steps.start, steps.stop)[:, None]  # (time, blocks)
            more, state = _score_positions(network, text, positions, positions < count, state, device)
            loss += more
    return loss


def sequences_loss(
    network: CharacterNetwork,
    inputs: Sequence[Array],
    targets: Sequence[Array],
    device: torch.device,
    should_stop: ShouldStop,
    shard: Shard = WHOLE,
    conditions: Array | None = None,
) -> tuple[LossCount, Tally]:
    """Score separate sequences, and count how often the best symbol is the target.

    Args:
        network: in evaluation mode.
        inputs: symbol numbers of each sequence (length,).
        targets: symbol numbers of the same lengths.
        device: of the network.
        should_stop: returns True once a stop was requested.
        shard: this rank's share of the sequences.
        conditions: condition number of each sequence (sequences,); None without conditions.

    Raises:
        StopEvaluation: a stop was requested.
    """
    lengths = np.array([len(sequence) for sequence in inputs], np.int64)
    order = np.argsort(-lengths, kind="stable")[: int((lengths > 0).sum())]
    order = order[shard.balanced(len(order))]
    loss, correct, start = LossCount(), Tally(), 0
    while start < len(order):
        batch = order[start : start + max(1, _SYMBOLS_AT_ONCE // int(lengths[order[start]]))]
        start += len(batch)
        state = network.encoder.initial_state(len(batch))
        of_batch = None if conditions is None else torch.from_numpy(conditions[batch]).to(device)
        for steps in _step_ranges(0, int(lengths[batch[0]]), len(batch), network):
            check_stop(should_stop)
            symbols = _padded([inputs[index] for index in batch], steps, 0)
            expected = _padded([targets[index] for index in batch], steps, -1)
            logits, state = network(torch.from_numpy(symbols).to(device), state, None, of_batch)
            expected_tensor = torch.from_numpy(expected).to(device)
            count = int((expected >= 0).sum())
            loss += LossCount(summed_cross_entropy(logits, expected_tensor).item(), count)
            correct += Tally(int((logits.argmax(2) == expected_tensor).sum()), count)
    return loss, correct


def _score_positions(
    network: CharacterNetwork,
    text: Array,
    positions: Array,
    scored: Array,
    state: State,
    device: torch.device,
) -> tuple[LossCount, State]:
    """Read the symbols at positions (time, streams), and score those after them where `scored` is True."""
    last = len(text) - 2
    inputs = text[np.clip(positions, 0, last)].astype(np.int64)
    targets = np.where(scored, text[np.clip(positions + 1, 0, last + 1)].astype(np.int64), -1)
    y, state = network.read(torch.from_numpy(inputs).to(device), state)
    if not scored.any():
        return LossCount(), state
    loss = network.loss(y, torch.from_numpy(targets).to(device)).item()
    return LossCount(loss, int(scored.sum())), state


def _reset_first_stream(state: State, initial: State) -> State:
    """Replace the state of the first stream by the initial state: the text has no symbols before it."""
    return tuple(
        tuple(torch.cat([start[:1], part[1:]]) for part, start in zip(parts, starts, strict=True))
        for parts, starts in zip(state, initial, strict=True)
    )


def _step_ranges(start: int, stop: int, width: int, network: CharacterNetwork) -> list[range]:
    """Divide the steps of `width` sequences into ranges that the network reads in one call each."""
    steps = max(1, min(_SYMBOLS_AT_ONCE, _SCORES_AT_ONCE // network.symbols) // width)
    return [range(first, min(first + steps, stop)) for first in range(start, stop, steps)]


def _padded(sequences: Sequence[Array], steps: range, filler: int) -> Array:
    """Return some steps of sequences side by side (time, sequences)."""
    padded = np.full((len(steps), len(sequences)), filler, np.int64)
    for column, sequence in enumerate(sequences):
        part = sequence[steps.start : steps.stop]
        padded[: len(part), column] = part
    return padded
