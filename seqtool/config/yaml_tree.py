"""Tree of YAML nodes with source positions, access to nodes by key path, and their text in messages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from seqtool.config.schema import KeyPath
from seqtool.errors import Problem, SourceLine
from seqtool.safe_text import shorten

LINE_BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # the line breaks of YAML
NULLS = frozenset(("null", "Null", "NULL", "~"))
MAX_SHOWN = 60  # characters of a value in a message


@dataclass(frozen=True, eq=False)
class Source:
    """Origin of YAML text: a file, or one `--set` option.

    Attributes:
        name: the file name as the user gave it, or the option as the user wrote it.
        text: the whole text.
        folder: relative paths in the text are relative to it.
        option: 0 for the file, else the number of the option, from 1; mistakes are sorted by it.
        generated: the program wrote the text, so that no message shows its lines.
    """

    name: str
    text: str
    folder: str = ""
    option: int = 0
    generated: bool = False

    @cached_property
    def lines(self) -> list[str]:
        """Lines of the text, split as the YAML parser splits them."""
        return LINE_BREAKS.split(self.text)


@dataclass(frozen=True, eq=False)
class Mark:
    """Part of one line of a source; line 0 means the whole source."""

    source: Source
    line: int = 0
    column: int = 0
    width: int = 1

    @property
    def place(self) -> str:
        """Location as `file:line:column`, or the option."""
        shows_line = self.line and not self.source.option and not self.source.generated
        return f"{self.source.name}:{self.line}:{self.column}" if shows_line else self.source.name

    @property
    def origin(self) -> str:
        """Origin of a value: `file:line`, `--set`, or `suggested`."""
        if self.source.option:
            return "--set"
        return "suggested" if self.source.generated else f"{self.source.name}:{self.line}"

    @property
    def source_line(self) -> SourceLine | None:
        """Line for the caret; None for an option, since its location shows the whole option."""
        if not self.line or self.source.option or self.source.generated or self.line > len(self.source.lines):
            return None
        return SourceLine(self.source.lines[self.line - 1], self.line, self.column, self.width)

    @property
    def order(self) -> tuple[int, int, int]:
        """Sort key of mistakes."""
        return self.source.option, self.line, self.column


@dataclass(frozen=True)
class Mistake:
    """Mistake at a mark; it is converted to a `Problem` when all mistakes are known."""

    mark: Mark
    message: str
    hint: str = ""

    def problem(self) -> Problem:
        """Return the mistake in the form that is shown to the user."""
        return Problem(self.message, self.mark.place, self.hint, self.mark.source_line)


# --- nodes --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ScalarNode:
    """One value with its original text; `plain` means without quotes."""

    mark: Mark
    text: str
    plain: bool = True

    @property
    def is_null(self) -> bool:
        """True if YAML reads the value as null."""
        return self.plain and self.text in NULLS

    @property
    def is_empty(self) -> bool:
        """True if the file contains no text for the value."""
        return self.plain and not self.text


@dataclass(frozen=True, eq=False)
class SequenceNode:
    """List of nodes."""

    mark: Mark
    values: list[Node] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Entry:
    """Position of a key, and the node of its value."""

    key: Mark
    value: Node


@dataclass(frozen=True, eq=False)
class MappingNode:
    """Mapping from keys to entries, in the order of the text."""

    mark: Mark
    entries: dict[str, Entry] = field(default_factory=dict)


Node = ScalarNode | SequenceNode | MappingNode


# --- key paths ----------------------------------------------------------------------------------------------


def dotted(path: KeyPath) -> str:
    """Format a path as `data.pairs[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{shortened(part)}" for part in path).lstrip(
        "."
    )


def find(root: Node, path: KeyPath) -> Node | None:
    """Return the node at a path, or None."""
    node: Node | None = root
    for part in path:
        if isinstance(node, MappingNode) and isinstance(part, str) and part in node.entries:
            node = node.entries[part].value
        elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.values):
            node = node.values[part]
        elif part != 0:  # a single value instead of a list is its first element
            return None
    return node


def locate(root: MappingNode, path: KeyPath, *, prefer_key: bool = False) -> Mark:
    """Return the position of a key or value; if the text does not contain it, of its nearest parent."""
    for length in range(len(path), 0, -1):
        parent, node = find(root, path[: length - 1]), find(root, path[:length])
        if node is None:
            continue
        name = path[length - 1]
        key_wanted = prefer_key or length < len(path) or isinstance(node, MappingNode)
        if (
            key_wanted
            and isinstance(parent, MappingNode)
            and isinstance(name, str)
            and name in parent.entries
        ):
            return parent.entries[name].key
        return node.mark
    return Mark(root.mark.source)


# --- nodes in messages --------------------------------------------------------------------------------------


def quoted(text: str) -> str:
    """Quote text with double quotes as in YAML, on one line and printable."""
    inner = "".join(char if char.isprintable() and char not in '"\\' else _escape(char) for char in text)
    return f'"{inner}"'


def _escape(char: str) -> str:
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    code = ord(char)
    return short.get(char) or (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def describe_node(node: Node) -> str:
    """Describe a node in a few words for a message."""
    if isinstance(node, MappingNode):
        return "a section of keys" if node.entries else "an empty section"
    if isinstance(node, SequenceNode):
        return f"a list of {len(node.values)}" if node.values else "an empty list"
    if node.is_empty:
        return "nothing"
    return shortened(node.text, plain=node.plain)


def shortened(text: str, *, plain: bool = True) -> str:
    """Shorten text from the user to one line of a message, with quotes if it needs them."""
    short = shorten(text, MAX_SHOWN)
    return short if plain and text and quoted(short) == f'"{short}"' else quoted(short)
