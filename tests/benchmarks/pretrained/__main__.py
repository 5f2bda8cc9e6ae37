"""Write a shipped model: `SEQTOOL_DATA=folder python -m tests.benchmarks.pretrained NAME [--run RUN]`.

The script trains with the config of the model on one thread, removes rare and private entries, rounds the
weights to int8, evaluates the result, and writes `seqtool/pretrained/NAME` and the golden output of the test.
With --run it uses a finished training run. The same run gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
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
RAW_MEASURES = ("tokens", "sentences", "words", "upos", "xpos", "ufeats", "alltags", "lemmas")
HELD_OUT = 111_540  # characters of the last tenth of the text
# Facts of a training process that differ from one run to the next, and facts that `write_model` adds.
LEFT_OUT = ("command", "seconds", "data", *REPLACED_FACTS)


@dataclass(frozen=True)
class Recipe:
    """Training of a shipped model.

    Attributes:
        configs: training command and config of each part of the model, the main one last.
        data: data files by key of the configs.
        treebank: training data to count forms in, if they are words.
        license: SPDX name of the license.
    """

    configs: tuple[tuple[str, str], ...]
    data: Mapping[str, str]
    treebank: str | None = None
    license: str = "MIT"


RECIPES = {
    "english": Recipe(
        (
            ("train-tagger", "tests/benchmarks/pretrained/english_tokenizer.yaml"),
            ("train-tagger", "tests/benchmarks/pretrained/english.yaml"),
        ),
        {f"data.{part}": path for part, path in EWT.items()},
        EWT["train"],
        "CC-BY-SA-4.0",
    ),
    "shakespeare": Recipe((("train-char", "configs/shakespeare.yaml"),), {"data.text": SHAKESPEARE}),
}


def seqtool(*arguments: str | Path) -> str:
    """Run a command and return its standard output; its messages are shown."""
    command = [sys.executable, "-m", "seqtool", *map(str, arguments)]
    variables = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=PROJECT, env=variables, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def trained(name: str, root: Path) -> list[Path]:
    """Train the parts of a recipe and return their runs."""
    recipe = RECIPES[name]
    options = [f"--set={key}={(DATA / path).resolve()}" for key, path in recipe.data.items()]
    for number, command in enumerate(recipe.configs):
        run = f"{name}-{number}"
        seqtool(*command, "--runs-dir", root, "--name", run, "--set=training.threads=1", *options)
    return [root / f"{name}-{number}" for number in range(len(recipe.configs))]


def facts(name: str, model: StoredModel, scores: Mapping[str, float]) -> dict[str, Any]:
    """Return the description of a shipped model for its manifest."""
    recipe, source = RECIPES[name], model.manifest.source
    kept = {key: value for key, value in source.items() if key not in LEFT_OUT}
    data = {Path(path).name: digest for path, digest in model.manifest.data.items()}
    described: dict[str, Any] = {
        "command": list(recipe.configs[-1]),
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


def english_scores(model: Path) -> dict[str, float]:
    """Return the accuracy of each label on the tokens of the treebank, and F1 on its raw text."""
    scores = {}
    for part, prefix in (("dev", "val"), ("test", "test")):
        report = evaluation(model, DATA / EWT[part])
        scores[f"{prefix}_accuracy"] = report["accuracy"]
        scores |= {f"{prefix}_{column}": tally["accuracy"] for column, tally in report["columns"].items()}
    raw = evaluation(model, DATA / EWT["test"], "--raw")
    return scores | {f"test_raw_{name}": raw[name]["f1"] for name in RAW_MEASURES}


SCORES = {"english": english_scores, "shakespeare": shakespeare_scores}


# --- result -------------------------------------------------------------------------------------------------


def write(name: str, runs: Sequence[Path], target: Path) -> None:
    """Write the directory of a shipped model."""
    recipe = RECIPES[name]
    original = StoredModel.joined([read_model(run / "model").main for run in runs])
    small = shrunk(original, None if recipe.treebank is None else DATA / recipe.treebank)
    with tempfile.TemporaryDirectory() as folder:
        full, model = Path(folder) / "full", Path(folder) / "model"
        write_model(full, original.config, original.vocab, original.weights, {})
        before = SCORES[name](full)
        write_model(model, small.config, small.vocab, small.weights, facts(name, original, {}), int8=True)
        after = SCORES[name](model)
        write_model(model, small.config, small.vocab, small.weights, facts(name, original, after), int8=True)
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(model, target / "model")
        card = CARDS[name](before, after, read_model(model), read_model(full))
    (target / "README.md").write_text(card, encoding="utf-8")
    (target / "LICENSE").write_text(license_text(name, PROJECT, DATA), encoding="utf-8")


def main() -> None:
    """Write the model that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--run", type=Path, action="append", help="use this finished run (of each part)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write(options.name, options.run or trained(options.name, Path(folder)), PRETRAINED / options.name)
    (GOLDEN / f"{options.name}.txt").write_text(golden_output(options.name), encoding="utf-8")


if __name__ == "__main__":
    main()
