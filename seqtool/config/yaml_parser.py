"""YAML parser: text to a tree of nodes with source positions, built from the events of PyYAML.

Only mappings with text keys, lists and scalars are accepted. Anchors, aliases, merge keys, tags, duplicate
keys, deep nesting and further documents are refused in one linear pass, so a tree is never larger than its
text. Scalars keep their original text; the schema gives them their types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from seqtool.config.yaml_tree import (
    LINE_BREAKS,
    Entry,
    MappingNode,
    Mark,
    Mistake,
    Node,
    ScalarNode,
    SequenceNode,
    Source,
    shortened,
)
from seqtool.errors import Problem

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # used for events only, never for objects
UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Tree:
    """Result of parsing.

    Attributes:
        root: the document, or None if the text has none or could not be parsed to its end.
        mistakes: everything that was refused.
        complete: False if `root` lacks a part of the text, such as the value of an alias.
    """

    root: Node | None
    mistakes: list[Mistake]
    complete: bool


class Unreadable(Exception):
    """Mistake that ends parsing."""

    def __init__(self, mistake: Mistake) -> None:
        self.mistake = mistake
        super().__init__(mistake.message)


def read_tree(source: Source) -> Tree:
    """Parse YAML text; never raises an exception."""
    builder = _Builder(source)
    try:
        _check_characters(source)
        root = builder.document()
    except Unreadable as stop:
        return Tree(None, [*builder.mistakes, stop.mistake], complete=False)
    except yaml.YAMLError as error:
        return Tree(None, [*builder.mistakes, _syntax_mistake(source, error)], complete=False)
    except (ValueError, OverflowError) as error:  # raised by the pure Python parser for wrong escapes
        return Tree(
            None, [*builder.mistakes, Mistake(Mark(source), f"not valid YAML: {error}")], complete=False
        )
    return Tree(root, builder.mistakes, builder.complete)


def _check_characters(source: Source) -> None:
    match = UNPRINTABLE.search(source.text)
    if not match:
        return
    lines = LINE_BREAKS.split(source.text[: match.start()])
    mark = Mark(source, len(lines), len(lines[-1]) + 1)
    raise Unreadable(
        Mistake(
            mark,
            f"not valid YAML: the character U+{ord(match[0]):04X} is not allowed",
            'write it as an escape in double quotes, such as "\\u0007"',
        )
    )


class _Builder:
    """Conversion of parser events to nodes; collects the mistakes."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.mistakes: list[Mistake] = []
        self.complete = True
        self.events: Iterator[Any] = iter(())

    def document(self) -> Node | None:
        """Return the only document of the text, or None."""
        self.events = iter(yaml.parse(self.source.text, Loader=LOADER))
        root: Node | None = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise Unreadable(
                        Mistake(
                            self.mark(event),
                            "a second document starts here; a config is one document",
                            "delete the line `---` and what follows it",
                        )
                    )
                root = self.node(next(self.events), depth=1)
        return root

    def node(self, event: Any, depth: int) -> Node:
        """Return the node that an event starts."""
        mark = self.mark(event)
        if isinstance(event, yaml.AliasEvent):
            self.complete = False
            self.refuse(
                mark, f"aliases (*{shortened(event.anchor or '')}) are not allowed", "write the value in full"
            )
            return ScalarNode(mark, "", plain=False)
        if event.anchor is not None:
            self.refuse(
                mark,
                f"anchors (&{shortened(event.anchor)}) are not allowed",
                "write the value in full at each place",
            )
        if event.tag is not None:
            self.refuse(
                mark,
                f"tags ({shortened(event.tag)}) are not allowed",
                "write the value without a tag; the key defines its type",
            )
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event, mark)
        if depth > MAX_DEPTH:
            raise Unreadable(
                Mistake(
                    mark,
                    f"nested more than {MAX_DEPTH} levels deep",
                    "no key needs this depth; look for an extra bracket",
                )
            )
        is_sequence = isinstance(event, yaml.SequenceStartEvent)
        return self.sequence(mark, depth) if is_sequence else self.mapping(mark, depth)

    def scalar(self, event: Any, mark: Mark) -> ScalarNode:
        """Return a value; half of a surrogate pair, which an escape can produce, is refused."""
        if SURROGATE.search(event.value):
            self.refuse(
                mark,
                "half of a surrogate pair is not a character",
                'write the character itself, or "\\U" and its eight digits',
            )
            return ScalarNode(mark, "?", plain=False)
        return ScalarNode(mark, event.value, plain=not event.style)

    def sequence(self, mark: Mark, depth: int) -> SequenceNode:
        """Return a list; reads events up to the end of the list."""
        sequence = SequenceNode(mark)
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            sequence.values.append(self.node(event, depth + 1))
        return sequence

    def mapping(self, mark: Mark, depth: int) -> MappingNode:
        """Return a mapping; reads events up to its end and keeps the first of duplicate keys."""
        mapping = MappingNode(mark)
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.node(event, depth + 1)
            value = self.node(next(self.events), depth + 1)
            if not isinstance(key, ScalarNode):
                self.refuse(
                    key.mark,
                    "a key must be text, not a list or a mapping",
                    "if it is a value, write a key and a colon before it",
                )
            elif key.plain and key.text == "<<":
                self.complete = False
                self.refuse(key.mark, "merge keys (<<) are not allowed", "write the keys out in full")
            elif isinstance(event, yaml.AliasEvent):
                continue
            elif key.text in mapping.entries:
                first = mapping.entries[key.text].key
                self.refuse(
                    key.mark,
                    f"the key {shortened(key.text)} is given twice",
                    f"its first value is in line {first.line}; delete one of the two",
                )
            else:
                mapping.entries[key.text] = Entry(key.mark, value)
        return mapping

    def refuse(self, mark: Mark, message: str, hint: str) -> None:
        """Add a mistake; parsing continues."""
        self.mistakes.append(Mistake(mark, message, hint))

    def mark(self, event: Any) -> Mark:
        """Return the part of an event in its first line."""
        start, end = event.start_mark, event.end_mark
        lines = self.source.lines
        length = len(lines[start.line]) if start.line < len(lines) else 0
        stop = end.column if end.line == start.line else length
        return Mark(self.source, start.line + 1, start.column + 1, max(1, stop - start.column))


# --- syntax errors ------------------------------------------------------------------------------------------

SYNTAX_HINTS = (
    (r"tab character", "indent with spaces, not with tabs"),
    (
        r"unknown escape|escape code|did not find expected hex",
        "in double quotes write \\\\ for a backslash, or use single quotes",
    ),
    (
        r"mapping values are not allowed",
        "keys of one section have equal indentation and a space after the colon; other text with a colon "
        "needs quotes",
    ),
    (
        r"could not find expected ':'",
        "a key needs a colon and a space after it; text that starts with a bracket needs quotes",
    ),
    (r"expected ',' or|expected the node content", "a bracket is not closed, or a comma is missing"),
    (r"end of stream|quoted scalar", "a quotation mark is not closed"),
    (r"cannot start any token", "put text that starts with this character in quotes"),
    (r"%YAML|directive|incompatible", "delete the line that starts with %"),
    (r"expected", "look at the indentation and the brackets of this line and the one above it"),
)


def _syntax_mistake(source: Source, error: yaml.YAMLError) -> Mistake:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
    context = getattr(error, "context", None) or ""
    mark = _error_mark(source, getattr(error, "problem_mark", None), getattr(error, "context_mark", None))
    if mark.source_line and mark.source_line.text[: mark.column].endswith("\t"):
        problem, context = "a tab where only spaces are allowed", "tab character"
    text = f"{context} {problem}"
    hint = next((hint for pattern, hint in SYNTAX_HINTS if re.search(pattern, text)), "")
    return Mistake(mark, f"not valid YAML: {problem}", hint)


def _error_mark(source: Source, mark: Any, opening: Any) -> Mark:
    """Return the position at which the parser stopped.

    If that is the end of the text, return the position of the last opening bracket or quote, or else the last
    line that is not blank.
    """
    mark = mark or opening
    if mark is None:
        return Mark(source)
    rest = (
        [source.lines[mark.line][mark.column :], *source.lines[mark.line + 1 :]]
        if mark.line < len(source.lines)
        else []
    )
    if any(line.strip() for line in rest):
        return Mark(source, mark.line + 1, mark.column + 1)
    if opening is not None:
        return Mark(source, opening.line + 1, opening.column + 1)
    line = max((n for n, text in enumerate(source.lines) if text.strip()), default=0)
    return Mark(source, line + 1, max(1, len(source.lines[line].rstrip())))


def decode(data: bytes, name: str) -> str | Problem:
    """Decode the bytes of a config; returns a problem if they are too many or not UTF-8."""
    if len(data) > MAX_BYTES:
        return Problem(
            f"expected a config of at most {MAX_BYTES:,} bytes, found more",
            name,
            "put long data into a file and name the file in the config",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        found = f"expected UTF-8, found the byte 0x{data[error.start]:02x}"
        return Problem(found, f"{name}:{line}", "save the file as UTF-8")
