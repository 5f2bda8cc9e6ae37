"""All that `evaluate` does for a character model: its text found, scored, and compared with what the model was trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from seqtool.data.text.corpus import CharCorpus
from seqtool.errors import ModelError, SeqtoolError
from seqtool.evaluation.evaluation_data import run_corpus
from seqtool.evaluation.novelty import novelty
from seqtool.evaluation.text_data import Part, held_out, part_of, read_files
from seqtool.evaluation.text_scores import (
    NGRAM_TEXT,
    Temperature,
    TextEvaluation,
    evaluate_lines,
    evaluate_text,
    fit_temperature,
    ngram_losses,
)
from seqtool.inference.character import CharacterModel
from seqtool.storage.find_model import ModelPlace
from seqtool.types import Array


@dataclass(frozen=True)
class TextRequest:
    """What a user wants evaluated.

    Attributes:
        files: texts; none: what the run held out.
        train_file: the text for n-grams and novelty; None: the run's own.
        blocks: lengths for the `blocks` protocol.
        temperature: whether the best one is to be fitted.
    """

    files: tuple[Path, ...] = ()
    train_file: Path | None = None
    blocks: tuple[int, ...] = (64, 256)
    temperature: bool = False


def evaluate_character(
    model: CharacterModel, place: ModelPlace, root: Path, request: TextRequest
) -> tuple[str, TextEvaluation]:
    """The name of the text, and the report on it.

    Raises:
        SeqtoolError: a model of pairs; no text; a file that cannot be read or has symbols that the model does not know.
    """
    if model.kind == "pairs":
        raise ModelError(
            "a model of aligned pairs has no text to be scored on",
            place=place.name,
            hint="see what it makes of one: seqtool predict",
        )
    corpus = _corpus(place, root, needed=not request.files)
    if request.files:
        part = read_files(model, request.files)
    else:
        assert corpus is not None
        part = held_out(model, corpus, place.run)
    evaluation = (
        evaluate_lines(model, part.lines)
        if model.kind == "lines"
        else evaluate_text(model, part.ids, request.blocks)
    )
    train = _train_part(model, corpus, request.train_file)
    if train is not None:
        evaluation = compared(model, evaluation, part, train)
    if request.temperature:
        evaluation = replace(evaluation, temperature=_temperature(model, part, corpus))
    return part.name, evaluation


def _corpus(place: ModelPlace, root: Path, *, needed: bool) -> CharCorpus | None:
    """The run's data. Where they are only wanted for comparison, their absence is no error: the report says what lacks."""
    try:
        return run_corpus(place.run, root, "no text is named")
    except SeqtoolError:
        if needed:
            raise
        return None


def _train_part(model: CharacterModel, corpus: CharCorpus | None, file: Path | None) -> Part | None:
    if file is not None:
        return read_files(model, [file])
    return None if corpus is None else part_of(model, corpus, "train")


def compared(model: CharacterModel, evaluation: TextEvaluation, part: Part, train: Part) -> TextEvaluation:
    """The evaluation with n-gram baselines and novelty; of a very long training text its beginning is looked at, and that is told."""
    looked_at = NGRAM_TEXT if len(train.ids) > NGRAM_TEXT else None
    train = replace(train, ids=train.ids[:looked_at])
    ngrams = ngram_losses(joined(part), joined(train), len(model.vocabulary))
    return replace(
        evaluation,
        ngrams=ngrams,
        novelty=novelty(model, train.decoded(model.vocabulary)),
        looked_at=looked_at,
    )


def joined(part: Part) -> Array:
    """Symbol numbers in one piece; lines with one boundary between them."""
    if len(part.lines):
        return np.concatenate([part.lines[0][:1], *(line[1:] for line in part.lines)]).astype(np.int64)
    return np.asarray(part.ids, np.int64)


def _temperature(model: CharacterModel, part: Part, corpus: CharCorpus | None) -> Temperature:
    """Fitted on the run's validation text; on the very text that is evaluated where that is the same, or there is no other.

    Raises:
        SeqtoolError: a model of lines.
    """
    if model.kind == "lines":
        raise SeqtoolError(
            "--fit-temperature is for running text; this is a model of lines", hint="leave the option out"
        )
    val = None if corpus is None or part.name == "val" else part_of(model, corpus, "val")
    if val is None:
        return fit_temperature(model, part.ids, "this very text")
    return fit_temperature(model, val.ids, "the validation text", part.ids)
