"""Write the standard library of Python to one text: python configs/python_source.py data/python_source.txt"""

from __future__ import annotations

import sys
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path

# Folders of installed packages, of tests, and of modules that are mostly tables.
EXCLUDED = {"site-packages", "test", "tests", "idlelib", "lib2to3", "pydoc_data", "encodings"}


def modules(library: Path) -> Iterator[Path]:
    """Yield the modules of the library, sorted by name."""
    for path in sorted(library.rglob("*.py")):
        if not EXCLUDED & set(path.relative_to(library).parts):
            yield path


def main(target: Path) -> None:
    """Write all modules to one file, each after a comment with its name."""
    library = Path(sysconfig.get_paths()["stdlib"])
    target.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with target.open("w", encoding="utf-8", newline="\n") as file:
        for path in modules(library):
            try:
                with tokenize.open(path) as source:  # decodes with the declared encoding
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
