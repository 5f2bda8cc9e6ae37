"""Scores of raw text that was split into sentences, tokens and words, as in the CoNLL 2018 shared task.

The measures are those of `udtools` (Zeman et al. 2018). Gold and system tokens cover the same characters.
Tokens and sentences are correct if their first and last characters are. Words of multiword tokens are aligned
by the longest common subsequence of their forms, all other words by their characters. A label is correct if
its word is aligned and both have the same label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from seqtool.errors import DataError
from seqtool.metrics import HitCounts

COLUMNS = ("lemma", "upos", "xpos", "feats")
# Features that count in UFeats and AllTags; features of one language and layered features do not.
_NAMES = """
PronType NumType Poss Reflex Foreign Abbr Gender Animacy Number Case Definite Degree VerbForm Mood Tense
Aspect Voice Evident Polarity Person Polite
"""
UNIVERSAL_FEATURES = frozenset(_NAMES.split())
CONTEXT = 3  # tokens on each side of an error


class Word(NamedTuple):
    """A syntactic word.

    Attributes:
        form: the word.
        start, end: characters of its token, counted without white space.
        multiword: whether its token has several words.
        labels: lemma, UPOS, XPOS and universal features; `_` for a missing one.
    """

    form: str
    start: int
    end: int
    multiword: bool
    labels: tuple[str, ...]


class Token(NamedTuple):
    """A token of a sentence: its form, and the forms and labels of its words."""

    form: str
    words: Sequence[tuple[str, Sequence[str]]]
    multiword: bool = False


Span = tuple[int, int]


@dataclass
class Document:
    """Sentences, tokens and words of a text by the characters that they cover.

    Attributes:
        characters: text without white space.
        tokens, sentences: first character and end of each.
        words: words in order.
    """

    characters: str = ""
    tokens: list[Span] = field(default_factory=list)
    sentences: list[Span] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)

    @classmethod
    def of(cls, sentences: Iterable[Sequence[Token]]) -> Document:
        """Join sentences of tokens. A missing label column is `_`."""
        document, parts, at = cls(), [], 0
        for sentence in sentences:
            begin = at
            for token in sentence:
                form = "".join(token.form.split())
                parts.append(form)
                span = at, at + len(form)
                at = span[1]
                document.tokens.append(span)
                document.words += [
                    Word(word, *span, token.multiword, _comparable(labels)) for word, labels in token.words
                ]
            document.sentences.append((begin, at))
        document.characters = "".join(parts)
        return document


def _comparable(labels: Sequence[str]) -> tuple[str, ...]:
    """Return labels with only the universal features, sorted."""
    if len(labels) < len(COLUMNS):
        return tuple(labels)
    features = [item for item in labels[3].split("|") if item.partition("=")[0] in UNIVERSAL_FEATURES]
    return (*labels[:3], "|".join(sorted(features)))


def raw_text_scores(gold: Document, system: Document) -> dict[str, HitCounts]:
    """Return the counts of Tokens, Sentences and Words, and those of the labels if the words have labels.

    Raises:
        DataError: the documents have different characters.
    """
    check_same_text(gold, system)
    pairs = list(align_words(gold.words, system.words))
    sizes = len(system.words), len(gold.words)
    scores = {
        "Tokens": _span_counts(gold.tokens, system.tokens),
        "Sentences": _span_counts(gold.sentences, system.sentences),
        "Words": HitCounts(len(pairs), *sizes),
    }
    if any(word.labels for word in gold.words):
        scores |= {name: HitCounts(hits, *sizes) for name, hits in _label_hits(pairs).items()}
    return scores


def check_same_text(gold: Document, system: Document) -> None:
    """Check that two documents cover the same characters.

    Raises:
        DataError: they do not.
    """
    if gold.characters == system.characters:
        return
    pairs = enumerate(zip(gold.characters, system.characters, strict=False))
    at = next((index for index, (one, other) in pairs if one != other), len(gold.characters))
    expected, found = (text.characters[at : at + 20] for text in (gold, system))
    raise DataError(
        f"expected tokens of the same text, found {found!r} where the gold tokens have {expected!r}",
        hint="gold and system files must come from the same raw text",
    )


def _span_counts(gold: Sequence[Span], system: Sequence[Span]) -> HitCounts:
    return HitCounts(len(set(gold).intersection(system)), len(system), len(gold))


def _label_hits(pairs: Sequence[tuple[Word, Word]]) -> dict[str, int]:
    """Count aligned words with equal labels. A gold lemma `_` equals every lemma."""
    hits = dict.fromkeys(("UPOS", "XPOS", "UFeats", "AllTags", "Lemmas"), 0)
    for gold, system in pairs:
        lemma, upos, xpos, feats = (
            one == other for one, other in zip(gold.labels, system.labels, strict=True)
        )
        hits["UPOS"] += upos
        hits["XPOS"] += xpos
        hits["UFeats"] += feats
        hits["AllTags"] += upos and xpos and feats
        hits["Lemmas"] += lemma or gold.labels[0] == "_"
    return hits


# --- alignment of words -------------------------------------------------------------------------------------


def align_words(gold: Sequence[Word], system: Sequence[Word]) -> Iterator[tuple[Word, Word]]:
    """Yield the aligned pairs of gold and system words, in order."""
    g = s = 0
    while g < len(gold) and s < len(system):
        one, other = gold[g], system[s]
        if one.multiword or other.multiword:
            first_gold, first_system, g, s = _multiword_stretch(gold, system, g, s)
            yield from _common_words(gold[first_gold:g], system[first_system:s])
        elif one[1:3] == other[1:3]:
            yield one, other
            g += 1
            s += 1
        elif one.start <= other.start:
            g += 1
        else:
            s += 1


def _multiword_stretch(
    gold: Sequence[Word], system: Sequence[Word], g: int, s: int
) -> tuple[int, int, int, int]:
    """Find the words around overlapping multiword tokens, from word `g` or `s` of such a token on.

    Returns:
        First gold word, first system word, and the ends of both.
    """
    if gold[g].multiword:
        limit = gold[g].end
        s += not system[s].multiword and system[s].start < gold[g].start
    else:
        limit = system[s].end
        g += gold[g].start < system[s].start
    first_gold, first_system = g, s
    while not (_is_beyond(gold, g, limit) and _is_beyond(system, s, limit)):
        takes_gold = g < len(gold) and (s >= len(system) or gold[g].start <= system[s].start)
        word = gold[g] if takes_gold else system[s]
        limit = max(limit, word.end) if word.multiword else limit
        g, s = (g + 1, s) if takes_gold else (g, s + 1)
    return first_gold, first_system, g, s


def _is_beyond(words: Sequence[Word], index: int, limit: int) -> bool:
    """Return whether a word lies, at least in part, behind a limit; a word of a multiword token entirely."""
    if index >= len(words):
        return True
    word = words[index]
    return word.start >= limit if word.multiword else word.end > limit


def _common_words(gold: Sequence[Word], system: Sequence[Word]) -> Iterator[tuple[Word, Word]]:
    """Yield the pairs of a longest common subsequence of forms, in any case."""
    ours, theirs = [word.form.lower() for word in gold], [word.form.lower() for word in system]
    # longest[g][s]: length of the longest common subsequence of gold words from g and system words from s
    longest = [[0] * (len(theirs) + 1) for _ in range(len(ours) + 1)]
    for g in reversed(range(len(ours))):
        for s in reversed(range(len(theirs))):
            same = ours[g] == theirs[s]
            longest[g][s] = max(
                longest[g + 1][s + 1] + 1 if same else 0, longest[g + 1][s], longest[g][s + 1]
            )
    g = s = 0
    while g < len(ours) and s < len(theirs):
        if ours[g] == theirs[s]:
            yield gold[g], system[s]
            g, s = g + 1, s + 1
        elif longest[g][s] == longest[g + 1][s]:
            g += 1
        else:
            s += 1


# --- errors -------------------------------------------------------------------------------------------------


class TokenizationError(NamedTuple):
    """A stretch of text that was divided into other tokens than the gold ones.

    Attributes:
        gold, system: tokens separated by spaces.
        before, after: neighboring gold tokens.
    """

    gold: str
    system: str
    before: str
    after: str


def tokenization_errors(gold: Document, system: Document) -> list[tuple[TokenizationError, int]]:
    """Return the different errors, each with its first context and its frequency, the most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], TokenizationError] = {}
    for error in _errors(gold, system):
        key = error.gold, error.system
        counts[key] += 1
        first.setdefault(key, error)
    return [(first[key], count) for key, count in counts.most_common()]


def _errors(gold: Document, system: Document) -> Iterator[TokenizationError]:
    ends = {end for _, end in system.tokens}
    by_start: Mapping[int, int] = {start: index for index, (start, _) in enumerate(system.tokens)}
    begin = 0  # first gold token after the last common boundary
    for index, (_, end) in enumerate(gold.tokens):
        if end not in ends:
            continue
        start = gold.tokens[begin][0]
        first = by_start[start]
        if (start, end) != gold.tokens[index] or system.tokens[first] != (start, end):
            last = first
            while system.tokens[last][1] < end:
                last += 1
            yield TokenizationError(
                _forms(gold, begin, index + 1),
                _forms(system, first, last + 1),
                _forms(gold, max(0, begin - CONTEXT), begin),
                _forms(gold, index + 1, index + 1 + CONTEXT),
            )
        begin = index + 1


def _forms(document: Document, first: int, end: int) -> str:
    return " ".join(document.characters[a:b] for a, b in document.tokens[first:end])
