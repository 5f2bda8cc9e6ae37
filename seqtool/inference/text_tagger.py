"""A tagger with the tokenizer that was trained with it: from tokens, or from raw text, to labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import nlargest
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from seqtool.inference.tagger import TaggerModel

if TYPE_CHECKING:  # taggers without a trained tokenizer do without
    from seqtool.inference.tokenizer import RawSentence, TokenizerModel

LabelLists: TypeAlias = "list[tuple[list[str], float]]"  # label sequences with their log probabilities
_Chain: TypeAlias = "tuple[_Chain, list[str]] | None"  # labels of the sentences so far, the last one outside


class TagOptions(NamedTuple):
    """Results to compute in addition to the best labels.

    Attributes:
        probabilities: the probability of each label.
        nbest: the number of best label sequences; 0: only the best one.
        unseen: the words that the training data did not contain.
        one_sentence: each raw text is one sentence.
    """

    probabilities: bool = False
    nbest: int = 0
    unseen: bool = False
    one_sentence: bool = False


class Tags(NamedTuple):
    """Labels of a sentence.

    Attributes:
        labels: one for each token.
        probabilities: probability of each label, if requested.
        nbest: the best label sequences with their log probabilities, if requested.
        columns: labels of each column, if the tagger predicts several; the first is `labels`.
    """

    labels: list[str]
    probabilities: list[float] | None = None
    nbest: LabelLists | None = None
    columns: list[list[str]] | None = None


TaggedText: TypeAlias = "list[tuple[RawSentence, Tags]]"  # sentences of a raw text
Unit: TypeAlias = "list[str] | str"  # tokens of a sentence, or a raw text


class TextTagger(NamedTuple):
    """A tagger with its tokenizer. It can be pickled.

    Attributes:
        tagger: labels the words of sentences.
        tokenizer: splits raw text; None for a tagger that was trained without one.
    """

    tagger: TaggerModel
    tokenizer: TokenizerModel | None = None

    def tag(self, units: Sequence[Unit], options: TagOptions) -> list[Tags | TaggedText]:
        """Return the labels of each sentence, and the sentences of each raw text with their labels.

        Pass many units in one call, because all sentences are computed together.
        """
        split = self._sentences([unit for unit in units if isinstance(unit, str)], options)
        parts = [next(split) if isinstance(unit, str) else None for unit in units]
        sentences: list[Sequence[str]] = []
        for unit, part in zip(units, parts, strict=True):
            sentences += [unit] if part is None else map(words_of, part)
        tags = iter(tag_sentences(self.tagger, sentences, options))
        return [
            next(tags) if part is None else [(sentence, next(tags)) for sentence in part] for part in parts
        ]

    def tag_texts(self, texts: Sequence[str]) -> list[TaggedText]:
        """Return the sentences of each raw text with their labels."""
        return [found for found in self.tag(texts, TagOptions()) if not isinstance(found, Tags)]

    def _sentences(self, texts: Sequence[str], options: TagOptions) -> Iterator[list[RawSentence]]:
        if not texts:
            return
        assert self.tokenizer is not None
        for sentences in self.tokenizer.stream(texts):
            if options.one_sentence and sentences:
                yield [[token for sentence in sentences for token in sentence]]
            else:
                yield sentences


def words_of(sentence: RawSentence) -> list[str]:
    """Return the words of a sentence."""
    words: list[str] = []
    for token in sentence:
        words += token.words or (token.form,)
    return words


def tag_sentences(model: TaggerModel, sentences: Sequence[Sequence[str]], options: TagOptions) -> list[Tags]:
    """Return the labels of sentences and the other requested results."""
    if options.nbest:
        lists = [model.nbest(sentence, options.nbest) for sentence in sentences]
        return [Tags(paths[0][0], None, paths) for paths in lists]
    columns = model.tag_columns(sentences) if model.columns else None
    if options.probabilities:
        tagged = model.tag_with_probabilities(sentences)
        tags = [Tags(labels, probabilities.tolist()) for labels, probabilities in tagged]
        return (
            tags
            if columns is None
            else [tag._replace(columns=own) for tag, own in zip(tags, columns, strict=True)]
        )
    if columns is not None:
        return [Tags(own[0], columns=own) for own in columns]
    return [Tags(labels) for labels in model.tag(sentences)]


def join_nbest(lists: Sequence[LabelLists], count: int) -> LabelLists:
    """Return the best label sequences of all sentences together, given those of each sentence.

    Args:
        lists: for each sentence its best label sequences, the best first.
        count: number of sequences to return.
    """
    best: list[tuple[float, _Chain]] = [(0.0, None)]
    for paths in lists:
        # `count` pairs are at least as good as a pair of the sequences number i and j if i * j > count.
        pairs: list[tuple[float, _Chain]] = [
            (score + more, (chain, labels))
            for number, (score, chain) in enumerate(best, 1)
            for labels, more in paths[: count // number]
        ]
        best = nlargest(count, pairs, key=itemgetter(0))
    return [(_labels(chain), score) for score, chain in best]


def _labels(chain: _Chain) -> list[str]:
    parts: list[list[str]] = []
    while chain is not None:
        chain, labels = chain
        parts.append(labels)
    return [label for part in reversed(parts) for label in part]
