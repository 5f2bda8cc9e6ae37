"""Scores that compare two versions of one model, such as before and after rounding to float16."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from seqtool.inference.load import load_character_model, load_tagger, load_tokenizer
from seqtool.settings.experiment import CharSettings
from seqtool.storage.find_model import ModelFolders
from seqtool.storage.model_directory import StoredModel

if TYPE_CHECKING:
    from seqtool.inference.conditional import ConditionalModel

SCORED_SYMBOLS = 200_000  # symbols of a text that are scored, to limit the waiting time


@dataclass(frozen=True)
class Scorer:
    """A function from a model to its scores on fixed data.

    Attributes:
        score: returns scores by name.
        data: name of the data.
    """

    score: Callable[[StoredModel], dict[str, float]]
    data: str


def tagger_scorer(
    model: StoredModel,
    location: ModelFolders,
    files: Sequence[Path],
    root: Path,  # noqa: ARG001 - only texts have a cache
) -> Scorer:
    """Return the token accuracy, and the span F1 if the labels mark spans, on labeled sentences.

    The sentences come from the files, or else from the held-out or the training data of the run.
    """
    from seqtool.evaluation.gold_labels import gold_sentences
    from seqtool.evaluation.tagger import evaluate_tagger

    gold = gold_sentences(model, location.run, files, None, or_train=True)

    def score(stored: StoredModel) -> dict[str, float]:
        return evaluate_tagger(load_tagger(stored), gold.sentences).main_scores()

    return Scorer(score, gold.title)


def tokenizer_scorer(
    model: StoredModel,  # noqa: ARG001 - any tokenizer can read any treebank
    location: ModelFolders,
    files: Sequence[Path],
    root: Path,  # noqa: ARG001 - only texts have a cache
) -> Scorer:
    """Return F1 of tokens, sentences and words on the raw text of treebanks.

    The treebanks are the files, or else the held-out or the training data of the run.
    """
    from seqtool.evaluation.tokenizer import evaluate_tokenizer, treebanks_of_run

    treebanks = treebanks_of_run(location.run, files)
    paragraphs = treebanks.read().paragraphs

    def score(stored: StoredModel) -> dict[str, float]:
        counts = evaluate_tokenizer(load_tokenizer(stored), paragraphs).counts
        return {f"{name.lower()}_f1": count.f1 for name, count in counts.items()}

    return Scorer(score, treebanks.title)


def character_scorer(model: StoredModel, location: ModelFolders, files: Sequence[Path], root: Path) -> Scorer:
    """Return the loss in nats per symbol on the files or the held-out text of the run.

    For a model of pairs it is the accuracy on the pairs that it was trained on. For a model of lines with
    conditions it is also the accuracy of their classification.
    """
    from seqtool.evaluation.character import held_out_text
    from seqtool.evaluation.text_files import read_text
    from seqtool.inference.conditional import ConditionalModel

    loaded = load_character_model(model)
    if loaded.aligned:
        return _pair_scorer(location)
    if isinstance(loaded, ConditionalModel):
        return _condition_scorer(loaded, location, files, root)
    text = (
        read_text(loaded, files)[:SCORED_SYMBOLS]
        if files
        else held_out_text(location.run, root, SCORED_SYMBOLS)
    )

    def score(stored: StoredModel) -> dict[str, float]:
        return {"nats": load_character_model(stored).score(text).mean or 0.0}

    return Scorer(score, ", ".join(map(str, files)) or "the held-out text of the run")


def _condition_scorer(
    model: ConditionalModel, location: ModelFolders, files: Sequence[Path], root: Path
) -> Scorer:
    """Return the loss of lines under their conditions, and the accuracy of their classification."""
    from seqtool.evaluation.character import evaluate_part_of_lines, held_out_part, run_corpus
    from seqtool.evaluation.text_files import read_files

    if files:
        part = read_files(model, files)
    else:
        part = held_out_part(model, run_corpus(location.run, root, "no text is named"), location.run)

    def score(stored: StoredModel) -> dict[str, float]:
        evaluation = evaluate_part_of_lines(load_character_model(stored), part)
        accuracy = 0.0 if evaluation.conditions is None else evaluation.conditions.accuracy
        return {"nats": evaluation.carried, "accuracy": accuracy}

    return Scorer(score, ", ".join(map(str, files)) or "the held-out text of the run")


def _pair_scorer(location: ModelFolders) -> Scorer:
    """Return the share of symbols that a model of aligned pairs predicts correctly."""
    from seqtool.evaluation.character import run_settings

    settings = cast(CharSettings, run_settings(location.run, "it is trained on pairs"))
    pairs = settings.data.pairs

    def score(stored: StoredModel) -> dict[str, float]:
        predict = load_character_model(stored).predict
        correct = [a == b for source, target in pairs for a, b in zip(predict(source), target, strict=True)]
        return {"accuracy": float(np.mean(correct))}

    return Scorer(score, "the pairs it was trained on")
