"""Evaluation on the raw text of treebanks: of a tokenizer, or of a tokenizer and a tagger together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat
from pathlib import Path
from typing import NamedTuple, cast

from seqtool.data.encoding import AUTO
from seqtool.data.formats.conllu import find_label
from seqtool.data.input_files import check_data_file, expand
from seqtool.data.tokenization.corpus import read_raw_blocks
from seqtool.data.tokenization.paragraphs import Paragraph, read_paragraphs, word_labels
from seqtool.errors import DataError
from seqtool.evaluation.character import run_settings
from seqtool.evaluation.raw_text import (
    COLUMNS,
    Document,
    Token,
    TokenizationError,
    raw_text_scores,
    tokenization_errors,
)
from seqtool.evaluation.tagger import BATCH
from seqtool.inference.tagger import TaggerModel
from seqtool.inference.text_tagger import words_of
from seqtool.inference.tokenizer import RawSentence, TokenizerModel
from seqtool.metrics import HitCounts
from seqtool.progress import tell_progress
from seqtool.settings.experiment import TaggerSettings, TokenizerSettings

LISTED_ERRORS = 50
Labels = tuple[str, ...]  # of a word: the columns of `raw_text.COLUMNS`
NO_LABELS: Labels = ()
MISSING = "_"  # label of a column that a tagger does not predict


@dataclass(frozen=True)
class TokenizerEvaluation:
    """Scores on the raw text of a treebank.

    Attributes:
        counts: counts of Tokens, Sentences and Words; with a tagger, of its labels, too.
        errors: different errors of tokenization with their frequency, the most frequent first.
        missing: columns that the tagger does not predict.
    """

    counts: Mapping[str, HitCounts]
    errors: Sequence[tuple[TokenizationError, int]]
    missing: Sequence[str] = ()

    def test_scores(self) -> dict[str, float]:
        """Return the scores on test data that the manifest lists."""
        return {f"test_{name.lower()[:-1]}_f1": counts.f1 for name, counts in self.counts.items()}

    def to_json(self) -> dict[str, object]:
        """Return all scores and the most frequent errors."""
        return {
            **{name.lower(): counts.to_json() for name, counts in self.counts.items()},
            "errors": [{**error._asdict(), "count": count} for error, count in self.errors[:LISTED_ERRORS]],
        }


# --- treebanks ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Treebank:
    """Raw text with its gold tokens and labels.

    Attributes:
        paragraphs: raw text with tokens, words and sentences.
        labels: labels of all words in order; empty if they are not compared.
    """

    paragraphs: Sequence[Paragraph]
    labels: Sequence[Labels] = ()


class TreebankFiles(NamedTuple):
    """Treebanks to evaluate on: files, their encoding, and their name in messages."""

    paths: Sequence[Path]
    encoding: str
    title: str

    def read(self) -> Treebank:
        """Return the content of all files.

        Raises:
            DataError: a file cannot be read or has no raw text.
        """
        files = [read_raw_blocks(path, self.encoding) for path in self.paths]
        paragraphs = chain.from_iterable(map(read_paragraphs, files))
        labels = chain.from_iterable(word_labels(block) for blocks in files for block in blocks)
        return Treebank(tuple(paragraphs), tuple(labels))


def treebanks_of_run(run: Path | None, files: Sequence[Path], encoding: str = AUTO) -> TreebankFiles:
    """Return the user's treebanks, or else the test, dev or training files of a run, the first that exist.

    Args:
        encoding: encoding of the user's files.

    Raises:
        SeqtoolError: there are neither files nor a run.
        DataError: a file cannot be read.
    """
    if files:
        for path in files:
            check_data_file(path)
        return TreebankFiles(files, encoding, ", ".join(map(str, files)))
    data = cast(TokenizerSettings | TaggerSettings, run_settings(run, "no file is named")).data
    paths = expand(data.test or data.dev or data.train, data.source)
    return TreebankFiles(paths, data.encoding, ", ".join(map(str, paths)))


# --- evaluation ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WordLabeler:
    """A tagger that labels the words of a tokenizer.

    Attributes:
        model: the tagger.
        places: for each of its columns the place in `raw_text.COLUMNS`; None for another column.
    """

    model: TaggerModel
    places: tuple[int | None, ...]

    @classmethod
    def of(cls, model: TaggerModel, label: str) -> WordLabeler:
        """Find the columns of a tagger; `label` names the column of a tagger of a single label."""
        return cls(model, tuple(map(_place, model.columns or (label,))))

    @property
    def missing(self) -> tuple[str, ...]:
        """Columns that the tagger does not predict."""
        return tuple(name for place, name in enumerate(COLUMNS) if place not in self.places)

    def labels(self, sentences: Sequence[Sequence[str]]) -> Iterator[Labels]:
        """Yield the labels of all words of some sentences."""
        for sentence, columns in zip(sentences, self.model.tag_columns(sentences), strict=True):
            by_place = dict(zip(self.places, columns, strict=True))
            missing = [MISSING] * len(sentence)
            yield from zip(*(by_place.get(place, missing) for place in range(len(COLUMNS))), strict=True)


def _place(name: str) -> int | None:
    """Return the place of a column of CoNLL-U in `raw_text.COLUMNS`."""
    try:
        return COLUMNS.index(find_label(name))
    except (DataError, ValueError):  # a column of another kind of file, or one that is not compared
        return None


def evaluate_tokenizer(model: TokenizerModel, paragraphs: Sequence[Paragraph]) -> TokenizerEvaluation:
    """Tokenize the raw text of paragraphs and compare the result with their tokens."""
    return evaluate_raw_text(model, None, Treebank(paragraphs))


def evaluate_raw_text(
    tokenizer: TokenizerModel, labeler: WordLabeler | None, treebank: Treebank
) -> TokenizerEvaluation:
    """Tokenize raw text, label its words if there is a tagger, and compare the result with a treebank."""
    gold = gold_document(treebank.paragraphs, treebank.labels if labeler is not None else ())
    texts = [paragraph.text for paragraph in treebank.paragraphs]
    system = system_document(_told(tokenizer.stream(texts), len(texts)), labeler)
    missing = labeler.missing if labeler is not None else ()
    return TokenizerEvaluation(raw_text_scores(gold, system), tokenization_errors(gold, system), missing)


def _told(paragraphs: Iterable[list[RawSentence]], count: int) -> Iterator[list[RawSentence]]:
    """Yield the results of `count` paragraphs, and tell how many are done."""
    for number, paragraph in enumerate(paragraphs):
        tell_progress("tokenizing paragraphs", number, count)
        yield paragraph


def gold_document(paragraphs: Iterable[Paragraph], labels: Sequence[Labels] = ()) -> Document:
    """Return the gold tokens of paragraphs, with the labels of all their words if these are given."""
    rest = iter(labels or repeat(NO_LABELS))
    return Document.of(
        [
            _token(paragraph.text[token.start : token.end], token.words, rest)
            for token in paragraph.tokens[begin:end]
        ]
        for paragraph in paragraphs
        for begin, end in zip((0, *paragraph.sentences), paragraph.sentences, strict=False)
    )


def system_document(
    paragraphs: Iterable[Sequence[RawSentence]], labeler: WordLabeler | None = None
) -> Document:
    """Return the predicted tokens of paragraphs, with labels if there is a tagger."""
    return Document.of(_system_tokens(chain.from_iterable(paragraphs), labeler))


def _system_tokens(sentences: Iterator[RawSentence], labeler: WordLabeler | None) -> Iterator[list[Token]]:
    while batch := list(islice(sentences, BATCH)):
        labels: Iterator[Labels] = repeat(NO_LABELS)
        if labeler is not None:
            labels = labeler.labels([words_of(sentence) for sentence in batch])
        for sentence in batch:
            yield [_token(token.form, token.words, labels) for token in sentence]


def _token(form: str, words: Sequence[str], labels: Iterator[Labels]) -> Token:
    """Return a token whose words have the next labels."""
    return Token(form, [(word, next(labels)) for word in words or (form,)], multiword=bool(words))
