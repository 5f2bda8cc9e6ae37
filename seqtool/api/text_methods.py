"""Methods of a loaded text model: sample, beam search, score and predict."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from seqtool.inference.beam_search import Continuation
from seqtool.inference.character import LENGTH, CharacterModel
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

        Raises:
            DataError: a symbol of the prompt is not in the vocabulary.
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
    ) -> Iterator[str]:
        """Yield the text of `sample` in pieces while it is generated."""
        return self._character_model().sample(
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
    ) -> list[Continuation]:
        """Return the `width` best continuations that a beam search finds, the best first.

        Each has `text`, `log_probability`, `score` and `symbols`.

        Args:
            length: maximum number of symbols; a model of lines ends at the end of the line.
            width: continuations that are kept at each step.
            length_norm: the score is the log probability divided by the number of symbols to this power.
            stop: text that ends a continuation and is not returned.

        Raises:
            DataError, ConfigError, ModelError: as `sample`.
        """
        return self._character_model().beam(prompt, length, width=width, length_norm=length_norm, stop=stop)

    def score(self, text: str | bytes, context: str | bytes = "") -> TextScores:
        """Return the loss of a text: `.mean` nats, `.bits` per symbol, `.perplexity`, `.losses` of symbols.

        A context is read first and not scored. Without a context, the first symbol of a running text is read
        and not scored. A model of lines scores each line separately, with its end.

        Raises:
            DataError: a symbol is not in the vocabulary.
            ModelError: a tagger, or a model of aligned pairs.
        """
        return self._character_model().score(text, context)

    def predict(self, text: str | bytes) -> str:
        """Return the best symbol at each step. For an aligned model, this is its output for the text.

        Raises:
            DataError: a symbol is not in the vocabulary.
            ModelError: a tagger.
        """
        return self._character_model().predict(text)
