"""Methods of a loaded text model: sample, beam search, score and predict."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence

from seqtool.errors import ModelError
from seqtool.inference.beam_search import Continuation
from seqtool.inference.character import LENGTH, CharacterModel
from seqtool.inference.conditional import PRIOR, Classified, ConditionalModel, Prior
from seqtool.inference.text_scoring import TextScores


class TextMethods:
    """What a text model can do. They end with a `ModelError` for a model of another task."""

    @abstractmethod
    def _character_model(self) -> CharacterModel:
        """Return the numpy model."""

    def sample(
        self,
        prompt: str | bytes = "",
        length: int = LENGTH,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        repetition_penalty: float = 1.0,
        seed: int = 0,
        stop: str | bytes | None = None,
        condition: str | None = None,
    ) -> str:
        """Return generated text that continues a prompt, without the prompt. Equal seeds give equal texts.

        A model of bytes accepts `bytes` here, in `score` and in `predict`. In its texts, a byte that is not
        part of valid UTF-8 is a lone surrogate: `text.encode("utf-8", "surrogateescape")` gives the bytes.

        Args:
            length: maximum number of symbols; a model of lines ends at the end of the line.
            temperature: below 1 likely symbols are chosen more often, above 1 less often; 0: always the most
                likely one.
            top_k: choose among the k most likely symbols only.
            top_p: choose among the most likely symbols with this total probability.
            min_p: choose among the symbols with at least this share of the best one's probability.
            repetition_penalty: above 1, each of the last 64 symbols is chosen less often.
            stop: text that ends the sample and is not returned.
            condition: condition of a model of lines; None draws one by its probability.

        Raises:
            DataError: a symbol of the prompt is not in the vocabulary, or there is no such condition.
            ConfigError: an argument is out of its range.
            ModelError: a tagger, or a model of aligned pairs.
        """
        return "".join(
            self.stream(
                prompt,
                length,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                min_p=min_p,
                repetition_penalty=repetition_penalty,
                seed=seed,
                stop=stop,
                condition=condition,
            )
        )

    def stream(
        self,
        prompt: str | bytes = "",
        length: int = LENGTH,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        repetition_penalty: float = 1.0,
        seed: int = 0,
        stop: str | bytes | None = None,
        condition: str | None = None,
    ) -> Iterator[str]:
        """Yield the text of `sample` in pieces while it is generated."""
        return self._under(condition).sample(
            prompt,
            length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            repetition_penalty=repetition_penalty,
            seed=seed,
            stop=stop,
        )

    def beam(
        self,
        prompt: str | bytes = "",
        length: int = LENGTH,
        *,
        width: int,
        length_norm: float = 1.0,
        stop: str | bytes | None = None,
        condition: str | None = None,
    ) -> list[Continuation]:
        """Return the `width` best continuations that a beam search finds, the best first.

        Each has `text`, `log_probability`, `score` and `symbols`.

        Args:
            length: maximum number of symbols; a model of lines ends at the end of the line.
            width: continuations that are kept at each step.
            length_norm: the score is the log probability divided by the number of symbols to this power.
            stop: text that ends a continuation and is not returned.
            condition: condition of a model of lines; None takes the most probable one.

        Raises:
            DataError, ConfigError, ModelError: as `sample`.
        """
        model = self._under(condition)
        return model.beam(prompt, length, width=width, length_norm=length_norm, stop=stop)

    def score(
        self,
        text: str | bytes,
        context: str | bytes = "",
        *,
        condition: str | None = None,
        exact: bool = False,
    ) -> TextScores:
        """Return the loss of a text: `.mean` nats, `.bits` per symbol, `.perplexity`, `.losses` of symbols.

        A context is read first and not scored. Without a context, the first symbol of a running text is read
        and not scored. A model of lines scores each line separately, with its end. A text of at least 8,192
        symbols is read as parallel streams, which gives the same loss within 0.001 (`.protocol`).

        Args:
            condition: condition of the lines; None scores each line as a mixture of all conditions.
            exact: read a text of any length in one pass.

        Raises:
            DataError: a symbol is not in the vocabulary.
            ModelError: a tagger, or a model of aligned pairs.
        """
        return self._under(condition).score(text, context, exact=exact)

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the conditions of a model of lines; empty if it has none."""
        model = self._character_model()
        return model.conditions.names if isinstance(model, ConditionalModel) else ()

    def classify(self, lines: Sequence[str], prior: Prior = PRIOR) -> list[Classified]:
        """Return the most probable condition of each line: `.name`, `.probability`, `.probabilities`.

        Args:
            prior: prior probability of the conditions: their shares of the training lines (`counts`), or
                `uniform`.

        Raises:
            DataError: a symbol is not in the vocabulary.
            ModelError: a model without conditions.
            TypeError: one string instead of several.
        """
        if isinstance(lines, str):
            raise TypeError("expected lines, found one string; write classify([line])")
        return self._conditional().classify(lines, prior)

    def _under(self, condition: str | None) -> CharacterModel:
        return self._character_model() if condition is None else self._conditional().under(condition)

    def _conditional(self) -> ConditionalModel:
        model = self._character_model()
        if not isinstance(model, ConditionalModel):
            raise ModelError("expected a model of lines with conditions, found one without")
        return model

    def predict(self, text: str | bytes) -> str:
        """Return the best symbol at each step. For an aligned model, this is its output for the text.

        Raises:
            DataError: a symbol is not in the vocabulary.
            ModelError: a tagger.
        """
        return self._character_model().predict(text)
