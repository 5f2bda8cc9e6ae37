"""Trained models for Python: `seqtool.load` and the model that it returns. This module needs no torch."""

from __future__ import annotations

import html
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from seqtool.api.analysis import SINGLE_LABEL, AnalyzedText, TaggedSentences, analyzed_sentence
from seqtool.api.text_methods import TextMethods
from seqtool.data.tokenization.rules import TOKENIZERS, Token
from seqtool.errors import ModelError
from seqtool.inference.character import CharacterModel
from seqtool.inference.load import load_model, load_tokenizer
from seqtool.inference.tagger import TaggerModel
from seqtool.inference.text_tagger import TaggedText, TagOptions, TextTagger, tag_sentences, words_of
from seqtool.inference.tokenizer import RawSentence, RawToken, TokenizerModel
from seqtool.storage.find_model import (
    CHARACTER_MODEL,
    TAGGER,
    TOKENIZER,
    ModelFilter,
    ModelFolders,
    find_model,
    runs_root,
)
from seqtool.storage.model_directory import Manifest, read_model
from seqtool.types import Json

if TYPE_CHECKING:
    from seqtool.reports.notebook import PlayPage

GROUP_CHARACTERS = 1 << 16  # of the paragraphs that are analyzed together
M = TypeVar("M", CharacterModel, TaggerModel, TokenizerModel)


def load(model: str | PathLike[str] | None = None, *, runs_dir: str | PathLike[str] | None = None) -> Model:
    """Load and verify a trained model.

    >>> seqtool.load("runs/ewt").tag([["The", "dog", "ate", "the", "apple"]])  # doctest: +SKIP
    [['DET', 'NOUN', 'VERB', 'DET', 'NOUN']]
    >>> seqtool.load("hihell", runs_dir=folder).predict("hihell")
    'ihello'

    Args:
        model: run directory, model directory, name of a run or of a pretrained model; None: `$SEQTOOL_MODEL`,
            else the newest run, else a pretrained model.
        runs_dir: directory of all runs; None: `$SEQTOOL_RUNS`, else `runs` in the current directory.

    Raises:
        ModelError: there is no such model, or it is damaged.
    """
    root = runs_root(None if runs_dir is None else Path(runs_dir))
    location = find_model(None if model is None else str(model), root, warn=warnings.warn)
    stored = read_model(location.model)
    parts = stored.parts
    tokenizer = parts.get("tokenizer") if len(parts) > 1 else None
    return Model(
        location.name,
        stored.task,
        stored.manifest.to_json(),
        load_model(stored.main),
        None if tokenizer is None else load_tokenizer(tokenizer),
        location,
    )


@dataclass(frozen=True, repr=False)
class Model(TextMethods):
    """A trained model. It has no global state and can be pickled, for example for worker processes.

    Attributes:
        name: its name in messages.
        task: `tagger`, `tokenizer` or `char`.
        facts: content of its manifest: sizes, scores, versions, hashes.
        runtime: the numpy model, with further methods: probabilities, n-best lists, states and gates.
        tokenizer: the tokenizer of a tagger that was trained with one.
        location: its directory, and that of its run.
    """

    name: str
    task: str
    facts: Json
    runtime: CharacterModel | TaggerModel | TokenizerModel
    tokenizer: TokenizerModel | None = None
    location: ModelFolders | None = None

    # --- what a notebook shows ------------------------------------------------------------------------------

    def __repr__(self) -> str:
        """Return one line: the name, the task and the scores."""
        from seqtool.reports.formatting import format_score

        scores = [f"{name} {format_score(name, value)}" for name, value in self._scores().items()]
        return f"<Model {self.name}: {', '.join([self.task, *scores])}>"

    def _repr_html_(self) -> str:
        """Return a table of the parts of the network and the scores, for a notebook."""
        from seqtool.reports.notebook import model_html

        if self.location is None:
            return html.escape(repr(self))
        return model_html(self.name, read_model(self.location.model), self._scores())

    def play(self, height: int = 720) -> PlayPage:
        """Return the page of `seqtool play`, in which the model runs; a notebook shows it below the cell.

        >>> seqtool.load("hihell", runs_dir=folder).play()  # doctest: +ELLIPSIS
        <PlayPage of hihell: ... kB; save(path) writes it>

        Args:
            height: of the page in the notebook, in pixels.

        Raises:
            ModelError: the directory of the model is damaged or gone.
        """
        from seqtool.reports.notebook import PlayPage
        from seqtool.reports.play.collect import collect_play
        from seqtool.reports.play.render import render_play

        if self.location is None:
            raise ModelError("the directory of this model is not known", place=self.name)
        data = collect_play(self.location, None)
        return PlayPage(data.name, render_play(data), height)

    def _scores(self) -> dict[str, float]:
        return Manifest.from_json(self.facts).all_scores

    # --- taggers --------------------------------------------------------------------------------------------

    def tag(self, sentences: Iterable[Sequence[str]]) -> TaggedSentences:
        """Return the labels of sentences, a list of lists, which a notebook shows in colors.

        One call with many sentences is faster than many calls.

        Args:
            sentences: each a list of tokens, or a raw text, which `tokenize` splits.

        Raises:
            ModelError: a character model, or raw text for a script without spaces between words.
            TypeError: one string instead of a list of sentences.
        """
        if isinstance(sentences, str):
            raise TypeError("expected a list of sentences, found one string; write tag([text])")
        tokens = [
            self._words(sentence) if isinstance(sentence, str) else list(sentence) for sentence in sentences
        ]
        tagger = self._tagger()
        return TaggedSentences(tagger.tag(tokens), tokens, tagger.labels)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the labels of a tagger that predicts several; empty for a single label."""
        return self._tagger().columns

    def tag_columns(self, sentences: Sequence[Sequence[str]]) -> list[list[list[str]]]:
        """Return the labels of each column of each sentence of tokens; the first column is that of `tag`."""
        return self._tagger().tag_columns(sentences)

    def _words(self, text: str) -> list[str]:
        """Return the words of a raw text, as one sentence."""
        if self.tokenizer is None:
            return [token.form for token in self.tokenize(text)]
        return [word for sentence in self.sentences(text) for word in words_of(sentence)]

    def analyze(self, text: str) -> AnalyzedText:
        """Return the sentences of a paragraph: tokens with positions, and words with all labels by name.

        >>> seqtool.load("runs/my").analyze("It's me.")[0][0].words[1].lemma  # doctest: +SKIP
        'be'

        A tagger without a trained tokenizer takes the paragraph for one sentence.

        Raises:
            ModelError: as `tokenize`.
        """
        return next(self.analyses([text]))

    def analyses(self, texts: Iterable[str]) -> Iterator[AnalyzedText]:
        """Yield the sentences of each paragraph, as `analyze`. Many short ones are computed together.

        Raises:
            ModelError: as `tokenize`.
            TypeError: one string instead of several.
        """
        if isinstance(texts, str):
            raise TypeError("expected paragraphs, found one string; write analyze(text)")
        tagger = self._tagger()
        names = tagger.columns or (SINGLE_LABEL,)
        for together in _groups(texts):
            for sentences in self.tagged_texts(together):
                analyzed = [
                    analyzed_sentence(sentence, names, tags.columns or [tags.labels])
                    for sentence, tags in sentences
                ]
                yield AnalyzedText(analyzed, tagger.labels)

    def tagged_texts(self, texts: Sequence[str]) -> list[TaggedText]:
        """Return the sentences of each paragraph with their labels; all are computed together."""
        tagger = self._tagger()
        if self.tokenizer is not None:
            return TextTagger(tagger, self.tokenizer).tag_texts(texts)
        sentences = [[RawToken(*token) for token in self.tokenize(text)] for text in texts]
        tags = tag_sentences(tagger, list(map(words_of, sentences)), TagOptions())
        return [[(sentence, own)] if sentence else [] for sentence, own in zip(sentences, tags, strict=True)]

    def tokenize(self, text: str) -> list[Token]:
        """Return the tokens of a raw text with their positions, `text[start:end] == form`.

        A tokenizer finds them. For a tagger, training chose the rule that fits the training data best.

        Raises:
            ModelError: a character model, or a tagger for a script without spaces between words.
        """
        if self.tokenizer is not None or isinstance(self.runtime, TokenizerModel):
            return [Token(*token[:3]) for sentence in self.sentences(text) for token in sentence]
        name = self._tagger().tokenizer
        if name is None:
            message = (
                "expected tokens, found raw text that cannot be split: "
                "the script of the model has no spaces between words"
            )
            raise ModelError(message, place=self.name, hint="give each sentence as a list of tokens")
        return list(TOKENIZERS[name](text))

    def sentences(self, text: str) -> list[RawSentence]:
        """Return the sentences of a paragraph: tokens with positions, and words of multiword tokens.

        Raises:
            ModelError: the model has no trained tokenizer.
        """
        if self.tokenizer is not None:
            return self.tokenizer.tokenize([text])[0]
        return self._runtime_of(TokenizerModel, TOKENIZER).tokenize([text])[0]

    # --- conversion -----------------------------------------------------------------------------------------

    def _tagger(self) -> TaggerModel:
        return self._runtime_of(TaggerModel, TAGGER)

    def _character_model(self) -> CharacterModel:
        return self._runtime_of(CharacterModel, CHARACTER_MODEL)

    def _runtime_of(self, model_class: type[M], expected: ModelFilter) -> M:
        if isinstance(self.runtime, model_class):
            return self.runtime
        from seqtool.tasks.interface import definition

        found = definition(self.task)
        message = f"expected a {expected.description}, found a {found.noun}"
        raise ModelError(message, place=self.name, hint=f"use its method {found.use_command}")


def _groups(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield paragraphs in groups of a limited number of characters."""
    group: list[str] = []
    size = 0
    for text in texts:
        group.append(text)
        size += len(text)
        if size >= GROUP_CHARACTERS:
            yield group
            group, size = [], 0
    if group:
        yield group
