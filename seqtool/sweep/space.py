"""A space of settings to search: a YAML file that gives each key its choices or its range, read and checked as configs are.

    training.lr: {low: 1e-4, high: 1e-2, log: true}
    model.hidden_size: [64, 128, 256]

Every choice and both ends of every range are laid over the config, as `--set` would do it; what is wrong with one of them is
said in the same words, with its place in the space file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqtool.config.load import ReadConfig, config_error, read_text
from seqtool.config.schema import SECTIONS, members, type_at
from seqtool.config.validate import nearest
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


@dataclass(frozen=True)
class Dimension:
    """One key and what it may be.

    Attributes:
        key: dotted, as for `--set`.
        choices: YAML texts; empty for a range.
        low, high: both ends, whole numbers for a key that takes them.
        step: from one value to the next, or None.
        log: whether each factor is as likely as the next.
    """

    key: str
    choices: tuple[str, ...] = ()
    low: Number = 0
    high: Number = 0
    step: Number | None = None
    log: bool = False

    @property
    def grid(self) -> tuple[str, ...]:
        """All its values; empty where they are too many to be counted."""
        if self.choices:
            return self.choices
        step = self.step or (1 if isinstance(self.low, int) and not self.log else None)
        if step is None:
            return ()
        count = int((self.high - self.low) / step + 1e-9) + 1
        return tuple(number_text(self.low + place * step) for place in range(count))


def number_text(value: Number) -> str:
    """A number as YAML text; a sum of decimal fractions without the error of its last digits."""
    return str(value) if isinstance(value, int) else repr(float(f"{value:.12g}"))


def read_space(path: Path, lay_over: Callable[[Sequence[str]], ReadConfig]) -> tuple[Dimension, ...]:
    """Read a space file.

    Args:
        lay_over: reads the config with options `key=value` laid over it.

    Raises:
        ConfigError: with every mistake of the file.
    """
    task = lay_over(()).settings.task
    tree = read_tree(Source(str(path), read_text(path), str(path.parent)))
    mistakes = list(tree.mistakes)
    found: dict[str, Dimension] = {}
    if tree.root is not None and not isinstance(tree.root, MappingNode):
        mistakes.append(
            Mistake(
                tree.root.mark, f"expected keys to search over, found {describe_node(tree.root)}", EXAMPLE
            )
        )
    for key, entry in _entries(tree.root) if isinstance(tree.root, MappingNode) else ():
        if key in found:
            mistakes.append(Mistake(entry.key, f"{key}: is given twice", "delete one of the two"))
            continue
        wrong, dimension = _dimension(key, entry, task, lay_over)
        mistakes += wrong
        if dimension is not None:
            found[key] = dimension
    if not found and not mistakes:
        raise ConfigError(
            "expected keys to search over, found none",
            place=str(path),
            hint=f"for example training.lr: {EXAMPLE}",
        )
    if mistakes:
        raise config_error(mistakes)
    return tuple(found.values())


def _entries(root: MappingNode) -> Iterator[tuple[str, Entry]]:
    """Keys with their dots, whether they are written with them or under a section."""
    for name, entry in root.entries.items():
        if name in SECTIONS and isinstance(entry.value, MappingNode):
            yield from ((f"{name}.{inner}", below) for inner, below in entry.value.entries.items())
        else:
            yield name, entry


def _dimension(
    key: str, entry: Entry, task: str, lay_over: Callable[[Sequence[str]], ReadConfig]
) -> tuple[list[Mistake], Dimension | None]:
    node = entry.value
    if key in ("name", "task"):
        return [
            Mistake(
                entry.key, f"{key}: cannot be searched over", "name a key of data, model or training, or seed"
            )
        ], None
    if isinstance(node, SequenceNode) and node.values:
        values = [(_text(value), value.mark) for value in node.values]
        return _refused(key, entry, values, lay_over), Dimension(
            key, tuple(dict.fromkeys(text for text, _ in values))
        )
    if not isinstance(node, MappingNode):
        mark = entry.key if isinstance(node, ScalarNode) and node.is_empty else node.mark
        return [
            Mistake(mark, f"{key}: expected choices or a range, found {describe_node(node)}", EXAMPLE)
        ], None
    kind, _ = type_at(task, tuple(key.split(".")))
    numbers = [member for member in (int, float) if member in members(kind)]
    unknown = _refused(key, entry, [("1", entry.key)], lay_over) if not numbers else []
    if unknown:
        return [Mistake(entry.key, unknown[0].message, unknown[0].hint)], None
    mistakes, dimension = _range(key, node, whole=float not in numbers)
    if dimension is not None and not mistakes:
        ends = [
            (number_text(end), node.entries[name].value.mark)
            for name, end in (("low", dimension.low), ("high", dimension.high))
        ]
        mistakes = _refused(key, entry, ends, lay_over)
    return mistakes, dimension


def _refused(
    key: str, entry: Entry, values: list[tuple[str, Mark]], lay_over: Callable[[Sequence[str]], ReadConfig]
) -> list[Mistake]:
    """What the config's own checks have against some values."""
    found = []
    for text, mark in values:
        try:
            lay_over([f"{key}={text}"])
        except ConfigError as error:
            problem = error.problems[0]
            unknown = problem.message.endswith("unknown key")
            found.append(Mistake(entry.key if unknown else mark, problem.message, problem.hint))
            if unknown:
                break
    return found


def _text(node: Node) -> str:
    """A node as YAML text on one line."""
    if isinstance(node, ScalarNode):
        return node.text if node.plain else quoted(node.text)
    if isinstance(node, SequenceNode):
        return "[" + ", ".join(_text(value) for value in node.values) + "]"
    return "{" + ", ".join(f"{name}: {_text(entry.value)}" for name, entry in node.entries.items()) + "}"


# --- ranges -----------------------------------------------------------------------------------------------------------


def _range(key: str, table: MappingNode, *, whole: bool) -> tuple[list[Mistake], Dimension | None]:
    mistakes, values = [], {}
    for name, entry in table.entries.items():
        if name not in RANGE_KEYS:
            near = nearest(name, RANGE_KEYS)
            hint = f"did you mean {near}?" if near else f"a range has {', '.join(RANGE_KEYS)}"
            mistakes.append(Mistake(entry.key, f"{key}: a range has no key {name}", hint))
            continue
        value = _value(entry.value, name, whole=whole)
        if value is None:
            expected = "true or false" if name == "log" else "a whole number" if whole else "a number"
            mistakes.append(
                Mistake(
                    entry.value.mark,
                    f"{key}: expected {expected} for {name}, found {describe_node(entry.value)}",
                )
            )
        else:
            values[name] = value
    missing = [name for name in ("low", "high") if name not in table.entries]
    if missing:
        mistakes.append(Mistake(table.mark, f"{key}: the range has no {' and no '.join(missing)}", EXAMPLE))
    if mistakes:
        return mistakes, None
    made = Dimension(
        key, (), values["low"], values["high"], values.get("step"), bool(values.get("log", False))
    )
    return _senseless(made, table), made


def _value(node: Node, name: str, *, whole: bool) -> Number | bool | None:
    if not isinstance(node, ScalarNode):
        return None
    if name == "log":
        return {"true": True, "false": False}.get(node.text.lower())
    try:
        value = float(node.text)
    except ValueError:
        return None
    if not math.isfinite(value) or (whole and not value.is_integer()):
        return None
    return int(value) if whole else value


def _senseless(made: Dimension, table: MappingNode) -> list[Mistake]:
    entries, found = table.entries, []
    if made.low >= made.high:
        found.append(
            Mistake(
                entries["high"].value.mark,
                f"{made.key}: expected high above low",
                "give the smaller number as low",
            )
        )
    if made.log and made.low <= 0:
        found.append(
            Mistake(
                entries["low"].value.mark,
                f"{made.key}: a logarithmic range starts above 0",
                "raise low, or delete log",
            )
        )
    if made.step is not None and made.step <= 0:
        found.append(Mistake(entries["step"].value.mark, f"{made.key}: expected a step above 0"))
    if made.step is not None and made.log:
        found.append(
            Mistake(
                entries["step"].key,
                f"{made.key}: a logarithmic range has no step",
                "delete step or log, or list the choices",
            )
        )
    return found
