"""How a long text is read by a character model: in one pass, as warmed streams side by side, or in blocks.

`carried`: the text in contiguous streams that run side by side, each warmed on the symbols before it, which are not scored;
equal to one single pass within 1e-3 nats per symbol. `blocks N`: tiles of N symbols, each from the initial state.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seqtool.decoding import log_softmax
from seqtool.inference.encoder import State
from seqtool.inference.packed_sequences import Packing
from seqtool.types import Array

if TYPE_CHECKING:
    from seqtool.inference.character import CharacterModel

Parts = Iterator[tuple[Array, Array]]

ONE_PASS = 10_000  # symbols that are read in one single pass where nothing else is said
STREAMS = 32
WARM_UP = 256  # symbols that a stream reads before its first scored one
_BLOCKS = 128  # tiles that are read at a time
_SCORES = 1 << 21  # scores that are held at a time


@dataclass(frozen=True)
class TextScores:
    """What a text cost the model.

    Attributes:
        symbols: those that were predicted.
        losses: nats of each: (symbols,), float64.
        bytes: of these symbols in UTF-8.
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
        """The number of symbols."""
        return len(self.losses)

    @property
    def mean(self) -> float | None:
        """Nats per symbol; None where nothing was scored."""
        return self.total / self.count if self.count else None

    @property
    def bits(self) -> float | None:
        """Bits per symbol."""
        return None if self.mean is None else self.mean / math.log(2)

    @property
    def bits_per_byte(self) -> float | None:
        """Bits per byte of the text in UTF-8, which compares between models of characters and of bytes."""
        return self.total / math.log(2) / self.bytes if self.bytes else None

    @property
    def perplexity(self) -> float | None:
        """How many equally likely symbols would be as hard to predict."""
        return None if self.mean is None else math.exp(min(self.mean, 700))


def carried_losses(model: CharacterModel, ids: Array, streams: int | None = None) -> Array:
    """Nats of each symbol but the first, with carried state.

    Args:
        ids: symbol numbers (length,).
        streams: how many; 1: a single pass; None: as many as the length is good for, up to 32.

    Returns:
        (length - 1,), float64.
    """
    return _gathered(len(ids) - 1, carried_parts(model, ids, streams))


def carried_parts(model: CharacterModel, ids: Array, streams: int | None = None) -> Parts:
    """The same part by part, for a text of any length: places of the symbols before those scored, and their nats."""
    count = max(0, len(ids) - 1)
    for positions, found, inside in _read(model, ids[:count], streams or stream_count(count), {"logits"}):
        places = positions[inside]
        yield places, -_chosen(found["logits"][inside], ids[places + 1])


def _gathered(count: int, parts: Parts) -> Array:
    losses = np.zeros(max(0, count))
    for places, found in parts:
        losses[places] = found
    return losses


def block_losses(model: CharacterModel, ids: Array, block: int) -> Array:
    """Nats of each symbol but the first, with the text cut into blocks that each start from the initial state.

    Args:
        ids: symbol numbers (length,).
        block: symbols in a block; symbol number k of the result has been predicted from `k % block + 1` symbols.

    Returns:
        (length - 1,), float64.
    """
    return _gathered(len(ids) - 1, block_parts(model, ids, block))


def block_parts(model: CharacterModel, ids: Array, block: int) -> Parts:
    """The same part by part; see `carried_parts`."""
    count = max(0, len(ids) - 1)
    width = max(1, min(_BLOCKS, _SCORES // (block * len(model.vocabulary))))
    for start in range(0, count, width * block):
        blocks = -(-min(width * block, count - start) // block)
        positions = start + np.arange(block)[:, None] + np.arange(blocks) * block  # (time, blocks)
        inside = positions < count
        state = model.initial_state(blocks)
        for rows in _ranges(block, blocks * len(model.vocabulary)):
            logits, state = model.forward(
                np.asarray(ids[np.minimum(positions[rows], count - 1)], np.int64), state
            )
            places = positions[rows][inside[rows]]
            yield places, -_chosen(logits[inside[rows]], ids[places + 1])


def sequence_losses(model: CharacterModel, sequences: Sequence[Array]) -> list[Array]:
    """Nats of each symbol but the first of sequences (length,) that each start from the initial state; those of like length together."""
    lengths = np.array([len(sequence) - 1 for sequence in sequences], np.int64)
    order = np.argsort(-lengths, kind="stable")[: int((lengths > 0).sum())]
    losses = [np.zeros(0)] * len(sequences)
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        numbers = order[start : start + max(1, _SCORES // (longest * len(model.vocabulary)))]
        start += len(numbers)
        packing = Packing.of(lengths[numbers])
        starts = np.cumsum(packing.lengths + 1) - packing.lengths - 1
        text, places = np.concatenate([sequences[number] for number in numbers]), packing.flat(starts)
        found = np.empty(len(text))
        found[places] = -_chosen(model.packed(text[places], packing), text[places + 1])
        for number, first in zip(numbers.tolist(), starts.tolist(), strict=True):
            losses[number] = found[first : first + int(lengths[number])]
    return losses


def carried_forward(model: CharacterModel, ids: Array, wanted: Collection[str] | None) -> dict[str, Array]:
    """States and scores after each symbol, with carried state: (length, …) by name, see `CharacterModel.states`."""
    arrays: dict[str, Array] = {}
    for positions, found in carried_pieces(model, ids, wanted):
        for name, values in found.items():
            if name not in arrays:
                arrays[name] = np.empty((len(ids), values.shape[1]), np.float32)
            arrays[name][positions] = values
    return arrays


def carried_pieces(
    model: CharacterModel, ids: Array, wanted: Collection[str] | None
) -> Iterator[tuple[Array, dict[str, Array]]]:
    """As `carried_forward`, a part of the text at a time: positions (count,) and arrays (count, …) by name."""
    for positions, found, inside in _read(
        model, ids, 1 if len(ids) <= ONE_PASS else stream_count(len(ids)), wanted
    ):
        yield positions[inside], {name: values[inside] for name, values in found.items()}


def stream_count(length: int) -> int:
    """How many streams a text is cut into, so that warming them up does not cost more than a quarter."""
    return max(1, min(STREAMS, length // (4 * WARM_UP)))


def _read(
    model: CharacterModel, ids: Array, streams: int, wanted: Collection[str] | None
) -> Iterator[tuple[Array, dict[str, Array], Array]]:
    """Read a text as streams side by side.

    Returns:
        Range by range: the positions of its symbols (time, streams), what was found there (time, streams, …), and which of
        them count (the others lie beyond the end).
    """
    if not len(ids):
        return
    length = -(-len(ids) // streams)
    ahead = np.arange(streams) * length
    state = model.initial_state(streams)
    if streams > 1:
        # The first stream has nothing before it: it reads anything, and starts anew.
        _, warmed = model.forward(_at(ids, np.arange(-WARM_UP, 0)[:, None] + ahead), state)
        state = _first_anew(warmed, state)
    watched = model.settings.hidden_size * (7 * model.settings.num_layers if wanted is None else len(wanted))
    for rows in _ranges(length, streams * max(len(model.vocabulary), watched)):
        positions = np.arange(rows.start, rows.stop)[:, None] + ahead
        found, state = model.watched(_at(ids, positions), state, wanted)
        yield positions, found, positions < len(ids)


def _at(ids: Array, positions: Array) -> Array:
    return np.asarray(ids[np.clip(positions, 0, len(ids) - 1)], np.int64)


def _first_anew(warmed: State, fresh: State) -> State:
    return tuple(
        tuple(
            np.concatenate([start[:, :1], part[:, 1:]], axis=1)
            for part, start in zip(parts, starts, strict=True)
        )
        for parts, starts in zip(warmed, fresh, strict=True)
    )


def _ranges(length: int, row: int) -> Iterator[slice]:
    """Cut `length` rows of `row` scores into ranges that fit in memory."""
    rows = max(1, _SCORES // row)
    return (slice(start, min(start + rows, length)) for start in range(0, length, rows))


def _chosen(logits: Array, targets: Array) -> Array:
    """Log probability of each row's target."""
    found: Array = log_softmax(logits)[np.arange(len(targets)), np.asarray(targets, np.int64)]
    return found
