"""The house: imports go down its floors only, and what is light at use stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seqtool.errors import ModelError
from seqtool.jobs.use import character_model, tagger
from tests.shell import PROJECT, environment
from tests.stored_models import store_character_model, store_tagger

# Rooms by floor, the lowest first. Rooms of one floor know nothing of each other, but for the pairs in SIDEWAYS.
FLOORS = (
    ("settings", "decoding", "metrics", "files", "safe_text", "errors", "spans", "significance", "ngrams", "version", "sealed"),
    ("bundle", "runs", "data", "config"),
    ("models", "runtime"),
    ("training",),
    ("reports",),
    ("jobs",),
    ("cli", "batch", "__init__", "__main__"),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
SIDEWAYS = {("runs", "bundle"), ("__main__", "cli")}
NAMES_ONLY = {("reports", "jobs")}  # a report names the type of what it is handed, and imports nothing for it
TORCH = {"models", "training"}


def room_of(module: str) -> str:
    """The room that a module of the package lies in."""
    return module.split(".")[1] if "." in module else "__init__"


def imports(tree: ast.AST, typing_only: bool = False) -> Iterator[tuple[str, bool]]:
    """Every imported module, wherever in a file, and whether only a type checker sees it."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((name.name, typing_only) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield node.module or "", typing_only
            yield from ((f"{node.module}.{name.name}", typing_only) for name in node.names if node.module == "seqtool")
        hidden = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        yield from imports(node, typing_only or hidden)


FILES = sorted((PROJECT / "seqtool").rglob("*.py"))


def test_every_room_has_its_floor() -> None:
    rooms = {path.relative_to(PROJECT / "seqtool").parts[0].removesuffix(".py") for path in FILES}
    assert rooms <= FLOOR.keys()


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(PROJECT / "seqtool")) for path in FILES])
def test_imports_go_down_only(path: Path) -> None:
    room = path.relative_to(PROJECT / "seqtool").parts[0].removesuffix(".py")
    for module, typing_only in imports(ast.parse(path.read_text())):
        if module.split(".")[0] == "torch" and room not in TORCH:
            assert room == "jobs" or typing_only, "torch is for models and training"
        if not module.startswith("seqtool.") or room_of(module) not in FLOOR:
            continue
        other = room_of(module)
        if other == room or (room, other) in SIDEWAYS or (typing_only and (room, other) in NAMES_ONLY):
            continue
        assert FLOOR[other] < FLOOR[room] or FLOOR[room] == 0 == FLOOR[other], f"{room} imports {module}"


# --- light at use -----------------------------------------------------------------------------------------------------

HEAVY = ("torch", "pydantic", "yaml", "matplotlib", "jinja2", "onnx", "optuna")
LIGHT = {
    "tag": (("tag", "--model", "tagger", "The dog"), HEAVY),
    "tag several": (("tag", "--model", "tagger", "--format", "jsonl", "--probs", "The dog"), HEAVY),
    "sample": (("sample", "--model", "text", "--length", "3"), HEAVY),
    "score": (("score", "--model", "text", "abc"), HEAVY),
    "predict": (("predict", "--model", "pairs", "abc"), HEAVY),
    "evaluate": (("evaluate", "tagger", "gold.conll"), ("torch",)),
    "help": (("--help",), (*HEAVY, "numpy")),
    "tag --help": (("tag", "--help"), (*HEAVY, "numpy")),
    "version": (("--version",), (*HEAVY, "numpy")),
}
ASK = """
import sys
sys.argv[0] = "seqtool"
from seqtool.cli.main import app
from seqtool.cli.boundary import run
code = run(app)
sys.stdout = sys.stderr
print("loaded:", *[name for name in {heavy!r} if name in sys.modules])
sys.exit(code)
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    store_tagger(folder / "runs/tagger")
    store_character_model(folder / "runs/text")
    store_character_model(folder / "runs/pairs", kind="pairs")
    (folder / "gold.conll").write_text("The\tDET\ndog\tNN\n\n")
    return folder


def run_python(code: str, *arguments: str, cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, env=environment(**extra), check=False)


@pytest.mark.parametrize("name", LIGHT)
def test_commands_do_not_load_what_they_do_not_need(here: Path, name: str) -> None:
    arguments, heavy = LIGHT[name]
    done = run_python(ASK.format(heavy=heavy), *arguments, cwd=here)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "loaded:"
    assert done.stdout


def test_importing_the_package_loads_nothing(here: Path) -> None:
    code = "import sys; before = set(sys.modules); import seqtool; print(*sorted(set(sys.modules) - before))"
    assert run_python(code, cwd=here).stdout.split() == ["seqtool", "seqtool.version"]


def test_what_reads_a_model_does_not_wait_for_numpy(here: Path) -> None:
    """A model directory is read while numpy is imported, so the one must not import the other."""
    code = "import sys, seqtool.jobs.use; print(*[name for name in ('numpy', 'safetensors') if name in sys.modules])"
    assert run_python(code, cwd=here).stdout.split() == []


@pytest.mark.parametrize("task", ["tagger", "char"])
def test_a_model_that_another_thread_reads_is_refused_in_the_callers(tmp_path: Path, task: str) -> None:
    (store_tagger if task == "tagger" else store_character_model)(tmp_path / "runs/here")
    weights = tmp_path / "runs/here/model/weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelError, match="its SHA-256 is not the one"):
        (tagger if task == "tagger" else character_model)("here", tmp_path / "runs")


def test_a_loaded_model_stays_light(here: Path) -> None:
    code = f"import sys, seqtool; seqtool.load('tagger').tag([['The']]); print(*[name for name in {HEAVY!r} if name in sys.modules])"
    assert run_python(code, cwd=here).stdout.split() == []
