"""Settings back to YAML, every default written out, so that reading the text gives equal settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from seqtool.config.checks_tagger import feature_takes
from seqtool.config.paths import relative
from seqtool.config.schema import INIT_FROM, PATH_KEYS, SECTIONS, TASKS, keys
from seqtool.config.yaml_tree import NULLS, quoted
from seqtool.settings import Feature, Settings

PLAIN = re.compile(
    r"[\w./+][\w./+-]*(?: [\w./+-]+)*", re.ASCII
)  # text that YAML reads as itself without quotes
MAX_PLAIN_KEY = 200  # YAML asks for a question mark before a long key


def dump_settings(settings: Settings, folder: Path | None = None) -> str:
    """The resolved YAML of settings.

    Args:
        settings: what to write.
        folder: where the text will lie; paths under or beside it are written relative to it. None: all stay absolute.

    Returns:
        YAML text that, read from that folder, gives equal settings.
    """
    place: Callable[[str], str] = (
        (lambda path: relative(path, str(folder))) if folder is not None else (lambda path: path)
    )
    lines = [
        f"{name}: {scalar(getattr(settings, name))}"
        for name in keys(TASKS[settings.task])
        if name not in SECTIONS
    ]
    for section in SECTIONS:
        lines += ["", f"{section}:", *_section(getattr(settings, section), section, place)]
    return "\n".join(lines) + "\n"


def _section(values: Any, section: str, place: Callable[[str], str]) -> Iterator[str]:
    for name in keys(type(values)):
        value = getattr(values, name)
        if section == "data" and name in PATH_KEYS:
            value = tuple(place(path) for path in value)
            yield f"  {name}: {scalar(value[0]) if len(value) == 1 else flow(value)}"
        elif name == INIT_FROM:
            yield f"  {name}: {scalar(place(value))}"
        elif isinstance(value, dict):
            yield f"  {name}:{'' if value else ' {}'}"
            yield from (f"    {_key(label)}: {scalar(weight)}" for label, weight in value.items())
        elif name == "features" and not isinstance(value, str):
            yield f"  {name}:{'' if value else ' []'}"
            yield from (f"    - {_feature(feature, place)}" for feature in value)
        else:
            yield f"  {name}: {flow(value)}"


def _feature(feature: Feature, place: Callable[[str], str]) -> str:
    """One feature on one line, without the keys that say nothing about it."""
    pairs = {name: getattr(feature, name) for name in keys(Feature) if feature_takes(feature.name, name)}
    if pairs.get("path"):
        pairs["path"] = place(feature.path)
    return "{" + ", ".join(f"{name}: {scalar(value)}" for name, value in pairs.items()) + "}"


def _key(label: str) -> str:
    text = scalar(label)
    return text if len(text) <= MAX_PLAIN_KEY else f"? {text}\n    "


def flow(value: Any) -> str:
    """A value in YAML's inline form."""
    return (
        "[" + ", ".join(flow(item) for item in value) + "]"
        if isinstance(value, tuple | list)
        else scalar(value)
    )


def scalar(value: Any) -> str:
    """One value; text is quoted unless it can only be read as itself."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) and value not in NULLS else quoted(value)
    return repr(value)
