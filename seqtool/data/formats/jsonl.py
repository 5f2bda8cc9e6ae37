"""JSON lines: one object per line is one sentence. Read and relabel such files.

A field is set by replacing the bytes of its value and no others, so numbers, spaces and the order of fields
are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from seqtool.data.formats.blocks import BOM, Block, EmptyTokens, FormatName, is_blank, split_end
from seqtool.errors import DataError
from seqtool.storage.plain_files import refuse_constant
from seqtool.types import Json

SURROGATE = re.compile("[\ud800-\udfff]")
SPACE = re.compile(r"[ \t\r\n]*")
CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"|(-?Infinity|NaN)')  # a string, or a constant outside strings
DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class JsonlFormat:
    """Format of a file of JSON lines.

    Attributes:
        text_key: field with a list of tokens, a list of [token, label] pairs, or a string that is split at
            white space.
        label_key: field with the list of labels; an object without it has no labels.
        empty_tokens: refuse an empty token, or read it as `_`.
    """

    format_name: ClassVar[FormatName] = "jsonl"

    text_key: str = "tokens"
    label_key: str = "labels"
    empty_tokens: EmptyTokens = "refuse"

    def describe(self) -> str:
        """Return the fields of tokens and labels in one line."""
        return f"tokens: field {self.text_key!r}; label: field {self.label_key!r}"

    def read(self, lines: Iterable[str], name: str) -> Iterator[Block]:
        """Yield one block for each line; a blank line is a block without tokens.

        Raises:
            DataError: a line is not JSON (with the column) or not an object, or a field has another type.
        """
        for number, raw in self.split(lines):
            yield self.block(raw, name, number)

    def split(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Yield each line with its number."""
        return ((number, [line]) for number, line in enumerate(lines, 1))

    def block(self, raw: list[str], name: str, first: int) -> Block:
        """Read one block from its line; raises the errors of `read`."""
        content = raw[0].removeprefix(BOM) if first == 1 else raw[0]
        if is_blank(content):
            return Block(raw, [], None, [], name, first)
        return self._record_block(raw, parse(content, name, first), name, first)

    def _record_block(self, raw: list[str], record: Json, name: str, number: int) -> Block:
        place = f"{name}:{number}"
        if self.text_key not in record:
            found = ", ".join(repr(key) for key in record) or "no field at all"
            message = f"expected a field {self.text_key!r}, found {found}"
            raise DataError(message, place=place, hint="`data.text_key` names the field")
        value = record[self.text_key]
        tokens, labels = _read_tokens(value, self.text_key, place)
        if self.label_key in record and self.label_key != self.text_key:
            labels = self._read_labels(record[self.label_key], len(tokens), place)
        if "" in tokens:
            tokens = self._repair(tokens, place)
        if labels is not None and "" in labels:
            message = f"expected a label, found an empty one for token {labels.index('') + 1}"
            raise DataError(message, place=place)
        text = value if isinstance(value, str) else None
        return Block(raw, tokens, labels, [0] * len(tokens), name, number, text)

    def _read_labels(self, value: object, count: int, place: str) -> list[str]:
        labels = _strings(value, self.label_key, place)
        if len(labels) != count:
            message = f"expected a label for each of the {count} tokens, found {len(labels)}"
            hint = f"{self.text_key!r} and {self.label_key!r} must have the same length"
            raise DataError(message, place=place, hint=hint)
        return labels

    def _repair(self, tokens: list[str], place: str) -> list[str]:
        if self.empty_tokens == "repair":
            return [token or "_" for token in tokens]
        message = f"expected a token, found an empty one (token {tokens.index('') + 1} of the line)"
        raise DataError(message, place=place, hint="`data.empty_tokens: repair` reads it as `_`")

    def fill(self, block: Block, labels: Sequence[str]) -> list[str]:
        """Return the line of a block with new labels and no other byte changed.

        The labels go into their field or into the [token, label] pairs; a missing field is appended.
        """
        if list(labels) == (block.labels or []) or is_blank(block.lines[0]):
            return list(block.lines)
        record = parse(block.lines[0].removeprefix(BOM), block.name, block.first_line)
        if block.labels is not None and self.label_key not in record:
            pairs = [[token, label] for (token, _), label in zip(record[self.text_key], labels, strict=True)]
            return [set_fields(block.lines[0], {self.text_key: pairs})]
        return [set_fields(block.lines[0], {self.label_key: list(labels)})]


# --- reading ------------------------------------------------------------------------------------------------


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
            place=f"{place}:{error.colno}",
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
            hint = "tokens and labels are strings; replace label numbers with label names"
            raise DataError(message, place=place, hint=hint)
    return value


def _type_name(value: object) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    names = {str: "a string", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names[type(value)]


# --- writing ------------------------------------------------------------------------------------------------


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
