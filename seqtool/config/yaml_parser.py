"""YAML text to a tree in which every key and value knows its place, built from the parser's events.

Only the plain part of YAML is taken: mappings with text keys, lists and scalars. Anchors, aliases, merge keys, tags,
duplicate keys, deep nesting and further documents are refused here, in one linear pass, so that nothing a file says
can make it larger than it is. Scalars keep their raw text; what they mean is for the schema to say.
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
    Items,
    Mark,
    Mistake,
    Node,
    Scalar,
    Source,
    Table,
    shown,
)
from seqtool.errors import Problem

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # events only: no constructor of it is ever run
UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Tree:
    """What was read.

    Attributes:
        root: the document, or None where the text has none or could not be read to its end.
        mistakes: all that was refused on the way.
        whole: whether `root` says all that the text says; an alias, for one, leaves a hole.
    """

    root: Node | None
    mistakes: list[Mistake]
    whole: bool


class Unreadable(Exception):
    """Reading cannot go on."""

    def __init__(self, mistake: Mistake) -> None:
        self.mistake = mistake
        super().__init__(mistake.message)


def read_tree(source: Source) -> Tree:
    """Read YAML text; never raises, whatever the text."""
    builder = _Builder(source)
    try:
        _check_characters(source)
        root = builder.document()
    except Unreadable as stop:
        return Tree(None, [*builder.mistakes, stop.mistake], whole=False)
    except yaml.YAMLError as error:
        return Tree(None, [*builder.mistakes, _syntax_mistake(source, error)], whole=False)
    except (ValueError, OverflowError) as error:  # the parser in plain Python lets them out on wrong escapes
        return Tree(None, [*builder.mistakes, Mistake(Mark(source), f"not valid YAML: {error}")], whole=False)
    return Tree(root, builder.mistakes, builder.whole)


def _check_characters(source: Source) -> None:
    found = UNPRINTABLE.search(source.text)
    if not found:
        return
    before = LINE_BREAKS.split(source.text[: found.start()])
    mark = Mark(source, len(before), len(before[-1]) + 1)
    raise Unreadable(
        Mistake(
            mark,
            f"not valid YAML: the character U+{ord(found[0]):04X} cannot stand in it",
            'write it as an escape between double quotes, such as "\\u0007"',
        )
    )


class _Builder:
    """Events to nodes; collects what is refused."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.mistakes: list[Mistake] = []
        self.whole = True
        self.events: Iterator[Any] = iter(())

    def document(self) -> Node | None:
        """The one document of the text, or None."""
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
        """The node that an event starts."""
        mark = self.mark(event)
        if isinstance(event, yaml.AliasEvent):
            self.whole = False
            self.refuse(
                mark, f"aliases (*{shown(event.anchor or '')}) are not allowed", "write the value out in full"
            )
            return Scalar(mark, "", plain=False)
        if event.anchor is not None:
            self.refuse(
                mark,
                f"anchors (&{shown(event.anchor)}) are not allowed",
                "write the value out wherever it is needed",
            )
        if event.tag is not None:
            self.refuse(
                mark,
                f"tags ({shown(event.tag)}) are not allowed",
                "write the value without a tag; the key says what type it has",
            )
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event, mark)
        if depth > MAX_DEPTH:
            raise Unreadable(
                Mistake(
                    mark,
                    f"nested more than {MAX_DEPTH} levels deep",
                    "no key needs that; look for a bracket too many",
                )
            )
        return (
            self.items(mark, depth) if isinstance(event, yaml.SequenceStartEvent) else self.table(mark, depth)
        )

    def scalar(self, event: Any, mark: Mark) -> Scalar:
        """A value; half a surrogate pair, which only an escape can bring, is refused."""
        if SURROGATE.search(event.value):
            self.refuse(
                mark,
                "half of a surrogate pair is not a character",
                'write the character itself, or "\\U" and its eight digits',
            )
            return Scalar(mark, "?", plain=False)
        return Scalar(mark, event.value, plain=not event.style)

    def items(self, mark: Mark, depth: int) -> Items:
        """A list, up to its end event."""
        items = Items(mark)
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.values.append(self.node(event, depth + 1))
        return items

    def table(self, mark: Mark, depth: int) -> Table:
        """A mapping, up to its end event; of a key given twice the first stands."""
        table = Table(mark)
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.node(event, depth + 1)
            value = self.node(next(self.events), depth + 1)
            if not isinstance(key, Scalar):
                self.refuse(
                    key.mark,
                    "a key must be text, not a list or a mapping",
                    "if this was meant as a value, put a key and a colon before it",
                )
            elif key.plain and key.text == "<<":
                self.whole = False
                self.refuse(key.mark, "merge keys (<<) are not allowed", "write the keys out in full")
            elif isinstance(event, yaml.AliasEvent):
                continue
            elif key.text in table.entries:
                first = table.entries[key.text].key
                self.refuse(
                    key.mark,
                    f"the key {shown(key.text)} is given twice",
                    f"it already stands in line {first.line}; delete one of the two",
                )
            else:
                table.entries[key.text] = Entry(key.mark, value)
        return table

    def refuse(self, mark: Mark, message: str, hint: str) -> None:
        """Note a mistake and go on."""
        self.mistakes.append(Mistake(mark, message, hint))

    def mark(self, event: Any) -> Mark:
        """The event's stretch of its first line."""
        start, end = event.start_mark, event.end_mark
        lines = self.source.lines
        length = len(lines[start.line]) if start.line < len(lines) else 0
        stop = end.column if end.line == start.line else length
        return Mark(self.source, start.line + 1, start.column + 1, max(1, stop - start.column))


# --- syntax errors ----------------------------------------------------------------------------------------------------

SYNTAX_HINTS = (
    (r"tab character", "indent with spaces, not with tabs"),
    (
        r"unknown escape|escape code|did not find expected hex",
        "between double quotes write \\\\ for a backslash, or use single quotes",
    ),
    (
        r"mapping values are not allowed",
        "a key stands in line with its neighbours, with a space after its colon; other text with a colon needs quotes",
    ),
    (
        r"could not find expected ':'",
        "a key needs a colon and a space after it; text that starts with a bracket needs quotes",
    ),
    (r"expected ',' or|expected the node content", "a bracket is not closed, or a comma is missing"),
    (r"end of stream|quoted scalar", "a quotation mark is not closed"),
    (r"cannot start any token", "put text that starts with this character between quotes"),
    (r"%YAML|directive|incompatible", "delete the line that starts with %"),
    (r"expected", "look at the indentation and the brackets of this line and the one above it"),
)


def _syntax_mistake(source: Source, error: yaml.YAMLError) -> Mistake:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    context = getattr(error, "context", None) or ""
    mark = _error_mark(source, getattr(error, "problem_mark", None), getattr(error, "context_mark", None))
    if mark.shown and mark.shown.text[: mark.column].endswith("\t"):
        problem, context = "a tab where only spaces may stand", "tab character"
    text = f"{context} {problem}"
    hint = next((hint for pattern, hint in SYNTAX_HINTS if re.search(pattern, text)), "")
    return Mistake(mark, f"not valid YAML: {problem}", hint)


def _error_mark(source: Source, mark: Any, opening: Any) -> Mark:
    """Where the parser stopped; if that is the end of the text, what was opened last, else the last line that says something."""
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
    """Bytes of a config as text, or why they are none."""
    if len(data) > MAX_BYTES:
        return Problem(
            f"expected a config of at most {MAX_BYTES:,} bytes, found more",
            name,
            "long data goes into files that the config names",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        found = f"expected UTF-8, found the byte 0x{data[error.start]:02x}"
        return Problem(found, f"{name}:{line}", "save the file as UTF-8")
