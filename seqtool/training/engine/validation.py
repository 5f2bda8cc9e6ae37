"""How a character network is scored on validation data: sums of nats and counts of symbols, divided once at the end.

`carried`: one text in contiguous streams that run side by side, each warmed on the symbols before it, which are not scored;
equal to one single pass within 1e-3. `blocks N`: tiles of N symbols, each from the initial state. The runtime scores with
the same streams and the same tiles (`runtime.protocols`). Ranks share the streams, the tiles and the sequences.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seqtool.data.sharding import WHOLE, Shard
from seqtool.metrics import LossCount, Tally
from seqtool.models.character import CharacterNetwork
from seqtool.models.recurrent import State
from seqtool.training.engine.task import Stop, leave_if
from seqtool.types import Array

STREAMS = 32
WARM_UP = 256  # symbols that a stream reads before its first scored one
BLOCKS = 128  # tiles that are read at a time
_SYMBOLS = 1 << 14  # symbols that are read between two looks at the stop flag
_SCORES = 1 << 22  # scores that are held at a time


def summed_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy in nats, summed over all targets but those of -1: logits (time, batch, symbols), targets (time, batch)."""
    return functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), reduction="sum", ignore_index=-1, label_smoothing=smoothing
    )


def carried_loss(
    network: CharacterNetwork,
    text: Array,
    device: torch.device,
    should_stop: Stop,
    streams: int | None = None,
    shard: Shard = WHOLE,
) -> LossCount:
    """Nats over all of a text (length,) but its first symbol, with carried state.

    Args:
        streams: how many; None: as many as the length is good for, up to 32, so that warming them up costs at most a quarter.
        share: which of the streams are read.
    """
    count = len(text) - 1
    streams = streams or max(1, min(STREAMS, count // (4 * WARM_UP)))
    length = -(-count // streams)
    starts = np.array(shard.contiguous(streams), np.int64) * length
    if not len(starts):
        return LossCount()
    state = network.encoder.initial_state(len(starts))
    found = LossCount()
    first = -WARM_UP if streams > 1 else 0
    for rows in _ranges(first, 0, len(starts), network) + _ranges(0, length, len(starts), network):
        leave_if(should_stop)
        positions = starts + np.arange(rows.start, rows.stop)[:, None]  # (time, streams)
        if rows.start == 0 and streams > 1 and starts[0] == 0:
            state = _restarted(state, network.encoder.initial_state(len(starts)))
        scored = (positions < count) & (rows.start >= 0)
        more, state = _read(network, text, positions, scored, state, device)
        found += more
    return found


def blocks_loss(
    network: CharacterNetwork,
    text: Array,
    block: int,
    device: torch.device,
    should_stop: Stop,
    shard: Shard = WHOLE,
) -> LossCount:
    """Nats over all of a text (length,) but its first symbol, in blocks of `block` that each start from the initial state."""
    count = len(text) - 1
    tiles = np.array(shard.contiguous(-(-count // block)), np.int64) * block
    found = LossCount()
    for start in range(0, len(tiles), BLOCKS):
        starts = tiles[start : start + BLOCKS]
        state = network.encoder.initial_state(len(starts))
        for rows in _ranges(0, block, len(starts), network):
            leave_if(should_stop)
            positions = starts + np.arange(rows.start, rows.stop)[:, None]  # (time, blocks)
            more, state = _read(network, text, positions, positions < count, state, device)
            found += more
    return found


def sequences_loss(
    network: CharacterNetwork,
    inputs: Sequence[Array],
    targets: Sequence[Array],
    device: torch.device,
    should_stop: Stop,
    shard: Shard = WHOLE,
) -> tuple[LossCount, Tally]:
    """Nats over all targets of separate sequences (length,), and how often the best symbol is the right one."""
    lengths = np.array([len(sequence) for sequence in inputs], np.int64)
    order = np.argsort(-lengths, kind="stable")[: int((lengths > 0).sum())]
    order = order[shard.balanced(len(order))]
    found, right, start = LossCount(), Tally(), 0
    while start < len(order):
        numbers = order[start : start + max(1, _SYMBOLS // int(lengths[order[start]]))]
        start += len(numbers)
        state = network.encoder.initial_state(len(numbers))
        for rows in _ranges(0, int(lengths[numbers[0]]), len(numbers), network):
            leave_if(should_stop)
            given, wanted = (
                _padded([side[number] for number in numbers], rows, filler)
                for side, filler in ((inputs, 0), (targets, -1))
            )
            logits, state = network(torch.from_numpy(given).to(device), state)
            goals = torch.from_numpy(wanted).to(device)
            scored = int((wanted >= 0).sum())
            found += LossCount(summed_cross_entropy(logits, goals).item(), scored)
            right += Tally(int((logits.argmax(2) == goals).sum()), scored)
    return found, right


def _read(
    network: CharacterNetwork,
    text: Array,
    positions: Array,
    scored: Array,
    state: State,
    device: torch.device,
) -> tuple[LossCount, State]:
    """Read the symbols at positions (time, streams) and score those after them where `scored` says so."""
    last = len(text) - 2
    inputs = text[np.clip(positions, 0, last)].astype(np.int64)
    targets = np.where(scored, text[np.clip(positions + 1, 0, last + 1)].astype(np.int64), -1)
    logits, state = network(torch.from_numpy(inputs).to(device), state)
    if not scored.any():
        return LossCount(), state
    return LossCount(
        summed_cross_entropy(logits, torch.from_numpy(targets).to(device)).item(), int(scored.sum())
    ), state


def _restarted(state: State, fresh: State) -> State:
    """The state with its first stream started anew: what it was warmed on lies before the text."""
    return tuple(
        tuple(torch.cat([start[:1], part[1:]]) for part, start in zip(parts, starts, strict=True))
        for parts, starts in zip(state, fresh, strict=True)
    )


def _ranges(start: int, stop: int, width: int, network: CharacterNetwork) -> list[range]:
    """Stretches of time that are read in one go by `width` sequences."""
    rows = max(1, min(_SYMBOLS, _SCORES // network.symbols) // width)
    return [range(first, min(first + rows, stop)) for first in range(start, stop, rows)]


def _padded(sequences: Sequence[Array], rows: range, filler: int) -> Array:
    """Some steps of sequences side by side: (time, sequences)."""
    found = np.full((len(rows), len(sequences)), filler, np.int64)
    for column, sequence in enumerate(sequences):
        part = sequence[rows.start : rows.stop]
        found[: len(part), column] = part
    return found
