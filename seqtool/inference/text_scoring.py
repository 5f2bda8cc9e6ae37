"""Losses and states of symbols in texts of any length.

State can be carried in two ways. `carried`: the text is cut into contiguous streams that are read side by
side. Each stream first reads the symbols before it, which are not scored. The result equals a single pass
within 1e-3 nats per symbol. `blocks`: the text is cut into blocks of N symbols, and each block starts from
the initial state.

Results of long texts are yielded in parts, so that memory does not grow with the length of the text.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seqtool.decoding import log_softmax
from seqtool.inference.encoder import Packing, State
from seqtool.inference.text_network import SINGLE_PASS, TextNetwork
from seqtool.types import Array

LossParts = Iterator[
    tuple[Array, Array]
]  # positions (count,) of symbols, and the nats (count,) of the next ones

STREAMS = 32
WARM_UP = 256  # symbols that a stream reads before the first one that is scored
_BLOCKS = 128  # blocks that are read together
_SCORES = 1 << 21  # scores that are held in memory at once


@dataclass(frozen=True)
class TextScores:
    """Losses of the symbols of a text.

    Attributes:
        symbols: the symbols that were predicted.
        losses: nats of each symbol: (symbols,), float64.
        bytes: size of these symbols in UTF-8.
    """

    symbols: tuple[str, ...]
    losses: Array
    bytes: int

    @property
    def total(self) -> float:
        """Nats of all symbols."""
        return float(self.losses.sum())

    @property
    def count(self) -> int:
        """Number of symbols."""
        return len(self.losses)

    @property
    def mean(self) -> float | None:
        """Nats per symbol; None without symbols."""
        return self.total / self.count if self.count else None

    @property
    def bits(self) -> float | None:
        """Bits per symbol."""
        return None if self.mean is None else self.mean / math.log(2)

    @property
    def bits_per_byte(self) -> float | None:
        """Bits per byte of the text in UTF-8, comparable between models of characters and of bytes."""
        return self.total / math.log(2) / self.bytes if self.bytes else None

    @property
    def perplexity(self) -> float | None:
        """Number of equally likely symbols that are as hard to predict."""
        return None if self.mean is None else math.exp(min(self.mean, 700))


# --- losses -------------------------------------------------------------------------------------------------


def carried_losses(network: TextNetwork, ids: Array, streams: int | None = None) -> Array:
    """Return the nats of each symbol except the first, with carried state.

    Args:
        ids: symbol numbers (length,).
        streams: number of streams; 1 reads in a single pass; None chooses up to 32 by the length.

    Returns:
        (length - 1,), float64.
    """
    losses = np.zeros(max(0, len(ids) - 1))
    for positions, nats in iter_carried_losses(network, ids, streams):
        losses[positions] = nats
    return losses


def iter_carried_losses(network: TextNetwork, ids: Array, streams: int | None = None) -> LossParts:
    """Yield the losses of `carried_losses` in parts."""
    count = max(0, len(ids) - 1)
    for positions, arrays, inside in _read_streams(
        network, ids[:count], streams or stream_count(count), {"logits"}
    ):
        scored = positions[inside]
        yield scored, -_log_probabilities(arrays["logits"][inside], ids[scored + 1])


def iter_block_losses(network: TextNetwork, ids: Array, block: int) -> LossParts:
    """Yield the nats of each symbol except the first. Each block of the text starts from the initial state.

    Args:
        ids: symbol numbers (length,).
        block: symbols in a block. The symbol after position k is predicted from `k % block + 1` symbols.
    """
    count = max(0, len(ids) - 1)
    width = max(1, min(_BLOCKS, _SCORES // (block * network.symbol_count)))
    for start in range(0, count, width * block):
        blocks = -(-min(width * block, count - start) // block)
        positions = start + np.arange(block)[:, None] + np.arange(blocks) * block  # (time, blocks)
        inside = positions < count
        state = network.initial_state(blocks)
        for rows in _ranges(block, blocks * network.symbol_count):
            symbols = np.asarray(ids[np.minimum(positions[rows], count - 1)], np.int64)
            logits, state = network.forward(symbols, state)
            scored = positions[rows][inside[rows]]
            yield scored, -_log_probabilities(logits[inside[rows]], ids[scored + 1])


def sequence_losses(network: TextNetwork, sequences: Sequence[Array]) -> list[Array]:
    """Return the nats of each symbol except the first of sequences (length,).

    Each sequence starts from the initial state. Sequences of similar length are computed together.
    """
    lengths = np.array([len(sequence) - 1 for sequence in sequences], np.int64)
    order = np.argsort(-lengths, kind="stable")[: int((lengths > 0).sum())]
    losses = [np.zeros(0)] * len(sequences)
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        numbers = order[start : start + max(1, _SCORES // (longest * network.symbol_count))]
        start += len(numbers)
        packing = Packing.of(lengths[numbers])
        starts = np.cumsum(packing.lengths + 1) - packing.lengths - 1
        text, positions = np.concatenate([sequences[number] for number in numbers]), packing.positions(starts)
        nats = np.empty(len(text))
        logits = network.forward_packed(text[positions], packing)
        nats[positions] = -_log_probabilities(logits, text[positions + 1])
        for number, first in zip(numbers.tolist(), starts.tolist(), strict=True):
            losses[number] = nats[first : first + int(lengths[number])]
    return losses


def _log_probabilities(logits: Array, targets: Array) -> Array:
    """Return the log probability of the target of each row."""
    rows = np.arange(len(targets))
    chosen: Array = log_softmax(logits)[rows, np.asarray(targets, np.int64)]
    return chosen


# --- states -------------------------------------------------------------------------------------------------


def carried_states(network: TextNetwork, ids: Array, names: Collection[str] | None) -> dict[str, Array]:
    """Return states, gates and `logits` after each symbol, (length, …) by name, with carried state.

    Args:
        ids: symbol numbers (length,).
        names: names to return; None returns all.
    """
    arrays: dict[str, Array] = {}
    for positions, part in iter_carried_states(network, ids, names):
        for name, values in part.items():
            if name not in arrays:
                arrays[name] = np.empty((len(ids), values.shape[1]), np.float32)
            arrays[name][positions] = values
    return arrays


def iter_carried_states(
    network: TextNetwork, ids: Array, names: Collection[str] | None
) -> Iterator[tuple[Array, dict[str, Array]]]:
    """Yield the arrays of `carried_states` in parts: positions (count,) and arrays (count, …) by name."""
    streams = 1 if len(ids) <= SINGLE_PASS else stream_count(len(ids))
    for positions, arrays, inside in _read_streams(network, ids, streams, names):
        yield positions[inside], {name: values[inside] for name, values in arrays.items()}


# --- streams ------------------------------------------------------------------------------------------------


def stream_count(length: int) -> int:
    """Return the number of streams for a text. Warming them up adds at most a quarter to its length."""
    return max(1, min(STREAMS, length // (4 * WARM_UP)))


def _read_streams(
    network: TextNetwork, ids: Array, streams: int, names: Collection[str] | None
) -> Iterator[tuple[Array, dict[str, Array], Array]]:
    """Read a text as streams side by side.

    Yields:
        The positions of a range of symbols (time, streams), their arrays (time, streams, …), and a mask
        (time, streams) that is False for positions after the end of the text.
    """
    if not len(ids):
        return
    length = -(-len(ids) // streams)
    starts = np.arange(streams) * length
    state = network.initial_state(streams)
    if streams > 1:
        # No symbols precede the first stream. It reads arbitrary ones and then starts from the initial state.
        _, warm = network.forward(_symbols_at(ids, np.arange(-WARM_UP, 0)[:, None] + starts), state)
        state = _reset_first(warm, state)
    settings = network.settings
    recorded = settings.hidden_size * (7 * settings.num_layers if names is None else len(names))
    for rows in _ranges(length, streams * max(network.symbol_count, recorded)):
        positions = np.arange(rows.start, rows.stop)[:, None] + starts
        arrays, state = network.forward_recorded(_symbols_at(ids, positions), state, names)
        yield positions, arrays, positions < len(ids)


def _symbols_at(ids: Array, positions: Array) -> Array:
    return np.asarray(ids[np.clip(positions, 0, len(ids) - 1)], np.int64)


def _reset_first(warm: State, initial: State) -> State:
    """Replace the state of the first stream by its initial state."""
    return tuple(
        tuple(
            np.concatenate([start[:, :1], part[:, 1:]], axis=1)
            for part, start in zip(parts, starts, strict=True)
        )
        for parts, starts in zip(warm, initial, strict=True)
    )


def _ranges(length: int, row: int) -> Iterator[slice]:
    """Cut `length` rows of `row` scores into ranges that fit in memory."""
    rows = max(1, _SCORES // row)
    return (slice(start, min(start + rows, length)) for start in range(0, length, rows))
