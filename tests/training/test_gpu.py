"""Training on a GPU compared with the CPU: the same data order and dropout, almost the same losses.

These tests need a CUDA device and are skipped without one. They start the command line, as users do.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.support.shell import Result, seqtool
from tests.support.small_treebank import treebank

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

TEXT = "The old cat saw the dog, and the dog saw Zoë.\n“Don't go!” said the cat.\n" * 120
TEXT_TRAINING = "{epochs: 2, batch_size: 8, window: 16, lr: 0.01, print_every: 5, deterministic: true}"
CONFIGS = {
    "lstm": f"""
task: char
data: {{text: text.txt, split: [0.9, 0.1]}}
model: {{cell: lstm, hidden_size: 24, num_layers: 2, embedding_dim: 12, dropout: 0.2, state_reset: 0.1}}
training: {TEXT_TRAINING}
""",
    "gru": f"""
task: char
data: {{text: text.txt, split: [0.9, 0.1]}}
model: {{cell: gru, hidden_size: 24, embedding_dim: 12, dropout: 0.2}}
training: {TEXT_TRAINING}
""",
    "rnn": f"""
task: char
data: {{text: text.txt, split: [0.9, 0.1]}}
model: {{cell: rnn, hidden_size: 24, embedding_dim: 12}}
training: {TEXT_TRAINING}
""",
    "words": f"""
task: char
data: {{text: text.txt, unit: word, spell_unknown: true, min_count: 2, split: [0.9, 0.1]}}
model: {{hidden_size: 16, embedding_dim: 16, tied: true, output: adaptive, cutoffs: [8, 14],
  embedding_dropout: 0.1, weight_dropout: 0.2}}
training: {TEXT_TRAINING}
""",
    "tagger": """
task: tagger
data: {train: train.conllu, dev: dev.conllu, labels: [upos, xpos, feats, lemma]}
model: {features: rich, hidden_size: 16, bidirectional: true, dropout: 0.3, word_dropout: 0.1,
  word_replacement: 0.2}
training: {epochs: 3, batch_words: 60, lr: 0.01, print_every: 5, deterministic: true}
tokenizer: {training: {epochs: 3, batch_size: 4}}
""",
    "crf": """
task: tagger
data: {train: train.conllu, dev: dev.conllu, label: upos}
model: {hidden_size: 16, dropout: 0.3, decoder: crf}
training: {epochs: 3, batch_words: 60, lr: 0.01, print_every: 5, deterministic: true}
tokenizer: null
""",
}
RELATIVE, ABSOLUTE = 0.02, 0.01  # sums in another order, and 40 to 100 steps of an optimizer on top


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gpu")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "train.conllu").write_text(treebank(150, raw=True), encoding="utf-8")
    (folder / "dev.conllu").write_text(treebank(40, 2, raw=True), encoding="utf-8")
    for name, config in CONFIGS.items():
        (folder / f"{name}.yaml").write_text(config, encoding="utf-8")
    return folder


def command(name: str) -> str:
    return "train-tagger" if "task: tagger" in CONFIGS[name] else "train-char"


def train(folder: Path, name: str, run: str, *options: str) -> Result:
    done = seqtool(command(name), f"{name}.yaml", "--name", run, "--overwrite", *options, cwd=folder)
    assert done.code == 0, done.stderr
    return done


def rows(folder: Path, run: str) -> list[dict[str, float]]:
    lines = (folder / "runs" / run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def weights(folder: Path, run: str) -> dict[str, bytes]:
    model = folder / "runs" / run / "model"
    return {str(path.relative_to(model)): path.read_bytes() for path in model.rglob("*.safetensors")}


@pytest.mark.parametrize("name", CONFIGS)
def test_losses_are_those_of_the_cpu(folder: Path, name: str) -> None:
    for run, device in (("here", "cpu"), ("there", "cuda")):
        train(folder, name, f"{name}_{run}", "--device", device)
    pairs = zip(rows(folder, f"{name}_here"), rows(folder, f"{name}_there"), strict=True)
    compared = 0
    for here, there in pairs:
        assert here["step"] == there["step"]
        for key in {"loss", "train_loss", "val_loss"} & here.keys():
            assert there[key] == pytest.approx(here[key], rel=RELATIVE, abs=ABSOLUTE), (name, here, there)
            compared += 1
    assert compared > 3


@pytest.mark.parametrize("name", CONFIGS)
def test_model_of_a_gpu_runs_in_numpy(folder: Path, name: str) -> None:
    train(folder, name, f"{name}_numpy", "--device", "cuda")
    done = seqtool("evaluate", f"runs/{name}_numpy", "--json", cwd=folder)
    assert done.code == 0, done.stderr
    if command(name) == "train-char":
        best = min(row["val_loss"] for row in rows(folder, f"{name}_numpy") if "val_loss" in row)
        assert json.loads(done.stdout)["carried"]["nats"] == pytest.approx(best, rel=1e-3)


@pytest.mark.parametrize("name", ["lstm", "words", "crf"])
def test_continued_run_has_the_same_bytes(folder: Path, name: str) -> None:
    options = ("--device", "cuda", "--set", "training.epochs=null", "--set", "training.eval_every=10")
    longer, shorter = (("--set", f"training.max_steps={steps}") for steps in (60, 30))
    train(folder, name, f"{name}_whole", *options, *longer)
    train(folder, name, f"{name}_parts", *options, *shorter)
    again = (command(name), f"{name}.yaml", "--name", f"{name}_parts", *options, *longer, "--resume")
    done = seqtool(*again, cwd=folder)
    assert done.code == 0, done.stderr
    assert weights(folder, f"{name}_parts") == weights(folder, f"{name}_whole")


def test_bfloat16_reaches_almost_the_same_loss(folder: Path) -> None:
    train(folder, "lstm", "exact", "--device", "cuda")
    train(folder, "lstm", "short", "--device", "cuda", "--set", "training.precision=bfloat16")
    losses = [rows(folder, run)[-1]["val_loss"] for run in ("exact", "short")]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
