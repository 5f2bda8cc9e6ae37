"""Raw text of a treebank: paragraphs with the positions of their tokens, words and sentences.

A CoNLL-U file contains its raw text in pieces. `# newpar` and `# newdoc` start a paragraph. A token is
followed by a space unless its MISC column says `SpaceAfter=No`. Where MISC says nothing, `# text` decides. A
file without paragraph marks is one paragraph, as for UDPipe. Every run of white space becomes one space.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from seqtool.data.formats.blocks import Block, split_end

PARAGRAPH_MARK = re.compile(r"#\s*new(?:par|doc)\b")
FORM, MISC, COLUMNS = 1, 9, 10
LABELS = slice(2, 6)  # lemma, UPOS, XPOS and features


class SurfaceToken(NamedTuple):
    """A token of a paragraph: `text[start:end]`.

    Attributes:
        start, end: positions in the text of the paragraph.
        words: forms of the syntactic words of a multiword token; empty for a token that is one word.
    """

    start: int
    end: int
    words: tuple[str, ...] = ()


class Paragraph(NamedTuple):
    """Raw text with its tokens.

    Attributes:
        text: text without white space at its ends and with single spaces.
        tokens: tokens in order.
        sentences: for each sentence, the number of tokens up to its end.
    """

    text: str
    tokens: tuple[SurfaceToken, ...]
    sentences: tuple[int, ...]

    def spans(self) -> list[tuple[int, int]]:
        """Return start and end of each sentence in the text."""
        first = (0, *self.sentences[:-1])
        return [
            (self.tokens[begin].start, self.tokens[end - 1].end)
            for begin, end in zip(first, self.sentences, strict=True)
        ]

    def sentence_lengths(self) -> list[int]:
        """Return the number of characters of each sentence, with the space after it."""
        starts = [0, *(start for start, _ in self.spans()[1:]), len(self.text)]
        return [end - start for start, end in pairwise(starts)]


class _Line(NamedTuple):
    """A token of the running text: its form, its words, and the space after it (None if MISC is silent)."""

    form: str
    words: tuple[str, ...]
    space: bool | None


def read_paragraphs(blocks: Iterable[Block]) -> Iterator[Paragraph]:
    """Yield the paragraphs of the sentences of a CoNLL-U file.

    Args:
        blocks: blocks with tokens, as `ConlluFormat.read` yields them.
    """
    builder = _Builder()
    for block in blocks:
        if any(PARAGRAPH_MARK.match(line) for line in block.lines):
            yield from builder.paragraph()
        builder.add(surface_lines(block), block.text)
    yield from builder.paragraph()


def has_raw_text(blocks: Iterable[Block]) -> bool:
    """Return whether a CoNLL-U file says anything about the spaces between its tokens."""
    return any(
        block.text is not None or any(line.space is not None for line in surface_lines(block))
        for block in blocks
    )


class _Builder:
    """Collects the sentences of one paragraph."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._tokens: list[SurfaceToken] = []
        self._sentences: list[int] = []

    def add(self, lines: Sequence[_Line], text: str | None) -> None:
        """Append a sentence."""
        spaces = _spaces(lines, text)
        for line, space in zip(lines, spaces, strict=True):
            form = " ".join(line.form.split()) or line.form
            self._tokens.append(SurfaceToken(self._length, self._length + len(form), line.words))
            self._append(form)
            if space:
                self._append(" ")
        self._sentences.append(len(self._tokens))

    def _append(self, part: str) -> None:
        self._parts.append(part)
        self._length += len(part)

    def paragraph(self) -> Iterator[Paragraph]:
        """Yield the collected paragraph, if it has tokens, and start the next one."""
        if self._tokens:
            text = "".join(self._parts)[: self._tokens[-1].end]
            yield Paragraph(text, tuple(self._tokens), tuple(self._sentences))
        self.__init__()  # type: ignore[misc]


def surface_lines(block: Block) -> list[_Line]:
    """Return the tokens of the running text of a sentence: `n-m` lines replace their words."""
    found: list[_Line] = []
    inside = 0  # number of the last word of the current `n-m` line
    words: list[str] = []
    for raw in block.lines:
        cells = split_end(raw)[0].split("\t")
        if len(cells) != COLUMNS or cells[0].startswith("#") or "." in cells[0]:
            continue
        first, dash, last = cells[0].lstrip("\ufeff").partition("-")
        form = cells[FORM] or "_"
        if dash:
            inside, words = int(last), []
            found.append(_Line(form, (), _space_after(cells[MISC])))
        elif int(first) <= inside:
            words.append(form)
            if int(first) == inside:
                found[-1] = found[-1]._replace(words=tuple(words) if len(words) > 1 else ())
        else:
            found.append(_Line(form, (), _space_after(cells[MISC])))
    return found


def word_labels(block: Block) -> Iterator[tuple[str, ...]]:
    """Yield lemma, UPOS, XPOS and features of each word of a sentence."""
    for index in block.token_lines:
        yield tuple(split_end(block.lines[index])[0].split("\t")[LABELS])


def _space_after(misc: str) -> bool | None:
    """Return whether a space follows a token, by its MISC column; None if the column does not say it."""
    for item in misc.split("|"):
        key, _, value = item.partition("=")
        if key == "SpaceAfter":
            return value != "No"
        if key == "SpacesAfter":
            return value != ""
    return None


def _spaces(lines: Sequence[_Line], text: str | None) -> list[bool]:
    """Return for each token of a sentence whether a space follows it.

    A missing `SpaceAfter` means a space, unless `# text` contains the tokens without it.
    """
    default = [line.space is not False for line in lines]
    if text is None or any(line.space is not None for line in lines[:-1]):
        return default
    found, at = [], 0
    for line in lines:
        if not text.startswith(line.form, at):
            return default
        at += len(line.form)
        found.append(at < len(text) and text[at].isspace())
        while at < len(text) and text[at].isspace():
            at += 1
    return [*found[:-1], default[-1]]
