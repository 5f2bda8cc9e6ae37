"""Mutation testing of `seqtool/storage/`: `python -m tests.benchmarks.mutation 300 [--module lock]`.

A mutant is a module with one small fault: another comparison, constant, operator, branch or returned value,
or a statement less. The tests of its module must fail. Each mutant is imported in a forked process, in which
the heavy libraries are already loaded.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.machinery
import importlib.util
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

PROJECT = Path(__file__).parents[2]
STORAGE = PROJECT / "seqtool/storage"
# Tests that concern each module, the fast ones first.
TESTS = {
    "atomic": ("storage/test_atomic.py", "storage/test_run_directory.py", "storage/test_ownership.py",
               "storage/test_lost_writes.py"),
    "find_model": ("storage/test_find_model.py", "cli/test_runs.py", "cli/test_model_references.py"),
    "lock": ("storage/test_lock.py", "storage/test_ownership.py"),
    "model_directory": ("storage/test_model_directory.py", "cli/test_runs.py"),
    "ownership": ("storage/test_ownership.py", "storage/test_run_directory.py", "cli/test_output_paths.py"),
    "plain_files": ("storage/test_plain_files.py", "storage/test_model_directory.py"),
    "run_directory": ("storage/test_run_directory.py", "storage/test_ownership.py",
                      "storage/test_lost_writes.py"),
    "run_list": ("storage/test_run_list.py", "cli/test_runs.py", "cli/test_output_paths.py"),
    "verified_directory": ("storage/test_verified_directory.py", "storage/test_model_directory.py",
                            "storage/test_lost_writes.py"),
}  # fmt: skip
# Mutants that no test can detect, by module, line and change, with the reason.
EQUIVALENT: dict[tuple[str, str, str], str] = {
    (
        "plain_files",
        "content = bytearray(length + 1)  # one byte more, so that a file that has grown is not accepted",
        "constant 2",
    ): "two bytes more have the same effect",
    (
        "verified_directory",
        "if not inside or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != last - first:",
        "constant 1",
    ): "neither 0 nor 1 is negative",
    ("atomic", "if not path.is_dir():", "condition True"): "one sync more",
    (
        "plain_files",
        "LINE_LIMIT = 64 << 20  # bytes of one of their lines",
        "constant 21",
    ): "the number is arbitrary",
    (
        "lock",
        "if not _OWNER.fullmatch(os.pread(descriptor, 500, 0)):",
        "constant 501",
    ): "the number is arbitrary",
    (
        "ownership",
        "if entry.is_dir(follow_symlinks=False):",
        "constant True",
    ): "a link is then opened with O_NOFOLLOW, which fails",
    (
        "plain_files",
        'flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)',
        "constant 1",
    ): "the system has both flags",
    ("lock", "os.truncate(descriptor, 0)", "constant 1"): "the owner's name overwrites the byte",
    (
        "lock",
        "if not shared or time.monotonic() > deadline:",
        "comparison GtE",
    ): "a clock has no equal values",
    (
        "plain_files",
        "if _LONG_NUMBER not in content.translate(_DIGITS):",
        "condition False",
    ): "slower, same result",
    (
        "plain_files",
        'if content.count(b"[") + content.count(b"{") <= DEEPEST:',
        "condition False",
    ): "as above",
    (
        "plain_files",
        "if len(text) <= 20 and -(2**63) <= (value := int(text)) < 2**63:",
        "constant 21",
    ): "no number of 64 bits has more than 20 characters",
    ("verified_directory", "READ_ATTEMPTS = 50", "constant 51"): "the number is arbitrary",
    (
        "ownership",
        "MARK_PLACE = 4096  # bytes at the start and at the end of a file in which its mark is",
        "constant 4097",
    ): "the number is arbitrary",
}
EMPTY = ("None", "False", "[]", "''", "0")  # results that mean the same in a condition
FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A module with one fault.

    Attributes:
        line: text of the changed line.
        change: description of the fault.
        code: source of the mutant.
    """

    module: str
    number: int
    line: str
    change: str
    code: str

    def __str__(self) -> str:
        return f"{self.module}.py:{self.number}: {self.change}: {self.line}"


# --- mutants ------------------------------------------------------------------------------------------------


def mutants(module: str, source: str) -> list[Mutant]:
    """Return all mutants of a module."""
    tree, lines = ast.parse(source), source.splitlines()
    found = []
    annotations = {id(inner) for outer in ast.walk(tree) for inner in _annotations(outer)}
    for position, node in enumerate(ast.walk(tree)):
        for change, new in _changes(node) if id(node) not in annotations else ():
            line = getattr(node, "lineno", 1)
            code = _replaced(copy.deepcopy(tree), position, new)
            found.append(Mutant(module, line, lines[line - 1].strip(), change, code))
    return found


def _annotations(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of the annotations and the decorators of a node, which are not mutated."""
    for decorator in getattr(node, "decorator_list", ()):
        yield from ast.walk(decorator)
    for name in ("annotation", "returns"):
        if getattr(node, name, None) is not None:
            yield from ast.walk(getattr(node, name))


def _replaced(tree: ast.Module, position: int, new: ast.AST) -> str:
    target = list(ast.walk(tree))[position]
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, name, new)
            elif isinstance(value, list) and any(item is target for item in value):
                setattr(parent, name, [new if item is target else item for item in value])
    return ast.unparse(ast.fix_missing_locations(tree))


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield descriptions and replacements of a node."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        flipped = FLIPPED[type(node.ops[0])]
        yield f"comparison {flipped.__name__}", ast.Compare(node.left, [flipped()], node.comparators)
    elif isinstance(node, ast.BoolOp):
        other = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield f"operator {other.__name__}", ast.BoolOp(other(), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "without not", node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"constant {not node.value}", ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield f"constant {node.value + 1}", ast.Constant(node.value + 1)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        other_op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        yield f"operator {type(other_op).__name__}", ast.BinOp(node.left, other_op, node.right)
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        for value in (True, False):
            new = copy.deepcopy(node)
            new.test = ast.Constant(value)
            if not (isinstance(node, ast.While) and isinstance(node.test, ast.Constant)):
                yield f"condition {value}", new
    elif isinstance(node, ast.Return) and node.value is not None and ast.unparse(node.value) not in EMPTY:
        yield "returns None", ast.Return(ast.Constant(None))
    elif (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)) or isinstance(node, ast.Raise):
        yield "statement removed", ast.Pass()


# --- one mutant ---------------------------------------------------------------------------------------------


class _Finder:
    """Import of a mutant in place of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        if name != f"seqtool.storage.{self.mutant.module}":
            return None
        path = str(STORAGE / f"{self.mutant.module}.py")
        return importlib.util.spec_from_file_location(name, path, loader=_Loader(name, path, self.mutant))


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, mutant: Mutant) -> None:
        super().__init__(name, path)
        self._mutant = mutant

    def get_code(self, _: str) -> CodeType:
        return compile(self._mutant.code, str(self.path), "exec")


def is_detected(mutant: Mutant | None, tests: Sequence[str], seconds: float) -> bool:
    """Return whether a test fails, or the tests take too long."""
    child = os.fork()
    if not child:
        os.setsid()
        code = 1
        try:
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            if mutant is not None:
                sys.meta_path.insert(0, _Finder(mutant))
            import pytest

            paths = [str(PROJECT / "tests" / test) for test in tests if (PROJECT / "tests" / test).exists()]
            options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
            code = int(pytest.main([*options, *paths]))
        finally:
            os._exit(code)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status != 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


# --- all mutants --------------------------------------------------------------------------------------------


def main() -> int:
    """Test the mutants, print those that no test detects, and return 1 if they are more than a tenth."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.mutation", description=__doc__)
    parser.add_argument("count", type=int, help="number of mutants, drawn at random")
    parser.add_argument("--module", action="append", choices=TESTS, help="only of this module (repeatable)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    modules = options.module or list(TESTS)
    _import_libraries()
    seconds = {module: _check_tests(module) for module in modules}
    every = [
        mutant
        for module in modules
        for mutant in mutants(module, (STORAGE / f"{module}.py").read_text(encoding="utf-8"))
        if (module, mutant.line, mutant.change) not in EQUIVALENT
    ]
    drawn = random.Random(options.seed).sample(every, min(options.count, len(every)))
    detected = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        results = pool.map(lambda one: is_detected(one, TESTS[one.module], seconds[one.module]), drawn)
        for mutant, result in zip(drawn, results, strict=True):
            detected += result
            if not result:
                print(f"not detected: {mutant}", flush=True)
    share = detected / len(drawn)
    print(f"{detected} of {len(drawn)} mutants detected ({share:.1%}), {len(every)} in all")
    return 0 if share >= 0.9 else 1


def _import_libraries() -> list[ModuleType]:
    """Import what every test needs; nothing of seqtool, since each child imports its mutant."""
    names = (
        "pytest",
        "hypothesis",
        "numpy",
        "torch",
        "safetensors.numpy",
        "typer",
        "rich",
        "pydantic",
        "yaml",
    )
    return [importlib.import_module(name) for name in names]


def _check_tests(module: str) -> float:
    """Check that the tests of a module succeed without a mutant; return a time limit in seconds.

    Raises:
        SystemExit: if one fails.
    """
    started = time.monotonic()
    if is_detected(None, TESTS[module], 600):
        raise SystemExit(f"the tests of {module} fail without a mutant")
    return 20 + 4 * (time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
