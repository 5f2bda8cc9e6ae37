"""Raw text to tokens with their places: between white space, or by a basic tokeniser of words and punctuation.

Both are reversible: a token is `text[start:end]`, and only white space lies between tokens. Which of them suits a model
is measured on training sentences that carry their text, once, and kept with the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Literal, NamedTuple

TokenizerName = Literal["whitespace", "basic"]
MEASURED = 2000  # sentences that a tokeniser is measured on
NEAR = 40  # characters within which a gold token is looked for, after others that are not in the text


class Token(NamedTuple):
    """A token and where it stands: `text[start:end] == form`."""

    form: str
    start: int
    end: int


Tokenizer = Callable[[str], Iterator[Token]]

# Letters, digits, and what \w leaves out though it belongs to words: combining marks and joiners.
W = (
    r"[\w\u00ad\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0711\u0730-\u074a"
    r"\u0900-\u0963\u0966-\u0dff\u0e00-\u0eff\u1000-\u1049\u1050-\u109f\u1780-\u17d3\u200c\u200d]"
)
ASCII_W = r"\w"  # as good in a text of ASCII, and an expression of it is ready in a third of the time
LETTER = r"[^\W\d_]"
APOSTROPHE = r"['’`]"
ABBREVIATIONS = (
    "Mr|Mrs|Ms|Dr|Prof|Gen|Col|Lt|Sgt|Capt|Rev|Sen|Gov|Rep|Reps|Sr|Jr|St|Ft|Mt|Inc|Corp|Co|Ltd|Bros|etc|vs|No|Dept|Attn|Ave|Blvd|Rd"
    "|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec|Mon|Tue|Tues|Wed|Thu|Thur|Thurs|Fri|Sat|approx|cf|MM|Mme|Mlle|Nr|bzw|usw"
)
PREFIXES = "(?i:e|co|re|pre|non|anti|post|ex|mid|multi|pro|semi|neo|sub|self|x)"
EXTENSIONS = "(?i:com|org|net|edu|gov|doc|xls|pdf|html?|txt|jpe?g|gif|zip|exe)"
NOT_SPACE = re.compile(r"\S+")
# Scripts that put no spaces between words: Thai, Lao, Myanmar, Khmer; Hiragana, Katakana, Han with its extensions.
SPACELESS = "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"


@cache
def _rules(w: str) -> re.Pattern[str]:
    """The rules of the basic tokeniser. Args: w: what belongs to words; not worked out before it is needed, which takes a while."""
    clitic = rf"{APOSTROPHE}(?i:s|m|d|ll|re|ve)(?!{w})"
    negation = rf"(?i:n{APOSTROPHE}t)(?!{w})"
    # Bounded repeats, so that no input can make the time grow with the square of its length.
    rules = (
        r"(?:(?:https?|ftp)://|www\.)\S+(?<![.,;:!?'\")\]>])",  # an address; the punctuation after it belongs to the sentence
        r"[\w.+%'-]{1,64}@(?:[\w-]{1,63}\.){1,8}\w{1,24}",
        rf"(?:{ABBREVIATIONS})\.(?!{w})",
        rf"(?:{LETTER}\.)+{LETTER}(?!{w})\.?|[A-Z]\.(?=[ ]{w})",  # U.S., p.m, and a single initial
        r"\d+(?:-\d+){2,}(?!\w)|\d+(?:[.,:/]\d+)+(?!\w)|\d+(?=(?i:am|pm)\b)",  # telephone numbers, dates, times, decimals
        rf"{w}{{1,40}}(?:\.{w}{{1,40}}){{0,6}}\.{EXTENSIONS}(?!{w})",
        r"[:;=8]['’]?-?[()DPp]+(?!\w)",  # emoticons
        rf"(?!{negation})(?:(?i:[cdjlmnst]|qu|lorsqu|puisqu|jusqu))(?!{clitic})['’](?={LETTER})",  # French and Italian elision
        rf"(?i:can(?=not\b)|(?:gon|wan)(?=na\b)|got(?=ta\b))|{w}+?(?={negation})",
        rf"{negation}|{clitic}",
        rf"{PREFIXES}-{w}{{2,}}",
        rf"{w}+(?:(?!{clitic})['’]{w}{{2,}})*",
        r"[.?!]{2,}|([^\w\s()\[\]{}\"])\1+",
        r"\S",
    )
    return re.compile("|".join(f"(?:{rule})" for rule in rules))


def whitespace(text: str) -> Iterator[Token]:
    """What stands between white space."""
    return (Token(match[0], *match.span()) for match in NOT_SPACE.finditer(text))


def basic(text: str) -> Iterator[Token]:
    """Words, numbers, addresses, English clitics (`do` `n't`), French elisions (`l'` `eau`), and punctuation."""
    return (
        Token(match[0], *match.span()) for match in _rules(ASCII_W if text.isascii() else W).finditer(text)
    )


TOKENIZERS: dict[str, Tokenizer] = {"whitespace": whitespace, "basic": basic}


def measure(tokenizer: Tokenizer, examples: Iterable[tuple[str, Sequence[str]]]) -> float:
    """F1 over tokens, by their places, of a tokeniser against the gold tokens of texts; 0 where there are none.

    A gold token that does not stand in the text (a word inside a contraction, spelt out) counts as missed.
    """
    right = found = gold = 0
    for text, tokens in examples:
        spans = {(token.start, token.end) for token in tokenizer(text)}
        right += len(spans & place_tokens(text, tokens))
        found += len(spans)
        gold += len(tokens)
    return 2 * right / (found + gold) if right else 0.0


def place_tokens(text: str, tokens: Sequence[str]) -> set[tuple[int, int]]:
    """Where tokens stand in their text, in order; those not in it are left out."""
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
    """The tokeniser that comes closer to the gold tokens, and its F1.

    Args:
        sentences: raw text (None where it is not known) and tokens; the first 2,000 that have text are measured.

    Returns:
        (`whitespace`, None) where no sentence has text; (None, None) for a script without spaces between words.
    """
    sample = list(islice(sentences, 20 * MEASURED))
    if _is_spaceless(sample[:MEASURED]):
        return None, None
    examples = [(text, tokens) for text, tokens in sample if text is not None][:MEASURED]
    if not examples:
        return "whitespace", None
    scores: dict[TokenizerName, float] = {
        "whitespace": measure(whitespace, examples),
        "basic": measure(basic, examples),
    }
    best: TokenizerName = "basic" if scores["basic"] > scores["whitespace"] else "whitespace"
    return best, scores[best]


def _is_spaceless(sample: Sequence[tuple[str | None, Sequence[str]]]) -> bool:
    """Whether most characters of the tokens are of such a script, and texts have spaces between few tokens, if known."""
    forms = "".join(token for _, tokens in sample for token in tokens)
    if 2 * len(re.findall(SPACELESS, forms)) <= len(forms):
        return False
    texts = [(text, tokens) for text, tokens in sample if text is not None]
    between = sum(len(tokens) - 1 for _, tokens in texts)
    return 2 * sum(len(text.split()) - 1 for text, _ in texts) < between or not texts
