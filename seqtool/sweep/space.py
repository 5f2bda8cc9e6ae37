"""Space of a sweep: a YAML file that gives each searched key its choices or its range.

    training.lr: {low: 1e-4, high: 1e-2, log: true}
    model.hidden_size: [64, 128, 256]

Every choice and both ends of every range are checked by reading the config with that value, as `--set`
would do. The checks of the config supply the messages; their location is that of the value in the space
file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from seqtool.config.hints import nearest
from seqtool.config.load import ReadConfig, config_error, read_text
from seqtool.config.schema import SECTIONS, members, type_at
from seqtool.config.yaml_parser import read_tree
from seqtool.config.yaml_tree import (
    Entry,
    MappingNode,
    Mark,
    Mistake,
    Node,
    ScalarNode,
    SequenceNode,
    Source,
    describe_node,
    quoted,
)
from seqtool.errors import ConfigError

RANGE_KEYS = ("low", "high", "step", "log")
EXAMPLE = "give choices, [64, 128], or a range, {low: 0.001, high: 0.1, log: true}"
Number = int | float


# Function that reads the config with more overrides `key=value`.
ReadWith: TypeAlias = Callable[[Sequence[str]], ReadConfig]


@dataclass(frozen=True)
class Dimension:
    """One searched key and its values.

    Attributes:
        key: with dots, as for `--set`.
        choices: YAML texts; empty for a range.
        low, high: both ends of the range, integers for a key that takes integers only.
        step: distance between two values of the range, or None for any value.
        log: whether values are drawn uniformly on a logarithmic scale.
    """

    key: str
    choices: tuple[str, ...] = ()
    low: Number = 0
    high: Number = 0
    step: Number | None = None
    log: bool = False

    @property
    def grid(self) -> tuple[str, ...]:
        """All values as YAML texts; empty for a range without steps."""
        if self.choices:
            return self.choices
        step = self.step or (1 if isinstance(self.low, int) and not self.log else None)
        if step is None:
            return ()
        count = int((self.high - self.low) / step + 1e-9) + 1
        return tuple(number_text(self.low + number * step) for number in range(count))


def number_text(value: Number) -> str:
    """Return a number as YAML text of at most twelve digits, which hides the rounding errors of sums."""
    return str(value) if isinstance(value, int) else repr(float(f"{value:.12g}"))


def read_space(path: Path, read_with: ReadWith) -> tuple[Dimension, ...]:
    """Read and check a space file.

    Args:
        read_with: reads the config with overrides `key=value`.

    Raises:
        ConfigError: with every mistake in the file.
    """
    task = read_with(()).settings.task
    tree = read_tree(Source(str(path), read_text(path), str(path.parent)))
    mistakes = list(tree.mistakes)
    dimensions: dict[str, Dimension] = {}
    if tree.root is not None and not isinstance(tree.root, MappingNode):
        message = f"expected keys to search over, found {describe_node(tree.root)}"
        mistakes.append(Mistake(tree.root.mark, message, EXAMPLE))
    for key, entry in _entries(tree.root) if isinstance(tree.root, MappingNode) else ():
        if key in dimensions:
            mistakes.append(Mistake(entry.key, f"{key}: is given twice", "delete one of the two"))
            continue
        new_mistakes, dimension = _dimension(key, entry, task, read_with)
        mistakes += new_mistakes
        if dimension is not None:
            dimensions[key] = dimension
    if not dimensions and not mistakes:
        hint = f"for example training.lr: {EXAMPLE}"
        raise ConfigError("expected keys to search over, found none", place=str(path), hint=hint)
    if mistakes:
        raise config_error(mistakes)
    return tuple(dimensions.values())


def _entries(root: MappingNode) -> Iterator[tuple[str, Entry]]:
    """Yield the keys with dots, which the file may write with dots or inside a section."""
    for name, entry in root.entries.items():
        if name in SECTIONS and isinstance(entry.value, MappingNode):
            yield from ((f"{name}.{inner}", below) for inner, below in entry.value.entries.items())
        else:
            yield name, entry


def _dimension(
    key: str, entry: Entry, task: str, read_with: ReadWith
) -> tuple[list[Mistake], Dimension | None]:
    """Return the mistakes of an entry, and the dimension if it can be built."""
    node = entry.value
    if key in ("name", "task"):
        hint = "name a key of data, model or training, or seed"
        return [Mistake(entry.key, f"{key}: cannot be searched over", hint)], None
    if isinstance(node, SequenceNode) and node.values:
        values = [(_yaml_text(value), value.mark) for value in node.values]
        choices = tuple(dict.fromkeys(text for text, _ in values))
        return _check_values(key, entry, values, read_with), Dimension(key, choices)
    if not isinstance(node, MappingNode):
        mark = entry.key if isinstance(node, ScalarNode) and node.is_empty else node.mark
        message = f"{key}: expected choices or a range, found {describe_node(node)}"
        return [Mistake(mark, message, EXAMPLE)], None
    type_, _ = type_at(task, tuple(key.split(".")))
    number_types = [member for member in (int, float) if member in members(type_)]
    not_a_number = [] if number_types else _check_values(key, entry, [("1", entry.key)], read_with)
    if not_a_number:
        return [Mistake(entry.key, not_a_number[0].message, not_a_number[0].hint)], None
    mistakes, dimension = _range(key, node, integers=float not in number_types)
    if dimension is not None and not mistakes:
        ends = [
            (number_text(end), node.entries[name].value.mark)
            for name, end in (("low", dimension.low), ("high", dimension.high))
        ]
        mistakes = _check_values(key, entry, ends, read_with)
    return mistakes, dimension


def _check_values(
    key: str, entry: Entry, values: list[tuple[str, Mark]], read_with: ReadWith
) -> list[Mistake]:
    """Return the mistakes that the checks of the config report for values of a key."""
    mistakes = []
    for text, mark in values:
        try:
            read_with([f"{key}={text}"])
        except ConfigError as error:
            problem = error.problems[0]
            unknown = problem.message.endswith("unknown key")
            mistakes.append(Mistake(entry.key if unknown else mark, problem.message, problem.hint))
            if unknown:
                break
    return mistakes


def _yaml_text(node: Node) -> str:
    """Return a node as YAML text on one line."""
    if isinstance(node, ScalarNode):
        return node.text if node.plain else quoted(node.text)
    if isinstance(node, SequenceNode):
        return "[" + ", ".join(_yaml_text(value) for value in node.values) + "]"
    return "{" + ", ".join(f"{name}: {_yaml_text(entry.value)}" for name, entry in node.entries.items()) + "}"


# --- ranges -------------------------------------------------------------------------------------------------


def _range(key: str, table: MappingNode, *, integers: bool) -> tuple[list[Mistake], Dimension | None]:
    mistakes, values = [], {}
    for name, entry in table.entries.items():
        if name not in RANGE_KEYS:
            near = nearest(name, RANGE_KEYS)
            hint = f"did you mean {near}?" if near else f"a range has {', '.join(RANGE_KEYS)}"
            mistakes.append(Mistake(entry.key, f"{key}: a range has no key {name}", hint))
            continue
        value = _value(entry.value, name, integers=integers)
        if value is None:
            expected = "true or false" if name == "log" else "a whole number" if integers else "a number"
            message = f"{key}: expected {expected} for {name}, found {describe_node(entry.value)}"
            mistakes.append(Mistake(entry.value.mark, message))
        else:
            values[name] = value
    missing = [name for name in ("low", "high") if name not in table.entries]
    if missing:
        mistakes.append(Mistake(table.mark, f"{key}: the range has no {' and no '.join(missing)}", EXAMPLE))
    if mistakes:
        return mistakes, None
    log = bool(values.get("log", False))
    dimension = Dimension(key, (), values["low"], values["high"], values.get("step"), log)
    return _check_range(dimension, table.entries), dimension


def _value(node: Node, name: str, *, integers: bool) -> Number | bool | None:
    """Return the value of a key of a range, or None if it has another type."""
    if not isinstance(node, ScalarNode):
        return None
    if name == "log":
        return {"true": True, "false": False}.get(node.text.lower())
    try:
        value = float(node.text)
    except ValueError:
        return None
    if not math.isfinite(value) or (integers and not value.is_integer()):
        return None
    return int(value) if integers else value


def _check_range(dimension: Dimension, entries: Mapping[str, Entry]) -> list[Mistake]:
    """Return the mistakes in the numbers of a range."""
    key, mistakes = dimension.key, []

    def add(mark: Mark, message: str, hint: str = "") -> None:
        mistakes.append(Mistake(mark, f"{key}: {message}", hint))

    if dimension.low >= dimension.high:
        add(entries["high"].value.mark, "expected high above low", "give the smaller number as low")
    if dimension.log and dimension.low <= 0:
        add(entries["low"].value.mark, "a logarithmic range starts above 0", "raise low, or delete log")
    if dimension.step is not None and dimension.step <= 0:
        add(entries["step"].value.mark, "expected a step above 0")
    if dimension.step is not None and dimension.log:
        hint = "delete step or log, or list the choices"
        add(entries["step"].key, "a logarithmic range has no step", hint)
    return mistakes
