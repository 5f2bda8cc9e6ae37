"""What is light at use stays light: which heavy libraries a command loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seqtool.cli.model_argument import character_model, tagger
from seqtool.errors import ModelError
from tests.support.shell import environment
from tests.support.stored_models import store_character_model, store_tagger

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
from seqtool.cli.exit_codes import run
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
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=120, env=environment(**extra), check=False
    )


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
    code = "import sys, seqtool.cli.model_argument; print(*[name for name in ('numpy', 'safetensors') if name in sys.modules])"
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
