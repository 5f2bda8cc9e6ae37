"""Files that settings name: expansion of paths and patterns, and hashes of their content."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from seqtool.errors import DataError, Problem
from seqtool.storage.atomic import file_hash

# Receives a description of the current work, the amount done and the total.
ProgressCallback = Callable[[str, int, int], None]


def expand(paths: Sequence[str], source: str = "") -> list[Path]:
    """Return the files that paths and patterns (`*`, `?`, `[ab]`, `**`) name.

    The files of one pattern are sorted by name, and each file occurs once.

    Args:
        source: place to get the files from, for the hint about a missing file.

    Raises:
        DataError: one problem for each path that is not a file and each pattern without a match.
    """
    files: dict[Path, Path] = {}  # by resolved path
    problems: list[Problem] = []
    for path in paths:
        matches = [Path(path)] if Path(path).exists() or not glob.has_magic(path) else _matches(path)
        if problem := _find_problem(path, matches, source):
            problems.append(problem)
            continue
        for match in matches:
            files.setdefault(match.resolve(), match)
    if problems:
        raise DataError(problems)
    return list(files.values())


def _matches(pattern: str) -> list[Path]:
    matches = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob refuses absolute patterns
    return sorted(path for path in map(Path, matches) if path.is_file())


def _find_problem(path: str, matches: Sequence[Path], source: str) -> Problem | None:
    if source:
        hint = f"where to get it: {source}"
    else:
        hint = "paths in a YAML file are relative to that file, those of --set to the current folder"
    if not matches:
        return Problem("expected files, found none that match the pattern", path, hint)
    if len(matches) > 1 or matches[0].is_file():
        return None
    if matches[0].is_dir():
        hint = f"name a file in it, or all of them: {path.rstrip('/')}/*"
        return Problem("expected a file, found a folder", path, hint)
    if matches[0].exists():
        hint = "data are read more than once: write them to a file first"
        return Problem("expected a file, found a pipe or device", path, hint)
    return Problem("expected a file, found none with this name", path, hint)


def file_hashes(paths: Iterable[Path]) -> dict[str, str]:
    """Return the SHA-256 of files, by path.

    Raises:
        DataError: a file cannot be read.
    """
    hashes: dict[str, str] = {}
    for path in paths:
        try:
            hashes[str(path)] = file_hash(path)
        except OSError as error:
            raise DataError(f"the file cannot be read: {error.strerror or error}", place=str(path)) from None
    return hashes


def check_data_file(path: Path) -> None:
    """Check that a data file exists and can be read more than once.

    Raises:
        DataError: it is missing, a folder or a pipe; the hint names a similar file.
    """
    if path.is_fifo() or path.is_char_device():
        hint = "data are read more than once: write them to a file first"
        raise DataError("expected a file, found a pipe or device", place=str(path), hint=hint)
    if path.is_dir():
        hint = f"name a file in it: {path}/FILE"
        raise DataError("expected a file, found a folder", place=str(path), hint=hint)
    if path.exists():
        return
    names = [entry.name for entry in path.parent.iterdir() if entry.is_file()] if path.parent.is_dir() else []
    from difflib import get_close_matches

    near = get_close_matches(path.name, names, n=1)
    near = near or [name for name in names if Path(name).suffix == path.suffix][:1]
    hint = "give the path of a text, of labeled sentences, or of a YAML file"
    raise DataError(
        "there is no such file",
        place=str(path),
        hint=f"did you mean {path.parent / near[0]}?" if near else hint,
    )


def run_name(path: Path) -> str:
    """Derive the name of a run from the name of a file."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-.")[:60]
    return name if name and name[0].isalnum() else "model"
