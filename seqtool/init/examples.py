"""The examples that come with seqtool: configs and toy data, in a clone and in an installed package alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
TOY_DATA = ("data/toy.conll",)
NEEDS_DATA = {"toy_tagger": TOY_DATA, "python_source": ("configs/python_source.py",)}


@dataclass(frozen=True)
class Example:
    """A shipped config and what it needs.

    Attributes:
        name: its config's name without the ending.
        files: what is to be written, by path relative to the folder to work in.
        command: what to run next.
    """

    name: str
    files: dict[str, bytes]
    command: str


def shipped_folder() -> Path:
    """The folder that holds `configs` and `data`: inside an installed package, else the clone's own."""
    packed = PACKAGE / "examples"
    return packed if packed.is_dir() else PACKAGE.parent


def example_names() -> list[str]:
    """The shipped examples by name."""
    return sorted(path.stem for path in (shipped_folder() / "configs").glob("*.yaml"))


def example(name: str) -> Example:
    """One of them; its files keep the places that they have in a clone, so that all that is said of them stays true."""
    folder = shipped_folder()
    paths = (f"configs/{name}.yaml", "configs/schema.json", *NEEDS_DATA.get(name, ()))
    files = {path: (folder / path).read_bytes() for path in paths}
    lines = files[paths[0]].decode("utf-8").splitlines()
    command = next(line.removeprefix("#").strip() for line in lines if line.startswith("#   seqtool "))
    return Example(name, files, command)
