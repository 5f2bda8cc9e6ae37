"""The structure of the package: floors, import cycles, task branches, untyped dicts, sizes of modules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.shell import PROJECT

PACKAGE = PROJECT / "seqtool"
FILES = sorted(PACKAGE.rglob("*.py"))

# Packages by floor, the lowest first. Packages on one floor do not import each other.
FLOORS = (
    (
        "types",
        "settings",
        "decoding",
        "metrics",
        "safe_text",
        "processes",
        "threads",
        "errors",
        "progress",
        "spans",
        "version",
    ),
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
TORCH = ("models", "training.engine")
TORCH_MODULES = (
    "seqtool.evaluation.dynamic",
    "seqtool.tasks.character_training",
    "seqtool.tasks.multilabel_training",
    "seqtool.tasks.tagger_training",
    "seqtool.tasks.tokenizer_training",
    "seqtool.tasks.word_table",
)

MOST_MODULES = 276
COUNTED_LINES = 5  # a module with fewer lines is not counted
LONGEST_MODULE = 350
AVERAGE_LINES = 120
MOST_BRANCHES = 15
MOST_UNTYPED_DICTS = 82


def package_of(module: str) -> str:
    """Name the package that a module of seqtool belongs to."""
    parts = module.split(".")[1:]
    if parts[:2] == ["training", "engine"]:
        return "training.engine"
    return parts[0] if parts else "__init__"


def module_of(path: Path) -> str:
    """Return the dotted name of a file."""
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    """Parse a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_modules(path: Path) -> Iterator[str]:
    """Yield every imported module, wherever it is imported in the file; type-only imports count."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            for name in node.names:
                member = f"{node.module}.{name.name}"
                yield member if member in MODULES else node.module or ""


MODULES = {module_of(path): path for path in FILES}
EACH_FILE = pytest.mark.parametrize("path", FILES, ids=[module_of(path) for path in FILES])


# --- imports ------------------------------------------------------------------------------------------------


def test_every_package_has_a_floor() -> None:
    assert {package_of(module_of(path)) for path in FILES} == FLOOR.keys()


@EACH_FILE
def test_imports_go_down(path: Path) -> None:
    package = package_of(module_of(path))
    for module in imported_modules(path):
        if not module.startswith("seqtool") or package_of(module) == package:
            continue
        other = package_of(module)
        lower = FLOOR[other] < FLOOR[package] or FLOOR[package] == 0 == FLOOR[other]
        assert lower or package == "__main__", f"{module_of(path)} imports {module}"


@EACH_FILE
def test_torch_is_imported_where_it_is_needed(path: Path) -> None:
    module = module_of(path)
    if package_of(module) in TORCH or module in TORCH_MODULES:
        return
    at_the_top = [node for node in tree_of(path).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {
        name.name if isinstance(node, ast.Import) else node.module or ""
        for node in at_the_top
        for name in node.names
    }
    assert not {name for name in names if name.split(".")[0] == "torch"}


def test_there_is_no_import_cycle() -> None:
    graph = {
        name: {other for other in imported_modules(path) if other in MODULES}
        for name, path in MODULES.items()
    }
    assert list(cycles(graph)) == []


def cycles(graph: dict[str, set[str]]) -> Iterator[tuple[str, ...]]:
    """Yield a cycle for every module that is left after all modules without open imports are removed."""
    rest = {name: set(others) - {name} for name, others in graph.items()}
    while free := [name for name, others in rest.items() if not others & rest.keys()]:
        for name in free:
            del rest[name]
    if rest:
        yield tuple(sorted(rest))


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_cycle_is_found(size: int) -> None:
    names = [f"m{number}" for number in range(size + 1)]
    graph = {name: {names[(index + 1) % len(names)]} for index, name in enumerate(names)}
    assert list(cycles(graph)) == [tuple(sorted(names))]


# --- task branches ------------------------------------------------------------------------------------------

TASK_CLASSES = re.compile(
    r"^(Char|Character|Tagger|Text|Lines?|Aligned|Tagged)\w*(Settings|Model|Data|Corpus|Network|Evaluation)$"
)
TASK_NAMES = {"char", "tagger", "pairs", "lines"}
KIND_OF_MODEL = {*TASK_NAMES, "text"}


def task_branches(tree: ast.AST) -> Iterator[int]:
    """Yield the line of every test on a task, the kind of a model, or a class of one task."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            classes = {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)}
            if any(map(TASK_CLASSES.match, classes)):
                yield node.lineno
        elif (isinstance(node, ast.Compare) and is_task_test(node)) or (
            isinstance(node, ast.Dict) and any(map(is_task_key, node.keys)) and not is_unit_table(node)
        ):
            yield node.lineno
        elif isinstance(node, ast.match_case) and any(
            is_task_key(value) for value in ast.walk(node.pattern) if isinstance(value, ast.expr)
        ):
            yield node.pattern.lineno


def is_task_key(node: ast.AST | None) -> bool:
    """Return whether a node is the name of a task or a class of one task."""
    if isinstance(node, ast.Constant):
        return node.value in TASK_NAMES
    return isinstance(node, ast.Name) and bool(TASK_CLASSES.match(node.id))


def is_unit_table(node: ast.Dict) -> bool:
    """Return whether a dict has a key for each unit of a symbol, `char` and `byte`."""
    return any(isinstance(key, ast.Constant) and key.value == "byte" for key in node.keys)


def is_task_test(node: ast.Compare) -> bool:
    """Return whether a comparison has the name of a task on one side, or `task` or a model's `kind`."""
    sides = [node.left, *node.comparators]
    constants = {
        part.value for side in sides for part in ast.walk(side) if isinstance(part, ast.Constant)
    } & KIND_OF_MODEL
    asked = {name for side in sides if (name := asked_name(side))}
    if "unit" in asked:  # the unit of a symbol is `char` or `byte`
        return False
    return "task" in asked or bool(constants & TASK_NAMES) or (bool(constants) and "kind" in asked)


def asked_name(node: ast.expr) -> str:
    """Return the last part of `x.task`, `x["task"]` or `task`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return node.id if isinstance(node, ast.Name) else ""


def test_few_task_branches_are_outside_tasks_and_config() -> None:
    outside = [path for path in FILES if package_of(module_of(path)) not in ("tasks", "config")]
    found = [f"{module_of(path)}:{line}" for path in outside for line in task_branches(tree_of(path))]
    assert len(found) <= MOST_BRANCHES, "\n".join(found)


@pytest.mark.parametrize(
    "code",
    [
        "isinstance(model, TaggerModel)",
        "isinstance(s, (CharSettings, int))",
        "settings.task == other.task",
        "config['task'] == 'x'",
        "kind == 'lines'",
        "model.kind in ('text', 'pairs')",
        "'tagger' != name",
        "{'char': 1, 'tagger': 2}[task]",
        "{CharModel: 1}[cls]",
        "match task:\n    case 'char': pass",
    ],
)
def test_a_task_branch_is_found(code: str) -> None:
    assert list(task_branches(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "kind == 'gru'",
        "data.unit == 'char'",
        "{'char': 1, 'byte': 2}[unit]",
        "kind == 'text_file'",
        "task.name",
        "isinstance(x, Cell)",
    ],
)
def test_other_branches_are_not_task_branches(code: str) -> None:
    assert not list(task_branches(ast.parse(code)))


# --- sizes and types ----------------------------------------------------------------------------------------


def lines_of(path: Path) -> int:
    """Count the lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def test_modules_are_few_and_full() -> None:
    sizes = {module_of(path): lines for path in FILES if (lines := lines_of(path)) >= COUNTED_LINES}
    assert len(sizes) <= MOST_MODULES
    assert {name: lines for name, lines in sizes.items() if lines > LONGEST_MODULE} == {}
    assert sum(sizes.values()) / len(sizes) >= AVERAGE_LINES


def test_untyped_dicts_are_few() -> None:
    pattern = re.compile(r"\bdict\[str, Any\]|\bMapping\[str, Any\]|\bJson\b(?! *:)")
    found = []
    for path in FILES:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.lstrip().startswith(("from ", "import ", "#")):
                found += [f"{module_of(path)}:{number}"] * len(pattern.findall(line))
    assert len(found) <= MOST_UNTYPED_DICTS, "\n".join(found)
