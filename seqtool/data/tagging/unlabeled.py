"""Sentences to be tagged, and the reader of raw text. Files in other formats are read by `formatted.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import PurePath
from typing import Literal, NamedTuple

from seqtool.data.formats.blocks import BOM, Block, LineStream, SentenceFormat
from seqtool.data.tokenization.rules import TOKENIZERS, Tokenizer
from seqtool.errors import DataError, Problem

InputFormat = Literal["text", "conll", "conllu", "jsonl", "csv", "word_tag"]
ENDINGS: dict[str, InputFormat] = {
    ".conllu": "conllu",
    ".conll": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".bio": "conll",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
}


class Item(NamedTuple):
    """One sentence to be tagged, or lines of the input without a sentence.

    Attributes:
        tokens: tokens of the sentence; empty for a blank line or comments.
        block: raw lines of the sentence, if the input has a format that the output can repeat.
        text: raw text of the sentence, if the tokens were split from it.
        tokenizer: function that split the text.
        problem: reason why the sentence could not be read; it has no tokens then.
        is_raw: the trained tokenizer of the model splits the text; there are no tokens yet.
    """

    tokens: list[str]
    block: Block | None = None
    text: str | None = None
    tokenizer: Tokenizer | None = None
    problem: Problem | None = None
    is_raw: bool = False

    @property
    def offsets(self) -> list[tuple[int, int]] | None:
        """Start and end of each token in `text`, or None without a text.

        They are computed on each access: few output formats need them, and a text may be long.
        """
        if self.text is None or self.tokenizer is None:
            return None
        return [(token.start, token.end) for token in self.tokenizer(self.text)]


class TextReader:
    """Reader of raw text, one sentence per line.

    Args:
        tokenizer: `whitespace` or `basic`; None for a script that has no spaces between words.
    """

    format: SentenceFormat | None = None
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()

    def __init__(self, tokenizer: str | None) -> None:
        self._tokenize: Tokenizer | None = TOKENIZERS[tokenizer] if tokenizer else None

    def sentence(self, text: str, place: str) -> Item:
        """Split a sentence into tokens.

        Raises:
            DataError: the reader has no tokenizer, because the model needs tokens as input.
        """
        if self._tokenize is None:
            raise DataError(
                "expected tokens, found raw text that cannot be split: "
                "the script of the model has no spaces between words",
                place=place,
                hint="give one token per line (--input-format conll), "
                "or put spaces between the tokens and add --tokenizer whitespace",
            )
        return Item([token.form for token in self._tokenize(text)], text=text, tokenizer=self._tokenize)

    def read(self, lines: LineStream, *, keep_errors: bool) -> Iterator[Item]:
        """Yield a sentence for every line; a blank line is a sentence without tokens.

        Args:
            keep_errors: yield errors as items instead of raising them.

        Raises:
            DataError: a line is not UTF-8.
        """
        for number, line in enumerate(lines, 1):
            content = line.removeprefix(BOM) if number == 1 else line
            read = partial(self.sentence, content.rstrip("\r\n"), f"{lines.name}:{number}")
            yield read_item(read, lines, number, 1, keep_errors)


class ParagraphReader(TextReader):
    """Reader of raw text for a trained tokenizer: paragraphs of any number of sentences.

    Args:
        joins_lines: blank lines separate paragraphs; else each line is one.
    """

    def __init__(self, *, joins_lines: bool = False) -> None:
        super().__init__(None)
        self._joins_lines = joins_lines

    def sentence(self, text: str, place: str) -> Item:  # noqa: ARG002
        """Return a paragraph, which the trained tokenizer will split."""
        return Item([], text=text, is_raw=True)

    def read(self, lines: LineStream, *, keep_errors: bool) -> Iterator[Item]:
        """Yield a paragraph for every line, or for the lines between blank ones."""
        if not self._joins_lines:
            yield from super().read(lines, keep_errors=keep_errors)
            return
        from seqtool.data.tokenization.raw_input import join_lines, paragraph_lines

        content = (line.removeprefix(BOM) if number == 1 else line for number, line in enumerate(lines, 1))
        for first, raw in paragraph_lines(content):
            read = partial(self.sentence, join_lines(raw), f"{lines.name}:{first}")
            yield read_item(read, lines, first, len(raw), keep_errors)


def read_item(read: Callable[[], Item], lines: LineStream, first: int, count: int, keep_errors: bool) -> Item:
    """Read an item from `count` lines, or return the error as an item."""
    try:
        lines.check(first, count)
        return read()
    except DataError as error:
        if not keep_errors:
            raise
        return Item([], problem=error.problems[0])


def input_format(name: str, option: InputFormat | None) -> InputFormat | None:
    """Return the format of an input: by the option, else by the ending of its name; None without both."""
    return option or ENDINGS.get(PurePath(name).suffix.lower())


def unusual_ending(tokens: Sequence[str], known_endings: Callable[[], set[str]]) -> str | None:
    """Return the first token that ends in punctuation with which no training word ends."""
    suspects = [token for token in tokens if len(token) > 1 and token[-1] in ".,;:!?)\"'"]
    return next((token for token in suspects if token[-1] not in known_endings()), None)
