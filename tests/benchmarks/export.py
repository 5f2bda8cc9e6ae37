"""What a model loses on its way to other runtimes: on its run's own held-out data, in float32, in float16 and in onnxruntime.

    python tests/benchmarks/export.py runs/ewt runs/shakespeare

For a tagger the accuracy, and how many labels differ from the float32 model's own; for a character model nats per symbol over
the first 200,000 held-out symbols in one pass, and the largest difference of a symbol's.
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
from seqtool.export.float16 import write_float16_copy  # noqa: E402
from seqtool.export.onnx import (  # noqa: E402
    OnnxSession,
    export_onnx,
    tagger_inputs,
)
from seqtool.export.onnx_models import state_names  # noqa: E402
from seqtool.inference.character import CharacterModel  # noqa: E402
from seqtool.inference.load import load_model  # noqa: E402
from seqtool.inference.tagger import TaggerModel  # noqa: E402
from seqtool.inference.text_scoring import carried_losses  # noqa: E402
from seqtool.reports.formatting import format_size  # noqa: E402
from seqtool.storage.find_model import ModelPlace, runs_root  # noqa: E402
from seqtool.storage.model_directory import read_model  # noqa: E402
from seqtool.tasks.scorers import SCORED_SYMBOLS  # noqa: E402
from seqtool.types import Array  # noqa: E402

SENTENCES, STEPS = 64, 500  # a call of onnxruntime
Row = tuple[str, str]  # a form's score, and how far it is from the first


def onnx_labels(model: TaggerModel, exported: OnnxSession, sentences: list[list[str]]) -> list[list[str]]:
    """Labels from onnxruntime's scores, decoded as docs/model-format.md says."""
    found: list[list[str]] = []
    for start in range(0, len(sentences), SENTENCES):
        some = sentences[start : start + SENTENCES]
        inputs = tagger_inputs(model, some)
        scores = exported(inputs)["scores"].astype(np.float64)
        best = viterbi(scores, inputs["lengths"], model.start, model.transitions, model.end)
        found.extend(
            model.to_file_scheme([model.labels[number] for number in best[: len(one), row]])
            for row, one in enumerate(some)
        )
    return found


def onnx_losses(model: CharacterModel, exported: OnnxSession, text: str) -> Array:
    """Nats of each symbol but the first, in one pass, the states handed on from call to call."""
    ids, names, losses = model.encode(text), state_names(model.settings), []
    states = {
        name: part
        for row, parts in zip(names, model.initial_state(), strict=True)
        for name, part in zip(row, parts, strict=True)
    }
    for start in range(0, len(ids) - 1, STEPS):
        following = ids[start + 1 : start + STEPS + 1]
        found = exported({"ids": ids[start : start + len(following), None].astype(np.int64), **states})
        losses.append(-log_softmax(found["logits"][:, 0])[np.arange(len(following)), following])
        states = {name: found[f"{name}.next"] for row in names for name in row}
    return np.concatenate(losses)


def tagger_rows(run: Path, models: list[TaggerModel], exported: OnnxSession) -> list[Row]:
    given = gold_sentences(read_model(run / "model"), run, [], None).sentences
    tokens, gold = [list(one.tokens) for one in given], [label for one in given for label in one.labels]
    several = [*(model.tag(tokens) for model in models), onnx_labels(models[0], exported, tokens)]
    found = [list(chain.from_iterable(labels)) for labels in several]
    differ = [sum(map(str.__ne__, labels, found[0])) for labels in found]
    return [
        (f"accuracy {share(labels, gold):.3%}", f"{count} of {len(gold):,} labels")
        for labels, count in zip(found, differ, strict=True)
    ]


def share(labels: list[str], gold: list[str]) -> float:
    return sum(map(str.__eq__, labels, gold)) / len(gold)


def character_rows(run: Path, models: list[CharacterModel], exported: OnnxSession) -> list[Row]:
    text = held_out_text(run, runs_root(None))[:SCORED_SYMBOLS]
    found = [carried_losses(model, model.encode(text), streams=1) for model in models] + [
        onnx_losses(models[0], exported, text)
    ]
    return [
        (f"{losses.mean():.6f} nats", f"{np.abs(losses - found[0]).max():.1e} nats at most")
        for losses in found
    ]


def main() -> None:
    for run in map(Path, sys.argv[1:]):
        place = ModelPlace(run / "model", run)
        with tempfile.TemporaryDirectory() as folder:
            half = write_float16_copy(place, Path(folder) / "half", [], runs_root(None))
            onnx = export_onnx(place, Path(folder) / "model.onnx")
            models: list[Any] = [load_model(read_model(path)) for path in (place.model, half.path)]
            exported = OnnxSession(onnx.path.read_bytes())
        rows = (tagger_rows if isinstance(models[0], TaggerModel) else character_rows)(run, models, exported)
        for form, space, (score, differs) in zip(
            ("float32", "float16", "onnxruntime"), (*half.sizes, onnx.size), rows, strict=True
        ):
            print(
                f"{run.name:<12} {form:<12} {format_size(space):>8}   {score}   other than float32: {differs}"
            )


if __name__ == "__main__":
    main()
