"""The same model in half the bytes: weights stored as float16, and what that costs in accuracy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seqtool.errors import ModelError, SeqtoolError
from seqtool.inference.load import load_model
from seqtool.inference.tagger import TaggerModel
from seqtool.storage.find_model import ModelPlace
from seqtool.storage.model_directory import StoredModel, read_model, write_model

SCORED = 200_000  # symbols of a text that are scored; more would keep the user waiting
_Scored = tuple[dict[str, float], dict[str, float], str]  # before, after, and on what
WRITTEN_ANEW = ("files", "format_version", "parameters", "sha256", "task")


@dataclass(frozen=True)
class Float16Copy:
    """A model and its smaller copy.

    Attributes:
        path: the new model directory.
        sizes: bytes before and after.
        scores: name, and values before and after; empty where there was nothing to score on.
        data: what they were scored on, or why they were not.
    """

    path: Path
    sizes: tuple[int, int]
    scores: dict[str, tuple[float, float]]
    data: str


def write_float16_copy(place: ModelPlace, out: Path | None, files: list[Path], root: Path) -> Float16Copy:
    """Write a model directory with float16 weights: `NAME-float16` beside the run, or `out`.

    Raises:
        ModelError: if the model has float16 weights already, or a weight that float16 cannot hold.
        SeqtoolError: if data that the user named cannot be read.
    """
    bundle = read_model(place.model)
    if all(array.dtype == np.float16 for array in bundle.weights.values()):
        raise ModelError("its weights are float16 already", place=place.name)
    with np.errstate(over="ignore"):
        weights = {name: array.astype(np.float16) for name, array in bundle.weights.items()}
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise ModelError(
                f"{name}: a weight is too large for float16", place=place.name, hint="keep the model as it is"
            )
    base = place.run or place.model
    path = out or base.with_name(f"{base.name}-float16")
    if path.exists() and (not (path / "manifest.json").is_file() or path.resolve() == place.model.resolve()):
        raise SeqtoolError(
            "there is something else already", place=str(path), hint="choose another place with --out"
        )
    scores, data = _scores(place, (bundle, replace(bundle, weights=weights)), files, root)
    facts = {name: value for name, value in bundle.manifest.to_json().items() if name not in WRITTEN_ANEW}
    write_model(
        path,
        bundle.config,
        bundle.vocab,
        weights,
        {**facts, "dtype": "float16", "made_from": bundle.manifest.sha256},
    )
    return Float16Copy(path, (bundle.manifest.size, read_model(path).manifest.size), scores, data)


def _scores(
    place: ModelPlace, bundles: tuple[StoredModel, StoredModel], files: list[Path], root: Path
) -> tuple[dict[str, tuple[float, float]], str]:
    """Both models on the same data: those named, or the run's own held-out data where they are at hand."""
    score = _tagger_scores if bundles[0].task == "tagger" else _character_scores
    try:
        before, after, data = score(place, bundles, files, root)
    except SeqtoolError as error:
        if files:
            raise
        problem = error.problems[0]
        reason = f"{problem.place}: {problem.message}" if problem.place else problem.message
        return {}, f"not scored: {reason}; name data with --data"
    return {name: (before[name], after[name]) for name in before}, data


def _tagger_scores(
    place: ModelPlace,
    bundles: tuple[StoredModel, StoredModel],
    files: list[Path],
    root: Path,  # noqa: ARG001
) -> _Scored:
    from seqtool.evaluation.tagger import evaluate_tagger
    from seqtool.evaluation.tagger_data import gold_sentences

    given = gold_sentences(bundles[0].config, place.run, files, None, or_train=True)
    found = []
    for bundle in bundles:
        model = load_model(bundle)
        assert isinstance(model, TaggerModel)
        evaluation = evaluate_tagger(model, given.sentences)
        scores = {"accuracy": evaluation.counts.tokens.accuracy or 0.0}
        found.append(scores | ({"f1": evaluation.counts.spans.overall.f1} if evaluation.marks_spans else {}))
    return found[0], found[1], given.title


def _character_scores(
    place: ModelPlace, bundles: tuple[StoredModel, StoredModel], files: list[Path], root: Path
) -> _Scored:
    from seqtool.evaluation.evaluation_data import held_out_text, read_text, run_settings
    from seqtool.inference.character import CharacterModel

    models = [load_model(bundle) for bundle in bundles]
    if bundles[0].config["kind"] == "pairs":
        pairs = run_settings(place.run, "it is trained on pairs").data.pairs  # type: ignore[union-attr]
        before, after = ({"accuracy": _right(model, pairs)} for model in models)
        return before, after, "the pairs it was trained on"
    text = (read_text(files) if files else held_out_text(place.run, root))[:SCORED]
    before, after = (
        {"nats": float(model.score(text).losses.mean())}
        for model in models
        if isinstance(model, CharacterModel)
    )
    return before, after, ", ".join(map(str, files)) or "the text that the run held out"


def _right(model: Any, pairs: Any) -> float:
    """The share of symbols that an aligned model gets right."""
    found = [a == b for source, target in pairs for a, b in zip(model.predict(source), target, strict=True)]
    return float(np.mean(found))
