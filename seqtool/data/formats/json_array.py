"""JSON arrays of objects, `[{…}, {…}]`, split into pieces of one object each.

The pieces, joined, are the file byte for byte: a piece is an object with the characters before it, and the
last piece is the rest of the file. An empty piece follows if the `]` at the end is missing. An object is
yielded as soon as its closing brace has been read, so an array with line ends is streamed. An array on a
single line is held in memory, since a file is read by lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from seqtool.data.formats.blocks import BOM, is_blank
from seqtool.errors import DataError

MARKS = re.compile(r'"(?:[^"\\]|\\.)*"|["{}]')  # a string, an open string, or a brace
BETWEEN = re.compile(r"[ \t\r\n,]*")  # characters between two objects
BEFORE = re.compile(r"[ \t\r\n]*[\[,]?[ \t\r\n]*")  # characters before an object


def is_array(lines: Iterable[str]) -> tuple[bool, Iterator[str]]:
    """Return whether the first line that is not blank begins an array of objects, and all lines again.

    A bracket alone on its line counts: no JSON line and no token with a label is a bracket alone.
    """
    rest = iter(lines)
    first: list[str] = []
    found = False
    for line in rest:
        first.append(line)
        content = line.removeprefix(BOM) if len(first) == 1 else line
        if not is_blank(content):
            found = begins_array(content)
            break
    return found, chain(first, rest)


def begins_array(line: str) -> bool:
    """Return whether a line begins an array of objects."""
    content = line.strip(" \t\r\n")
    return content in ("[", "[]") or (content.startswith("[") and content[1:].lstrip(" \t").startswith("{"))


def pieces(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield each object with the characters before it, and the number of the line on which they begin."""
    piece: list[str] = []
    first = number = 1
    depth = 0
    for number, line in enumerate(lines, 1):
        start = 0
        first = first if piece else number
        for match in MARKS.finditer(line):
            mark = match[0]
            if mark == '"':
                break  # a string of JSON ends on its line; the error is reported when the object is read
            depth += (mark == "{") - (mark == "}")
            if mark == "}" and depth <= 0:
                yield first, [*piece, line[start : match.end()]]
                piece, first, start, depth = [], number, match.end(), 0
        if start < len(line):
            piece.append(line[start:])
    if piece:
        yield first, piece
    if "]" not in "".join(piece):
        yield number, [""]


def unclosed(place: str) -> DataError:
    """Return the error for an array without its last bracket, which `pieces` marks by an empty piece."""
    message, hint = "expected ] at the end of the array, found none", "the end of the file may be lost"
    return DataError(message, place=place, hint=hint)


def looks_like_json(lines: Sequence[str]) -> bool:
    """Return whether every line is an object, or the lines begin an array of objects."""
    data = [line for line in lines[:100] if not is_blank(line)]
    if data and begins_array(data[0]):
        return "{" in "".join(data[:50])
    return bool(data) and all(line.lstrip().startswith("{") and line.rstrip().endswith("}") for line in data)


def first_records(text: str) -> Iterator[Mapping[str, object]]:
    """Yield the objects at the beginning of a file; stop at a mistake, which the reader reports."""
    decoder = json.JSONDecoder()
    at = len(text) - len(text.lstrip(" \t\r\n[" + BOM))
    while at < len(text):
        try:
            record, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        if not isinstance(record, dict):
            return
        yield record
        between = BETWEEN.match(text, at)
        at = between.end() if between else len(text)


def object_range(piece: str) -> tuple[int, int]:
    """Return start and end of the object in a piece; equal if it has none, as at the end of an array."""
    match = BEFORE.match(piece, 1 if piece.startswith(BOM) else 0)
    start = match.end() if match else 0
    rest = piece[start:].strip(" \t\r\n")
    return (start, start) if rest in ("", "]") else (start, start + len(piece[start:].rstrip(" \t\r\n")))
