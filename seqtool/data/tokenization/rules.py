"""Tokenizers by rules: `whitespace` splits at white space, `basic` also separates punctuation and clitics.

Both are reversible: a token is `text[start:end]`, and there is only white space between tokens.
    `choose_tokenizer` measures
both on training sentences with raw text, and the better one is stored with the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Literal, NamedTuple

TokenizerName = Literal["whitespace", "basic"]
MEASURED = 500  # sentences on which tokenizers are measured
NEAR = 40  # characters in which a gold token is searched; one that the text lacks could match far away


class Token(NamedTuple):
    """A token and its position: `text[start:end] == form`."""

    form: str
    start: int
    end: int


Tokenizer = Callable[[str], Iterator[Token]]

# Characters of words: \w, and the combining marks and joiners that \w lacks.
W = (
    r"[\w\u00ad\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1-\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    r"\u06d6-\u06ed\u0711\u0730-\u074a"
    r"\u0900-\u0963\u0966-\u0dff\u0e00-\u0eff\u1000-\u1049\u1050-\u109f\u1780-\u17d3\u200c\u200d]"
)
ASCII_W = r"\w"  # equivalent for ASCII text, and the expression compiles in a third of the time
LETTER = r"[^\W\d_]"
APOSTROPHE = r"['’`]"
ABBREVIATIONS = (
    "Mr|Mrs|Ms|Dr|Prof|Gen|Col|Lt|Sgt|Capt|Rev|Sen|Gov|Rep|Reps|Sr|Jr|St|Ft|Mt|Inc|Corp|Co|Ltd|Bros|etc|vs|No"
    "|Dept|Attn|Ave|Blvd|Rd|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec|Mon|Tue|Tues|Wed|Thu|Thur|Thurs"
    "|Fri|Sat|approx|cf|MM|Mme|Mlle|Nr|bzw|usw"
)
PREFIXES = "(?i:e|co|re|pre|non|anti|post|ex|mid|multi|pro|semi|neo|sub|self|x)"
EXTENSIONS = "(?i:com|org|net|edu|gov|doc|xls|pdf|html?|txt|jpe?g|gif|zip|exe)"
NOT_SPACE = re.compile(r"\S+")
# Scripts without spaces between words: Thai, Lao, Myanmar, Khmer; Hiragana, Katakana, Han.
SPACELESS = (
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


@cache
def _rules(w: str) -> re.Pattern[str]:
    """Return the rules of the basic tokenizer, compiled on first use because that takes time.

    Args:
        w: expression for one character of a word.
    """
    clitic = rf"{APOSTROPHE}(?i:s|m|d|ll|re|ve)(?!{w})"
    negation = rf"(?i:n{APOSTROPHE}t)(?!{w})"
    # Repeats are bounded, so that the time never grows with the square of the length of the text.
    rules = (
        r"(?:(?:https?|ftp)://|www\.)\S+(?<![.,;:!?'\")\]>])",  # URL without final punctuation
        r"[\w.+%'-]{1,64}@(?:[\w-]{1,63}\.){1,8}\w{1,24}",
        rf"(?:{ABBREVIATIONS})\.(?!{w})",
        rf"(?:{LETTER}\.)+{LETTER}(?!{w})\.?|[A-Z]\.(?=[ ]{w})",  # U.S., p.m, initials
        r"\d+(?:-\d+){2,}(?!\w)|\d+(?:[.,:/]\d+)+(?!\w)|\d+(?=(?i:am|pm)\b)",  # phone numbers, dates, times
        rf"{w}{{1,40}}(?:\.{w}{{1,40}}){{0,6}}\.{EXTENSIONS}(?!{w})",
        r"[:;=8]['’]?-?[()DPp]+(?!\w)",  # emoticons
        rf"(?!{negation})(?:(?i:[cdjlmnst]|qu|lorsqu|puisqu|jusqu))(?!{clitic})['’](?={LETTER})",  # elision
        rf"(?i:can(?=not\b)|(?:gon|wan)(?=na\b)|got(?=ta\b))|{w}+?(?={negation})",
        rf"{negation}|{clitic}",
        rf"{PREFIXES}-{w}{{2,}}",
        rf"{w}+(?:(?!{clitic})['’]{w}{{2,}})*",
        r"[.?!]{2,}|([^\w\s()\[\]{}\"])\1+",
        r"\S",
    )
    return re.compile("|".join(f"(?:{rule})" for rule in rules))


def whitespace(text: str) -> Iterator[Token]:
    """Yield the tokens between white space."""
    return (Token(match[0], *match.span()) for match in NOT_SPACE.finditer(text))


def basic(text: str) -> Iterator[Token]:
    """Yield words, numbers, URLs, English clitics (`do` `n't`), French elisions (`l'` `eau`), punctuation."""
    return (
        Token(match[0], *match.span()) for match in _rules(ASCII_W if text.isascii() else W).finditer(text)
    )


def basic_rules() -> str:
    """Return the regular expression of `basic` for any text, for a page that tokenizes in JavaScript."""
    return _rules(W).pattern


TOKENIZERS: dict[str, Tokenizer] = {"whitespace": whitespace, "basic": basic}


class GoldTokens(NamedTuple):
    """A text, the positions of the gold tokens in it, and their number.

    A gold token that does not occur in the text has no position: a word in full that the text contracts.
    """

    text: str
    places: set[tuple[int, int]]
    number: int


def measure(tokenizer: Tokenizer, examples: Iterable[GoldTokens]) -> float:
    """Return the F1 of a tokenizer over the positions of tokens; 0 if it finds no gold token."""
    correct = predicted = gold = 0
    for text, places, number in examples:
        spans = {(token.start, token.end) for token in tokenizer(text)}
        correct += len(spans & places)
        predicted += len(spans)
        gold += number
    return 2 * correct / (predicted + gold) if correct else 0.0


def place_tokens(text: str, tokens: Sequence[str]) -> set[tuple[int, int]]:
    """Return start and end of the tokens that occur in a text, searched in order."""
    places: set[tuple[int, int]] = set()
    at = 0
    for token in tokens:
        start = text.find(token, at, at + NEAR + len(token))
        if start >= 0 and token:
            at = start + len(token)
            places.add((start, at))
    return places


def choose_tokenizer(
    sentences: Iterable[tuple[str | None, Sequence[str]]],
) -> tuple[TokenizerName | None, float | None]:
    """Return the tokenizer with the higher F1 on gold tokens, and this F1.

    Args:
        sentences: raw text (None if unknown) and tokens; the first 500 with text are measured.

    Returns:
        (`whitespace`, None) if no sentence has text; (None, None) for a script without spaces between words.
    """
    sample = list(islice(sentences, 20 * MEASURED))
    if _is_spaceless(sample[:MEASURED]):
        return None, None
    known = [(text, tokens) for text, tokens in sample if text is not None][:MEASURED]
    examples = [GoldTokens(text, place_tokens(text, tokens), len(tokens)) for text, tokens in known]
    if not examples:
        return "whitespace", None
    scores: dict[TokenizerName, float] = {
        "whitespace": measure(whitespace, examples),
        "basic": measure(basic, examples),
    }
    best: TokenizerName = "basic" if scores["basic"] > scores["whitespace"] else "whitespace"
    return best, scores[best]


def _is_spaceless(sample: Sequence[tuple[str | None, Sequence[str]]]) -> bool:
    """Return whether sentences are in a script without spaces between words, and have few spaces.

    Sentences without raw text are judged by their characters alone.
    """
    forms = "".join(token for _, tokens in sample for token in tokens)
    if 2 * len(re.findall(SPACELESS, forms)) <= len(forms):
        return False
    texts = [(text, tokens) for text, tokens in sample if text is not None]
    gaps = sum(len(tokens) - 1 for _, tokens in texts)
    spaces = sum(len(text.split()) - 1 for text, _ in texts)
    return 2 * spaces < gaps or not texts
