"""What the shell completes beside commands and options: run names, keys after `--set`, shipped examples. Nothing heavy here."""

from __future__ import annotations

import os
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints


def complete_run(incomplete: str) -> list[str]:
    """Names of runs that hold a model, under the runs root."""
    return [name for name in _runs() if name.startswith(incomplete) and not name.endswith(".partial")]


def complete_any_run(incomplete: str) -> list[str]:
    """The same and the unfinished ones: what can be taken away."""
    return [name for name in _runs() if name.startswith(incomplete)]


def _runs() -> list[str]:
    root = Path(os.environ.get("SEQTOOL_RUNS") or "runs")
    try:
        names = sorted(entry.name for entry in os.scandir(root) if (Path(entry.path) / "model").is_dir())
    except OSError:
        return []
    return [name for name in names if not name.endswith((".new", ".old"))]


def complete_config(incomplete: str) -> list[str]:
    """YAML files and folders on the way to them, and runs."""
    folder = Path(incomplete).parent if not incomplete.endswith("/") else Path(incomplete)
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return complete_run(incomplete)
    paths = [
        os.path.normpath(entry.path) + ("/" if entry.is_dir() else "")
        for entry in entries
        if _may_be_config(entry)
    ]
    return [path for path in paths if path.startswith(incomplete)] + complete_run(incomplete)


def _may_be_config(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and (entry.is_dir() or entry.name.endswith((".yaml", ".yml")))


def complete_example(incomplete: str) -> list[str]:
    """Names of shipped examples."""
    from seqtool.init.examples import example_names

    return [name for name in example_names() if name.startswith(incomplete)]


def complete_key(incomplete: str) -> list[str]:
    """`section.key=`; after the equals sign, the values of a key that lists them."""
    key, equals, value = incomplete.partition("=")
    if not equals:
        return [f"{name}=" for name in config_keys() if name.startswith(incomplete)]
    return [f"{key}={choice}" for choice in config_keys().get(key, ()) if choice.startswith(value)]


def config_keys() -> dict[str, tuple[str, ...]]:
    """Every dotted key of either task with the values it lists by name."""
    from seqtool.settings import CharSettings, TaggerSettings

    found: dict[str, tuple[str, ...]] = {}
    for settings in (CharSettings, TaggerSettings):
        for name, kind in get_type_hints(settings).items():
            if not is_dataclass(kind):
                found.setdefault(name, _choices(kind))
                continue
            hints = get_type_hints(kind)
            for field in fields(kind):
                found.setdefault(f"{name}.{field.name}", _choices(hints[field.name]))
    return found


def _choices(kind: Any) -> tuple[str, ...]:
    if kind is bool:
        return ("true", "false")
    members = get_args(kind) if get_origin(kind) is not Literal else (kind,)
    return tuple(
        str(value) for member in members if get_origin(member) is Literal for value in get_args(member)
    )
