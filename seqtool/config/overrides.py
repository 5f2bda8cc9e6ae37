"""`--set` options: the values in them are put into the tree of a config before it is validated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seqtool.config.schema import SECTIONS, KeyPath
from seqtool.config.yaml_parser import Tree, read_tree
from seqtool.config.yaml_tree import (
    Entry,
    MappingNode,
    Mark,
    Mistake,
    ScalarNode,
    Source,
    find,
    quoted,
    shortened,
)


def override_text(overrides: Sequence[str], path: KeyPath) -> str | None:
    """Return the text of the value that the options give a key, or None; mistakes are ignored."""
    root = MappingNode(Mark(Source("", "")))
    for number, option in enumerate(overrides, start=1):
        apply_override(root, option, number, str(Path.cwd()))
    node = find(root, path)
    return node.text if isinstance(node, ScalarNode) else None


def override_count(overrides: Sequence[str], path: KeyPath) -> int | None:
    """Return the positive whole number that the options give a key, or None."""
    text = override_text(overrides, path) or ""
    return int(text) if text.isdecimal() and len(text) < 16 and int(text) > 0 else None


def apply_override(root: MappingNode, option: str, number: int, folder: str) -> list[Mistake]:
    """Put one `key=value` option into the tree, so that one validation covers the file and the options.

    Args:
        root: the tree, changed in place.
        option: the argument of `--set`.
        number: number of the option, from 1.
        folder: relative paths in the option are relative to it.

    Returns:
        The mistakes of the option.
    """
    key, equals, text = option.partition("=")
    source = Source(f"--set {option if option.isprintable() else quoted(option)}", text, folder, number)
    parts = tuple(key.strip().split(".", 2))
    if not equals or not all(parts):
        return [Mistake(Mark(source), "expected key=value", "for example --set training.lr=0.01")]
    tree = _read_value(source)
    if tree.mistakes or tree.root is None:
        hint = "write a value after the =; text with # or outer spaces needs quotes inside those of the shell"
        return tree.mistakes or [Mistake(Mark(source), f"{shortened(key.strip())}: has no value", hint)]
    return _set_value(root, parts, Entry(Mark(source), tree.root))


def _read_value(source: Source) -> Tree:
    if source.text.encode("utf-8", "replace").decode() != source.text:
        return Tree(
            None,
            [Mistake(Mark(source), "expected UTF-8 text", "check the encoding of the option")],
            complete=False,
        )
    return read_tree(source)


def _set_value(mapping: MappingNode, parts: tuple[str, ...], entry: Entry) -> list[Mistake]:
    """Set the value at a path; a mapping for a whole section replaces single keys of the section."""
    *parents, last = parts
    for part in parents:
        child = mapping.entries.get(part)
        if child is None or (isinstance(child.value, ScalarNode) and part not in SECTIONS):
            child = mapping.entries[part] = Entry(entry.key, MappingNode(entry.key))
        if not isinstance(child.value, MappingNode):
            whole = shortened(".".join(parents))
            message = f"{shortened('.'.join(parts))}: only {whole} as a whole can be set"
            return [Mistake(entry.key, message, f"write --set {whole}=VALUE")]
        mapping = child.value
    present = mapping.entries.get(last)
    is_section = len(parts) == 1 and last in SECTIONS
    if (
        is_section
        and present
        and isinstance(present.value, MappingNode)
        and isinstance(entry.value, MappingNode)
    ):
        present.value.entries.update(entry.value.entries)
    else:
        mapping.entries[last] = entry
    return []
