"""Boundary classes: gold tokens to classes and back, spaces, cuts of multiword tokens."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.tokenization.boundaries import (
    CLASSES,
    IGNORED,
    INSIDE,
    LOOKUP_END,
    OUTPUTS,
    TOKEN_END,
    WORD_END,
    boundary_targets,
    cuts_of_tokens,
    decode_boundaries,
    word_cuts,
)
from seqtool.data.tokenization.paragraphs import Paragraph, SurfaceToken
from seqtool.types import Array


def codes(text: str) -> Array:
    return np.array([ord(character) for character in text])


def scores_of(paragraph: Paragraph) -> Array:
    """Return scores that prefer the targets of a paragraph."""
    targets = boundary_targets(paragraph)
    scores = np.zeros((len(paragraph.text), OUTPUTS), np.float32)
    scores[np.arange(len(scores)), np.maximum(targets.classes, 0)] = 1
    scores[:, CLASSES] = np.where(targets.sentences == 1, 20, -20)
    return scores


def test_classes_of_a_paragraph() -> None:
    text = "cannot du. Go"
    tokens = (
        SurfaceToken(0, 6, ("can", "not")),
        SurfaceToken(7, 9, ("de", "le")),
        SurfaceToken(9, 10),
        SurfaceToken(11, 13),
    )
    targets = boundary_targets(Paragraph(text, tokens, (3, 4)))
    expected = [INSIDE] * len(text)
    expected[2], expected[5], expected[8], expected[9], expected[12] = (
        WORD_END,
        TOKEN_END,
        LOOKUP_END,
        TOKEN_END,
        TOKEN_END,
    )
    expected[6] = expected[10] = IGNORED
    assert targets.classes.tolist() == expected
    assert {at: value for at, value in enumerate(targets.sentences.tolist()) if value >= 0} == {
        5: 0,
        8: 0,
        9: 1,
        12: 1,
    }


def test_words_with_spaces_between_them_are_cut() -> None:
    assert word_cuts("a bc", SurfaceToken(0, 4, ("a", "bc"))) == [1]
    assert word_cuts("abc", SurfaceToken(0, 3, ("a", "b"))) is None
    assert word_cuts("ab", SurfaceToken(0, 2, ("a", "b", "c"))) is None


@st.composite
def paragraphs(draw: st.DrawFn, inner_spaces: bool) -> Paragraph:
    """Draw a paragraph of tokens with and without spaces between and inside them, some of several words."""
    text, tokens, ends = "", [], []
    for number in range(draw(st.integers(1, 12))):
        words = draw(st.lists(st.sampled_from(["a", "bc", "def"]), min_size=1, max_size=3))
        form = "".join(words)
        if inner_spaces and len(form) > 2 and draw(st.booleans()):
            form, words = form[0] + " " + form[1:], [form]
        looked_up = draw(st.booleans())
        start = len(text)
        text += form
        multiword = (("x", "y") if looked_up else tuple(words)) if len(words) > 1 else ()
        tokens.append(SurfaceToken(start, len(text), multiword))
        if draw(st.booleans()):
            text += " "
        if draw(st.booleans()):
            ends.append(number + 1)
    ends = [*(end for end in ends if end < len(tokens)), len(tokens)]
    return Paragraph(text.rstrip(), tuple(tokens), tuple(ends))


@given(st.booleans().flatmap(lambda inner: st.tuples(st.just(inner), paragraphs(inner))))
def test_decoding_gives_back_the_gold_boundaries(case: tuple[bool, Paragraph]) -> None:
    inner_spaces, paragraph = case
    found = decode_boundaries(codes(paragraph.text), scores_of(paragraph), inner_spaces)
    assert list(zip(found.starts, found.ends, strict=True)) == [token[:2] for token in paragraph.tokens]
    assert tuple(found.sentences) == paragraph.sentences
    cuts = cuts_of_tokens(found)
    for number, token in enumerate(paragraph.tokens):
        expected = word_cuts(paragraph.text, token) if token.words else []
        assert cuts.get(number, []) == (expected or [])
        assert found.lookup[number] == (expected is None)


@given(st.text("ab .", min_size=1, max_size=30), st.integers(0, 1000), st.booleans())
def test_any_scores_give_a_division_of_the_text(text: str, seed: int, inner_spaces: bool) -> None:
    text = " ".join(text.split())
    if not text:
        return
    scores = np.random.default_rng(seed).standard_normal((len(text), OUTPUTS))
    found = decode_boundaries(codes(text), scores, inner_spaces)
    tokens = [text[start:end] for start, end in zip(found.starts, found.ends, strict=True)]
    assert "".join(tokens).replace(" ", "") == text.replace(" ", "")
    assert all(token == token.strip() and token for token in tokens)
    assert inner_spaces or not any(" " in token for token in tokens)
    assert found.sentences[-1] == len(tokens)
