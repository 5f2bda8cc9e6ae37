"""Light commands do not import heavy libraries, and importing the package imports almost nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seqtool.cli.models import character_model, tagger
from seqtool.errors import ModelError
from tests.support.shell import environment
from tests.support.stored_models import store_character_model, store_tagger, store_tokenizer

HEAVY = ("torch", "pydantic", "yaml", "matplotlib", "jinja2", "onnx", "optuna", "numpy.ma")
LIGHT = {
    "tag": (("tag", "--model", "tagger", "The dog"), HEAVY),
    "tag raw text": (("tag", "--model", "english", "The dog ate the apple."), HEAVY),
    "tag several": (("tag", "--model", "tagger", "--format", "jsonl", "--probs", "The dog"), HEAVY),
    "tokenize": (("tokenize", "--model", "tokenizer", "The dog."), HEAVY),
    "sample": (("sample", "--model", "text", "--length", "3"), HEAVY),
    "score": (("score", "--model", "text", "abc"), HEAVY),
    "predict": (("predict", "--model", "pairs", "abc"), HEAVY),
    "evaluate": (("evaluate", "tagger", "gold.conll"), ("torch",)),
    "help": (("--help",), (*HEAVY, "numpy")),
    "tag --help": (("tag", "--help"), (*HEAVY, "numpy")),
    "version": (("--version",), (*HEAVY, "numpy")),
}
LOADED = "; print(*[name for name in {names!r} if name in sys.modules])"
SCRIPT = """
import sys
sys.argv[0] = "seqtool"
from seqtool.cli.main import app
from seqtool.cli.exit_codes import run
code = run(app)
sys.stdout = sys.stderr
print("loaded:", *[name for name in {heavy!r} if name in sys.modules])
sys.exit(code)
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    store_tagger(folder / "runs/tagger")
    store_tokenizer(folder / "runs/tokenizer")
    store_character_model(folder / "runs/text")
    store_character_model(folder / "runs/pairs", kind="pairs")
    (folder / "gold.conll").write_text("The\tDET\ndog\tNN\n\n")
    return folder


def run_python(code: str, *arguments: str, cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=120, env=environment(**extra), check=False
    )


@pytest.mark.parametrize("name", LIGHT)
def test_a_light_command_does_not_import_heavy_libraries(here: Path, name: str) -> None:
    arguments, heavy = LIGHT[name]
    done = run_python(SCRIPT.format(heavy=heavy), *arguments, cwd=here)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "loaded:"
    assert done.stdout


def test_importing_the_package_imports_only_its_version(here: Path) -> None:
    code = "import sys; before = set(sys.modules); import seqtool; print(*sorted(set(sys.modules) - before))"
    assert run_python(code, cwd=here).stdout.split() == ["seqtool", "seqtool.version"]


def test_finding_a_model_does_not_import_numpy(here: Path) -> None:
    """A thread imports numpy while the model directory is read, so reading must not import numpy itself."""
    code = "import sys, seqtool.cli.inputs, seqtool.cli.models" + LOADED.format(
        names=("numpy", "safetensors")
    )
    assert run_python(code, cwd=here).stdout.split() == []


@pytest.mark.parametrize("task", ["tagger", "char"])
def test_an_error_of_the_reading_thread_is_raised_in_the_caller(tmp_path: Path, task: str) -> None:
    (store_tagger if task == "tagger" else store_character_model)(tmp_path / "runs/here")
    weights = tmp_path / "runs/here/model/weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelError, match="its SHA-256 differs from the one"):
        (tagger if task == "tagger" else character_model)("here", tmp_path / "runs")


def test_a_loaded_model_does_not_import_heavy_libraries(here: Path) -> None:
    code = "import sys, seqtool; seqtool.load('tagger').tag([['The']])" + LOADED.format(names=HEAVY)
    assert run_python(code, cwd=here).stdout.split() == []
