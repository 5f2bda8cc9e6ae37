"""Typed result of an analysis: sentences of tokens with positions, and their words with labels by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seqtool.inference.tokenizer import RawSentence

SINGLE_LABEL = "label"  # name of the label of a tagger that predicts one


@dataclass(frozen=True, slots=True)
class Word:
    """A syntactic word.

    Attributes:
        form: the word.
        labels: its labels by name, such as `upos` and `lemma`; `label` for a tagger of a single label.
    """

    form: str
    labels: Mapping[str, str]

    @property
    def label(self) -> str:
        """The first label."""
        return next(iter(self.labels.values()))

    @property
    def lemma(self) -> str | None:
        """The label `lemma`; None if the tagger does not predict it, as for the other names."""
        return self.labels.get("lemma")

    @property
    def upos(self) -> str | None:
        """The label `upos`."""
        return self.labels.get("upos")

    @property
    def xpos(self) -> str | None:
        """The label `xpos`."""
        return self.labels.get("xpos")

    @property
    def feats(self) -> str | None:
        """The label `feats`."""
        return self.labels.get("feats")


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a text, `text[start:end]`. One that is a single word has the labels of this word.

    Attributes:
        form: the token with single spaces in place of other white space.
        start, end: positions in the text.
        words: its words: several for a multiword token, else the token itself.
    """

    form: str
    start: int
    end: int
    words: tuple[Word, ...]

    @property
    def word(self) -> Word | None:
        """The only word; None for a multiword token."""
        return self.words[0] if len(self.words) == 1 else None

    @property
    def lemma(self) -> str | None:
        """The lemma of the only word; None if there are several or the tagger does not predict it."""
        return self.word.lemma if self.word else None

    @property
    def upos(self) -> str | None:
        """The label `upos` of the only word."""
        return self.word.upos if self.word else None

    @property
    def xpos(self) -> str | None:
        """The label `xpos` of the only word."""
        return self.word.xpos if self.word else None

    @property
    def feats(self) -> str | None:
        """The label `feats` of the only word."""
        return self.word.feats if self.word else None


Sentence = list[Token]


def analyzed_sentence(
    sentence: RawSentence, names: Sequence[str], columns: Sequence[Sequence[str]]
) -> Sentence:
    """Give the labels of a sentence to its words.

    Args:
        names: names of the labels.
        columns: labels of all words of the sentence, for each name.
    """
    labels = (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
    return [
        Token(
            token.form,
            token.start,
            token.end,
            tuple(Word(form, next(labels)) for form in token.words or (token.form,)),
        )
        for token in sentence
    ]
