"""A trained model of lines with conditions: sampling, scores and classification.

`ConditionalModel.under` returns the model under one condition, which is a plain model of lines. Without a
condition, the model is a mixture: the condition of a line is unknown, and its prior probability is the share
of the training lines that have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from seqtool.data.text.conditions import Conditions, listing
from seqtool.data.vocabulary import SymbolVocabulary
from seqtool.errors import ModelError
from seqtool.inference.beam_search import Continuation
from seqtool.inference.character import LENGTH, LineModel
from seqtool.inference.model_config import CharacterConfig
from seqtool.inference.sampling import Piece
from seqtool.inference.text_scoring import TextScores, sequence_losses
from seqtool.types import Array, Arrays

Prior = Literal["counts", "uniform"]
# Chosen on a part of the training names of 18 languages, see docs/benchmarks.md.
PRIOR: Prior = "counts"
CONDITION_PURPOSE = 0xC0D  # separates the draw of the condition from that of the symbols


class Classified(NamedTuple):
    """Conditions of a line by their probability.

    Attributes:
        name: the most probable condition.
        probability: its probability.
        probabilities: probability of each condition (conditions,).
    """

    name: str
    probability: float
    probabilities: Array


class ConditionalModel(LineModel):
    """A trained model of lines, each with a condition that the network reads beside every symbol.

    Attributes:
        conditions: the conditions, with their numbers of training lines.
        rule: place of the conditions in the training files.
    """

    def __init__(
        self, config: CharacterConfig, vocabulary: SymbolVocabulary, conditions: Conditions, weights: Arrays
    ) -> None:
        super().__init__(config, vocabulary, weights)
        assert config.condition is not None
        self.conditions = conditions
        self.rule = config.condition
        self._symbol_gates = self._table
        del self._table

    def under(self, condition: str | int, place: str = "") -> LineModel:
        """Return the model under one condition. It shares all arrays except the gates of symbols.

        Args:
            condition: name or number of the condition.
            place: place of the name, for the error.

        Raises:
            DataError: the name is unknown; the hint names a similar condition.
        """
        number = condition if isinstance(condition, int) else self.conditions.number(condition, place)
        assert self.condition_gates is not None
        bound = LineModel.__new__(LineModel)
        bound.__dict__.update(self.__dict__)
        bound.condition, bound.condition_number = self.conditions.names[number], number
        gates = self.condition_gates[number]
        bound._table = None if self._symbol_gates is None else self._symbol_gates + gates
        bound._added_gates = gates  # of symbols whose gates are computed when they are needed
        return bound

    def __getattr__(self, name: str) -> Array:
        """Refuse a forward pass without a condition, which would read the gates of symbols.

        Raises:
            ModelError: always, for these gates.
        """
        if name == "_table":
            hint = listing(self.conditions.names)
            raise ModelError("the network needs a condition", hint=hint)
        raise AttributeError(name)

    # --- classification -------------------------------------------------------------------------------------

    def log_prior(self, prior: Prior = PRIOR) -> Array:
        """Return the log probability of each condition (conditions,).

        A condition without training lines, which a model that another one was started from may have, has
        half a line.
        """
        counts = np.array(self.conditions.counts, np.float64)
        counts = np.ones(len(counts)) if prior == "uniform" else np.maximum(counts, 0.5)
        result: Array = np.log(counts / counts.sum())
        return result

    def condition_losses(self, lines: Sequence[str]) -> list[Array]:
        """Return the loss in nats of each symbol of each line under each condition: (conditions, length).

        Raises:
            DataError: an unknown symbol.
        """
        self.require_likelihood()
        return self.sequence_condition_losses(
            [self.encode(self.boundary + line + self.boundary) for line in lines]
        )

    def sequence_condition_losses(self, sequences: Sequence[Array]) -> list[Array]:
        """Return the losses of sequences of symbol numbers under each condition, as `condition_losses`."""
        under = [
            sequence_losses(self.under(number), sequences) for number in range(len(self.conditions.names))
        ]
        return [np.stack(of_line) for of_line in zip(*under, strict=True)]

    def classify(self, lines: Sequence[str], prior: Prior = PRIOR) -> list[Classified]:
        """Return the most probable condition of each line, by the rule of Bayes.

        Raises:
            DataError: an unknown symbol.
        """
        return self.classify_losses(self.condition_losses(lines), prior)

    def classify_losses(self, losses: Sequence[Array], prior: Prior = PRIOR) -> list[Classified]:
        """Return the most probable condition of lines with these `condition_losses`."""
        log_prior = self.log_prior(prior)
        results = []
        for of_line in losses:
            joint = log_prior - of_line.sum(1)
            probabilities = np.exp(joint - np.logaddexp.reduce(joint))
            best = int(joint.argmax())
            results.append(Classified(self.conditions.names[best], float(probabilities[best]), probabilities))
        return results

    # --- scores and samples without a condition -------------------------------------------------------------

    def score_lines(self, lines: Sequence[str]) -> list[TextScores]:
        """Return the loss of each symbol of lines whose conditions are not known.

        The probability of the beginning of a line is its mean over the conditions, weighted by the prior.
        """
        log_prior, results = self.log_prior(), []
        for line, losses in zip(lines, self.condition_losses(lines), strict=True):
            whole = line + self.boundary
            results.append(
                self._scores(whole, self.encode(whole), mixture_losses(losses, log_prior), "lines")
            )
        return results

    def generate(
        self, prompt: str | bytes = "", length: int = LENGTH, *, seed: int = 0, **options: Any
    ) -> Iterator[Piece]:
        """Yield a continuation under a condition that is drawn by its probability given the prompt."""
        return self.under(self.draw_condition(prompt, seed)).generate(prompt, length, seed=seed, **options)

    def beam(self, prompt: str | bytes = "", length: int = LENGTH, **options: Any) -> list[Continuation]:
        """Return the best continuations under the most probable condition given the prompt."""
        return self.under(self.probable_condition(prompt)).beam(prompt, length, **options)

    def condition_of_text(self, text: str | bytes) -> str:
        """Return the condition that is most probable if all lines of a text have the same one.

        Raises:
            DataError: an unknown symbol.
        """
        self.require_likelihood()
        losses = self.condition_losses(self.text(text).removesuffix(self.boundary).split(self.boundary))
        return self.classify_losses([np.concatenate(losses, axis=1)])[0].name

    def probable_condition(self, prompt: str | bytes) -> str:
        """Return the most probable condition given the beginning of a line.

        Raises:
            DataError: an unknown symbol in the prompt.
        """
        return self._given_prompt(prompt).name

    def draw_condition(self, prompt: str | bytes, seed: int) -> str:
        """Draw a condition by its probability given the beginning of a line.

        Args:
            seed: equal seeds give equal conditions.

        Raises:
            DataError: an unknown symbol in the prompt.
        """
        probabilities = self._given_prompt(prompt).probabilities
        draw = np.random.default_rng((seed, CONDITION_PURPOSE))
        return self.conditions.names[int(draw.choice(len(probabilities), p=probabilities))]

    def _given_prompt(self, prompt: str | bytes) -> Classified:
        self.require_likelihood()
        start = self.text(prompt).rpartition(self.boundary)[2]
        (losses,) = self.sequence_condition_losses([self.encode(self.boundary + start)])
        return self.classify_losses([losses])[0]


def mixture_losses(losses: Array, log_prior: Array) -> Array:
    """Return the loss of each symbol (length,) of a mixture of conditions.

    Args:
        losses: loss of each symbol under each condition (conditions, length).
        log_prior: log probability of each condition (conditions,).
    """
    before = np.zeros(losses.shape[1] + 1)
    before[1:] = -np.logaddexp.reduce(log_prior[:, None] - losses.cumsum(1), axis=0)
    result: Array = np.diff(before)
    return result
