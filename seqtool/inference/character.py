"""A trained character model at work: predicting, generating, scoring, and its states to look at."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from seqtool.data.vocabulary import BOUNDARY, SymbolVocabulary
from seqtool.decoding import log_softmax
from seqtool.errors import ConfigError, ModelError
from seqtool.inference import model_config as settings_of
from seqtool.inference.encoder import Encoder, State, TableGates, Watch
from seqtool.inference.packed_sequences import Packing
from seqtool.inference.sampling import Choice, Piece, TextStream
from seqtool.inference.text_scoring import (
    ONE_PASS,
    TextScores,
    carried_forward,
    carried_losses,
    sequence_losses,
)
from seqtool.inference.word_features import gate_table
from seqtool.types import Array

_CHUNK = 1 << 22  # scores held at a time when a text is predicted
LENGTH = 500  # symbols that are drawn unless something else is asked for


class CharacterModel:
    """A character model, ready to be used. It can be pickled, and shared by threads.

    Attributes:
        kind: what it was trained on: `pairs`, `text` or `lines`.
        vocabulary: its symbols.
        settings: of the network.
    """

    def __init__(
        self, config: Mapping[str, Any], vocabulary: SymbolVocabulary, weights: Mapping[str, Array]
    ) -> None:
        self.settings = settings_of.character(config["model"])
        self.kind: str = config["kind"]
        self.vocabulary = vocabulary
        self._nfc = config["symbols"]["normalize"] == "nfc"
        self._encoder = Encoder.from_weights(self.settings, weights)
        cell = self._encoder.cells[0]
        embedding = weights.get("embedding.weight")
        # What the first layer's gates get from a symbol depends on the symbol alone.
        self._table = (
            cell.inputs[0][:, None] + cell.bias if embedding is None else gate_table(cell, _float(embedding))
        )
        self._output: tuple[Array, ...] = ()
        if self.settings.output == "linear":
            last = weights["embedding.weight"] if self.settings.tied else weights["output.weight"]
            between = [weights["bridge.weight"]] if "bridge.weight" in weights else []
            self._output = tuple(np.ascontiguousarray(_float(weight).T) for weight in (*between, last))
            self._bias = _float(weights["output.bias"])

    @classmethod
    def from_parts(
        cls, config: Mapping[str, Any], vocab: Mapping[str, Any], weights: Mapping[str, Array]
    ) -> CharacterModel:
        """A model from what a model directory holds; `load.load_model` checks that as well."""
        return cls(config, SymbolVocabulary.from_json(dict(vocab), config["symbols"]["unit"]), weights)

    def encode(self, text: str) -> Array:
        """Symbol numbers of a text, normalised as in training.

        Raises:
            DataError: naming a symbol that the model does not know and has no unknown symbol for.
        """
        return self.vocabulary.encode(self.normalized(text))

    def normalized(self, text: str) -> str:
        """A text in the Unicode form that training read."""
        return unicodedata.normalize("NFC", text) if self._nfc else text

    # --- the network --------------------------------------------------------------------------------------------------

    def initial_state(self, batch: int = 1) -> State:
        """The state before the first symbol of `batch` sequences."""
        return self._encoder.initial_state(batch)

    def forward(self, ids: Array, state: State | None = None) -> tuple[Array, State]:
        """Scores of the next (or the aligned) symbol.

        Args:
            ids: symbol numbers (time, batch).
            state: before the first of them; by default the initial one. It is not changed.

        Returns:
            logits (time, batch, symbols) and the state after the last symbol.
        """
        steps, batch = ids.shape
        state = state or self.initial_state(batch)
        if not steps:
            return np.zeros((0, batch, self._width), np.float32), state
        y, state = self._encoder.run(
            TableGates(self._table, ids.reshape(-1)), Packing.equal(steps, batch), state
        )
        return self._logits(y).reshape(steps, batch, -1), state

    def packed(self, ids: Array, packing: Packing) -> Array:
        """Scores (total, symbols) after each symbol, numbers (total,), of packed sequences from the initial state."""
        y, _ = self._encoder.run(TableGates(self._table, ids), packing)
        return self._logits(y)

    def step(self, ids: Array, state: State) -> tuple[Array, State]:
        """Scores (batch, symbols) after one more symbol, numbers (batch,), and the state then. The given state is not changed."""
        steppers = self._encoder.start(state)
        logits = self._logits(self._encoder.advance(steppers, self._table[ids].transpose(1, 0, 2)))
        return logits, tuple(stepper.whole for stepper in steppers)

    def _logits(self, y: Array) -> Array:
        """The output layer: (count, hidden) to (count, symbols); without one, the states themselves."""
        if not self._output:
            return y
        for weight in self._output:
            y = y @ weight
        y += self._bias
        return y

    @property
    def _width(self) -> int:
        """Of what `_logits` gives."""
        return len(self.vocabulary) if self._output else self._encoder.width

    def _needs_output(self) -> None:
        if not self._output:
            raise ModelError(
                "the network has no output layer, so it has no scores for symbols",
                hint="look at its states: seqtool inspect",
            )

    # --- predicting and generating ------------------------------------------------------------------------------------

    def predict(self, text: str) -> str:
        """The best symbol at each step: for an aligned model, what it makes of a text.

        Raises:
            DataError: an unknown symbol.
            ModelError: a network without output layer.
        """
        self._needs_output()
        ids, state = self.encode(text), self.initial_state()
        found = []
        for start in range(0, len(ids), self._rows):
            logits, state = self.forward(ids[start : start + self._rows, None], state)
            found.extend(logits[:, 0].argmax(1).tolist())
        return self.vocabulary.decode(found)

    @property
    def _rows(self) -> int:
        """How many symbols are worked on at a time, so that scores of a large alphabet do not fill the memory."""
        return max(1, _CHUNK // max(1, len(self.vocabulary)))

    def sample(
        self,
        prompt: str = "",
        length: int = LENGTH,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        stop: str | None = None,
    ) -> Iterator[str]:
        """Text that goes on from a prompt, piece by piece. Arguments and errors as for `generate`."""
        pieces = self.generate(
            prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, stop=stop
        )
        return (piece.text for piece in pieces if piece.text)

    def generate(
        self,
        prompt: str = "",
        length: int = LENGTH,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        stop: str | None = None,
    ) -> Iterator[Piece]:
        """Text that goes on from a prompt, piece by piece, with its log probability.

        Without a prompt the text begins as after a line break, or after the first symbol where there is no such symbol. A
        model of lines begins a line, and ends with it. The unknown symbol is never drawn.

        Args:
            prompt: what is read first; not given out.
            length: how many symbols are drawn at most.
            temperature, top_k, top_p: see `sampling.Choice`.
            seed: equal seeds give equal texts.
            stop: ends the text; not given out itself.

        Raises:
            DataError: an unknown symbol in the prompt (at the call, not at the first piece).
            ConfigError: an argument out of its range.
            ModelError: a model of aligned pairs, or a network without output layer.
        """
        self._needs_output()
        if self.kind == "pairs":
            raise ModelError(
                "a model of aligned pairs does not go on with a text",
                hint="see what it makes of one: seqtool predict",
            )
        choice = Choice(temperature, top_k, top_p)
        if length < 0:
            raise ConfigError(f"expected a length of 0 or more, found {length}", place="length")
        return self._generate(
            self._prompt(prompt), length, choice, np.random.default_rng(seed), self._stream(stop)
        )

    def _prompt(self, prompt: str) -> Array:
        """Numbers of what is read before the first symbol is drawn; at least one."""
        lines = self.kind == "lines"
        before = BOUNDARY if lines or (not prompt and BOUNDARY in self.vocabulary) else ""
        ids = np.concatenate([self.encode(before), self.encode(prompt)])
        return ids if len(ids) else np.zeros(1, np.int64)

    def _stream(self, stop: str | None) -> TextStream:
        return TextStream(self.vocabulary.unit, stop or (BOUNDARY if self.kind == "lines" else None))

    def readable(self, text: str) -> tuple[str, list[str]]:
        """A text without the characters that the model does not know, and those, each once. An unknown symbol stands for any."""
        text = self.normalized(text)
        strange = [
            character for character in dict.fromkeys(text) if (self.vocabulary.numbers(character) < 0).any()
        ]
        return text.translate(dict.fromkeys(map(ord, strange))), strange

    def _generate(
        self, prompt: Array, length: int, choice: Choice, generator: np.random.Generator, stream: TextStream
    ) -> Iterator[Piece]:
        steppers = self._encoder.start(self._after(prompt[:-1]))
        number = int(prompt[-1])
        for _ in range(length):
            scores = self._logits(self._encoder.advance(steppers, self._table[number, :, None]))[0]
            log_probabilities = log_softmax(scores)
            if self.vocabulary.unknown is not None:
                scores[self.vocabulary.unknown] = -np.inf
            number = choice.draw(scores, generator)
            yield Piece(stream.add(self.vocabulary.symbols[number]), float(log_probabilities[number]))
            if stream.stopped:
                return
        rest = stream.end()
        if rest:
            yield Piece(rest, 0.0)

    def _after(self, ids: Array) -> State:
        """The state after symbol numbers (length,), however many; nothing else is worked out."""
        state = self.initial_state()
        for start in range(0, len(ids), ONE_PASS):
            part = ids[start : start + ONE_PASS]
            _, state = self._encoder.run(TableGates(self._table, part), Packing.equal(len(part), 1), state)
        return state

    # --- scoring ------------------------------------------------------------------------------------------------------

    def score(self, text: str, context: str = "") -> TextScores:
        """What each symbol of a text costs the model.

        The first symbol of running text is read, not predicted, unless there is a context. A model of lines scores each
        line by itself, with its end. Up to 10,000 symbols are read in one pass, longer texts by the `carried` protocol.

        Args:
            context: what is read before the text, not scored.

        Raises:
            DataError: an unknown symbol.
            ModelError: a model of pairs, or a network without output layer.
        """
        self.needs_likelihood()
        if self.kind == "lines":
            lines = self.score_lines(text.removesuffix(BOUNDARY).split(BOUNDARY))
            symbols = tuple(symbol for line in lines for symbol in line.symbols)
            return TextScores(
                symbols, np.concatenate([line.losses for line in lines]), sum(line.bytes for line in lines)
            )
        before, ids = self.encode(context), self.encode(text)
        whole = np.concatenate([before, ids])
        losses = carried_losses(self, whole, streams=1 if len(whole) <= ONE_PASS else None)
        return self._scores(text, ids, losses[max(0, len(before) - 1) :])

    def score_lines(self, lines: Sequence[str]) -> list[TextScores]:
        """What each of some lines costs the model, each by itself; errors as `score`. Lines of like length are read together.

        A model of lines scores a line's end as well. A model of running text reads a line as one that follows a line break,
        where there is such a symbol; the line's end is not scored.
        """
        self.needs_likelihood()
        before = BOUNDARY if self.kind == "lines" or BOUNDARY in self.vocabulary else ""
        behind = BOUNDARY if self.kind == "lines" else ""
        sequences = [self.encode(before + line + behind) for line in lines]
        losses = sequence_losses(self, sequences)
        first = len(before)
        return [
            self._scores(line + behind, ids[first:], found)
            for line, ids, found in zip(lines, sequences, losses, strict=True)
        ]

    def needs_likelihood(self) -> None:
        """See that the model says how likely a text is.

        Raises:
            ModelError: a model of pairs, or a network without output layer.
        """
        self._needs_output()
        if self.kind == "pairs":
            raise ModelError(
                "a model of aligned pairs does not say how likely a text is",
                hint="see what it makes of a text: seqtool predict",
            )

    def _scores(self, text: str, ids: Array, losses: Array) -> TextScores:
        """Losses with their symbols: those of a text, or all but its first."""
        scored = ids[len(ids) - len(losses) :]
        size = len(
            self.normalized(text)[0 if len(scored) == len(ids) else 1 :].encode("utf-8", "surrogatepass")
        )
        return TextScores(
            self._symbols(scored), losses, len(scored) if self.vocabulary.unit == "byte" else size
        )

    def symbol_losses(self, text: str, context: str = "") -> Array:
        """Nats of each symbol; see `score`."""
        return self.score(text, context).losses

    def _symbols(self, ids: Array) -> tuple[str, ...]:
        return tuple(map(self.vocabulary.symbols.__getitem__, ids.tolist()))

    # --- looking inside -----------------------------------------------------------------------------------------------

    def states(self, text: str, wanted: Collection[str] | None = None) -> dict[str, Array]:
        """States, gates and scores after each symbol of a text.

        Args:
            wanted: which to give; None: all. A text of more than 10,000 symbols is read as several warmed streams.

        Returns:
            (length, hidden) by name, in float32: `encoder.0.h`; LSTM: also `.c .i .f .o .g`; GRU: also `.r .z .n`. And
            `logits` (length, symbols).
        """
        return carried_forward(self, self.encode(text), wanted)

    def watched(
        self, ids: Array, state: State, wanted: Collection[str] | None
    ) -> tuple[dict[str, Array], State]:
        """States and scores of symbol numbers (time, batch): arrays (time, batch, …) by name, and the state after them."""
        steps, batch = ids.shape
        watch = Watch(wanted)
        y, state = self._encoder.run(
            TableGates(self._table, ids.reshape(-1)), Packing.equal(steps, batch), state, watch
        )
        if wanted is None or "logits" in wanted:
            watch.found["logits"] = self._logits(y)
        return {name: values.reshape(steps, batch, -1) for name, values in watch.found.items()}, state


def _float(weight: Array) -> Array:
    return weight.astype(np.float32, copy=False)
