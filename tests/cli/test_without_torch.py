"""All commands except training work without torch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.shell import PROJECT, Result, seqtool
from tests.support.stored_models import store_character_model, store_tagger

BLOCKER = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

sys.meta_path.insert(0, NoTorch())
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bare")
    (folder / "site").mkdir()
    (folder / "site/sitecustomize.py").write_text(BLOCKER)
    store_tagger(folder / "runs/tagger", decoder="crf", spans=True)
    store_character_model(folder / "runs/text")
    store_character_model(folder / "runs/pairs", kind="pairs")
    (folder / "gold.conll").write_text("The\tO\ndog\tB-x\n\n")
    (folder / "text.txt").write_text("abc def\nabc\n")
    return folder


def without_torch(here: Path, *arguments: str) -> Result:
    return seqtool(*arguments, cwd=here, PYTHONPATH=f"{here / 'site'}:{PROJECT}")


@pytest.mark.parametrize(
    "arguments",
    [
        ("tag", "--model", "tagger", "The dog"),
        ("tag", "--model", "tagger", "--jobs", "2", "--nbest", "2", "--format", "table", "The dog"),
        ("sample", "--model", "text", "--length", "5"),
        ("score", "--model", "text", "--symbols", "abc"),
        ("predict", "--model", "pairs", "abc"),
        ("evaluate", "tagger", "gold.conll"),
        ("evaluate", "text", "text.txt", "--train-text", "text.txt"),
        ("inspect", "tagger", "--text", "The dog"),
        ("inspect", "text", "--text", "abc"),
    ],
    ids=lambda arguments: " ".join(arguments[:4]),
)
def test_trained_model_works_without_torch(here: Path, arguments: tuple[str, ...]) -> None:
    done = without_torch(here, *arguments)
    assert done.code == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("command", ["train-char", "train-tagger"])
def test_training_names_the_installation_command_of_torch(here: Path, command: str) -> None:
    config = PROJECT / "configs" / ("hihell.yaml" if command == "train-char" else "toy_tagger.yaml")
    done = without_torch(here, command, str(config))
    assert done.code == 2
    assert "need torch, which is not installed" in done.stderr
    assert "pip install" in done.stderr and "[train]" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (here / "runs" / config.stem).exists()


def test_api_works_without_torch(here: Path) -> None:
    import subprocess
    import sys

    from tests.support.shell import environment

    code = (
        "import json, seqtool; m = seqtool.load('text'); "
        "print(json.dumps([m.sample('a', 4), m.score('abc').bits]))"
    )
    variables = environment(PYTHONPATH=f"{here / 'site'}:{PROJECT}")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=here,
        capture_output=True,
        text=True,
        timeout=60,
        env=variables,
        check=True,
    )
    text, bits = json.loads(done.stdout)
    assert len(text) == 4 and bits > 0
