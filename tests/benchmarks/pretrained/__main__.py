"""Write a shipped model: `SEQTOOL_DATA=folder python -m tests.benchmarks.pretrained NAME [--run RUN]`.

The script trains with the config of the model on one thread, removes rare and private entries, rounds the
weights to int8, evaluates the result, and writes `seqtool/pretrained/NAME` and the golden output of the test.
With --run it uses a finished training run. A second run on the same build gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqtool.export.smaller_copy import REPLACED_FACTS
from seqtool.storage.model_directory import StoredModel, read_model, write_model
from tests.benchmarks.pretrained.cards import CARDS, license_text
from tests.benchmarks.pretrained.shrink import MIN_COUNT, shrunk
from tests.project.test_pretrained import GOLDEN, golden_output

PROJECT = Path(__file__).parent.parent.parent.parent
PRETRAINED = PROJECT / "seqtool/pretrained"
DATA = Path(os.environ.get("SEQTOOL_DATA", "data"))
EWT = {part: f"ud_english_ewt/en_ewt-ud-{part}.conllu" for part in ("train", "dev", "test")}
SHAKESPEARE = "tinyshakespeare/input.txt"
HELD_OUT = 111_540  # characters of the last tenth of the text
# Facts of a training process that differ from one run to the next, and facts that `write_model` adds.
LEFT_OUT = ("command", "seconds", "data", *REPLACED_FACTS)


@dataclass(frozen=True)
class Recipe:
    """Training of a shipped model.

    Attributes:
        command: training command and config.
        data: data files by key of the config.
        treebank: training data to count forms in, if they are words.
    """

    command: tuple[str, str]
    data: Mapping[str, str]
    treebank: str | None = None
    license: str = "MIT"


RECIPES = {
    "shakespeare": Recipe(("train-char", "configs/shakespeare.yaml"), {"data.text": SHAKESPEARE}),
}


def seqtool(*arguments: str | Path) -> str:
    """Run a command and return its standard output; its messages are shown."""
    command = [sys.executable, "-m", "seqtool", *map(str, arguments)]
    variables = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=PROJECT, env=variables, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def trained(name: str, root: Path) -> Path:
    """Train the model of a recipe and return its run."""
    recipe = RECIPES[name]
    options = [f"--set={key}={(DATA / path).resolve()}" for key, path in recipe.data.items()]
    seqtool(*recipe.command, "--runs-dir", root, "--name", name, "--set=training.threads=1", *options)
    return root / name


def facts(name: str, model: StoredModel, scores: Mapping[str, float]) -> dict[str, Any]:
    """Return the description of a shipped model for its manifest."""
    recipe, source = RECIPES[name], model.manifest.source
    kept = {key: value for key, value in source.items() if key not in LEFT_OUT}
    data = {Path(path).name: digest for path, digest in model.manifest.data.items()}
    described: dict[str, Any] = {
        "command": list(recipe.command),
        "data": data,
        "dtype": "int8",
        "license": recipe.license,
    }
    if recipe.treebank is not None:
        described["forms_min_count"] = MIN_COUNT
    return {**kept, **described, "name": name, "scores": dict(scores), "test_scores": {}}


# --- evaluation ---------------------------------------------------------------------------------------------


def evaluation(*arguments: str | Path) -> dict[str, Any]:
    """Return the result of `evaluate --json`."""
    result: dict[str, Any] = json.loads(seqtool("evaluate", *arguments, "--json"))
    return result


def shakespeare_scores(model: Path) -> dict[str, float]:
    """Return the losses of a text model on the last tenth of the text."""
    with tempfile.TemporaryDirectory() as folder:
        held_out = Path(folder) / "held_out.txt"
        held_out.write_text((DATA / SHAKESPEARE).read_text(encoding="utf-8")[-HELD_OUT:], encoding="utf-8")
        report = evaluation(model, held_out)
    return {
        "val_loss": report["carried"]["nats"],
        "val_bits_per_char": report["carried"]["bits_per_char"],
        "val_loss_blocks": report["blocks"]["64"],
    }


SCORES = {"shakespeare": shakespeare_scores}


# --- result -------------------------------------------------------------------------------------------------


def write(name: str, run: Path, target: Path) -> None:
    """Write the directory of a shipped model."""
    recipe, original = RECIPES[name], read_model(run / "model")
    small = shrunk(original, None if recipe.treebank is None else DATA / recipe.treebank)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        write_model(model, small.config, small.vocab, small.weights, facts(name, original, {}), int8=True)
        scores = SCORES[name](model)
        write_model(model, small.config, small.vocab, small.weights, facts(name, original, scores), int8=True)
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(model, target / "model")
    before, after = SCORES[name](run / "model"), scores
    card = CARDS[name](before, after, read_model(target / "model"), original)
    (target / "README.md").write_text(card, encoding="utf-8")
    (target / "LICENSE").write_text(license_text(name, PROJECT, DATA), encoding="utf-8")


def main() -> None:
    """Write the model that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--run", type=Path, help="use this finished run instead of training")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write(options.name, options.run or trained(options.name, Path(folder)), PRETRAINED / options.name)
    (GOLDEN / f"{options.name}.txt").write_text(golden_output(options.name), encoding="utf-8")


if __name__ == "__main__":
    main()
