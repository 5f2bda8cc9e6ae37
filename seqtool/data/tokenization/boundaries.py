"""Boundaries as classes of characters: tokens to classes for training, classes to tokens afterwards.

Each character other than white space has one of four classes: it is inside a token, or the last character of
a token, of a multiword token whose words are looked up, or of a word inside a token. The ends of sentences
are a separate yes or no at the last character of a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqtool.data.tokenization.paragraphs import Paragraph, SurfaceToken
from seqtool.data.tokenization.sentence_choice import choose_sentences
from seqtool.types import Array

INSIDE, TOKEN_END, LOOKUP_END, WORD_END = range(4)
CLASSES = 4
OUTPUTS = CLASSES + 1  # scores of the classes, then the score of a sentence end
IGNORED = -1  # target of a character that is not trained on


class Targets(NamedTuple):
    """Targets of the characters of a paragraph.

    Attributes:
        classes: class of each character (characters,); `IGNORED` for white space.
        sentences: 1 at the end of a sentence, 0 at the end of another token, else `IGNORED`: (characters,).
    """

    classes: Array
    sentences: Array


class Boundaries(NamedTuple):
    """Positions of tokens, words and sentences.

    Attributes:
        starts, ends: positions of the tokens (tokens,).
        lookup: marks multiword tokens whose words are looked up (tokens,).
        cuts: ends of words inside a token, in order (cuts,).
        sentences: for each sentence, the number of tokens up to its end (sentences,).
    """

    starts: Array
    ends: Array
    lookup: Array
    cuts: Array
    sentences: Array


def boundary_targets(paragraph: Paragraph) -> Targets:
    """Return the targets of a paragraph's characters."""
    classes = np.zeros(len(paragraph.text), np.int8)
    sentences = np.full(len(paragraph.text), IGNORED, np.int8)
    for token in paragraph.tokens:
        classes[token.end - 1] = TOKEN_END
        sentences[token.end - 1] = 0
        if token.words:
            cuts = word_cuts(paragraph.text, token)
            if cuts is None:
                classes[token.end - 1] = LOOKUP_END
            else:
                classes[[cut - 1 for cut in cuts]] = WORD_END
    for count in paragraph.sentences:
        sentences[paragraph.tokens[count - 1].end - 1] = 1
    classes[[character == " " for character in paragraph.text]] = IGNORED
    return Targets(classes, sentences)


def word_cuts(text: str, token: SurfaceToken) -> list[int] | None:
    """Return the ends of a multiword token's words inside the token, without the last.

    Returns:
        None if the token is not the concatenation of its words; white space between words is allowed.
    """
    at, cuts = token.start, []
    for word in token.words:
        while at < token.end and text[at] == " ":
            at += 1
        if not word or not text.startswith(word, at) or at + len(word) > token.end:
            return None
        at += len(word)
        cuts.append(at)
    return cuts[:-1] if at == token.end else None


def decode_boundaries(
    text: Array,
    scores: Array,
    inner_spaces: bool,
    paragraph_ends: Array | None = None,
) -> Boundaries:
    """Return the boundaries that the scores of paragraphs mean.

    The last character of a paragraph ends a token and a sentence. A token ends before a space, except for
    scripts whose tokens contain spaces.

    Args:
        text: code points of the paragraphs, one after the other, without spaces at their ends (characters,).
        scores: (characters, 5).
        inner_spaces: whether tokens may contain spaces.
        paragraph_ends: positions of the last characters of the paragraphs; None: it is one paragraph.
    """
    forced = np.zeros(len(text), bool)
    forced[[-1] if paragraph_ends is None else paragraph_ends] = True
    positions = np.flatnonzero(text != ord(" "))
    scores, forced = scores[positions], forced[positions]
    classes = scores[:, :CLASSES].argmax(1)
    is_end = (classes == TOKEN_END) | (classes == LOOKUP_END) | forced
    if not inner_spaces:
        is_end[:-1] |= np.diff(positions) > 1
    last = np.flatnonzero(is_end)
    first = np.concatenate([[0], last + 1])[: len(last)]
    return Boundaries(
        starts=positions[first],
        ends=positions[last] + 1,
        lookup=classes[last] == LOOKUP_END,
        cuts=positions[(classes == WORD_END) & ~is_end] + 1,
        sentences=choose_sentences(scores[last, CLASSES], forced[last]) + 1,
    )


def cuts_of_tokens(boundaries: Boundaries) -> dict[int, list[int]]:
    """Return the ends of words inside a token by the number of the token, for tokens that have some."""
    found: dict[int, list[int]] = {}
    numbers: Sequence[int] = np.searchsorted(boundaries.ends, boundaries.cuts, side="left").tolist()
    for number, cut in zip(numbers, boundaries.cuts.tolist(), strict=True):
        found.setdefault(number, []).append(cut)
    return found
