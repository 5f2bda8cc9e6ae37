"""Losses and states of symbols in texts of any length.

There are two protocols. `carried`: the text is cut into contiguous streams that are read in parallel. Each
stream first reads the symbols before it, which are not scored (warm-up). The result equals that of a single
pass within 1e-3 nats per symbol. `blocks`: the text is cut into blocks of N symbols, and each block starts
from the initial state.

Results of long texts are yielded in parts, so that memory does not grow with the length of the text.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seqtool.inference.encoder import Packing, State
from seqtool.inference.text_network import SINGLE_PASS, TextNetwork
from seqtool.progress import tell_progress
from seqtool.types import Array

# Positions of symbols (count,), and the losses of the symbols after them in nats (count,).
LossParts = Iterator[tuple[Array, Array]]

Protocol = Literal["one pass", "carried", "lines"]

STREAMS = 32
WARM_UP = 256  # symbols that a stream reads before its first scored symbol
PARALLEL_FROM = STREAMS * WARM_UP  # symbols of a text from which on it is scored in parallel streams
_BLOCKS = 128  # blocks that are read in parallel
_SCORES = 1 << 21  # largest number of scores in memory


@dataclass(frozen=True)
class TextScores:
    """Losses of the symbols of a text.

    Attributes:
        symbols: the predicted symbols.
        losses: loss of each symbol in nats (symbols,), float64.
        bytes: number of bytes of these symbols in UTF-8; 0 if words of the text are unknown.
        units: number of characters, bytes or words. A spelled word is one of them.
        characters: number of characters (of a model of bytes: bytes); 0 if words of the text are unknown.
        protocol: `one pass` over the text; `carried`: parallel streams; or `lines`, each by itself.
    """

    symbols: tuple[str, ...]
    losses: Array
    bytes: int
    units: int
    characters: int
    protocol: Protocol = "one pass"

    @property
    def total(self) -> float:
        """Sum of the losses in nats."""
        return float(self.losses.sum())

    @property
    def count(self) -> int:
        """Number of symbols."""
        return len(self.losses)

    @property
    def mean(self) -> float | None:
        """Mean loss in nats per character, byte or word; None without any."""
        return self.total / self.units if self.units else None

    @property
    def nats_per_character(self) -> float | None:
        """Mean loss in nats per character; None without characters."""
        return self.total / self.characters if self.characters else None

    @property
    def bits(self) -> float | None:
        """Mean loss in bits per character; None without characters."""
        return None if self.nats_per_character is None else self.nats_per_character / math.log(2)

    @property
    def bits_per_byte(self) -> float | None:
        """Bits per byte of UTF-8, for comparing models of characters and of bytes; None without bytes."""
        return self.total / self.bytes / math.log(2) if self.bytes else None

    @property
    def perplexity(self) -> float | None:
        """Perplexity per character, byte or word: the exponential of the mean loss; None without any."""
        return None if self.mean is None else math.exp(min(self.mean, 700))


def joined_scores(lines: Sequence[TextScores]) -> TextScores:
    """Return the scores of all lines together."""
    sizes = [(line.bytes, line.characters) for line in lines]
    size, characters = (sum(values) if all(values) else 0 for values in zip(*sizes, strict=True))
    return TextScores(
        tuple(symbol for line in lines for symbol in line.symbols),
        np.concatenate([line.losses for line in lines]),
        size,
        sum(line.units for line in lines),
        characters,
        "lines",
    )


# --- losses -------------------------------------------------------------------------------------------------


def carried_losses(network: TextNetwork, ids: Array, streams: int | None = None) -> Array:
    """Return the loss in nats of each symbol except the first, with carried state.

    Args:
        ids: symbol numbers (length,).
        streams: number of streams; 1 reads the text in a single pass; None chooses 1 to 32 by the length.

    Returns:
        losses (length - 1,), float64.
    """
    losses = np.zeros(max(0, len(ids) - 1))
    for positions, nats in iter_carried_losses(network, ids, streams):
        losses[positions] = nats
    return losses


def iter_carried_losses(network: TextNetwork, ids: Array, streams: int | None = None) -> LossParts:
    """Yield the losses of `carried_losses` in parts."""
    count = max(0, len(ids) - 1)
    if not count:
        return
    done = 0
    starts, length, state = _warm_streams(network, ids[:count], streams or stream_count(count))
    for rows in _ranges(length, len(starts) * _loss_width(network)):
        positions = np.arange(rows.start, rows.stop)[:, None] + starts
        targets = _symbols_at(ids, positions + 1)
        losses, state = network.losses(_symbols_at(ids[:count], positions), targets, state)
        inside = positions < count
        done += int(inside.sum())
        tell_progress("reading the text once", done, count)
        yield positions[inside], losses[inside]


def iter_block_losses(network: TextNetwork, ids: Array, block: int) -> LossParts:
    """Yield the loss in nats of each symbol except the first. Each block starts from the initial state.

    Args:
        ids: symbol numbers (length,).
        block: number of symbols in a block. The symbol after position k is predicted from `k % block + 1`
            symbols.
    """
    count = max(0, len(ids) - 1)
    width = max(1, min(_BLOCKS, _SCORES // (block * _loss_width(network))))
    for start in range(0, count, width * block):
        blocks = -(-min(width * block, count - start) // block)
        positions = start + np.arange(block)[:, None] + np.arange(blocks) * block  # (time, blocks)
        inside = positions < count
        state = network.initial_state(blocks)
        for rows in _ranges(block, blocks * _loss_width(network)):
            places = np.minimum(positions[rows], count - 1)
            losses, state = network.losses(_symbols_at(ids, places), _symbols_at(ids, places + 1), state)
            tell_progress(f"blocks of {block}", start + rows.start * blocks, count)
            yield positions[rows][inside[rows]], losses[inside[rows]]


def sequence_losses(network: TextNetwork, sequences: Sequence[Array]) -> list[Array]:
    """Return the loss in nats of each symbol except the first, for each sequence.

    Each sequence starts from the initial state. Sequences of similar length are computed together.

    Args:
        sequences: symbol numbers of each sequence (length,).

    Returns:
        losses (length - 1,) of each sequence, float64; empty for a sequence of length 0 or 1.
    """
    lengths = np.array([len(sequence) - 1 for sequence in sequences], np.int64)
    order = np.argsort(-lengths, kind="stable")[: int((lengths > 0).sum())]
    losses = [np.zeros(0)] * len(sequences)
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        numbers = order[start : start + max(1, _SCORES // (longest * _loss_width(network)))]
        start += len(numbers)
        packing = Packing.of(lengths[numbers])
        starts = np.cumsum(packing.lengths + 1) - packing.lengths - 1
        text, positions = np.concatenate([sequences[number] for number in numbers]), packing.positions(starts)
        nats = np.empty(len(text))
        nats[positions] = network.packed_losses(text[positions], text[positions + 1], packing)
        for number, first in zip(numbers.tolist(), starts.tolist(), strict=True):
            losses[number] = nats[first : first + int(lengths[number])]
    return losses


def _loss_width(network: TextNetwork) -> int:
    """Return the numbers in memory for each symbol that is scored."""
    return max(network.settings.hidden_size, min(network.symbol_count, 1 << 10))


# --- states -------------------------------------------------------------------------------------------------


def carried_states(network: TextNetwork, ids: Array, names: Collection[str] | None) -> dict[str, Array]:
    """Return states, gates and `logits` after each symbol (length, …), by name, with carried state.

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
    """Return the number of streams for a text. Their warm-up adds at most a quarter to its length."""
    return max(1, min(STREAMS, length // (4 * WARM_UP)))


def _read_streams(
    network: TextNetwork, ids: Array, streams: int, names: Collection[str] | None
) -> Iterator[tuple[Array, dict[str, Array], Array]]:
    """Read a text as parallel streams.

    Yields:
        The positions of a range of symbols (time, streams), their arrays (time, streams, …), and a mask
        (time, streams) that is False for positions after the end of the text.
    """
    if not len(ids):
        return
    starts, length, state = _warm_streams(network, ids, streams)
    settings = network.settings
    recorded = settings.hidden_size * (7 * settings.num_layers if names is None else len(names))
    for rows in _ranges(length, streams * max(network.symbol_count, recorded)):
        positions = np.arange(rows.start, rows.stop)[:, None] + starts
        arrays, state = network.forward_recorded(_symbols_at(ids, positions), state, names)
        yield positions, arrays, positions < len(ids)


def _warm_streams(network: TextNetwork, ids: Array, streams: int) -> tuple[Array, int, State]:
    """Return the start of each stream (streams,), the length of a stream, and the state at the starts."""
    length = -(-len(ids) // streams)
    starts = np.arange(streams) * length
    state = network.initial_state(streams)
    if streams > 1:
        # No symbols precede the first stream. It warms up on arbitrary symbols, and its state is then reset.
        warm = network.read(_symbols_at(ids, np.arange(-WARM_UP, 0)[:, None] + starts), state)
        state = _reset_first(warm, state)
    return starts, length, state


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
    """Cut `length` rows of `row` scores each into ranges of at most `_SCORES` scores."""
    rows = max(1, _SCORES // row)
    return (slice(start, min(start + rows, length)) for start in range(0, length, rows))
