"""Sentences to be tagged from files in a format: CoNLL columns, CoNLL-U, JSON, CSV, or words with tags.

The places of tokens and labels are detected from the whole file. On a pipe they are detected from the first
sentence, so that a program at the other end gets its answer before it sends the second one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from seqtool.data.formats.blocks import BOM, FormatName, LineStream, SentenceFormat, is_blank, peek
from seqtool.data.formats.conll import ConllFormat, csv_cells
from seqtool.data.formats.csv_rows import CsvFormat
from seqtool.data.formats.detect import HEAD_LINES, Request, detect_file, detect_lines
from seqtool.data.formats.detection import RUNNING_TEXT, Detection, Kind, sentence_format, summary
from seqtool.data.formats.first_sentence import DELIMITERS, FirstObject, FirstRows, has_content, lines_until
from seqtool.data.formats.jsonl import JsonlFormat
from seqtool.data.formats.label_column import NEW_COLUMN, PLACEHOLDERS, share_of_labels
from seqtool.data.formats.layout import Layout
from seqtool.data.formats.several_labels import find_places
from seqtool.data.formats.word_tag import WordTagFormat
from seqtool.data.tagging.unlabeled import Item, TextReader, read_item
from seqtool.errors import DataError
from seqtool.settings.data import TaggerData

TEXT_KEYS = ("tokens", "text")  # fields that may hold the tokens of JSON lines, unless an option names one


class Places(NamedTuple):
    """Options that name places in a file.

    Attributes:
        column: field of the tokens or the text in JSON lines, or column with raw text of a table.
        label: column or field of the labels; `none` appends a new one.
        token: column of the tokens.
        replace_fields: replace fields of the user in JSON lines that have the name of a field to add.
        surface: read surface tokens of CoNLL-U instead of words.
        encoding: encoding of a file, or `auto`.
    """

    column: str | None = None
    label: str | None = None
    token: str | None = None
    replace_fields: bool = False
    surface: bool = False
    encoding: str = "auto"


class FormattedReader:
    """Reader of a file in a format.

    Args:
        kind: format of the input; None to detect it from a file, see `examine`.
        layout: layout of the training file.
        known: labels of the model.
        text_reader: reader of raw text in a field of JSON lines or in a column.
        places: options of the user.

    Attributes:
        format: detected format; None before the first item.
        notes: what differs from the training file, one line each.
        warnings: doubts about the file, one line each.
    """

    def __init__(
        self,
        kind: FormatName | None,
        layout: Layout,
        known: frozenset[str],
        text_reader: TextReader,
        places: Places,
    ) -> None:
        self.format: SentenceFormat | None = None
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self._kind = kind
        self._layout = layout
        self._known = known
        self._text_reader = text_reader
        self._places = places
        self._detect_again: Callable[[TaggerData, Request], Detection] | None = None
        self._data_of_file = TaggerData(train=())

    def label_places(
        self, labels: Mapping[str, frozenset[str]], names: Sequence[str]
    ) -> dict[str, SentenceFormat]:
        """Return the format for each label of a tagger of several; see `find_places`.

        Args:
            labels: labels of the model by name, the main one first; none for lemmas.
            names: names of the labels that are written.
        """
        if self.format is None or self._detect_again is None or not labels:
            return {}
        main, *further = labels
        chosen = {name: labels[name] for name in further if name in names}
        return find_places(self.format, main, chosen, self._layout, self._data_of_file, self._detect_again)

    def examine(self, path: Path, *, keep_errors: bool = False) -> bool:
        """Detect the format of a whole file, and return False if it is running text.

        Args:
            keep_errors: accept bytes in another encoding, which are errors of their sentences.

        Raises:
            DataError: the labels have several places, or a place that an option names does not exist.
        """
        try:
            return self._examine(path, self._places.encoding)
        except DataError:
            if not keep_errors:
                raise
            return self._examine(path, "latin-1")  # any bytes are text in it, and separators are ASCII

    def _examine(self, path: Path, encoding: str) -> bool:
        by_content = self._kind is None
        if self._kind is None:
            data = TaggerData(train=(), encoding=encoding)
            same_encoding = Request(trained=Layout(encoding=self._layout.encoding))
            kind = detect_file(path, data, same_encoding).kind
            if self._places.column is not None and kind != "jsonl":
                kind = "csv"
            if kind == RUNNING_TEXT:
                return False
            self._kind = _INPUT_FORMATS[kind]
        if self._reads_rows:
            with path.open(encoding="utf-8", errors="replace", newline="") as lines:
                self.format = self._row_format(
                    lambda data: detect_file(path, data, _OPTIONAL), lines, path.name
                )
            return True
        data = replace(self._data(from_file=True), encoding=encoding)
        found = detect_file(path, data, self._request)
        self._detect_again, self._data_of_file = partial(detect_file, path), replace(data, source=path.name)
        self._use(found)
        self.notes = [f"{path.name}: {note}" for note in self._notes(found, by_content)]
        self.warnings = [f"{path.name}: {doubt}" for doubt in found.doubts]
        return True

    def read(self, lines: LineStream, *, keep_errors: bool) -> Iterator[Item]:
        """Yield a sentence for every block; see `TextReader.read`."""
        all_lines: Iterator[str] = lines
        if self.format is None:
            sample, all_lines = self._first_lines(lines)
            self._detect(sample, lines.name)
        assert self.format is not None
        for first, raw in self.format.split(all_lines):
            read = partial(self._item, self.format, raw, lines.name, first)
            yield read_item(read, lines, first, len(raw), keep_errors)

    # --- detection ------------------------------------------------------------------------------------------

    @property
    def _reads_rows(self) -> bool:
        return self._places.column is not None and self._kind in ("csv", "conll")

    @property
    def _request(self) -> Request:
        return Request(labeled=True, optional_label=True, trained=self._layout, known_labels=self._known)

    def _data(self, *, from_file: bool) -> TaggerData:
        """Return the settings of the detection: what options name, and what a file cannot show."""
        layout, places = self._layout, self._places
        label = places.label or "auto"
        of_conllu = layout.width is None and not layout.columns and layout.label != "auto"
        if self._kind == "conllu" and places.label is None and of_conllu:
            label = layout.label_in("conllu")
        common = from_file and layout.separator in DELIMITERS
        return TaggerData(
            train=(),
            format=self._kind or "auto",
            separator="auto" if common else layout.separator,
            token=places.token or "auto",
            label=label,
            label_names=layout.label_names,
            missing_label=layout.missing_label,
            text_key=places.column or "tokens",
            label_key=places.label or "labels",
            tokens="surface" if places.surface else "words",
            encoding=places.encoding,
            empty_tokens="repair",
        )

    def _detect(self, sample: list[str], name: str) -> None:
        """Detect the format from the first lines of a pipe."""
        if self._reads_rows:
            self.format = self._row_format(
                lambda data: detect_lines(sample, name, data, _OPTIONAL), sample, name
            )
            return
        data = self._data(from_file=False)
        found = detect_lines(sample, name, data, self._request)
        self._detect_again, self._data_of_file = (
            partial(detect_lines, sample, name),
            replace(data, source=name),
        )
        self._use(found)
        if isinstance(self.format, ConllFormat) and self.format.hash_labels is None:
            labels = self._known | PLACEHOLDERS
            self.format = replace(self.format, hash_labels=labels)  # a later line may start with #
        self.notes = [f"{name}: {note}" for note in self._notes(found, False)]

    def _use(self, found: Detection) -> None:
        """Set the reader of a file."""
        self.format = sentence_format(found, self._data(from_file=True))
        if isinstance(self.format, JsonlFormat):
            has_labels = bool(found.label_key)
            self.format = replace(
                self.format,
                label_key=found.label_key or "labels",
                has_labels=has_labels,
                replace_fields=self._places.replace_fields,
            )
        if isinstance(self.format, WordTagFormat) and self._places.label is None:
            self._check_tags(found)

    def _check_tags(self, found: Detection) -> None:
        """Check that the tags after words are those of the model.

        Raises:
            DataError: the model knows none of them.
        """
        tags = dict.fromkeys((tag for sentence in found.sentences for tag in sentence.labels), 1)
        if share_of_labels(tags, self._known) == 0:
            message = f"expected tags of the model after the words, found {', '.join(list(tags)[:4])}"
            raise DataError(message, place=found.name, hint="--label tag replaces other tags")

    def _row_format(
        self, detect: Callable[[TaggerData], Detection], lines: Iterable[str], name: str
    ) -> CsvFormat:
        """Return the format of a table with raw text in a column, which an option names.

        Raises:
            DataError: the table does not have the column.
        """
        column = self._places.column or ""
        first = next((line for line in lines if not is_blank(line.removeprefix(BOM))), "")
        for delimiter in DELIMITERS:
            header = csv_cells(first.removeprefix(BOM), delimiter)
            if column in header:
                separator = "tab" if delimiter == "\t" else delimiter
                token = header.index(column)
                names = tuple(header)
                return CsvFormat(separator, len(header), token, None, None, names, 1, rows_are_texts=True)
        if not column.isdecimal():
            shown = first.removeprefix(BOM).strip()[:60]
            message = f"expected a column {column!r} in the header, found {shown!r}"
            raise DataError(
                message, place=name, hint="--column takes a name of the header, or a number from 1"
            )
        data = replace(
            self._data(from_file=True), format="csv", label="auto", text_key="tokens", token=column
        )
        found = sentence_format(detect(data), data)
        assert isinstance(found, CsvFormat)
        return replace(found, label=None, sentence=None, rows_are_texts=True)

    def _notes(self, found: Detection, by_content: bool) -> Iterator[str]:
        """Yield the places of tokens and labels if they are not those of the training file."""
        new = ""
        if found.kind in ("columns", "csv") and found.label is None and found.width > 1:
            new = f"; labels are appended as column {found.width + 1} (--label replaces a column)"
        if by_content:
            yield f"{summary(found)}{new}; --input-format text reads it as text"
        elif self._differs(found):
            yield f"not the layout of the training file: {summary(found)}{new}"

    def _differs(self, found: Detection) -> bool:
        layout = self._layout
        if self._places.label is not None and self._places.label != NEW_COLUMN:
            return False
        if found.kind == "conllu":
            return found.label_name != layout.label_in("conllu")
        if found.kind == "jsonl":
            return found.label_key not in ("", layout.label_key)
        if found.kind not in ("columns", "csv") or found.width == 1:
            return False
        if layout.width is None:
            return (found.width, found.token, found.label) != (2, 0, 1)
        label = found.names.index(layout.label) if layout.label in found.names else layout.label_index
        if found.label is None:
            return found.width >= layout.width or found.token != layout.token
        return (found.width, found.token, found.label) != (layout.width, layout.token, label)

    # --- the first lines of a pipe --------------------------------------------------------------------------

    def _first_lines(self, lines: LineStream) -> tuple[list[str], Iterator[str]]:
        """Return the lines of the first sentence, and an iterator of all lines."""
        if self._reads_rows or self._kind == "word_tag":
            return lines_until(lines, has_content, HEAD_LINES)
        if self._kind == "jsonl":
            return lines_until(lines, FirstObject(), HEAD_LINES)
        if self._kind == "csv":
            return lines_until(lines, FirstRows(), HEAD_LINES)
        return peek(lines, HEAD_LINES)

    # --- items ----------------------------------------------------------------------------------------------

    def _item(self, sentence_format: SentenceFormat, raw: list[str], name: str, first: int) -> Item:
        if isinstance(sentence_format, JsonlFormat):
            return self._json_item(sentence_format, raw, name, first)
        block = sentence_format.block(raw, name, first)
        if isinstance(sentence_format, CsvFormat) and sentence_format.rows_are_texts and block.tokens:
            return self._text_reader.sentence(block.tokens[0], block.place)._replace(block=block)
        return Item(block.tokens, block)

    def _json_item(self, sentence_format: JsonlFormat, raw: list[str], name: str, first: int) -> Item:
        """Read the tokens of a line, or split its string of raw text into tokens."""
        if self._places.column is None:
            text = "".join(raw)
            keys = (sentence_format.text_key, *TEXT_KEYS)
            key = next((key for key in keys if f'"{key}"' in text), sentence_format.text_key)
            sentence_format = replace(sentence_format, text_key=key)
        block = sentence_format.block(raw, name, first)
        if block.text is None or block.labels is not None or sentence_format.span_keys is not None:
            return Item(block.tokens, block)
        return self._text_reader.sentence(block.text, block.place)._replace(block=block)


_OPTIONAL = Request(labeled=True, optional_label=True)
_INPUT_FORMATS: dict[Kind, FormatName] = {
    "columns": "conll",
    "conllu": "conllu",
    "jsonl": "jsonl",
    "csv": "csv",
    "word_tag": "word_tag",
}
