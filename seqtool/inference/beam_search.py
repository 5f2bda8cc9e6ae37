"""Beam search: the most probable continuations of a text, as far as a limited number of candidates shows.

Each step extends every candidate by every symbol and keeps the most probable extensions. An extension that
completes the stop text is finished. It leaves the beam and competes with other finished ones by its score,
the log probability divided by a power of the length (length normalization, Wu et al. 2016).
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seqtool.data.vocabulary import SymbolVocabulary
from seqtool.decoding import log_softmax
from seqtool.errors import ConfigError
from seqtool.inference.encoder import State
from seqtool.inference.sampling import TextStream
from seqtool.inference.text_network import TextNetwork
from seqtool.types import Array


class Continuation(NamedTuple):
    """A continuation that a beam search has found.

    Attributes:
        text: without the stop text.
        log_probability: of all symbols, those of the stop text included, in nats.
        score: log probability, normalized by length.
        symbols: number of symbols, those of the stop text included.
    """

    text: str
    log_probability: float
    score: float
    symbols: int


@dataclass(frozen=True)
class Search:
    """Options of a beam search.

    Attributes:
        width: candidates that are kept at each step.
        length: largest number of symbols.
        length_norm: exponent of the length by which log probabilities are divided.

    Raises:
        ConfigError: a value out of its range.
    """

    width: int
    length: int
    length_norm: float = 1.0

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ConfigError(f"expected a beam of 1 or more, found {self.width}", place="beam")
        if not 0 <= self.length_norm < float("inf"):
            message = f"expected an exponent of 0 or more, found {self.length_norm}"
            raise ConfigError(message, place="length-norm")

    def score(self, log_probability: float, symbols: int) -> float:
        """Return a log probability, normalized by the number of symbols."""
        return log_probability / float(max(1, symbols) ** self.length_norm)


class _Finished(NamedTuple):
    """A finished candidate; the order of these tuples is best first, then earliest."""

    negative_score: float
    order: int
    numbers: tuple[int, ...]
    log_probability: float


def beam_search(
    network: TextNetwork, vocabulary: SymbolVocabulary, prompt: Array, stop: str, search: Search
) -> list[Continuation]:
    """Return the best continuations, the best first.

    Args:
        network: a network that continues texts.
        vocabulary: its symbols.
        prompt: numbers of the symbols to read first, at least one.
        stop: symbols that end a continuation; empty: none do.
        search: the options.
    """
    beam = _Beam(network, vocabulary, prompt, stop, search)
    while beam.numbers and beam.steps < search.length and not beam.is_decided():
        beam.step()
    return [_continuation(vocabulary, candidate, stop) for candidate in beam.results()]


class _Beam:
    """Candidates of equal length, and the finished ones.

    Attributes:
        numbers: symbol numbers of each candidate.
        steps: number of symbols of each candidate.
    """

    def __init__(
        self, network: TextNetwork, vocabulary: SymbolVocabulary, prompt: Array, stop: str, search: Search
    ) -> None:
        self._network = network
        self._texts = vocabulary.texts
        self._unknown = vocabulary.unknown
        self._stop = stop
        self._search = search
        self._state: State = tuple(stepper.whole for stepper in network.steppers_after(prompt[:-1]))
        self._last = prompt[-1:].astype(np.int64)
        # Only symbols that contain the last character of the stop text can complete it.
        self._ends = [number for number, symbol in enumerate(self._texts) if stop and stop[-1] in symbol]
        self.numbers: list[tuple[int, ...]] = [()]
        self.steps = 0
        self._tails = [""]  # end of each candidate that may be the beginning of the stop text
        self._totals = np.zeros(1)
        self._finished: list[_Finished] = []
        self._order = 0

    def step(self) -> None:
        """Extend the candidates by one symbol."""
        logits, state = self._network.step(self._last, self._state)
        log_probabilities = log_softmax(logits).astype(np.float64)
        if self._unknown is not None:
            log_probabilities[:, self._unknown] = -np.inf
        totals = self._totals[:, None] + log_probabilities
        self.steps += 1
        for row, tail in enumerate(self._tails):
            for number in self._ends:
                if self._stop in tail + self._texts[number]:
                    self._finish((*self.numbers[row], number), float(totals[row, number]))
                    totals[row, number] = -np.inf
        self._keep(*_best(totals, self._search.width), state)

    def _keep(self, rows: Array, symbols: Array, totals: Array, state: State) -> None:
        """Replace the candidates by extensions: the row of each candidate, and its new symbol."""
        pairs = list(zip(rows.tolist(), symbols.tolist(), strict=True))
        kept = max(0, len(self._stop) - 1)
        tails = [self._tails[row] + self._texts[number] for row, number in pairs]
        self._tails = [tail[len(tail) - min(kept, len(tail)) :] for tail in tails]
        self.numbers = [(*self.numbers[row], number) for row, number in pairs]
        self._totals, self._last = totals, symbols
        self._state = tuple(tuple(part[:, rows] for part in parts) for parts in state)

    def _finish(self, numbers: tuple[int, ...], log_probability: float) -> None:
        if np.isfinite(log_probability):
            score = self._search.score(log_probability, len(numbers))
            insort(self._finished, _Finished(-score, self._order, numbers, log_probability))
            self._order += 1
            del self._finished[self._search.width :]

    def is_decided(self) -> bool:
        """Return whether no candidate can still become better than the finished ones.

        More symbols make no log probability larger. The largest length then gives the largest score.
        """
        if len(self._finished) < self._search.width:
            return False
        possible = self._search.score(float(self._totals.max()), self._search.length)
        return possible <= -self._finished[-1].negative_score

    def results(self) -> list[_Finished]:
        """Return the best candidates, finished or of the largest length, the best first."""
        if not self.is_decided():
            for numbers, total in zip(self.numbers, self._totals.tolist(), strict=True):
                self._finish(numbers, total)
        return self._finished


def _best(totals: Array, count: int) -> tuple[Array, Array, Array]:
    """Return rows, columns and values of the largest finite totals (rows, columns), the largest first."""
    flat = totals.ravel()
    count = min(count, int(np.isfinite(flat).sum()))
    chosen = np.argpartition(-flat, count - 1)[:count] if 0 < count < len(flat) else np.argsort(-flat)[:count]
    chosen = np.sort(chosen)
    chosen = chosen[np.argsort(-flat[chosen], kind="stable")]
    rows, columns = np.divmod(chosen, totals.shape[1])
    return rows, columns, flat[chosen]


def _continuation(vocabulary: SymbolVocabulary, candidate: _Finished, stop: str) -> Continuation:
    stream = TextStream(vocabulary.unit, stop)
    texts = map(vocabulary.texts.__getitem__, candidate.numbers)
    text = "".join([*map(stream.add, texts), stream.end()])
    return Continuation(text, candidate.log_probability, -candidate.negative_score, len(candidate.numbers))
