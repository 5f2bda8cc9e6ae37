"""Comparison of a text model with its training text: n-gram baselines, and novelty of generated text.

Novelty is the share of a sample that also occurs in the training text. Running text is compared by its
longest copied passage and by its n-grams, separate lines are compared as wholes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from seqtool.data.vocabulary import valid_text
from seqtool.inference.character import CharacterModel
from seqtool.types import Array, Json

NGRAM_ORDERS = (1, 2, 3, 4, 5, 6)  # of the baseline
NGRAM_SIZES = (5, 10, 20)  # that are searched in the training text
SAMPLED_SYMBOLS = 1000
SAMPLED_WORDS = 200
SAMPLED_LINES = 200
LONGEST_LINE = 200  # symbols

# --- n-gram models ------------------------------------------------------------------------------------------


class NgramModel:
    """Counts of all n-grams up to an order, with interpolated probabilities.

    The weights are those of Witten and Bell (1991), as in Chen and Goodman (1998), section 2.4: the more
    different symbols have followed a context, the larger is the weight of the shorter context.

    Args:
        ids: symbol numbers of the training text, (length,).
        symbols: number of symbols in the vocabulary.
        order: number of symbols in the longest n-gram.

    Raises:
        ValueError: the vocabulary is so large that an n-gram has no code of 64 bits.
    """

    def __init__(self, ids: Array, symbols: int, order: int) -> None:
        if symbols**order >= 2**63:
            raise ValueError(f"n-grams of {order} over {symbols} symbols do not fit in codes of 64 bits")
        self.symbols = symbols
        self.order = order
        self._ngrams: list[tuple[Array, Array]] = []  # by size: sorted codes, counts
        # By size: sorted codes of contexts, counts of symbols that followed, counts of different ones.
        self._contexts: list[tuple[Array, Array, Array]] = []
        for size in range(1, order + 1):
            codes, counts = np.unique(_codes(ids, size, symbols), return_counts=True)
            contexts, starts = np.unique(codes // symbols, return_index=True)
            self._ngrams.append((codes, counts))
            self._contexts.append((contexts, np.add.reduceat(counts, starts), np.diff([*starts, len(codes)])))

    def losses(self, ids: Array) -> Array:
        """Return nats of each symbol but the first, given at most order - 1 symbols: (length - 1,)."""
        probabilities = np.full(len(ids), 1.0 / self.symbols)
        for size in range(1, self.order + 1):
            codes = _codes(ids, size, self.symbols)
            counts = _look_up(codes, *self._ngrams[size - 1])
            contexts, totals, kinds = self._contexts[size - 1]
            context_codes = codes // self.symbols
            total, different = (_look_up(context_codes, contexts, values) for values in (totals, kinds))
            shorter = probabilities[size - 1 :]
            mixed = (counts + different * shorter) / np.maximum(total + different, 1)
            probabilities[size - 1 :] = np.where(total > 0, mixed, shorter)
        losses: Array = -np.log(probabilities[1:])
        return losses


def _codes(ids: Array, size: int, symbols: int) -> Array:
    """Return the codes of all n-grams of a size, in the order of the text: (length - size + 1,)."""
    codes = np.zeros(max(0, len(ids) - size + 1), np.int64)
    for offset in range(size):
        codes = codes * symbols + ids[offset : offset + len(codes)]
    return codes


def _look_up(codes: Array, known: Array, values: Array) -> Array:
    """Return the value of each code; 0 for an unknown code."""
    if not len(known):
        return np.zeros(len(codes))
    indices = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    result: Array = np.where(known[indices] == codes, values[indices], 0).astype(np.float64)
    return result


def ngram_losses(ids: Array, train: Array, symbols: int) -> dict[int, float]:
    """Return the mean nats of a text by the n-gram models of a training text, by order.

    Orders whose n-grams do not fit in codes of 64 bits are left out.
    """
    if len(ids) <= 1:
        return {}
    orders = [order for order in NGRAM_ORDERS if symbols**order < 2**63]
    return {order: float(NgramModel(train, symbols, order).losses(ids).mean()) for order in orders}


# --- novelty of a sample ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Novelty:
    """Comparison of a sample with the training text, in characters.

    Attributes:
        symbols: length of the sample.
        longest_copy: its longest passage that also occurs in the training text; empty for a model of lines.
        seen_ngrams: the share of its n-grams that also occur there, by size; None for a sample shorter than
            an n-gram.
        new_lines, seen_lines: for a model of lines: lines that are not in the training text, and lines that
            are.
    """

    symbols: int
    longest_copy: str = ""
    seen_ngrams: dict[int, float | None] | None = None
    new_lines: tuple[str, ...] = ()
    seen_lines: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """Return all fields; sizes of n-grams become strings."""
        ngrams = self.seen_ngrams
        shares = None if ngrams is None else {str(size): share for size, share in ngrams.items()}
        return asdict(self) | {
            "longest_copy": valid_text(self.longest_copy),
            "new_lines": tuple(map(valid_text, self.new_lines)),
            "seen_lines": tuple(map(valid_text, self.seen_lines)),
            "longest_copy_symbols": len(self.longest_copy),
            "seen_ngrams": shares,
        }


def novelty(model: CharacterModel, train_text: str) -> Novelty:
    """Draw a sample at temperature 1 and compare it with the training text."""
    if model.boundary:
        return novelty_of_lines(sample_lines(model), train_text)
    length = SAMPLED_WORDS if model.vocabulary.unit == "word" else SAMPLED_SYMBOLS
    return novelty_of_text("".join(model.sample("", length, seed=0)), train_text)


def sample_lines(model: CharacterModel) -> list[str]:
    """Draw lines, each with its own seed."""
    return ["".join(model.sample("", LONGEST_LINE, seed=seed)).strip("\n") for seed in range(SAMPLED_LINES)]


def novelty_of_lines(lines: list[str], train_text: str) -> Novelty:
    """Separate the lines that are new from those of the training text."""
    known = set(train_text.splitlines())
    new = tuple(line for line in lines if line not in known)
    seen = tuple(line for line in lines if line in known)
    return Novelty(sum(map(len, lines)), new_lines=new, seen_lines=seen)


def novelty_of_text(sample: str, train_text: str) -> Novelty:
    """Compare a sample of running text with the training text."""
    seen_ngrams = {size: seen_share(sample, train_text, size) for size in NGRAM_SIZES}
    return Novelty(len(sample), longest_copy(sample, train_text), seen_ngrams)


def longest_copy(sample: str, text: str) -> str:
    """Return the longest passage of a sample that also occurs in a text."""
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


def seen_share(sample: str, text: str, size: int) -> float | None:
    """Return the share of a sample's n-grams that also occur in a text; None for a sample without n-grams."""
    ngrams = [sample[start : start + size] for start in range(len(sample) - size + 1)]
    if not ngrams:
        return None
    return sum(ngram in text for ngram in ngrams) / len(ngrams)
