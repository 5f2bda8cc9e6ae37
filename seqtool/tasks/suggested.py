"""Helpers for the settings that tasks suggest for data files."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

from seqtool.errors import DataError

SCHEMA_FILE = "seqtool-schema.json"  # written by `init` next to the config
SCHEMA = f"# yaml-language-server: $schema={SCHEMA_FILE}"


def run_name(path: Path) -> str:
    """Derive the name of a run from the name of a file."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-.")[:60]
    return name if name and name[0].isalnum() else "model"


def check_data_file(path: Path) -> None:
    """Check that a data file exists and can be read more than once.

    Raises:
        DataError: it is missing, or it is a pipe; the hint names a similar file.
    """
    if path.is_fifo() or path.is_char_device():
        hint = "data is read more than once: write it to a file first"
        raise DataError("expected a file, found a pipe or device", place=str(path), hint=hint)
    if path.exists():
        return
    names = [entry.name for entry in path.parent.iterdir() if entry.is_file()] if path.parent.is_dir() else []
    near = get_close_matches(path.name, names, n=1)
    near = near or [name for name in names if Path(name).suffix == path.suffix][:1]
    hint = "give the path of a text, of labeled sentences, or of a YAML file"
    raise DataError(
        "there is no such file",
        place=str(path),
        hint=f"did you mean {path.parent / near[0]}?" if near else hint,
    )


def yaml_line(setting: str, comment: str = "", indent: int = 2) -> str:
    """Format one setting with a comment that explains it, aligned with the other comments."""
    text = " " * indent + setting
    return f"{text:<25} # {comment}" if comment else text


def header_lines(task: str, run: str) -> list[str]:
    """Return the lines for task, name and seed."""
    return [
        yaml_line(f"task: {task}", "which kind of model", 0),
        yaml_line(f"name: {run}", "name of the run directory", 0),
        yaml_line("seed: 1", "of weights, order and dropout masks", 0),
    ]
