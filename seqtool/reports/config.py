"""Format a resolved config with the origin of each value, and the differences between two configs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from seqtool.config.dump import flow, relative
from seqtool.safe_text import shorten, visible
from seqtool.settings import Feature

if TYPE_CHECKING:
    from seqtool.config.dump import Difference, Setting

COMMENT_COLUMN = 44  # of the comments after lines that are shorter
MAX_VALUE = 32  # characters of a value in a table of differences
_KEY = re.compile(r"(?P<indent> {0,2})(?P<name>[a-z_]+):(?P<value>.*)")


def annotated(yaml: str, origins: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of a resolved YAML with the origin of each key as a comment.

    The result is a config with the same meaning.
    """
    section = ""
    for line in yaml.splitlines():
        match = _KEY.fullmatch(line)
        if match is None:
            yield line
            continue
        key = match["name"] if not match["indent"] else f"{section}.{match['name']}"
        if key not in origins:
            section = match["name"]
            yield line
            continue
        yield f"{line:<{COMMENT_COLUMN}}  # {visible(origins[key])}"


def difference_rows(differences: Sequence[Difference], folder: str) -> list[tuple[str, str, str]]:
    """Return key, first value and second value of each difference; paths are relative to `folder`."""
    return [(one.key, _side(one.first, folder), _side(one.second, folder)) for one in differences]


def aligned_lines(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield one line per row, with the cells in aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _side(setting: Setting | None, folder: str) -> str:
    return "-" if setting is None else shorten(visible(_value(setting, folder)), MAX_VALUE)


def _value(setting: Setting, folder: str) -> str:
    value = setting.value
    if isinstance(value, tuple) and value and isinstance(value[0], Feature):
        features = ", ".join(f"{one.name} {one.dim}" for one in value)
        return f"{len(value)} feature{'' if len(value) == 1 else 's'}: {features}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {weight}" for key, weight in value.items())
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        paths = [relative(item, folder) for item in value]
        return paths[0] if len(paths) == 1 else flow(paths)
    return flow(value)
