"""Gather the standard library of the running Python into one text: python configs/python_source.py data/python_source.txt"""

from __future__ import annotations

import sys
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path

LEFT_OUT = {
    "site-packages",
    "test",
    "tests",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "encodings",
}  # tests, and tables rather than code


def modules(library: Path) -> Iterator[Path]:
    """The library's modules in the order of their names."""
    for path in sorted(library.rglob("*.py")):
        if not LEFT_OUT & set(path.relative_to(library).parts):
            yield path


def main(target: Path) -> None:
    """Write all modules one after the other, each with its name before it."""
    library = Path(sysconfig.get_paths()["stdlib"])
    target.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with target.open("w", encoding="utf-8", newline="\n") as file:
        for path in modules(library):
            try:
                with tokenize.open(path) as source:  # in the encoding that the module itself declares
                    text = source.read()
            except (OSError, SyntaxError, UnicodeDecodeError):
                continue
            file.write(f"# {path.relative_to(library).as_posix()}\n{text.rstrip()}\n\n")
            count += 1
    print(f"{target}: {count:,} modules, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python configs/python_source.py TARGET")
    main(Path(sys.argv[1]))
