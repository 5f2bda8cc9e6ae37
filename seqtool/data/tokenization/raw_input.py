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
    """Yield the paragraphs of a text in which blank lines separate paragraphs."""
    return (join_lines(raw) for _, raw in paragraph_lines(lines))


def paragraph_lines(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the first line and the lines of each paragraph between blank lines."""
    paragraph: list[str] = []
    number = 0
    for number, line in enumerate(lines, 1):
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            yield number - len(paragraph), paragraph
            paragraph = []
    if paragraph:
        yield number + 1 - len(paragraph), paragraph


def join_lines(lines: Iterable[str]) -> str:
    """Return the text of a paragraph.

    A line break is a space, or nothing between two characters of scripts without spaces between words.
    """
    parts: list[str] = []
    for raw in lines:
        line = raw.strip()
        if parts and not (WITHOUT_SPACES.match(parts[-1][-1]) and WITHOUT_SPACES.match(line[0])):
            parts.append(" ")
        parts.append(line)
    return "".join(parts)
