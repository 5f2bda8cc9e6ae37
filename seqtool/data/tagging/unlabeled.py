"""Readers of sentences to be tagged, from raw text, CoNLL columns, CoNLL-U or JSON lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from seqtool.data.formats.blocks import BOM, Block, LineStream, SentenceFormat, peek
from seqtool.data.tokenization.rules import TOKENIZERS, Tokenizer
from seqtool.errors import DataError, Problem

if TYPE_CHECKING:
    from seqtool.data.formats.jsonl import JsonlFormat
    from seqtool.data.formats.layout import Layout

InputFormat = Literal["text", "conll", "conllu", "jsonl"]
ENDINGS: dict[str, InputFormat] = {
    ".conllu": "conllu",
    ".conll": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".bio": "conll",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
TEXT_KEYS = ("tokens", "text")  # fields that may hold the tokens of JSON lines, unless an option names one


@dataclass(frozen=True, slots=True)
class Item:
    """One sentence to be tagged, or lines of the input without a sentence.

    Attributes:
        tokens: tokens of the sentence; empty for a blank line or comments.
        block: raw lines of the sentence, if the input has a format that the output can repeat.
        text: raw text of the sentence, if the tokens were split from it.
        tokenizer: function that split the text.
        problem: reason why the sentence could not be read; it has no tokens then.
    """

    tokens: list[str]
    block: Block | None = None
    text: str | None = None
    tokenizer: Tokenizer | None = None
    problem: Problem | None = None

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
            yield _read_item(read, lines, number, 1, keep_errors)


class FormattedReader:
    """Reader of CoNLL columns, CoNLL-U or JSON lines. The columns are detected from the first lines.

    Args:
        format_name: format of the input.
        layout: layout of the training file, which is the default for the input.
        text_reader: reader for a string of raw text in a field of JSON lines.
        text_key: field of the tokens in JSON lines; None to look for the usual ones.
        tokens: `words` or `surface`: tokens of CoNLL-U.

    Attributes:
        format: detected format; None before the first item.
    """

    def __init__(
        self,
        format_name: InputFormat,
        layout: Layout,
        text_reader: TextReader,
        text_key: str | None,
        tokens: str,
    ) -> None:
        self._data = replace(
            layout.settings(),
            format="auto" if format_name == "text" else format_name,
            label=layout.label_in(format_name),
            text_key=text_key or layout.text_key,
            tokens="surface" if tokens == "surface" else "words",
            empty_tokens="repair",
        )
        self._layout = layout
        self._text_reader = text_reader
        self._text_key = text_key
        self.format: SentenceFormat | None = None

    def read(self, lines: LineStream, *, keep_errors: bool) -> Iterator[Item]:
        """Yield a sentence for every block; see `TextReader.read`."""
        from seqtool.data.formats.detect import HEAD_LINES, Request, find_format  # not needed for raw text

        # One line of JSON suffices, and a program at the other end of a pipe sends the second one after the
        # answer.
        sample, all_lines = peek(lines, 1 if self._data.format == "jsonl" else HEAD_LINES)
        request = Request(labeled=True, optional_label=True, trained=self._layout)
        self.format, _ = find_format(self._data, lines.name, sample, request)
        self.format = self._layout.with_spans(self.format)
        for first, raw in self.format.split(all_lines):
            read = partial(self._item, self.format, raw, lines.name, first)
            yield _read_item(read, lines, first, len(raw), keep_errors)

    def _item(self, sentence_format: SentenceFormat, raw: list[str], name: str, first: int) -> Item:
        from seqtool.data.formats.jsonl import JsonlFormat

        if isinstance(sentence_format, JsonlFormat):
            return self._json_item(sentence_format, raw, name, first)
        block = sentence_format.block(raw, name, first)
        return Item(block.tokens, block)

    def _json_item(self, sentence_format: JsonlFormat, raw: list[str], name: str, first: int) -> Item:
        """Read the tokens of a line, or split its string of raw text into tokens."""
        if self._text_key is None:
            keys = (sentence_format.text_key, *TEXT_KEYS)
            key = next((key for key in keys if f'"{key}"' in raw[0]), sentence_format.text_key)
            sentence_format = replace(sentence_format, text_key=key)
        block = sentence_format.block(raw, name, first)
        if block.text is None or sentence_format.span_keys is not None:
            return Item(block.tokens, block)
        return replace(self._text_reader.sentence(block.text, block.place), block=block)


def _read_item(
    read: Callable[[], Item], lines: LineStream, first: int, count: int, keep_errors: bool
) -> Item:
    """Read an item from `count` lines, or return the error as an item."""
    try:
        lines.check(first, count)
        return read()
    except DataError as error:
        if not keep_errors:
            raise
        return Item([], problem=error.problems[0])


def input_format(name: str, option: InputFormat | None) -> InputFormat:
    """Return the format of a file: that of the option, else by the extension, else raw text."""
    return option or ENDINGS.get(PurePath(name).suffix.lower(), "text")


def unusual_ending(tokens: Sequence[str], known_endings: Callable[[], set[str]]) -> str | None:
    """Return the first token that ends in punctuation with which no training word ends."""
    suspects = [token for token in tokens if len(token) > 1 and token[-1] in ".,;:!?)\"'"]
    return next((token for token in suspects if token[-1] not in known_endings()), None)
