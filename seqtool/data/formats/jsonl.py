"""JSON lines: one sentence per line, as an object; read, and written back with fields set in place.

Setting a field replaces the bytes of its value and no others, so that numbers, spaces and the order of fields stay as
their owner wrote them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqtool.data.formats.blocks import BOM, Block, is_blank, split_end
from seqtool.data.formats.conll import EmptyTokens
from seqtool.errors import DataError

SURROGATE = re.compile("[\ud800-\udfff]")
SPACE = re.compile(r"[ \t\r\n]*")
DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class JsonlFormat:
    """Which fields of the objects are read.

    Attributes:
        text_key: holds a list of tokens, a list of [token, label] pairs, or a string, read as tokens between spaces.
        label_key: holds the list of labels; a line without it has none.
        empty_tokens: refuse an empty token, or read it as `_`.
    """

    text_key: str = "tokens"
    label_key: str = "labels"
    empty_tokens: EmptyTokens = "refuse"

    def read(self, lines: Iterable[str], name: str) -> Iterator[Block]:
        """One block for each line; a blank line is a block without tokens.

        Raises:
            DataError: not JSON (with the column), not an object, fields of another kind than expected.
        """
        for number, raw in self.split(lines):
            yield self.block(raw, name, number)

    def split(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Each line with its number."""
        return ((number, [line]) for number, line in enumerate(lines, 1))

    def block(self, raw: list[str], name: str, first: int) -> Block:
        """One block from its line; errors as `read`."""
        content = raw[0].removeprefix(BOM) if first == 1 else raw[0]
        if is_blank(content):
            return Block(raw, [], None, [], name, first)
        return self._record_block(raw[0], parse(content, name, first), name, first)

    def _record_block(self, line: str, record: dict[str, Any], name: str, number: int) -> Block:
        place = f"{name}:{number}"
        if self.text_key not in record:
            found = ", ".join(repr(key) for key in record) or "no field at all"
            raise DataError(
                f"expected a field {self.text_key!r}, found {found}",
                place=place,
                hint="`data.text_key` names the field",
            )
        value = record[self.text_key]
        tokens, labels = read_tokens(value, self.text_key, place)
        if self.label_key in record and self.label_key != self.text_key:
            labels = _strings(record[self.label_key], self.label_key, place)
            if len(labels) != len(tokens):
                message = f"expected a label for each of the {len(tokens)} tokens, found {len(labels)}"
                raise DataError(
                    message,
                    place=place,
                    hint=f"{self.text_key!r} and {self.label_key!r} must be of one length",
                )
        if "" in tokens:
            tokens = self._without_empty(tokens, place)
        if labels is not None and "" in labels:
            raise DataError(
                f"expected a label, found an empty one for token {labels.index('') + 1}", place=place
            )
        return Block(
            [line], tokens, labels, [0] * len(tokens), name, number, value if isinstance(value, str) else None
        )

    def _without_empty(self, tokens: list[str], place: str) -> list[str]:
        if self.empty_tokens == "repair":
            return [token or "_" for token in tokens]
        message = f"expected a token, found an empty one (token {tokens.index('') + 1} of the line)"
        raise DataError(message, place=place, hint="`data.empty_tokens: repair` reads it as `_`")

    def fill(self, block: Block, labels: Sequence[str]) -> list[str]:
        """The block's line with these labels in their field (or pairs), appended where there was none; all else as it was."""
        if list(labels) == (block.labels or []) or is_blank(block.lines[0]):
            return list(block.lines)
        record = parse(block.lines[0].removeprefix(BOM), block.name, block.first_line)
        if block.labels is not None and self.label_key not in record:
            pairs = [[token, label] for (token, _), label in zip(record[self.text_key], labels, strict=True)]
            return [set_fields(block.lines[0], {self.text_key: pairs})]
        return [set_fields(block.lines[0], {self.label_key: list(labels)})]


def parse(content: str, name: str, number: int) -> dict[str, Any]:
    """The object on a line.

    Raises:
        DataError: with file:line:column, not JSON; with file:line, not an object or half a character (a lone surrogate).
    """
    try:
        record = json.loads(content.rstrip("\r\n"))
    except json.JSONDecodeError as error:
        place = f"{name}:{number}:{error.colno}"
        hint = "each line holds one whole JSON object; `data.format` says which format a file has"
        raise DataError(
            f"expected a JSON object, found text that is not JSON ({error.msg})", place=place, hint=hint
        ) from None
    except ValueError:
        raise DataError(
            "expected a JSON object, found a number too long to read", place=f"{name}:{number}"
        ) from None
    except RecursionError:
        raise DataError(
            "expected a JSON object, found one nested too deep to read", place=f"{name}:{number}"
        ) from None
    if not isinstance(record, dict):
        raise DataError(
            f"expected a JSON object, found {_kind(record)}",
            place=f"{name}:{number}",
            hint='write {"tokens": [...], ...}',
        )
    if "\\u" in content and SURROGATE.search(json.dumps(record, ensure_ascii=False)):
        raise DataError("expected characters, found half of one (a lone surrogate)", place=f"{name}:{number}")
    return record


def read_tokens(value: Any, key: str, place: str) -> tuple[list[str], list[str] | None]:
    """Tokens, and labels where the field holds pairs."""
    if isinstance(value, str):
        return value.split(), None
    if isinstance(value, list) and value and all(isinstance(item, list) and len(item) == 2 for item in value):
        both = _strings([part for pair in value for part in pair], key, place)
        return both[::2], both[1::2]
    return _strings(value, key, place), None


def _strings(value: Any, key: str, place: str) -> list[str]:
    if not isinstance(value, list):
        raise DataError(f"expected a list of strings in {key!r}, found {_kind(value)}", place=place)
    wrong = next((item for item in value if not isinstance(item, str)), None)
    if wrong is not None or None in value:
        message = f"expected a list of strings in {key!r}, found {_kind(wrong)} in it"
        raise DataError(message, place=place, hint="tokens and labels are strings; numbers need their names")
    return value


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    kinds = {str: "a string", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds[type(value)]


def set_fields(line: str, fields: Mapping[str, Any]) -> str:
    """A raw line with these fields set: values replaced in place, new fields after the last; its line end is kept."""
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
    return f"{before}{', ' if spans else ''}{json.dumps(key, ensure_ascii=False)}: {value}{content[len(before) :]}"


def _value_spans(content: str) -> tuple[dict[str, tuple[int, int]], int]:
    """Where each field's value starts and ends in a valid object, and where its closing brace is."""
    spans: dict[str, tuple[int, int]] = {}
    at = _skip(content, content.index("{") + 1)
    while content[at] == '"':
        key, at = DECODER.raw_decode(content, at)
        start = _skip(content, _skip(content, at) + 1)
        stop = DECODER.raw_decode(content, start)[1]
        spans[key] = (start, stop)
        at = _skip(content, stop)
        if content[at] == ",":
            at = _skip(content, at + 1)
    return spans, at


def _skip(content: str, at: int) -> int:
    match = SPACE.match(content, at)
    return match.end() if match else at
