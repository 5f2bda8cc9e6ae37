"""Accuracy of exported models: float32, float16 and onnxruntime on the held-out data of a run.

    python tests/benchmarks/export.py runs/ewt runs/shakespeare

For a tagger: the accuracy, and the number of labels that differ from those in float32. For a character model:
nats per symbol over the first 200,000 held-out symbols in one pass, and the largest difference of one symbol.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

PROJECT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(PROJECT))

from seqtool.decoding import log_softmax, viterbi  # noqa: E402
from seqtool.evaluation.character import held_out_text  # noqa: E402
from seqtool.evaluation.gold_labels import gold_sentences  # noqa: E402
from seqtool.export.onnx import export_onnx  # noqa: E402
from seqtool.export.onnx_models import state_names  # noqa: E402
from seqtool.export.onnx_verify import OnnxSession, tagger_inputs  # noqa: E402
from seqtool.export.smaller_copy import write_smaller_copy  # noqa: E402
from seqtool.inference.character import CharacterModel  # noqa: E402
from seqtool.inference.load import load_model  # noqa: E402
from seqtool.inference.tagger import TaggerModel  # noqa: E402
from seqtool.inference.text_scoring import carried_losses  # noqa: E402
from seqtool.reports.formatting import format_size  # noqa: E402
from seqtool.storage.find_model import ModelFolders, runs_root  # noqa: E402
from seqtool.storage.model_directory import read_model  # noqa: E402
from seqtool.tasks.scorers import SCORED_SYMBOLS  # noqa: E402
from seqtool.types import Array  # noqa: E402

SENTENCES, STEPS = 64, 500  # in one call of onnxruntime
Row = tuple[str, str]  # the score of a form of a model, and its difference from float32


def onnx_labels(model: TaggerModel, exported: OnnxSession, sentences: list[list[str]]) -> list[list[str]]:
    """Return the labels for the scores of onnxruntime, decoded as docs/model-format.md describes."""
    labels: list[list[str]] = []
    for start in range(0, len(sentences), SENTENCES):
        batch = sentences[start : start + SENTENCES]
        inputs = tagger_inputs(model, batch)
        scores = exported(inputs)["scores"].astype(np.float64)
        best = viterbi(scores, inputs["lengths"], model.start, model.transitions, model.end)
        labels.extend(
            model.to_file_scheme([model.labels[number] for number in best[: len(sentence), column]])
            for column, sentence in enumerate(batch)
        )
    return labels


def onnx_losses(model: CharacterModel, exported: OnnxSession, text: str) -> Array:
    """Return the loss of each symbol except the first, in nats; the state is carried from call to call."""
    ids, names, losses = model.encode(text), state_names(model.settings), []
    states = {
        name: part
        for row, parts in zip(names, model.initial_state(), strict=True)
        for name, part in zip(row, parts, strict=True)
    }
    for start in range(0, len(ids) - 1, STEPS):
        following = ids[start + 1 : start + STEPS + 1]
        outputs = exported({"ids": ids[start : start + len(following), None].astype(np.int64), **states})
        losses.append(-log_softmax(outputs["logits"][:, 0])[np.arange(len(following)), following])
        states = {name: outputs[f"{name}.next"] for row in names for name in row}
    return np.concatenate(losses)


def tagger_rows(run: Path, models: list[TaggerModel], exported: OnnxSession) -> list[Row]:
    """Return the accuracy of each form of a tagger."""
    sentences = gold_sentences(read_model(run / "model"), run, [], None).sentences
    tokens = [list(sentence.tokens) for sentence in sentences]
    gold = [label for sentence in sentences for label in sentence.labels]
    by_sentence = [*(model.tag(tokens) for model in models), onnx_labels(models[0], exported, tokens)]
    predicted = [list(chain.from_iterable(labels)) for labels in by_sentence]
    differ = [sum(map(str.__ne__, labels, predicted[0])) for labels in predicted]
    return [
        (f"accuracy {share(labels, gold):.3%}", f"{count} of {len(gold):,} labels")
        for labels, count in zip(predicted, differ, strict=True)
    ]


def share(labels: list[str], gold: list[str]) -> float:
    """Return the share of correct labels."""
    return sum(map(str.__eq__, labels, gold)) / len(gold)


def character_rows(run: Path, models: list[CharacterModel], exported: OnnxSession) -> list[Row]:
    """Return the loss of each form of a character model."""
    text = held_out_text(run, runs_root(None), SCORED_SYMBOLS)
    losses = [carried_losses(model, model.encode(text), streams=1) for model in models]
    losses.append(onnx_losses(models[0], exported, text))
    return [
        (f"{form.mean():.6f} nats", f"{np.abs(form - losses[0]).max():.1e} nats at most") for form in losses
    ]


def main() -> None:
    """Export each run, and print one line per form."""
    for run in map(Path, sys.argv[1:]):
        place = ModelFolders(run / "model", run)
        with tempfile.TemporaryDirectory() as folder:
            half = write_smaller_copy(place, "float16", Path(folder) / "half", [], runs_root(None))
            onnx, *_ = export_onnx(place, Path(folder) / "model.onnx")
            models: list[Any] = [load_model(read_model(path)) for path in (place.model, half.path)]
            exported = OnnxSession(onnx.path.read_bytes())
        rows = (tagger_rows if isinstance(models[0], TaggerModel) else character_rows)(run, models, exported)
        for form, space, (score, differs) in zip(
            ("float32", "float16", "onnxruntime"), (*half.sizes, onnx.size), rows, strict=True
        ):
            print(f"{run.name:<12} {form:<12} {format_size(space):>8}   {score}   from float32: {differs}")


if __name__ == "__main__":
    main()
