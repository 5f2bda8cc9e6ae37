"""What is to be tagged, item by item: sentences of raw text, of columns, of CoNLL-U or of JSON lines, and what cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from seqtool.data.formats.blocks import BOM, Block, SentenceFormat, peek
from seqtool.data.formats.line_stream import LineStream
from seqtool.data.tokenization.rules import TOKENIZERS, Tokenizer
from seqtool.errors import DataError, Problem
from seqtool.settings import TaggerData

if TYPE_CHECKING:
    from seqtool.data.formats.jsonl import JsonlFormat

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
TEXT_KEYS = ("tokens", "text")  # where JSON lines hold their tokens, unless an option says


@dataclass(frozen=True, slots=True)
class Item:
    """One sentence to be tagged, or a stretch of the input without any.

    Attributes:
        tokens: the words; none for a blank line or comments.
        block: its raw lines, where the input has a format to be given back in.
        text: the raw text, where the tokens were cut from one.
        cut: what cut it.
        problem: why it could not be read; there are no tokens then.
    """

    tokens: list[str]
    block: Block | None = None
    text: str | None = None
    cut: Tokenizer | None = None
    problem: Problem | None = None

    @property
    def offsets(self) -> list[tuple[int, int]] | None:
        """Start and end of each token in `text`; worked out anew, since few formats show them and a text may be long."""
        if self.text is None or self.cut is None:
            return None
        return [(token.start, token.end) for token in self.cut(self.text)]


class TextReader:
    """Raw text, one sentence a line.

    Args:
        tokenizer: `whitespace` or `basic`; None for a script that has no spaces between words.
    """

    form: SentenceFormat | None = None

    def __init__(self, tokenizer: str | None) -> None:
        self._tokenize: Tokenizer | None = TOKENIZERS[tokenizer] if tokenizer else None

    def sentence(self, text: str, place: str) -> Item:
        """A sentence from its text.

        Raises:
            DataError: the model needs tokens.
        """
        if self._tokenize is None:
            raise DataError(
                "expected tokens, found raw text; the model's script has no spaces between words, so it cannot cut them",
                place=place,
                hint="give one token a line (--input-format conll), or text that is cut already with --tokenizer whitespace",
            )
        return Item([token.form for token in self._tokenize(text)], text=text, cut=self._tokenize)

    def read(self, lines: LineStream, *, keep: bool) -> Iterator[Item]:
        """A sentence from every line; blank lines are sentences without tokens.

        Args:
            keep: give mistakes as items rather than raise them.

        Raises:
            DataError: a line that is no UTF-8.
        """
        for number, line in enumerate(lines, 1):
            content = line.removeprefix(BOM) if number == 1 else line
            read = partial(self.sentence, content.rstrip("\r\n"), f"{lines.name}:{number}")
            yield _guarded(read, lines, number, 1, keep)


class FormattedReader:
    """Columns, CoNLL-U or JSON lines; which layout exactly is found out from the first lines."""

    def __init__(
        self,
        kind: InputFormat,
        layout: Mapping[str, Any],
        text: TextReader,
        text_key: str | None,
        tokens: str,
    ) -> None:
        self._data = TaggerData(
            train=(),
            format="auto" if kind == "text" else kind,
            separator=str(layout.get("separator", "auto")),
            label=label_place(kind, layout),
            columns=tuple(layout.get("columns", ())),
            text_key=text_key or str(layout.get("text_key", "tokens")),
            label_key=str(layout.get("label_key", "labels")),
            tokens="surface" if tokens == "surface" else "words",
            empty_tokens="repair",
        )
        self._width = layout.get("width")
        self._text = text
        self._given_key = text_key
        self.form: SentenceFormat | None = None

    def read(self, lines: LineStream, *, keep: bool) -> Iterator[Item]:
        """A sentence from every block; see `TextReader.read`."""
        from seqtool.data.formats.detect import SAMPLE_LINES, find_format  # raw text does without

        # A line of JSON tells all by itself, and a co-process sends no second one before it has its answer.
        sample, whole = peek(lines, 1 if self._data.format == "jsonl" else SAMPLE_LINES)
        self.form, _ = find_format(
            self._data, lines.name, sample, need_labels=False, trained_width=self._width
        )
        for first, raw in self.form.split(whole):
            yield _guarded(partial(self._item, raw, lines.name, first), lines, first, len(raw), keep)

    def _item(self, raw: list[str], name: str, first: int) -> Item:
        from seqtool.data.formats.jsonl import JsonlFormat

        assert self.form is not None
        form = self.form
        if isinstance(form, JsonlFormat):
            return self._json_item(form, raw, name, first)
        block = form.block(raw, name, first)
        return Item(block.tokens, block)

    def _json_item(self, form: JsonlFormat, raw: list[str], name: str, first: int) -> Item:
        """A line's tokens, or those that its string is cut into."""
        if self._given_key is None:
            form = replace(
                form,
                text_key=next(
                    (key for key in (form.text_key, *TEXT_KEYS) if f'"{key}"' in raw[0]), form.text_key
                ),
            )
        block = form.block(raw, name, first)
        if block.text is None:
            return Item(block.tokens, block)
        item = self._text.sentence(block.text, block.place)
        return replace(item, block=block)


def _guarded(read: Callable[[], Item], lines: LineStream, first: int, count: int, keep: bool) -> Item:
    """An item, or its mistake as one."""
    try:
        lines.check(first, count)
        return read()
    except DataError as error:
        if not keep:
            raise
        return Item([], problem=error.problems[0])


def label_place(kind: str, layout: Mapping[str, Any]) -> str:
    """Where labels go in a format that may be another than the training file's: its own place, if the format has such a one."""
    from seqtool.data.formats.conllu import find_label

    label = str(layout.get("label", "auto"))
    if kind == "conll":
        return label if label.removeprefix("-").isdecimal() or label in layout.get("columns", ()) else "auto"
    if layout.get("width"):
        return "upos"  # the number of a column elsewhere says nothing here
    try:
        return find_label(label)
    except DataError:  # a column's name that CoNLL-U does not have
        return "upos"


def input_format(name: str, given: InputFormat | None) -> InputFormat:
    """How a file is read: as the option says, or by its ending; raw text otherwise."""
    return given or ENDINGS.get(PurePath(name).suffix.lower(), "text")


def ends_oddly(tokens: Sequence[str], known_ends: Callable[[], set[str]]) -> str | None:
    """The first token that ends in punctuation which no token of the training data carries."""
    ends = [token for token in tokens if len(token) > 1 and token[-1] in ".,;:!?)\"'"]
    return next((token for token in ends if token[-1] not in known_ends()), None)
