"""Sampling of the next symbol, and conversion of sampled symbols to text."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seqtool.data.vocabulary import SymbolVocabulary, text_bytes
from seqtool.decoding import log_softmax
from seqtool.errors import ConfigError
from seqtool.inference.text_network import TextNetwork
from seqtool.types import Array

RECENT = 64  # latest symbols that the repetition penalty looks at


class Piece(NamedTuple):
    """A piece of generated text.

    Attributes:
        text: empty while symbols are held back that may begin the stop text or are part of a character.
        log_probability: log probability of the symbol, in nats, under the model itself (temperature 1).
    """

    text: str
    log_probability: float


@dataclass(frozen=True)
class Sampler:
    """Rule for sampling a symbol from scores.

    Attributes:
        temperature: divisor of the scores; 0 always takes the best symbol (greedy).
        top_k: sample only from the k best symbols; None: from all.
        top_p: sample only from the best symbols that together have this probability, at least one (nucleus
            sampling, Holtzman et al. 2020); None: from all.
        min_p: sample only from symbols with at least this share of the probability of the best one (Nguyen et
            al. 2024); None: from all.
        repetition_penalty: divisor of the scores above 0, and factor of the scores below 0, of symbols that
            occur among the last `RECENT` ones (Keskar et al. 2019); 1: none.

    Raises:
        ConfigError: a value out of its range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise ConfigError(
                f"expected a temperature of 0 or more, found {self.temperature}", place="temperature"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"expected 1 or more symbols to choose from, found {self.top_k}", place="top-k")
        for place, value in (("top-p", self.top_p), ("min-p", self.min_p)):
            if value is not None and not 0 < value <= 1:
                raise ConfigError(f"expected a probability above 0 and up to 1, found {value}", place=place)
        if not 0 < self.repetition_penalty < float("inf"):
            message = f"expected a number above 0, found {self.repetition_penalty}"
            raise ConfigError(message, place="repetition-penalty")

    def probabilities(self, scores: Array, recent: Collection[int] = ()) -> Array:
        """Return the probability with which each symbol is sampled, from scores (symbols,).

        Args:
            recent: numbers of the symbols that the repetition penalty is for.
        """
        scores = scores.astype(np.float64)
        if self.repetition_penalty != 1 and recent:
            numbers = np.array(sorted(set(recent)))
            penalized = scores[numbers]
            factor = self.repetition_penalty
            scores[numbers] = np.where(penalized > 0, penalized / factor, penalized * factor)
        if self.temperature == 0:
            best = np.zeros(len(scores))
            best[scores.argmax()] = 1
            return best
        scores -= scores.max()  # before the division, which overflows for a tiny temperature
        weights = np.exp(scores / self.temperature)
        if self.top_k is not None or self.top_p is not None:
            weights = self._keep_best(weights / weights.sum())
        if self.min_p is not None:
            weights[weights < self.min_p * weights.max()] = 0
        weights /= weights.sum()
        return weights

    def _keep_best(self, probabilities: Array) -> Array:
        """Set the probabilities that top-k and top-p exclude to zero."""
        order = np.argsort(-probabilities, kind="stable")
        order = order[: self.top_k]
        if self.top_p is not None:
            sums = np.cumsum(probabilities[order])
            order = order[: int(np.searchsorted(sums, self.top_p * sums[-1])) + 1]
        kept = np.zeros_like(probabilities)
        kept[order] = probabilities[order]
        return kept

    def draw(self, scores: Array, generator: np.random.Generator, recent: Collection[int] = ()) -> int:
        """Sample one symbol from scores (symbols,); `recent` as for `probabilities`.

        Each call draws one random number, even if only one symbol is possible. The number of draws therefore
        always equals the number of symbols.
        """
        sums = np.cumsum(self.probabilities(scores, recent))
        number = int(np.searchsorted(sums, generator.random() * sums[-1], side="right"))
        # Rounding must not select a symbol of probability 0 at the end.
        return min(number, int(np.searchsorted(sums, sums[-1])))


class TextStream:
    """Text of symbols, returned as soon as characters are complete and cannot belong to the stop text.

    Attributes:
        stopped: the stop text has occurred. It is not returned.
    """

    def __init__(self, unit: str, stop: str) -> None:
        """Create an empty stream.

        Args:
            unit: unit of a symbol; bytes are decoded as UTF-8, wrong ones to lone surrogates.
            stop: text that ends the stream; empty: none does. Of a model of bytes, its bytes as characters.
        """
        is_decoded = unit != "char"
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape") if is_decoded else None
        self._words = unit == "word"
        self._stop = stop
        self._held = ""
        self.stopped = False

    def add(self, symbol: str) -> str:
        """Add the text of a symbol and return the text that can be released, often the symbol itself."""
        if self._words:  # single bytes occur in the spelling of a word, so the text is decoded first
            self._held += self._decoded(symbol, final=False)
            return self._release()
        self._held += symbol
        return self._decoded(self._release(), final=self.stopped)

    def end(self) -> str:
        """Return the text that is still held back after the last symbol."""
        symbols, self._held = self._held, ""
        if self._words:
            return symbols + self._decoded("", final=True)
        return self._decoded(symbols, final=True)

    def _decoded(self, symbols: str, *, final: bool) -> str:
        """Return the text of symbols; the bytes of an incomplete character are held back, unless `final`."""
        if self._decoder is None:
            return symbols
        content = text_bytes(symbols) if self._words else symbols.encode("latin-1")
        return self._decoder.decode(content, final)

    def _release(self) -> str:
        stop_at = self._held.find(self._stop) if self._stop else -1
        if stop_at >= 0:
            text, self._held, self.stopped = self._held[:stop_at], "", True
            return text
        sizes = range(min(len(self._stop) - 1, len(self._held)), 0, -1)
        kept = next((size for size in sizes if self._stop.startswith(self._held[-size:])), 0)
        cut = len(self._held) - kept
        text, self._held = self._held[:cut], self._held[cut:]
        return text


class Draw(NamedTuple):
    """Random text of a network.

    Attributes:
        network: the network.
        vocabulary: its symbols; the unknown one is never sampled.
        sampler: rule for sampling a symbol.
        generator: random numbers.
    """

    network: TextNetwork
    vocabulary: SymbolVocabulary
    sampler: Sampler
    generator: np.random.Generator

    def pieces(self, prompt: Array, recent: Array, length: int, stop: str) -> Iterator[Piece]:
        """Yield the text after a prompt.

        Args:
            prompt: numbers of the symbols to read first, at least one.
            recent: numbers of the symbols before the text that the repetition penalty looks at.
            length: largest number of symbols.
            stop: symbols that end the text; empty: none do.
        """
        stream = TextStream(self.vocabulary.unit, stop)
        steppers = self.network.steppers_after(prompt[:-1])
        number = int(prompt[-1])
        latest = deque(recent.tolist(), RECENT)
        for _ in range(length):
            scores = self.network.advance(steppers, number)
            log_probabilities = log_softmax(scores)
            if self.vocabulary.unknown is not None:
                scores[self.vocabulary.unknown] = -np.inf
            number = self.sampler.draw(scores, self.generator, latest)
            latest.append(number)
            yield Piece(stream.add(self.vocabulary.texts[number]), float(log_probabilities[number]))
            if stream.stopped:
                return
        rest = stream.end()
        if rest:
            yield Piece(rest, 0.0)
