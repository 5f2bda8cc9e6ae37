"""`docs/development.md` agrees with the tree: it lists every module, and every path and name in it exists."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.project.test_structure import FLOORS
from tests.support.shell import PROJECT

DOCUMENT = (PROJECT / "docs/development.md").read_text(encoding="utf-8")
SHORTEST_LISTED = 5  # lines of a module; shorter ones are empty `__init__` files
TABLES = DOCUMENT.split("## Where is …?")[1].split("\n## ")[0]
ROWS = re.findall(r"^\| `(seqtool/[^`]+\.py)` \| (.*) \|$", TABLES, re.MULTILINE)


def modules() -> set[str]:
    """Return the paths of all modules that the table must list."""
    return {
        path.relative_to(PROJECT).as_posix()
        for path in (PROJECT / "seqtool").rglob("*.py")
        if len(path.read_text(encoding="utf-8").splitlines()) >= SHORTEST_LISTED
    }


def test_every_module_is_listed_once() -> None:
    listed = Counter(path for path, _ in ROWS)
    assert modules() - listed.keys() == set(), "add these to docs/development.md"
    assert [path for path, count in listed.items() if count > 1] == []


def test_every_listed_module_exists() -> None:
    assert [path for path, _ in ROWS if not (PROJECT / path).is_file()] == []


def test_every_row_has_a_description_of_one_line() -> None:
    assert [path for path, content in ROWS if not 10 <= len(content) <= 120] == []


def test_the_floors_are_those_of_the_structure_test() -> None:
    rows = re.findall(r"^\| (\d+) \| (`[^|]*`) \|", DOCUMENT, re.MULTILINE)
    assert {int(number): set(re.findall(r"`([^`]+)`", names)) for number, names in rows} == {
        number: set(packages) for number, packages in enumerate(FLOORS, 1)
    }


@pytest.mark.parametrize(
    "path",
    sorted(
        set(re.findall(r"`((?:\w+/)+(?:[\w.]+\.(?:py|md|json)|))`", DOCUMENT)) - {path for path, _ in ROWS}
    ),
)
def test_paths_in_instructions_exist(path: str) -> None:
    if "NAME" in path:
        return
    assert (PROJECT / path).exists() or (PROJECT / "seqtool" / path).exists()
