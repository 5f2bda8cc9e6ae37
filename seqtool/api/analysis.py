"""Results of taggers: labels of sentences, and sentences of tokens with positions and labels by name.

Both are plain lists that a notebook shows in colors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


class TaggedSentences(list[list[str]]):
    """The labels of sentences: a list of lists, which a notebook shows in colors below their tokens.

    Attributes:
        tokens: the tokens of each sentence.
        names: all labels of the model, which determine the colors.
    """

    def __init__(
        self, labels: Iterable[list[str]], tokens: Sequence[Sequence[str]], names: Sequence[str]
    ) -> None:
        super().__init__(labels)
        self.tokens = tokens
        self.names = tuple(names)

    def __reduce__(self) -> tuple[type[TaggedSentences], tuple[object, ...]]:
        """Let a copy and a pickle keep the tokens."""
        return TaggedSentences, (list(self), self.tokens, self.names)

    def _repr_html_(self) -> str:
        """Return tokens and labels, for a notebook."""
        return _colored(list(zip(self.tokens, self, strict=False)), self.names)


class AnalyzedText(list[Sentence]):
    """The sentences of a paragraph: a list, which a notebook shows in colors, with the first label of words.

    Attributes:
        names: all values of the first label, which determine the colors.
    """

    def __init__(self, sentences: Iterable[Sentence], names: Sequence[str]) -> None:
        super().__init__(sentences)
        self.names = tuple(names)

    def __reduce__(self) -> tuple[type[AnalyzedText], tuple[object, ...]]:
        """Let a copy and a pickle keep the names."""
        return AnalyzedText, (list(self), self.names)

    def _repr_html_(self) -> str:
        """Return words and labels, for a notebook."""
        words = [[word for token in sentence for word in token.words] for sentence in self]
        pairs = [([word.form for word in one], [word.label for word in one]) for one in words]
        return _colored(pairs, self.names)


def _colored(sentences: Sequence[tuple[Sequence[str], Sequence[str]]], names: Sequence[str]) -> str:
    from seqtool.reports.notebook import label_hues, tagged_html

    return tagged_html(sentences, label_hues(names))
