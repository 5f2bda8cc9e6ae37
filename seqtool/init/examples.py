"""Examples that seqtool ships, in a clone and in an installed package: configs and small data files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
TOY_DATA = ("data/toy.conll",)
NEEDS_DATA = {"toy_tagger": TOY_DATA, "python_source": ("configs/python_source.py",)}


@dataclass(frozen=True)
class Example:
    """A shipped config and the files that it needs.

    Attributes:
        files: content of each file by its path relative to the current directory.
        command: the command that trains it.
    """

    files: dict[str, bytes]
    command: str


def shipped_folder() -> Path:
    """Return the folder that contains `configs` and `data`: of an installed package, else of the clone."""
    packed = PACKAGE / "examples"
    return packed if packed.is_dir() else PACKAGE.parent


def example_names() -> list[str]:
    """Return the names of the shipped examples."""
    return sorted(path.stem for path in (shipped_folder() / "configs").glob("*.yaml"))


def example(name: str) -> Example:
    """Return an example. Its files have the same paths as in a clone, so that its comments are correct."""
    folder = shipped_folder()
    paths = (f"configs/{name}.yaml", "configs/schema.json", *NEEDS_DATA.get(name, ()))
    files = {path: (folder / path).read_bytes() for path in paths}
    lines = files[paths[0]].decode("utf-8").splitlines()
    command = next(line.removeprefix("#").strip() for line in lines if line.startswith("#   seqtool "))
    return Example(files, command)
