"""N-gram models of symbols: the baseline that a recurrent model has to beat, and how much of a text another one already had.

Interpolated with Witten-Bell weights (Witten and Bell 1991; Chen and Goodman 1998, section 2.4): a context that went on in
many different ways trusts the shorter context more.
"""

from __future__ import annotations

import numpy as np

from seqtool.types import Array


class NgramModel:
    """Counts of all n-grams up to an order.

    Args:
        ids: symbol numbers of the training text, (length,).
        symbols: how many symbols there are.
        order: symbols in the longest n-gram.

    Raises:
        ValueError: so many symbols that an n-gram's number does not fit in 64 bits.
    """

    def __init__(self, ids: Array, symbols: int, order: int) -> None:
        if symbols**order >= 2**63:
            raise ValueError(f"n-grams of {order} over {symbols} symbols have no number of 64 bits")
        self.symbols = symbols
        self.order = order
        self._counts: list[tuple[Array, Array]] = []  # of n-grams: sorted codes, counts
        self._contexts: list[
            tuple[Array, Array, Array]
        ] = []  # sorted codes, how often gone on from, in how many ways
        for size in range(1, order + 1):
            codes, counts = np.unique(_codes(ids, size, symbols), return_counts=True)
            contexts, starts = np.unique(codes // symbols, return_index=True)
            self._counts.append((codes, counts))
            self._contexts.append((contexts, np.add.reduceat(counts, starts), np.diff([*starts, len(codes)])))

    def losses(self, ids: Array) -> Array:
        """Nats of each symbol but the first, predicted from up to order - 1 symbols before it: (length - 1,)."""
        probabilities = np.full(len(ids), 1.0 / self.symbols)
        for size in range(1, self.order + 1):
            codes = _codes(ids, size, self.symbols)
            pluralize = _look_up(codes, *self._counts[size - 1])
            contexts, totals, kinds = self._contexts[size - 1]
            places = codes // self.symbols
            total, ways = _look_up(places, contexts, totals), _look_up(places, contexts, kinds)
            shorter = probabilities[size - 1 :]
            mixed = (pluralize + ways * shorter) / np.maximum(total + ways, 1)
            probabilities[size - 1 :] = np.where(total > 0, mixed, shorter)
        found: Array = -np.log(probabilities[1:])
        return found


def _codes(ids: Array, size: int, symbols: int) -> Array:
    """The number of the n-gram that ends at each place from the first whole one on."""
    codes = np.zeros(max(0, len(ids) - size + 1), np.int64)
    for offset in range(size):
        codes = codes * symbols + ids[offset : offset + len(codes)]
    return codes


def _look_up(codes: Array, known: Array, values: Array) -> Array:
    """The value of each code, 0 where it is not known."""
    if not len(known):
        return np.zeros(len(codes))
    places = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    found: Array = np.where(known[places] == codes, values[places], 0).astype(np.float64)
    return found


def longest_copy(sample: str, text: str) -> str:
    """The longest stretch of a sample that stands in a text word for word."""
    start = length = best_start = best = 0
    while start + length < len(sample):
        if sample[start : start + length + 1] in text:
            length += 1
            if length > best:
                best_start, best = start, length
        else:
            start += 1
            length = max(0, length - 1)
    return sample[best_start : best_start + best]


def share_seen(sample: str, text: str, size: int) -> float | None:
    """The share of a sample's n-grams that stand in a text; None where it has none."""
    grams = [sample[start : start + size] for start in range(len(sample) - size + 1)]
    if not grams:
        return None
    return sum(gram in text for gram in grams) / len(grams)
