"""`--set key=value`: parsed by the same YAML reader and put into the file's tree, so that one check sees both."""

from __future__ import annotations

from seqtool.config.schema import SECTIONS
from seqtool.config.yaml_parser import Tree, read_tree
from seqtool.config.yaml_tree import Entry, Mark, Mistake, Scalar, Source, Table, quoted, shown


def apply_override(root: Table, option: str, rank: int, folder: str) -> list[Mistake]:
    """Put one `key=value` into the tree.

    Args:
        root: the tree, changed in place.
        option: what stood after `--set`.
        rank: its position among the options, from 1.
        folder: what relative paths in it are relative to.
    """
    key, equals, text = option.partition("=")
    source = Source(f"--set {option if option.isprintable() else quoted(option)}", text, folder, rank)
    parts = tuple(key.strip().split(".", 2))
    if not equals or not all(parts):
        return [Mistake(Mark(source), "expected key=value", "for example --set training.lr=0.01")]
    tree = _read_value(source)
    if tree.mistakes or tree.root is None:
        hint = "write a value after the =; text with # or blanks at its ends needs quotes inside the shell's"
        return tree.mistakes or [Mistake(Mark(source), f"{shown(key.strip())}: has no value", hint)]
    return _put(root, parts, Entry(Mark(source), tree.root))


def _read_value(source: Source) -> Tree:
    if source.text.encode("utf-8", "replace").decode() != source.text:
        return Tree(
            None,
            [Mistake(Mark(source), "expected UTF-8 text", "look at the bytes of the option")],
            whole=False,
        )
    return read_tree(source)


def _put(table: Table, parts: tuple[str, ...], entry: Entry) -> list[Mistake]:
    """Walk to the place and put the value there; a mapping is laid over a section key by key."""
    *above, last = parts
    for part in above:
        found = table.entries.get(part)
        if found is None or (isinstance(found.value, Scalar) and part not in SECTIONS):
            found = table.entries[part] = Entry(entry.key, Table(entry.key))
        if not isinstance(found.value, Table):
            whole = ".".join(above)
            return [
                Mistake(
                    entry.key,
                    f"{shown('.'.join(parts))}: only {shown(whole)} as a whole can be set",
                    f"write --set {shown(whole)}=VALUE",
                )
            ]
        table = found.value
    present = table.entries.get(last)
    if (
        len(parts) == 1
        and last in SECTIONS
        and isinstance(entry.value, Table)
        and present
        and isinstance(present.value, Table)
    ):
        for name, inner in entry.value.entries.items():
            present.value.entries[name] = inner
    else:
        table.entries[last] = entry
    return []
