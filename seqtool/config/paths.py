"""Paths of a config: absolute once read, relative again when written. `os.path`, since pathlib cannot go up without following links."""
# ruff: noqa: PTH100, PTH111, PTH117, PTH118, PTH206

from __future__ import annotations

import os

MAX_CLIMB = 3  # folders up from a run's own to the project that it belongs to


def absolute(path: str, folder: str) -> str:
    """A path as `folder` reads it, made absolute; the empty path stays empty."""
    return os.path.abspath(os.path.join(folder, os.path.expanduser(path))) if path else ""


def relative(path: str, folder: str) -> str:
    """A path as seen from a folder where it lies under or beside it; otherwise as it is."""
    folder = os.path.abspath(folder)
    if not os.path.isabs(path):
        return path
    near = os.path.relpath(path, folder)
    up = near.split(os.sep).count(os.pardir)
    if up > MAX_CLIMB or os.path.normpath(os.path.join(folder, near)) != path:
        return path
    return os.path.join(os.curdir, near) if near.startswith("~") else near
