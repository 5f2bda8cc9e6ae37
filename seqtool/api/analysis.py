"""Typed result of an analysis: sentences of tokens with positions, and their words with labels by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from seqtool.inference.tokenizer import RawSentence

SINGLE_LABEL = "label"  # name of the label of a tagger that predicts one


class Word(NamedTuple):
    """A syntactic word.

    Attributes:
        form: the word.
        labels: its labels by name, such as `upos` and `lemma`; `label` for a tagger of a single label.
    """

    form: str
    labels: Mapping[str, str]


class AnalyzedToken(NamedTuple):
    """A token of a text, `text[start:end]`.

    Attributes:
        form: the token with single spaces in place of other white space.
        start, end: positions in the text.
        words: its words: several for a multiword token, else the token itself.
    """

    form: str
    start: int
    end: int
    words: tuple[Word, ...]


AnalyzedSentence = list[AnalyzedToken]


def analyzed_sentence(
    sentence: RawSentence, names: Sequence[str], columns: Sequence[Sequence[str]]
) -> AnalyzedSentence:
    """Give the labels of a sentence to its words.

    Args:
        names: names of the labels.
        columns: labels of all words of the sentence, for each name.
    """
    labels = (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
    return [
        AnalyzedToken(*token[:3], tuple(Word(form, next(labels)) for form in token.words or (token.form,)))
        for token in sentence
    ]
