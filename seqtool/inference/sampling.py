"""Choosing the next symbol, and turning chosen symbols into text as they come."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seqtool.errors import ConfigError
from seqtool.types import Array


class Piece(NamedTuple):
    """A piece of generated text.

    Attributes:
        text: may be empty, where symbols are held back that may begin a stop or are part of a character.
        log_probability: of the symbols drawn since the piece before, in nats, as the model itself has it (temperature 1).
    """

    text: str
    log_probability: float


@dataclass(frozen=True)
class Choice:
    """How a symbol is chosen from its scores.

    Attributes:
        temperature: scores are divided by it; 0: always the best symbol.
        top_k: only the k best symbols; None: all.
        top_p: only the best symbols that together have this probability, at least one (Holtzman et al. 2020); None: all.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise ConfigError(
                f"expected a temperature of 0 or more, found {self.temperature}", place="temperature"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"expected 1 or more symbols to choose from, found {self.top_k}", place="top-k")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(
                f"expected a probability above 0 and up to 1, found {self.top_p}", place="top-p"
            )

    def probabilities(self, scores: Array) -> Array:
        """The probability with which each symbol is chosen, from scores (symbols,)."""
        scores = scores.astype(np.float64)
        if self.temperature == 0:
            best = np.zeros(len(scores))
            best[scores.argmax()] = 1
            return best
        scores -= scores.max()  # before the division, which may be by something tiny
        chosen = np.exp(scores / self.temperature)
        if self.top_k is not None or self.top_p is not None:
            chosen = self._cut(chosen / chosen.sum())
        chosen /= chosen.sum()
        return chosen

    def _cut(self, probabilities: Array) -> Array:
        order = np.argsort(-probabilities, kind="stable")
        order = order[: self.top_k]
        if self.top_p is not None:
            sums = np.cumsum(probabilities[order])
            order = order[: int(np.searchsorted(sums, self.top_p * sums[-1])) + 1]
        kept = np.zeros_like(probabilities)
        kept[order] = probabilities[order]
        return kept

    def draw(self, scores: Array, generator: np.random.Generator) -> int:
        """One symbol. A number is drawn each time, even if there is no choice, so that symbols stay in step with draws."""
        sums = np.cumsum(self.probabilities(scores))
        place = int(np.searchsorted(sums, generator.random() * sums[-1], side="right"))
        return min(
            place, int(np.searchsorted(sums, sums[-1]))
        )  # rounding must not reach a symbol of probability 0


class TextStream:
    """Symbols in, text out as soon as it is certain: whole characters, and nothing that may belong to the stop.

    Attributes:
        stopped: the stop has been met; it is not given out.
    """

    def __init__(self, unit: str, stop: str | None) -> None:
        """Args: unit: `byte` symbols are put together to UTF-8; stop: empty or None: none."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace") if unit == "byte" else None
        self._stop = stop or ""
        self._held = ""
        self.stopped = False

    def add(self, symbol: str) -> str:
        """The text that a symbol makes certain, often the symbol itself."""
        self._held += symbol if self._decoder is None else self._decoder.decode(symbol.encode("latin-1"))
        return self._release()

    def end(self) -> str:
        """What was still held back when there are no more symbols."""
        if self._decoder is not None and not self.stopped:
            self._held += self._decoder.decode(b"", final=True)
        text, self._held = self._held, ""
        return text

    def _release(self) -> str:
        place = self._held.find(self._stop) if self._stop else -1
        if place >= 0:
            text, self._held, self.stopped = self._held[:place], "", True
            return text
        sizes = range(min(len(self._stop) - 1, len(self._held)), 0, -1)
        kept = next((size for size in sizes if self._stop.startswith(self._held[-size:])), 0)
        cut = len(self._held) - kept
        text, self._held = self._held[:cut], self._held[cut:]
        return text
