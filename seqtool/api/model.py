"""A trained model for Python callers: `seqtool.load(…)` and what it gives back. On the runtime alone: never torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from seqtool.data.tokenization.rules import TOKENIZERS, Token
from seqtool.errors import ModelError
from seqtool.inference.character import LENGTH, CharacterModel
from seqtool.inference.load import load_model
from seqtool.inference.tagger import TaggerModel
from seqtool.inference.text_scoring import TextScores
from seqtool.storage.find_model import find_model, runs_root
from seqtool.storage.model_directory import read_model


def load(model: str | PathLike[str] | None = None, *, runs_dir: str | PathLike[str] | None = None) -> Model:
    """A trained model, verified.

    >>> seqtool.load("runs/ewt").tag([["The", "dog", "ate", "the", "apple"]])  # doctest: +SKIP
    [['DET', 'NOUN', 'VERB', 'DET', 'NOUN']]
    >>> seqtool.load("hihell", runs_dir=folder).predict("hihell")
    'ihello'

    Args:
        model: a run directory, a model directory or a run's name; None: `$SEQTOOL_MODEL`, else the newest run.
        runs_dir: where runs lie; None: `$SEQTOOL_RUNS`, else `runs` in the current folder.

    Raises:
        ModelError: if there is none, or if it is damaged.
    """
    root = runs_root(None if runs_dir is None else Path(runs_dir))
    place = find_model(None if model is None else str(model), root)
    bundle = read_model(place.model)
    return Model(place.name, bundle.task, bundle.manifest.to_json(), load_model(bundle))


@dataclass(frozen=True)
class Model:
    """A trained model at work. It holds no global state, and can be pickled, so that worker processes can have it.

    Attributes:
        name: what a person calls it.
        task: `tagger` or `char`.
        facts: of its manifest: sizes, scores, versions, hashes.
        runtime: the numpy model underneath, which can do more: probabilities, n-best lists, states and gates.
    """

    name: str
    task: str
    facts: dict[str, Any]
    runtime: CharacterModel | TaggerModel

    # --- taggers ------------------------------------------------------------------------------------------------------

    def tag(self, sentences: Iterable[Sequence[str]]) -> list[list[str]]:
        """The labels of sentences; give many at a time, since they are worked on together.

        Args:
            sentences: each a list of tokens, or raw text, which is then cut as `tokenize` does.

        Raises:
            ModelError: a character model, or raw text for a script that has no spaces between words.
            TypeError: one string in the place of a list of sentences.
        """
        if isinstance(sentences, str):
            raise TypeError("expected a list of sentences, found one string; write tag([text])")
        tokens = [
            [token.form for token in self.tokenize(sentence)] if isinstance(sentence, str) else list(sentence)
            for sentence in sentences
        ]
        return self._tagger().tag(tokens)

    def tokenize(self, text: str) -> list[Token]:
        """The tokens of a raw text with their places, `text[start:end] == form`, as the model's training found best.

        Raises:
            ModelError: a character model, or one whose script has no spaces between words.
        """
        name = self._tagger().tokenizer
        if name is None:
            message = "expected tokens, found raw text; the model's script has no spaces between words, so it cannot cut them"
            raise ModelError(message, place=self.name, hint="give each sentence as a list of tokens")
        return list(TOKENIZERS[name](text))

    # --- character models ---------------------------------------------------------------------------------------------

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
    ) -> str:
        """Text that goes on from a prompt, without it. Equal seeds give equal texts.

        Args:
            length: how many symbols are drawn at most; a model of lines ends with its line.
            temperature: below 1 more likely symbols are chosen more often, above 1 less often; 0: always the likeliest.
            top_k: choose among the k likeliest symbols only.
            top_p: choose among the likeliest symbols that together have this probability.
            stop: ends the text; not given out itself.

        Raises:
            DataError: a symbol in the prompt that the model does not know.
            ConfigError: an argument out of its range.
            ModelError: a tagger, or a model of aligned pairs.
        """
        return "".join(
            self.stream(
                prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, stop=stop
            )
        )

    def stream(
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
        """As `sample`, piece by piece while it is generated."""
        return self._character().sample(
            prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, stop=stop
        )

    def score(self, text: str, context: str = "") -> TextScores:
        """What a text costs the model: `.mean` nats and `.bits` per symbol, `.perplexity`, and `.losses` of each symbol.

        The first symbol of a running text is read, not predicted, unless there is a context, which is read first and not
        scored. A model of lines scores each line by itself, with its end.

        Raises:
            DataError: a symbol that the model does not know.
            ModelError: a tagger, or a model of aligned pairs.
        """
        return self._character().score(text, context)

    def predict(self, text: str) -> str:
        """The best symbol at each step: what an aligned model makes of a text.

        Raises:
            DataError: a symbol that the model does not know.
            ModelError: a tagger.
        """
        return self._character().predict(text)

    # --- which of the two ---------------------------------------------------------------------------------------------

    def _tagger(self) -> TaggerModel:
        if not isinstance(self.runtime, TaggerModel):
            raise ModelError(
                "a character model, not a tagger", place=self.name, hint="it can sample and score"
            )
        return self.runtime

    def _character(self) -> CharacterModel:
        if not isinstance(self.runtime, CharacterModel):
            raise ModelError("a tagger, not a character model", place=self.name, hint="it can tag")
        return self.runtime
