"""JSON lines: one object per line is one sentence. Read and relabel such files, and arrays of such objects.

The labels are a list of names or of numbers, or spans of characters (`json_spans.py`). A field is set by
replacing the bytes of its value and no others, so numbers, spaces and the order of fields are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from seqtool.data.formats.blocks import BOM, Block, EmptyTokens, FormatName, is_blank, split_end
from seqtool.data.formats.json_array import begins_array, is_array, object_range, pieces, unclosed
from seqtool.data.formats.json_spans import LEFT_OUT, Record, read_record, written_spans
from seqtool.errors import DataError
from seqtool.storage.plain_files import refuse_constant
from seqtool.types import Json

SURROGATE = re.compile("[\ud800-\udfff]")
SPACE = re.compile(r"[ \t\r\n]*")
CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"|(-?Infinity|NaN)')  # a string, or a constant outside strings
NAMES_HINT = "`data.label_names` lists the names from number 0 on"
DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class JsonlFormat:
    """Format of a file of JSON lines.

    Attributes:
        text_key: field with a list of tokens, a list of [token, label] pairs, or a string that is split at
            white space.
        label_key: field with the list of labels; an object without it has no labels.
        empty_tokens: refuse an empty token, or read it as `_`.
        names: names of labels that are integers, by their number.
        span_keys: form of the spans if the label field has spans of characters of the text, see
            `json_spans.span_keys`; None if it has a list of labels.
        has_labels: False if the file has no label field; a field of the name `label_key` is one of the user's
            then.
        replace_fields: replace fields of the user that have the name of a field to add, instead of raising an
            error.
    """

    format_name: ClassVar[FormatName] = "jsonl"

    text_key: str = "tokens"
    label_key: str = "labels"
    empty_tokens: EmptyTokens = "refuse"
    names: tuple[str, ...] = ()
    span_keys: tuple[str, ...] | None = None
    has_labels: bool = True
    replace_fields: bool = False

    def describe(self) -> str:
        """Return the fields of tokens and labels in one line."""
        kind = ", spans of characters" if self.span_keys is not None else ""
        kind = f", numbers of {len(self.names)} names" if self.names else kind
        return f"tokens: field {self.text_key!r}; label: field {self.label_key!r}{kind}"

    def read(self, lines: Iterable[str], name: str) -> Iterator[Block]:
        """Yield one block for each object; a blank line is a block without tokens.

        Raises:
            DataError: a line is not JSON (with the column) or not an object, or a field has another type.
        """
        for number, raw in self.split(lines):
            yield self.block(raw, name, number)

    def split(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Yield each line with its number; of an array, each object with the number of its first line."""
        found, all_lines = is_array(lines)
        if found:
            return pieces(all_lines)
        return ((number, [line]) for number, line in enumerate(all_lines, 1))

    def block(self, raw: list[str], name: str, first: int) -> Block:
        """Read one block from its line; raises the errors of `read`."""
        text = raw[0] if len(raw) == 1 else "".join(raw)
        if not text:
            raise unclosed(f"{name}:{first}")
        start, stop = _object_range(text)
        if start == stop:
            return Block(raw, [], None, [], name, first)
        skipped = text.count("\n", 0, start)
        return self._record_block(raw, parse(text[start:stop], name, first + skipped), name, first, skipped)

    def _record_block(self, raw: list[str], record: Json, name: str, first: int, skipped: int) -> Block:
        place = f"{name}:{first + skipped}"
        if self.span_keys is not None:
            return self._span_block(record, Block(raw, [], None, [], name, first), skipped, place)
        if self.text_key not in record:
            found = ", ".join(repr(key) for key in record) or "no field at all"
            message = f"expected a field {self.text_key!r}, found {found}"
            raise DataError(message, place=place, hint="`data.text_key` names the field")
        value = record[self.text_key]
        tokens, labels = _read_tokens(value, self.text_key, place)
        if self._has_label_field(record) and self.label_key != self.text_key:
            labels = self._read_labels(record[self.label_key], len(tokens), place)
        if "" in tokens:
            tokens = self._repair(tokens, place)
        if labels is not None and "" in labels:
            message = f"expected a label, found an empty one for token {labels.index('') + 1}"
            raise DataError(message, place=place)
        text = value if isinstance(value, str) else None
        return Block(raw, tokens, labels, [skipped] * len(tokens), name, first, text)

    def _span_block(self, record: Record, empty: Block, skipped: int, place: str) -> Block:
        if record.get("answer") in LEFT_OUT:
            return empty._replace(is_left_out=True)
        text = self._text(record, place)
        spans = record.get(self.label_key) if self.has_labels else None
        read = read_record(text, record, spans, place)
        tokens = [token.form for token in read.tokens]
        labels = read.labels if self._has_label_field(record) else None
        lines = [skipped] * len(tokens)
        return empty._replace(tokens=tokens, labels=labels, token_lines=lines, text=text, flaws=read.flaws)

    def _has_label_field(self, record: Record) -> bool:
        return self.has_labels and self.label_key in record

    def _text(self, record: Record, place: str) -> str:
        value = record.get(self.text_key)
        if isinstance(value, str):
            return value
        found = ", ".join(repr(key) for key in record) or "no field at all"
        message = f"expected a text in the field {self.text_key!r}, found {found}"
        raise DataError(message, place=place, hint="`data.text_key` names the field of the text")

    def _read_labels(self, value: object, count: int, place: str) -> list[str]:
        labels = [label.strip() for label in _strings(self._named(value, place), self.label_key, place)]
        if len(labels) != count:
            message = f"expected a label for each of the {count} tokens, found {len(labels)}"
            hint = f"{self.text_key!r} and {self.label_key!r} must have the same length"
            raise DataError(message, place=place, hint=hint)
        return labels

    def _named(self, value: object, place: str) -> object:
        """Return a list of labels with names in place of numbers, if the numbers have names."""
        count = len(self.names)
        if not count or not isinstance(value, list):
            return value
        for item in value:
            if isinstance(item, int) and not 0 <= item < count:
                message = f"expected a label number below {count}, found {item} in {self.label_key!r}"
                raise DataError(message, place=place, hint=NAMES_HINT)
        return [self.names[item] if isinstance(item, int) else item for item in value]

    def _repair(self, tokens: list[str], place: str) -> list[str]:
        if self.empty_tokens == "repair":
            return [token or "_" for token in tokens]
        message = f"expected a token, found an empty one (token {tokens.index('') + 1} of the line)"
        raise DataError(message, place=place, hint="`data.empty_tokens: repair` reads it as `_`")

    def fill(self, block: Block, labels: Sequence[str]) -> list[str]:
        """Return the line of a block with new labels and no other byte changed.

        The labels go into their field or into the [token, label] pairs; a missing field is appended.
        """
        if list(labels) == (block.labels or []):
            return list(block.lines)
        return self.fill_fields(block, labels, {}, {})

    def fill_fields(
        self,
        block: Block,
        labels: Sequence[str],
        before: Mapping[str, object],
        after: Mapping[str, object],
    ) -> list[str]:
        """Return the line of a block with new labels and with further fields.

        Args:
            block: a block with an object, or with nothing but blanks.
            labels: one label for each token.
            before: fields to add before the labels, if they are added, too. The field of the tokens stays.
            after: fields to add.

        Raises:
            DataError: the user has another field with the name of a field to add, unless fields are replaced.
        """
        text = "".join(block.lines)
        start, stop = _object_range(text)
        if start == stop or block.is_left_out:
            return list(block.lines)
        place = f"{block.name}:{block.first_line + text.count(chr(10), 0, start)}"
        record = parse(text[start:stop], block.name, block.first_line)
        of_labels: Mapping[str, object] = {}
        if block.labels is None or list(labels) != block.labels:
            of_labels = self._new_fields(record, block, labels, place)
        added = {**before, **({} if block.labels is not None else of_labels), **after}
        added.pop(self.text_key if isinstance(record.get(self.text_key), list) else "", None)
        added = {key: value for key, value in added.items() if record.get(key, record) != value}
        if not self.replace_fields:
            _check_added(record, added, place)
        fields = {**added, **of_labels} if block.labels is not None else added
        return [text[:start] + set_fields(text[start:stop], fields) + text[stop:]]

    def _new_fields(
        self, record: Record, block: Block, labels: Sequence[str], place: str
    ) -> Mapping[str, object]:
        """Return the label field with its new value, or the field of the [token, label] pairs."""
        if self.span_keys is not None:
            spans = record.get(self.label_key) if self.has_labels else None
            old = read_record(block.text or "", record, spans, place)
            return {self.label_key: written_spans(old, labels, self.span_keys, record)}
        if block.labels is not None and not self._has_label_field(record):
            old_pairs = record[self.text_key]
            assert isinstance(old_pairs, list)
            pairs = [[token, label] for (token, _), label in zip(old_pairs, labels, strict=True)]
            return {self.text_key: pairs}
        value = record.get(self.label_key) if self.has_labels else None
        if not self.names or (isinstance(value, list) and any(isinstance(item, str) for item in value)):
            return {self.label_key: list(labels)}
        unknown = next((label for label in labels if label not in self.names), None)
        if unknown is not None:
            message = f"expected a label among the {len(self.names)} names of the numbers, found {unknown!r}"
            raise DataError(message, place=place, hint=NAMES_HINT)
        return {self.label_key: [self.names.index(label) for label in labels]}


# --- reading ------------------------------------------------------------------------------------------------


def _object_range(text: str) -> tuple[int, int]:
    """Return start and end of the object in a line or in a piece of an array; equal if there is none."""
    start = 1 if text.startswith(BOM) else 0
    if is_blank(text[start:]):
        return start, start
    begin = text[start:].lstrip(" \t\r\n")
    if begin[0] not in "[,]" or (begin[0] == "[" and not begins_array(begin.partition("\n")[0])):
        return start, len(text.rstrip("\r\n"))
    return object_range(text)


def parse(content: str, name: str, number: int) -> Json:
    """Return the object on a line.

    Raises:
        DataError: the line is not JSON (location `file:line:column`), not an object, or has a lone surrogate.
    """
    place = f"{name}:{number}"
    try:
        record = json.loads(content.rstrip("\r\n"), parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        raise DataError(
            f"expected a JSON object, found text that is not JSON ({error.msg})",
            place=f"{name}:{number + error.lineno - 1}:{error.colno}",
            hint="each line holds one whole JSON object; `data.format` sets the format of a file",
        ) from None
    except ValueError:
        constant = next((match for match in CONSTANT.finditer(content) if match[1]), None)
        if constant is None:
            raise DataError("expected a JSON object, found a number too long to read", place=place) from None
        message = f"expected a JSON object, found {constant[1]}, which is not JSON"
        hint = "write null for a number that is missing"
        raise DataError(message, place=f"{place}:{constant.start() + 1}", hint=hint) from None
    except RecursionError:
        raise DataError("expected a JSON object, found one nested too deep to read", place=place) from None
    if not isinstance(record, dict):
        message = f"expected a JSON object, found {_type_name(record)}"
        raise DataError(message, place=place, hint='write {"tokens": [...], ...}')
    if "\\u" in content and SURROGATE.search(json.dumps(record, ensure_ascii=False)):
        raise DataError("expected characters, found half of one (a lone surrogate)", place=place)
    return record


def _read_tokens(value: object, key: str, place: str) -> tuple[list[str], list[str] | None]:
    """Return the tokens, and the labels if the field holds pairs."""
    if isinstance(value, str):
        return value.split(), None
    if isinstance(value, list) and value and all(isinstance(item, list) and len(item) == 2 for item in value):
        both = _strings([part for pair in value for part in pair], key, place)
        return both[::2], both[1::2]
    return _strings(value, key, place), None


def _strings(value: object, key: str, place: str) -> list[str]:
    if not isinstance(value, list):
        raise DataError(f"expected a list of strings in {key!r}, found {_type_name(value)}", place=place)
    for item in value:
        if not isinstance(item, str):
            message = f"expected a list of strings in {key!r}, found {_type_name(item)} in it"
            hint = "tokens and labels are strings; `data.label_names: [O, B-PER]` gives the names of numbers"
            raise DataError(message, place=place, hint=hint)
    return value


def _type_name(value: object) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    names = {str: "a string", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names[type(value)]


# --- writing ------------------------------------------------------------------------------------------------


def _check_added(record: Record, added: Mapping[str, object], place: str) -> None:
    """Check that no field to add is a field of the user.

    Raises:
        DataError: a field of this name exists.
    """
    name = next((key for key in added if record.get(key) is not None), None)
    if name is not None:
        message = f"expected no field {name!r}, which is to be added, found one that is not the label field"
        hint = f"--label {name} says that it has the labels; --replace-fields replaces it"
        raise DataError(message, place=place, hint=hint)


def set_fields(line: str, fields: Mapping[str, object]) -> str:
    """Return a raw line with fields set: values are replaced in place, new fields follow the last one."""
    content, end = split_end(line)
    for key, value in fields.items():
        content = _set_field(content, key, json.dumps(value, ensure_ascii=False))
    return content + end


def _set_field(content: str, key: str, value: str) -> str:
    spans, close = _value_spans(content)
    if key in spans:
        start, stop = spans[key]
        return content[:start] + value + content[stop:]
    before = content[:close].rstrip(" \t")
    comma = ", " if spans else ""
    return f"{before}{comma}{json.dumps(key, ensure_ascii=False)}: {value}{content[len(before) :]}"


def _value_spans(content: str) -> tuple[dict[str, tuple[int, int]], int]:
    """Return start and end of each field's value in a valid object, and the position of its closing brace."""
    spans: dict[str, tuple[int, int]] = {}
    at = _skip_space(content, content.index("{") + 1)
    while content[at] == '"':
        key, at = DECODER.raw_decode(content, at)
        start = _skip_space(content, _skip_space(content, at) + 1)
        stop = DECODER.raw_decode(content, start)[1]
        spans[key] = (start, stop)
        at = _skip_space(content, stop)
        if content[at] == ",":
            at = _skip_space(content, at + 1)
    return spans, at


def _skip_space(content: str, at: int) -> int:
    match = SPACE.match(content, at)
    return match.end() if match else at
