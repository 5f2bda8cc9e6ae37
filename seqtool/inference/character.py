"""A trained character model: prediction, sampling, scores and states of texts.

`CharacterModel` is a model of running text. `LineModel` treats each line as a separate sequence.
`AlignedModel` maps each symbol to another symbol.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from seqtool.data.vocabulary import BOUNDARY, SymbolVocabulary, bytes_text
from seqtool.errors import ConfigError, DataError, ModelError
from seqtool.inference.beam_search import Continuation, Search, beam_search
from seqtool.inference.model_config import CharacterConfig
from seqtool.inference.sampling import Draw, Piece, Sampler
from seqtool.inference.text_network import TextNetwork
from seqtool.inference.text_scoring import (
    PARALLEL_FROM,
    Protocol,
    TextScores,
    carried_losses,
    carried_states,
    joined_scores,
    sequence_losses,
)
from seqtool.types import Array, Arrays

_SCORES = 1 << 22  # scores that are held in memory at once during prediction
LENGTH = 500  # default number of sampled symbols


class CharacterModel(TextNetwork):
    """A trained model of running text. It can be pickled and shared by threads.

    Attributes:
        boundary: symbol before and after each sequence of training; empty if sequences have no such symbol.
        aligned: the model predicts a symbol for each symbol of the text, instead of the next symbol.
        kind: the training data: `pairs`, `text` or `lines`.
        vocabulary: symbols of the model.
        settings: settings of the network.
        encoding: encoding of the training files.
        condition, condition_number: condition that was chosen for the model; empty and None without one.
    """

    boundary = ""
    aligned = False
    condition = ""
    condition_number: int | None = None

    def __init__(self, config: CharacterConfig, vocabulary: SymbolVocabulary, weights: Arrays) -> None:
        super().__init__(config.network, weights)
        self.kind = config.kind
        self.vocabulary = vocabulary
        self.encoding = config.encoding
        self._nfc = config.normalize == "nfc"

    def encode(self, text: str | bytes) -> Array:
        """Return the symbol numbers of a text, normalized as in training.

        Raises:
            DataError: a symbol is unknown, and the model has no unknown symbol.
            TypeError: bytes for a model of characters.
        """
        return self.vocabulary.encode(self.normalize(self.text(text)))

    def text(self, content: str | bytes) -> str:
        """Return a text; bytes, which a model of bytes reads, are those of `vocabulary.bytes_text`.

        Raises:
            TypeError: bytes for a model of characters.
        """
        if isinstance(content, str):
            return content
        if self.vocabulary.unit != "byte":
            units = "words" if self.vocabulary.unit == "word" else "characters"
            raise TypeError(f"expected text, found bytes; a model of {units} needs decoded text")
        return bytes_text(content)

    def normalize(self, text: str) -> str:
        """Return a text in the Unicode normalization of the training data."""
        return unicodedata.normalize("NFC", text) if self._nfc else text

    def remove_unknown(self, text: str) -> tuple[str, list[str]]:
        """Return a normalized text without its unknown symbols, and each of these symbols once.

        A model with an unknown symbol has no unknown symbols.
        """
        symbols = self.vocabulary.split(self.normalize(text))
        lacking = set() if self.vocabulary.unknown is not None else self.vocabulary.lacking(symbols)
        unknown = [symbol for symbol in dict.fromkeys(symbols) if symbol in lacking]
        return self.vocabulary.without(symbols, lacking), unknown

    def require_output(self) -> None:
        """Check that the model has scores for symbols.

        Raises:
            ModelError: the network has no output layer.
        """
        if not self._output:
            raise ModelError(
                "the network has no output layer, so it has no scores for symbols",
                hint="show its states: seqtool inspect",
            )

    def require_likelihood(self) -> None:
        """Check that the model can continue a text and has a probability for one.

        Raises:
            ModelError: a model of aligned pairs, or a network without output layer.
        """
        self.require_output()

    # --- prediction and sampling ----------------------------------------------------------------------------

    def predict(self, text: str | bytes) -> str:
        """Return the best symbol at each step. For an aligned model, this is its output for the text.

        Raises:
            DataError: an unknown symbol.
            ModelError: a network without output layer.
        """
        self.require_output()
        ids, state = self.encode(text), self.initial_state()
        rows = max(1, _SCORES // max(1, len(self.vocabulary)))
        best: list[int] = []
        for start in range(0, len(ids), rows):
            logits, state = self.forward(ids[start : start + rows, None], state)
            best.extend(logits[:, 0].argmax(1).tolist())
        return self.vocabulary.decode(best)

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
    ) -> Iterator[str]:
        """Yield the continuation of a prompt in pieces; arguments and errors as for `generate`."""
        pieces = self.generate(
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
        return (piece.text for piece in pieces if piece.text)

    def generate(
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
    ) -> Iterator[Piece]:
        """Yield the continuation of a prompt in pieces with their log probabilities.

        Without a prompt, the text starts as after a line break, or as after the first symbol of a vocabulary
        without line break. A model of lines starts at the beginning of a line and stops at its end. The
        unknown symbol is never sampled.

        Args:
            prompt: text that is read first and not returned.
            length: largest number of sampled symbols.
            temperature, top_k, top_p, min_p, repetition_penalty: see `sampling.Sampler`.
            seed: equal seeds give equal texts.
            stop: text that ends the sample; it is not returned.

        Raises:
            DataError: an unknown symbol in the prompt or in `stop`. Errors are raised by the call, not by the
                first piece.
            ConfigError: an argument out of its range.
            ModelError: a model of aligned pairs, or a network without output layer.
        """
        self.require_likelihood()
        sampler = Sampler(temperature, top_k, top_p, min_p, repetition_penalty)
        ids, recent, ending = self._start(prompt, length, stop)
        draw = Draw(self, self.vocabulary, sampler, np.random.default_rng(seed))
        return draw.pieces(ids, recent, length, ending)

    def beam(
        self,
        prompt: str | bytes = "",
        length: int = LENGTH,
        *,
        width: int,
        length_norm: float = 1.0,
        stop: str | bytes | None = None,
    ) -> list[Continuation]:
        """Return the best continuations of a prompt that a beam search finds, the best first.

        Prompt, length, stop and errors as for `generate`.

        Args:
            width: number of continuations that are kept at each step, and that are returned at most.
            length_norm: the score of a continuation is its log probability divided by its number of symbols
                to this power. 1 compares means, 0 compares sums, which favor short texts.
        """
        self.require_likelihood()
        ids, _, ending = self._start(prompt, length, stop)
        return beam_search(self, self.vocabulary, ids, ending, Search(width, length, length_norm))

    def _start(self, prompt: str | bytes, length: int, stop: str | bytes | None) -> tuple[Array, Array, str]:
        """Return the symbols to read first, those of the prompt alone, and the symbols of the stop text."""
        if length < 0:
            raise ConfigError(f"expected a length of 0 or more, found {length}", place="length")
        ending = self.text(stop) if stop else self.boundary
        if stop and self.remove_unknown(ending)[1]:
            raise unknown_symbol(self, ending, "stop", hint="the model never generates this symbol")
        text = self.text(prompt)
        given = self.encode(text)
        before = self.encode(BOUNDARY if not text and BOUNDARY in self.vocabulary else self.boundary)
        ids = np.concatenate([before, given])
        return (ids if len(ids) else np.zeros(1, np.int64)), given, self.vocabulary.stop_text(ending)

    # --- scores ---------------------------------------------------------------------------------------------

    def score(self, text: str | bytes, context: str | bytes = "", *, exact: bool = False) -> TextScores:
        """Return the loss of each symbol of a text.

        The first symbol of running text is not predicted, unless there is a context. A model of lines scores
        each line separately, with its end, and ignores the context. Texts of at least 8,192 symbols use the
        `carried` protocol.

        Args:
            context: text before the scored text.
            exact: read a text of any length in one pass.

        Raises:
            DataError: an unknown symbol.
            ModelError: a model of aligned pairs, or a network without output layer.
        """
        self.require_likelihood()
        before, ids = self.encode(context), self.encode(text)
        whole = np.concatenate([before, ids])
        parallel = not exact and len(whole) >= PARALLEL_FROM
        losses = carried_losses(self, whole, streams=None if parallel else 1)[max(0, len(before) - 1) :]
        return self._scores(self.text(text), ids, losses, "carried" if parallel else "one pass")

    def score_lines(self, lines: Sequence[str]) -> list[TextScores]:
        """Return the loss of each symbol of lines that are read separately; errors as for `score`.

        A model of lines also scores the end of each line. A model of running text reads a line as if it
        followed a line break, if it has such a symbol, and does not score its end. Lines of similar length
        are computed together.
        """
        self.require_likelihood()
        before = BOUNDARY if BOUNDARY in self.vocabulary else self.boundary
        sequences = [self.encode(before + line + self.boundary) for line in lines]
        first = len(before)
        return [
            self._scores(line + self.boundary, ids[first:], losses, "lines")
            for line, ids, losses in zip(lines, sequences, sequence_losses(self, sequences), strict=True)
        ]

    def _scores(self, text: str, ids: Array, losses: Array, protocol: Protocol) -> TextScores:
        """Combine losses with their symbols: all symbols of a text, or all except the first."""
        vocabulary = self.vocabulary
        scored = ids[len(ids) - len(losses) :]
        symbols = tuple(map(vocabulary.symbols.__getitem__, scored.tolist()))
        if vocabulary.unit == "word":
            units, characters, size = (
                int(sizes[scored].sum())
                for sizes in (vocabulary.unit_sizes, vocabulary.character_sizes, vocabulary.byte_sizes)
            )
            if vocabulary.unknown is not None and (scored == vocabulary.unknown).any():
                characters = size = 0  # the text of unknown words is not scored
            return TextScores(symbols, losses, size, units, characters, protocol)
        if vocabulary.unit == "byte":
            return TextScores(symbols, losses, len(scored), len(scored), len(scored), protocol)
        scored_text = self.normalize(text)[0 if len(scored) == len(ids) else 1 :]
        size = len(scored_text.encode("utf-8", "surrogatepass"))
        return TextScores(symbols, losses, size, len(scored), len(scored), protocol)

    # --- states ---------------------------------------------------------------------------------------------

    def states(self, text: str | bytes, names: Collection[str] | None = None) -> dict[str, Array]:
        """Return states, gates and scores after each symbol of a text.

        Texts of more than 10,000 symbols use the `carried` protocol.

        Args:
            names: names to return; None returns all.

        Returns:
            (length, hidden) by name, float32: `encoder.0.h`; LSTM: also `.c`, `.i`, `.f`, `.o`, `.g`;
            GRU: also `.r`, `.z`, `.n`. Also `logits` (length, symbols).
        """
        return carried_states(self, self.encode(text), names)


class LineModel(CharacterModel):
    """A trained model of lines. Each line starts from the initial state, and its end is predicted as well."""

    boundary = BOUNDARY

    def score(self, text: str | bytes, context: str | bytes = "", *, exact: bool = False) -> TextScores:  # noqa: ARG002
        """Return the loss of each symbol of a text, each line read separately and scored with its end."""
        self.require_likelihood()
        return joined_scores(self.score_lines(self.text(text).removesuffix(BOUNDARY).split(BOUNDARY)))


class AlignedModel(CharacterModel):
    """A trained model of aligned pairs, which predicts one symbol for each symbol of a text."""

    aligned = True

    def require_likelihood(self) -> None:
        """Raise an error: the model can neither continue a text nor give its probability.

        Raises:
            ModelError: always.
        """
        self.require_output()
        raise ModelError(
            "a model of aligned pairs can neither continue a text nor give its probability",
            hint="show its output for a text: seqtool predict",
        )


def unknown_symbol(model: CharacterModel, text: str, name: str, first: int = 1, hint: str = "") -> DataError:
    """Return the error for the first unknown symbol of a text, with its line and column.

    Args:
        name: name of the file or argument.
        first: line number of the first line of the text.
    """
    text = model.normalize(text)
    symbol, at = model.vocabulary.first_unlisted(text)
    line, column = text.count("\n", 0, at), at - text.rfind("\n", 0, at)
    return model.vocabulary.unknown_symbol_error(symbol, place=f"{name}:{first + line}:{column}", hint=hint)
