"""The structure of the package: imports go down its floors, and its limits of size hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.shell import PROJECT

PACKAGE = PROJECT / "seqtool"
FILES = sorted(PACKAGE.rglob("*.py"))

# Packages by floor, the lowest first. Packages on one floor do not import each other, except for the pairs in SIDEWAYS.
FLOORS = (
    ("types", "settings", "decoding", "metrics", "safe_text", "errors", "spans", "version"),
    ("storage",),
    ("config", "models"),
    ("data",),
    ("training.engine", "inference"),
    ("evaluation",),
    ("tasks",),
    ("training", "export", "init"),
    ("inspection", "sweep"),
    ("reports",),
    ("api", "cli"),
    ("batch", "__init__", "__main__"),
)
FLOOR = {package: number for number, packages in enumerate(FLOORS) for package in packages}
SIDEWAYS = {("models", "config"), ("errors", "settings")}


def package_of(module: str) -> str:
    """Name the package that a module of seqtool belongs to."""
    parts = module.split(".")[1:]
    if parts[:2] == ["training", "engine"]:
        return "training.engine"
    return parts[0] if parts else "__init__"


def module_of(path: Path) -> str:
    """Give the dotted name of a file."""
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts)


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield every imported module, wherever in a file, type-only imports included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield node.module or ""
            yield from (
                f"{node.module}.{name.name}"
                for name in node.names
                if (node.module or "").startswith("seqtool")
            )


def test_every_package_has_a_floor() -> None:
    assert {package_of(module_of(path)) for path in FILES} == FLOOR.keys()


@pytest.mark.skip(reason="packages are being moved")
@pytest.mark.parametrize("path", FILES, ids=[module_of(path) for path in FILES])
def test_imports_go_down(path: Path) -> None:
    package = package_of(module_of(path))
    for module in imports(ast.parse(path.read_text(encoding="utf-8"))):
        if not module.startswith("seqtool.") or package_of(module) not in FLOOR:
            continue
        other = package_of(module)
        if other != package and (package, other) not in SIDEWAYS:
            assert FLOOR[other] < FLOOR[package] or FLOOR[package] == 0 == FLOOR[other], (
                f"{package} imports {module}"
            )
