"""Evaluation of a text model: read the text, score it, and compare the model with its training text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from seqtool.data.text.corpus import CharCorpus
from seqtool.errors import ModelError, SeqtoolError
from seqtool.evaluation.novelty import ngram_losses, novelty
from seqtool.evaluation.text_data import TextPart, held_out_part, part_of, read_files, run_corpus
from seqtool.evaluation.text_scores import (
    BLOCKS,
    Temperature,
    TextEvaluation,
    evaluate_lines,
    evaluate_text,
    fit_temperature,
)
from seqtool.inference.character import CharacterModel
from seqtool.storage.find_model import ModelPlace

TRAIN_LIMIT = 20_000_000  # symbols of a training text whose n-grams fit in memory


@dataclass(frozen=True)
class TextRequest:
    """Options of an evaluation.

    Attributes:
        files: texts to score; if empty, the held-out data of the run.
        train_file: the text for n-grams and novelty; None for the training data of the run.
        blocks: block lengths of the `blocks` protocol, in symbols.
        temperature: fit the best temperature.
    """

    files: tuple[Path, ...] = ()
    train_file: Path | None = None
    blocks: tuple[int, ...] = BLOCKS
    temperature: bool = False


def evaluate_character(
    model: CharacterModel, place: ModelPlace, root: Path, request: TextRequest
) -> tuple[str, TextEvaluation]:
    """Return the name of the text and the report on it.

    Args:
        root: directory of all runs, with the cache of encoded texts.

    Raises:
        SeqtoolError: the model is trained on pairs, there is no text, or a file cannot be read or contains
            unknown symbols.
    """
    if model.aligned:
        raise ModelError(
            "a model of aligned pairs cannot be scored on a text",
            place=place.name,
            hint="show its predictions for a text: seqtool predict",
        )
    corpus = _run_corpus(place, root, required=not request.files)
    if request.files:
        part = read_files(model, request.files)
    else:
        assert corpus is not None
        part = held_out_part(model, corpus, place.run)
    evaluation = (
        evaluate_lines(model, part.lines)
        if model.boundary
        else evaluate_text(model, part.ids, request.blocks)
    )
    train = _train_part(model, corpus, request.train_file)
    if train is not None:
        evaluation = compare_with_training_text(model, evaluation, part, train)
    if request.temperature:
        evaluation = replace(evaluation, temperature=_temperature(model, part, corpus))
    return part.name, evaluation


def _run_corpus(place: ModelPlace, root: Path, *, required: bool) -> CharCorpus | None:
    """Read the data of the run.

    Missing data are an error only if they are required. Otherwise the report states what is missing.
    """
    try:
        return run_corpus(place.run, root, "no text is named")
    except SeqtoolError:
        if required:
            raise
        return None


def _train_part(model: CharacterModel, corpus: CharCorpus | None, file: Path | None) -> TextPart | None:
    if file is not None:
        return read_files(model, [file])
    return None if corpus is None else part_of(model, corpus, "train")


def compare_with_training_text(
    model: CharacterModel, evaluation: TextEvaluation, part: TextPart, train: TextPart
) -> TextEvaluation:
    """Return the evaluation with n-gram baselines and novelty.

    Only the beginning of a very long training text is used.
    """
    train_symbols_used = TRAIN_LIMIT if len(train.ids) > TRAIN_LIMIT else None
    train = replace(train, ids=train.ids[:train_symbols_used])
    return replace(
        evaluation,
        ngrams=ngram_losses(part.joined_ids(), train.joined_ids(), len(model.vocabulary)),
        novelty=novelty(model, train.decode(model.vocabulary)),
        train_symbols_used=train_symbols_used,
    )


def _temperature(model: CharacterModel, part: TextPart, corpus: CharCorpus | None) -> Temperature:
    """Fit the temperature on the validation text of the run, or else on the evaluated text.

    Raises:
        SeqtoolError: the model is trained on lines.
    """
    if model.boundary:
        raise SeqtoolError(
            "--fit-temperature is for running text; this is a model of lines", hint="leave the option out"
        )
    val = None if corpus is None or part.name == "val" else part_of(model, corpus, "val")
    if val is None:
        return fit_temperature(model, part.ids, "this very text")
    return fit_temperature(model, val.ids, "the validation text", part.ids)
