"""Scores of raw text: equal to those of udtools on random and on chosen documents; errors in context."""

from __future__ import annotations

import random
from typing import NamedTuple

import pytest

from seqtool.errors import DataError
from seqtool.evaluation.raw_text import Document, Token, raw_text_scores, tokenization_errors
from tests.support.udtools import to_conllu, udtools_scores

LEMMAS, TAGS = ("_", "x", "y"), ("A", "B")
FEATURES = ("_", "Case=Nom", "Case=Nom|Extra=Yes", "Extra=Yes", "Number[psor]=Sing|Case=Acc")
Sentences = list[list[Token]]


def random_division(text: str, draw: random.Random) -> Sentences:
    """Divide a text into random sentences, tokens and words, with random labels."""

    def labels() -> tuple[str, ...]:
        return draw.choice(LEMMAS), draw.choice(TAGS), draw.choice(TAGS), draw.choice(FEATURES)

    sentences: Sentences = [[]]
    at = 0
    while at < len(text):
        form = text[at : at + draw.choice((1, 1, 2, 3, 5))]
        at += len(form)
        if draw.random() < 0.4:
            parts = [form[:1], form[1:] or "z"] if draw.random() < 0.5 else draw.choices("abcAB", k=3)
            token = Token(form, [(part, labels()) for part in parts], multiword=True)
        else:
            token = Token(form, [(form, labels())])
        sentences[-1].append(token)
        if draw.random() < 0.3:
            sentences.append([])
    return [sentence for sentence in sentences if sentence]


@pytest.mark.parametrize("seed", range(150))
def test_scores_are_those_of_udtools(seed: int) -> None:
    draw = random.Random(seed)
    text = "".join(draw.choices("abcAB", k=draw.randint(1, 60)))
    gold = random_division(text, draw)
    system = random_division(text, draw)
    expected = udtools_scores(to_conllu(gold), to_conllu(system))
    counts = raw_text_scores(Document.of(gold), Document.of(system))
    found = {name: (count.hits, count.predicted, count.gold) for name, count in counts.items()}
    assert found == {name: expected[name] for name in found}
    assert list(found) == ["Tokens", "Sentences", "Words", "UPOS", "XPOS", "UFeats", "AllTags", "Lemmas"]


class Case(NamedTuple):
    gold: list[list[str]]
    system: list[list[str]]
    tokens: tuple[int, int, int]
    sentences: tuple[int, int, int]


def plain(sentences: list[list[str]]) -> Document:
    return Document.of([Token(form, [(form, ())]) for form in sentence] for sentence in sentences)


@pytest.mark.parametrize(
    "case",
    [
        Case([["a", "b"], ["c"]], [["a", "b"], ["c"]], (3, 3, 3), (2, 2, 2)),
        Case([["ab", "c"]], [["a", "b", "c"]], (1, 3, 2), (1, 1, 1)),
        Case([["a"], ["b"]], [["a", "b"]], (2, 2, 2), (0, 1, 2)),
        Case([["20 000", "x"]], [["20", "000", "x"]], (1, 3, 2), (1, 1, 1)),
    ],
)
def test_tokens_and_sentences_are_compared_by_their_characters(case: Case) -> None:
    counts = raw_text_scores(plain(case.gold), plain(case.system))
    for name, expected in (("Tokens", case.tokens), ("Sentences", case.sentences)):
        assert (counts[name].hits, counts[name].predicted, counts[name].gold) == expected


def test_other_characters_are_refused() -> None:
    with pytest.raises(DataError, match="found 'cb' where the gold tokens have 'bb'"):
        raw_text_scores(plain([["abb"]]), plain([["acb"]]))
    with pytest.raises(DataError, match="found '' where"):
        raw_text_scores(plain([["abb"]]), plain([["ab"]]))


def test_errors_are_counted_with_their_first_context() -> None:
    gold = plain([["Go", "to", "New", "York", "!"], ["can", "not"], ["New", "York"]])
    system = plain([["Go", "to", "NewYork", "!"], ["cannot"], ["NewYork"]])
    (first, count), (second, _) = tokenization_errors(gold, system)
    assert (first.gold, first.system, count) == ("New York", "NewYork", 2)
    assert (first.before, first.after) == ("Go to", "! can not")
    assert (second.gold, second.system) == ("can not", "cannot")
    assert not tokenization_errors(gold, gold)
