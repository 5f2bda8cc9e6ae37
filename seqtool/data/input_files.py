"""The files that settings name: paths and patterns to files that are there, and their hashes."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path

from seqtool.errors import DataError, Problem
from seqtool.storage.atomic import file_hash


def expand(paths: Sequence[str], source: str = "") -> list[Path]:
    """The files that paths and patterns (`*`, `?`, `[ab]`, `**`) name, a pattern's in the order of their names, each file once.

    Args:
        source: where to get them; said when one is missing.

    Raises:
        DataError: every path that is no file, and every pattern that nothing matches.
    """
    found: dict[Path, Path] = {}
    problems: list[Problem] = []
    for path in paths:
        given = Path(path)
        matches = [given] if given.exists() or not glob.has_magic(path) else _matches(path)
        wrong = _trouble(path, matches, source)
        problems += wrong
        for match in [] if wrong else matches:
            found.setdefault(match.resolve(), match)
    if problems:
        raise DataError(problems)
    return list(found.values())


def _matches(pattern: str) -> list[Path]:
    found = glob.glob(pattern, recursive=True)  # noqa: PTH207 - the pattern may be absolute, which Path.glob refuses
    return sorted(path for path in map(Path, found) if path.is_file())


def _trouble(path: str, matches: Sequence[Path], source: str) -> list[Problem]:
    """What is wrong with a path, if anything."""
    get = (
        f"where to get it: {source}"
        if source
        else "paths in a YAML file are relative to that file, those of --set to the current folder"
    )
    if not matches:
        return [Problem("expected files, found none that match the pattern", path, get)]
    if len(matches) > 1 or matches[0].is_file():
        return []
    if matches[0].is_dir():
        return [
            Problem(
                "expected a file, found a folder",
                path,
                f"name a file in it, or all of them: {path.rstrip('/')}/*",
            )
        ]
    if matches[0].exists():
        return [
            Problem(
                "expected a file, found a pipe or device",
                path,
                "data is read more than once: write it to a file first",
            )
        ]
    return [Problem("expected a file, found nothing of that name", path, get)]


def file_hashes(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of files, by path.

    Raises:
        DataError: one of them cannot be read.
    """
    hashes: dict[str, str] = {}
    for path in paths:
        try:
            hashes[str(path)] = file_hash(path)
        except OSError as error:
            raise DataError(f"the file cannot be read: {error.strerror or error}", place=str(path)) from None
    return hashes
