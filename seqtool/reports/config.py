"""A resolved config with where each value came from, and two of them side by side, as lines of text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from seqtool.config.dump import flow, relative
from seqtool.safe_text import shorten, visible
from seqtool.settings import Feature

if TYPE_CHECKING:
    from seqtool.config.dump import Difference, Setting

WIDEST_LINE = 44  # columns before the comments of all lines that are not longer
WIDEST_VALUE = 32
_KEY = re.compile(r"(?P<indent> {0,2})(?P<name>[a-z_]+):(?P<value>.*)")


def annotated(yaml: str, origins: Mapping[str, str]) -> Iterator[str]:
    """The lines of a resolved YAML, each key's with its origin as a comment; it stays a config that reads the same."""
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
        yield f"{line:<{WIDEST_LINE}}  # {visible(origins[key])}"


def difference_rows(found: list[Difference], folder: str) -> list[tuple[str, str, str]]:
    """Key, value here, value there; paths as `folder` sees them."""
    return [(one.key, _side(one.first, folder), _side(one.second, folder)) for one in found]


def side_by_side(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows whose columns stand under each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _side(setting: Setting | None, folder: str) -> str:
    return "-" if setting is None else shorten(visible(_value(setting, folder)), WIDEST_VALUE)


def _value(setting: Setting, folder: str) -> str:
    value = setting.value
    if isinstance(value, tuple) and value and isinstance(value[0], Feature):
        return f"{len(value)} feature{'' if len(value) == 1 else 's'}: " + ", ".join(
            f"{one.name} {one.dim}" for one in value
        )
    if isinstance(value, dict):
        return ", ".join(f"{key}: {weight}" for key, weight in value.items())
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        shown = [relative(item, folder) for item in value]
        return shown[0] if len(shown) == 1 else flow(shown)
    return flow(value)
