"""Evaluation of a tokenizer on treebanks: gold paragraphs and predicted sentences as documents, a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from seqtool.data.input_files import expand
from seqtool.data.tokenization.paragraphs import Paragraph
from seqtool.evaluation.character import run_settings
from seqtool.evaluation.raw_text import (
    Document,
    Token,
    TokenizationError,
    raw_text_scores,
    tokenization_errors,
)
from seqtool.inference.tokenizer import RawSentence, TokenizerModel
from seqtool.metrics import HitCounts
from seqtool.settings import TokenizerSettings
from seqtool.types import Json

LISTED_ERRORS = 50


@dataclass(frozen=True)
class TokenizerEvaluation:
    """Scores of a tokenizer on a treebank.

    Attributes:
        counts: counts of Tokens, Sentences and Words.
        errors: different errors with their frequency, the most frequent first.
    """

    counts: Mapping[str, HitCounts]
    errors: Sequence[tuple[TokenizationError, int]]

    def test_scores(self) -> dict[str, float]:
        """Return the scores on test data that the manifest lists."""
        return {f"test_{name.lower()[:-1]}_f1": counts.f1 for name, counts in self.counts.items()}

    def to_json(self) -> Json:
        """Return all scores and the most frequent errors."""
        return {
            **{name.lower(): counts.to_json() for name, counts in self.counts.items()},
            "errors": [{**error._asdict(), "count": count} for error, count in self.errors[:LISTED_ERRORS]],
        }


class Treebanks(NamedTuple):
    """Treebanks to evaluate on: files, their encoding, and their name in messages."""

    paths: Sequence[Path]
    encoding: str
    title: str


def treebanks_of_run(run: Path | None, files: Sequence[Path]) -> Treebanks:
    """Return the user's treebanks, or else the test, dev or training files of a run, the first that exist.

    Raises:
        SeqtoolError: there are neither files nor a run.
    """
    if files:
        return Treebanks(files, "auto", ", ".join(map(str, files)))
    settings = cast(TokenizerSettings, run_settings(run, "no file is named"))
    paths = expand(settings.data.test or settings.data.dev or settings.data.train, settings.data.source)
    return Treebanks(paths, settings.data.encoding, ", ".join(map(str, paths)))


def evaluate_tokenizer(model: TokenizerModel, paragraphs: Sequence[Paragraph]) -> TokenizerEvaluation:
    """Tokenize the raw text of paragraphs and compare the result with their tokens."""
    gold = gold_document(paragraphs)
    system = system_document(model.stream([paragraph.text for paragraph in paragraphs]))
    return TokenizerEvaluation(raw_text_scores(gold, system), tokenization_errors(gold, system))


def gold_document(paragraphs: Iterable[Paragraph]) -> Document:
    """Return the gold tokens of paragraphs, without labels."""
    return Document.of(
        [
            _token(paragraph.text[token.start : token.end], token.words)
            for token in paragraph.tokens[begin:end]
        ]
        for paragraph in paragraphs
        for begin, end in zip((0, *paragraph.sentences), paragraph.sentences, strict=False)
    )


def system_document(paragraphs: Iterable[Sequence[RawSentence]]) -> Document:
    """Return the predicted tokens of paragraphs, without labels."""
    return Document.of(
        [_token(token.form, token.words) for token in sentence]
        for paragraph in paragraphs
        for sentence in paragraph
    )


def _token(form: str, words: Sequence[str]) -> Token:
    return Token(form, [(word, ()) for word in words or (form,)], multiword=bool(words))
