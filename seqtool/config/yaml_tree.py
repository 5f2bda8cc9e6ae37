"""The tree that YAML text becomes: values, lists and mappings that know their place, and how they read in a message."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from seqtool.errors import Problem, SourceLine

LINE_BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # what YAML counts as the end of a line
NULLS = frozenset(("null", "Null", "NULL", "~"))


@dataclass(frozen=True, eq=False)
class Source:
    """Where YAML text came from: a file, or one `--set`.

    Attributes:
        name: the file as the user named it, or the option as the user wrote it.
        text: the whole text.
        folder: what relative paths in it are relative to.
        rank: 0 for the file, then the options in their order; mistakes are listed by it.
    """

    name: str
    text: str
    folder: str = ""
    rank: int = 0

    @cached_property
    def lines(self) -> list[str]:
        """The text's lines, counted as the parser counts them."""
        return LINE_BREAKS.split(self.text)


@dataclass(frozen=True, eq=False)
class Mark:
    """A stretch of one line of a source; line 0 stands for the whole source."""

    source: Source
    line: int = 0
    column: int = 0
    width: int = 1

    @property
    def place(self) -> str:
        """`file:line:column`, or the option."""
        return (
            f"{self.source.name}:{self.line}:{self.column}"
            if self.line and not self.source.rank
            else self.source.name
        )

    @property
    def shown(self) -> SourceLine | None:
        """The line for the caret; none for an option, which is shown whole."""
        if not self.line or self.source.rank or self.line > len(self.source.lines):
            return None
        return SourceLine(self.source.lines[self.line - 1], self.line, self.column, self.width)

    @property
    def order(self) -> tuple[int, int, int]:
        """What mistakes are sorted by."""
        return self.source.rank, self.line, self.column


@dataclass(frozen=True)
class Mistake:
    """Something wrong at a mark; becomes a `Problem` when all are known."""

    mark: Mark
    message: str
    hint: str = ""

    def problem(self) -> Problem:
        """The mistake as the user sees it."""
        return Problem(self.message, self.mark.place, self.hint, self.mark.shown)


@dataclass(frozen=True, eq=False)
class Scalar:
    """One value as it was written; `plain` without quotes."""

    mark: Mark
    text: str
    plain: bool = True

    @property
    def is_null(self) -> bool:
        """Whether YAML reads it as null."""
        return self.plain and self.text in NULLS

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written at all."""
        return self.plain and not self.text


@dataclass(frozen=True, eq=False)
class Items:
    """A list."""

    mark: Mark
    values: list[Node] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Entry:
    """A key's mark and its value."""

    key: Mark
    value: Node


@dataclass(frozen=True, eq=False)
class Table:
    """A mapping, in the order of the text."""

    mark: Mark
    entries: dict[str, Entry] = field(default_factory=dict)


Node = Scalar | Items | Table


# --- nodes as text ----------------------------------------------------------------------------------------------------


def quoted(text: str) -> str:
    """Text between double quotes as YAML writes it, on one line, printable."""
    return (
        '"'
        + "".join(char if char.isprintable() and char not in '"\\' else _escape(char) for char in text)
        + '"'
    )


def _escape(char: str) -> str:
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    code = ord(char)
    return short.get(char) or (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def describe_node(node: Node) -> str:
    """What was found, in a few words, for a message."""
    if isinstance(node, Table):
        return "a section of keys" if node.entries else "an empty section"
    if isinstance(node, Items):
        return f"a list of {len(node.values)}" if node.values else "an empty list"
    if node.is_empty:
        return "nothing"
    return shown(node.text, plain=node.plain)


def shown(text: str, *, plain: bool = True) -> str:
    """Text from the user fit for one line of a message: shortened, and quoted where it needs to be."""
    short = text if len(text) <= 60 else text[:59] + "…"
    return short if plain and text and quoted(short) == f'"{short}"' else quoted(short)
