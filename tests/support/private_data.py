"""Personal data in a model directory: texts that a published vocabulary must not contain."""

from __future__ import annotations

import re
from collections.abc import Iterator

MOST_DIGITS = 4  # of a token; longer numbers can be those of telephones, accounts and postal addresses
ENDINGS = "com|org|net|edu|gov|mil|info|biz|io|co|uk|us|de|fr|eu|tv|html?|php|asp"
PATTERNS = {
    "an e-mail address": re.compile(r"\S@\S"),
    "a URL": re.compile(rf"://|\bwww\.|\w\.(?:{ENDINGS})(?![\w-])", re.IGNORECASE),
    f"more than {MOST_DIGITS} digits": re.compile(rf"(?:\d\D*){{{MOST_DIGITS + 1}}}", re.DOTALL),
}


def private_kind(text: str) -> str | None:
    """Return the kind of personal data that a text can be; None if it is none."""
    return next((kind for kind, pattern in PATTERNS.items() if pattern.search(text)), None)


def texts_of(value: object) -> Iterator[str]:
    """Yield every text in a JSON value, the keys of objects included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)
