"""Raw text of users as paragraphs: each line, or lines up to a blank one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from seqtool.data.tokenization.rules import SPACELESS

WITHOUT_SPACES = re.compile(
    rf"{SPACELESS}|[\u3000-\u303f\uff00-\uffef]"
)  # letters and full-width punctuation


def without_line_end(line: str) -> str:
    """Return a line without its line end."""
    return line.rstrip("\r\n")


def paragraphs_of_text(lines: Iterable[str]) -> Iterator[str]:
    """Yield the paragraphs of a text in which blank lines separate paragraphs.

    A line break is a space, or nothing between two characters of scripts without spaces between words.
    """
    parts: list[str] = []
    for raw in lines:
        line = raw.strip()
        if not line:
            yield from ["".join(parts)] if parts else ()
            parts = []
            continue
        if parts and not (WITHOUT_SPACES.match(parts[-1][-1]) and WITHOUT_SPACES.match(line[0])):
            parts.append(" ")
        parts.append(line)
    yield from ["".join(parts)] if parts else ()
