"""Random tables of labeled tokens, with the columns of tokens and labels that a reader must find."""

from __future__ import annotations

import random
from dataclasses import dataclass

WORDS = [
    f"{start}{middle}{end}"
    for start in ("b", "Gr", "t", "Ver", "s", "ob")
    for middle in ("a", "el", "iru", "on", "eska")
    for end in ("n", "t", "sen", "ley", "", "k.")
]
POS = ("NOUN", "VERB", "DET", "ADP", "PUNCT")
TYPES = ("PER", "LOC", "ORG")
HEADERS = {"word": "word", "label": "tag", "counter": "id", "constant": "doc"}


@dataclass(frozen=True)
class RandomTable:
    """A table of labeled tokens.

    Attributes:
        content: bytes of the file.
        sentences: tokens and labels, as a reader must return them.
        token, label: indices of their columns.
    """

    content: bytes
    sentences: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    token: int
    label: int


def random_table(seed: int) -> RandomTable:
    """Draw a table of 2 to 12 columns with words, labels, counters and constants, comments and a header."""
    rng = random.Random(seed)
    width = rng.randint(2, 12)
    kinds = ["word", "label"] + [rng.choice(("counter", "constant", "pages")) for _ in range(width - 2)]
    rng.shuffle(kinds)
    separator = rng.choice(("\t", "\t", " "))
    marks_spans = rng.random() < 0.5
    constants = [rng.choice(("_", "-", "O-", "x", "bc/x/01", "en", "0")) for _ in kinds]
    lines: list[str] = []
    if rng.random() < 0.25:
        lines.append(separator.join(HEADERS.get(kind, "page") for kind in kinds))
    comment = rng.choice((None, None, "# doc {}", "# id {}" + separator + "domain=train", "#"))
    sentences = []
    for number in range(rng.randint(2, 40)):
        if comment is not None:
            cells = ["#", *[f"{comment}{number}c" for _ in range(width - 1)]]
            lines.append(separator.join(cells) if comment == "#" else comment.format(number))
        tokens = tuple(rng.choice(WORDS) for _ in range(rng.randint(1, 12)))
        labels = _span_labels(rng, len(tokens)) if marks_spans else tuple(rng.choice(POS) for _ in tokens)
        for index, (token, label) in enumerate(zip(tokens, labels, strict=True), 1):
            values = {"word": token, "label": label, "counter": str(index), "pages": str(100 + number)}
            cells = [values.get(kind, constant) for kind, constant in zip(kinds, constants, strict=True)]
            lines.append(separator.join(cells) + " " * (rng.random() < 0.02))
        lines.append(rng.choice(("", "", "", " ")) if separator == " " else "")
        sentences.append((tokens, labels))
    end = rng.choice(("\n", "\n", "\r\n", "\r"))
    text = ("\ufeff" if rng.random() < 0.2 else "") + end.join(lines) + end * rng.randint(0, 2)
    return RandomTable(text.encode(), tuple(sentences), kinds.index("word"), kinds.index("label"))


def _span_labels(rng: random.Random, length: int) -> tuple[str, ...]:
    labels: list[str] = []
    while len(labels) < length:
        if rng.random() < 0.7:
            labels.append("O")
            continue
        kind = rng.choice(TYPES)
        labels += [f"B-{kind}", *[f"I-{kind}"] * rng.randint(0, 2)]
    return tuple(labels[:length])
