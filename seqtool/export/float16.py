"""Copy of a model with float16 weights, in half the bytes, and the scores of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from seqtool.errors import ModelError, SeqtoolError
from seqtool.inference.load import load_character_model, load_tagger
from seqtool.storage.find_model import ModelPlace
from seqtool.storage.model_directory import StoredModel, read_model, write_model
from seqtool.types import Array

SCORED_SYMBOLS = 200_000  # symbols of a text that are scored, to limit the waiting time
REPLACED_FACTS = ("files", "format_version", "parameters", "sha256", "task")  # write_model adds these itself


@dataclass(frozen=True)
class Float16Copy:
    """Sizes and scores of a model and its float16 copy.

    Attributes:
        path: the new model directory.
        sizes: bytes before and after.
        scores: values before and after, by name; empty if there was nothing to score on.
        data: name of the scored data, or the reason why nothing was scored.
    """

    path: Path
    sizes: tuple[int, int]
    scores: dict[str, tuple[float, float]]
    data: str


@dataclass(frozen=True)
class Scorer:
    """A function from a model to its scores on fixed data.

    Attributes:
        score: returns scores by name.
        data: name of the data.
    """

    score: Callable[[StoredModel], dict[str, float]]
    data: str


def write_float16_copy(place: ModelPlace, out: Path | None, files: Sequence[Path], root: Path) -> Float16Copy:
    """Write a model directory with float16 weights: `out`, or `NAME-float16` next to the run.

    Args:
        files: data to score both models on; if empty, the held-out data of the run.
        root: directory of all runs, with the cache of encoded texts.

    Raises:
        ModelError: the weights are float16 already, or a weight is too large for float16.
        SeqtoolError: the directory belongs to something else, or one of the files cannot be read.
    """
    original = read_model(place.model)
    copy = replace(original, weights=_float16_weights(original, place.name))
    path = _free_path(place, out)
    scores, data = _scores_before_and_after(place, original, copy, files, root)
    facts = {name: value for name, value in original.manifest.to_json().items() if name not in REPLACED_FACTS}
    facts |= {"dtype": "float16", "made_from": original.manifest.sha256}
    write_model(path, copy.config, copy.vocab, copy.weights, facts)
    return Float16Copy(path, (original.manifest.size, read_model(path).manifest.size), scores, data)


def _float16_weights(model: StoredModel, name: str) -> dict[str, Array]:
    if all(array.dtype == np.float16 for array in model.weights.values()):
        raise ModelError("its weights are float16 already", place=name)
    with np.errstate(over="ignore"):
        weights = {key: array.astype(np.float16) for key, array in model.weights.items()}
    for key, array in weights.items():
        if not np.isfinite(array).all():
            message = f"{key}: a weight is too large for float16"
            raise ModelError(message, place=name, hint="keep the model as it is")
    return weights


def _free_path(place: ModelPlace, out: Path | None) -> Path:
    """Return the directory to write; only another model directory there is replaced."""
    base = place.run or place.model
    path = out or base.with_name(f"{base.name}-float16")
    if path.exists() and (not (path / "manifest.json").is_file() or path.resolve() == place.model.resolve()):
        message = "expected a free path or another model directory, found something else"
        raise SeqtoolError(message, place=str(path), hint="choose another path with --out")
    return path


# --- scores -------------------------------------------------------------------------------------------------


def _scores_before_and_after(
    place: ModelPlace, original: StoredModel, copy: StoredModel, files: Sequence[Path], root: Path
) -> tuple[dict[str, tuple[float, float]], str]:
    """Score both models on the same data. Unreadable data are an error only if the user named them."""
    make_scorer = tagger_scorer if original.task == "tagger" else character_scorer
    try:
        scorer = make_scorer(original, place, files, root)
        before, after = scorer.score(original), scorer.score(copy)
    except SeqtoolError as error:
        if files:
            raise
        problem = error.problems[0]
        reason = f"{problem.place}: {problem.message}" if problem.place else problem.message
        return {}, f"not scored: {reason}; name data with --data"
    return {name: (before[name], after[name]) for name in before}, scorer.data


def tagger_scorer(
    model: StoredModel,
    place: ModelPlace,
    files: Sequence[Path],
    root: Path,  # noqa: ARG001 - only texts have a cache
) -> Scorer:
    """Return the token accuracy, and the span F1 if the labels mark spans, on labeled sentences.

    The sentences come from the files, or else from the held-out or the training data of the run.
    """
    from seqtool.evaluation.gold_labels import gold_sentences
    from seqtool.evaluation.tagger import evaluate_tagger

    gold = gold_sentences(model, place.run, files, None, or_train=True)

    def score(stored: StoredModel) -> dict[str, float]:
        return evaluate_tagger(load_tagger(stored), gold.sentences).main_scores()

    return Scorer(score, gold.title)


def character_scorer(model: StoredModel, place: ModelPlace, files: Sequence[Path], root: Path) -> Scorer:
    """Return the loss in nats per symbol on the files or the held-out text of the run.

    For a model of pairs it is the accuracy on the pairs that it was trained on.
    """
    from seqtool.evaluation.text_data import held_out_text, read_text

    if load_character_model(model).aligned:
        return _pair_scorer(place)
    text = (read_text(files) if files else held_out_text(place.run, root))[:SCORED_SYMBOLS]

    def score(stored: StoredModel) -> dict[str, float]:
        return {"nats": float(load_character_model(stored).score(text).losses.mean())}

    return Scorer(score, ", ".join(map(str, files)) or "the held-out text of the run")


def _pair_scorer(place: ModelPlace) -> Scorer:
    """Return the share of symbols that a model of aligned pairs predicts correctly."""
    from seqtool.evaluation.text_data import run_settings
    from seqtool.settings import CharSettings

    settings = run_settings(place.run, "it is trained on pairs")
    assert isinstance(settings, CharSettings)
    pairs = settings.data.pairs

    def score(stored: StoredModel) -> dict[str, float]:
        predict = load_character_model(stored).predict
        correct = [a == b for source, target in pairs for a, b in zip(predict(source), target, strict=True)]
        return {"accuracy": float(np.mean(correct))}

    return Scorer(score, "the pairs it was trained on")
