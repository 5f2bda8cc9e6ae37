"""Evaluation of a text model: data from files or its run, and the comparison with its training text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from seqtool.data.text.corpus import CharCorpus, load_char_corpus
from seqtool.data.text.splits import Sequences
from seqtool.errors import ModelError, SeqtoolError
from seqtool.evaluation.novelty import ngram_losses, novelty
from seqtool.evaluation.text_evaluation import Temperature, TextEvaluation
from seqtool.evaluation.text_files import DEFAULT, Reading, TextPart, encode_bytes, read_files
from seqtool.evaluation.text_scores import (
    BLOCKS,
    evaluate_conditional_lines,
    evaluate_lines,
    evaluate_text,
    fit_temperature,
)
from seqtool.inference.character import CharacterModel
from seqtool.inference.conditional import PRIOR, ConditionalModel, Prior
from seqtool.progress import tell_progress
from seqtool.settings.experiment import CharSettings
from seqtool.storage.find_model import ModelFolders
from seqtool.storage.plain_files import exists
from seqtool.types import Array

if TYPE_CHECKING:
    from seqtool.evaluation.dynamic import DynamicScore
    from seqtool.settings.experiment import Settings

NAME_A_FILE = "name a file: seqtool evaluate MODEL FILE"
NAME_A_TEXT = "name a text: seqtool evaluate MODEL FILE"


# --- data of a run ------------------------------------------------------------------------------------------


def run_settings(run: Path | None, reason: str) -> Settings:
    """Read the settings in `config.yaml` of a run.

    Args:
        run: the run directory; None for a model that is not part of a run.
        reason: the part of the error message that says why the config is needed.

    Raises:
        SeqtoolError: there is no run.
        ModelError: the config cannot be read.
        ConfigError: the config has mistakes.
    """
    if run is None or not exists(run / "config.yaml"):
        message = f"{reason}, and the model is not part of a run with a config"
        raise SeqtoolError(message, hint=NAME_A_FILE)
    from seqtool.config.load import read_run_settings

    return read_run_settings(run).settings


def run_corpus(run: Path | None, root: Path, reason: str) -> CharCorpus:
    """Read all data of a text model's run again, from the files or the cache below `root`.

    Raises:
        SeqtoolError: there is no run; the message begins with `reason`.
        DataError: the files of the run no longer exist.
    """
    settings = cast(CharSettings, run_settings(run, reason))
    return load_char_corpus(settings.data, settings.seed, root / ".cache", None)


def part_of(model: CharacterModel, corpus: CharCorpus, name: str) -> TextPart | None:
    """Return the part `train`, `val` or `test` of a run's data as symbol numbers of the model.

    The result is None if the run has no such part.
    """
    part: Array | Sequences | None = getattr(corpus, name)
    if part is None:
        return None
    if isinstance(part, Sequences):
        lines = [_translate(model, corpus, line) for line in _lines_with_boundaries(part)]
        return TextPart(name, np.zeros(0, np.int64), lines, _condition_numbers(model, corpus, part))
    return TextPart(name, _translate(model, corpus, part))


def _condition_numbers(model: CharacterModel, corpus: CharCorpus, part: Sequences) -> Array | None:
    """Return the condition of each line as a number of the model (lines,); None without conditions."""
    if not isinstance(model, ConditionalModel) or corpus.conditions is None or part.conditions is None:
        return None
    table = np.array([model.conditions.number(name) for name in corpus.conditions.names], np.int64)
    numbers: Array = table[part.conditions]
    return numbers


def held_out_part(model: CharacterModel, corpus: CharCorpus, run: Path | None) -> TextPart:
    """Return the test part, or the validation part if there is no test part.

    Raises:
        SeqtoolError: the run has neither.
    """
    part = part_of(model, corpus, "test") or part_of(model, corpus, "val")
    if part is None:
        raise _no_held_out_text(run)
    return part


def held_out_text(run: Path | None, root: Path, longest: int) -> str:
    """Return the beginning of the test text of a run, or of its validation text if there is no test text.

    Of lines with conditions, these are the lines of the most frequent condition.

    Args:
        run: the run directory; None for a model that is not part of a run.
        root: directory of all runs, with the cache of encoded texts.
        longest: largest number of characters; no more of a long text is decoded.

    Raises:
        SeqtoolError: there is no run, or it has no held-out text.
    """
    corpus = run_corpus(run, root, "no text is named")
    part: Array | Sequences | None = corpus.test if corpus.test is not None else corpus.val
    if part is None:
        raise _no_held_out_text(run)
    if isinstance(part, Sequences):
        lines: Iterable[int] = range(len(part))
        if part.conditions is not None:
            lines = np.flatnonzero(part.conditions == np.bincount(part.conditions).argmax()).tolist()
        return _first_lines(
            (corpus.vocabulary.decode(part.targets[line].tolist()) for line in lines), longest
        )
    symbols = longest * (4 if corpus.vocabulary.unit == "byte" else 1)  # bytes of a character
    return str(corpus.vocabulary.decode(part[:symbols].tolist()))[:longest]


def _first_lines(lines: Iterable[str], longest: int) -> str:
    """Return the first characters of lines."""
    first, length = [], 0
    for line in lines:
        if length >= longest:
            break
        first.append(line)
        length += len(line)
    return "".join(first)[:longest]


def _lines_with_boundaries(part: Sequences) -> Iterator[Array]:
    """Yield the lines of a corpus, each with the boundary symbol before and after it."""
    for line, target in zip(part.inputs, part.targets, strict=True):
        yield np.concatenate([line[:1], target])


def _no_held_out_text(run: Path | None) -> SeqtoolError:
    return SeqtoolError("the run has no held-out text", place=str(run), hint=NAME_A_TEXT)


def _translate(model: CharacterModel, corpus: CharCorpus, ids: Array) -> Array:
    """Return numbers of the corpus as numbers of the model.

    The two differ only if the files changed after training.
    """
    if corpus.vocabulary.symbols == model.vocabulary.symbols:
        return ids
    symbols = corpus.vocabulary.symbols
    if model.vocabulary.unit == "word":
        return model.vocabulary.encode(corpus.vocabulary.decode(np.asarray(ids).tolist()))
    if model.vocabulary.unit == "char":
        table = model.vocabulary.encode("".join(symbols))
    else:
        table = encode_bytes(model.vocabulary, bytes(map(ord, symbols)), "the run's data")
    numbers: Array = table[np.asarray(ids)]
    return numbers


TRAIN_LIMIT = 20_000_000  # symbols of a training text whose n-grams fit in memory


@dataclass(frozen=True)
class TextRequest:
    """Options of an evaluation.

    Attributes:
        files: texts to score; if empty, the held-out data of the run.
        train_file: the text for n-grams and novelty; None for the training data of the run.
        blocks: block lengths of the `blocks` protocol, in symbols.
        temperature: fit the best temperature.
        reading: how to read the files.
        dynamic: scores the evaluated text by dynamic evaluation, given its symbols and those of the training
            text; None: not requested.
        prior: prior probability of conditions; None for the default.
    """

    files: tuple[Path, ...] = ()
    train_file: Path | None = None
    blocks: tuple[int, ...] = BLOCKS
    temperature: bool = False
    reading: Reading = DEFAULT
    dynamic: Callable[[Array, Array | None], DynamicScore] | None = None
    prior: Prior | None = None


def evaluate_character(
    model: CharacterModel, location: ModelFolders, root: Path, request: TextRequest
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
            place=location.name,
            hint="show its predictions for a text: seqtool predict",
        )
    if request.dynamic is not None and model.boundary:
        message = "--dynamic is for running text; this is a model of lines"
        raise SeqtoolError(message, place=location.name, hint="leave the option out")
    corpus = _run_corpus(location, root, required=not request.files)
    if request.files:
        part = read_files(model, request.files, request.reading)
    else:
        assert corpus is not None
        part = held_out_part(model, corpus, location.run)
    if request.prior is not None and not isinstance(model, ConditionalModel):
        raise SeqtoolError("--prior is for models of lines with conditions", hint="leave the option out")
    if model.boundary:
        evaluation = evaluate_part_of_lines(model, part, request.prior or PRIOR)
    else:
        evaluation = evaluate_text(model, part.ids, request.blocks)
    train = _train_part(model, corpus, request)
    if train is not None:
        evaluation = compare_with_training_text(model, evaluation, part, train)
    if request.dynamic is not None:
        known = train if train is not None and len(train.ids) > 1 else None
        dynamic = request.dynamic(part.ids, None if known is None else known.ids)
        symbols = max(0, len(part.ids) - 1)  # more than words, if some are spelled
        nats = dynamic.nats * symbols / max(1, evaluation.symbols)
        evaluation = replace(evaluation, dynamic=replace(dynamic, nats=nats))
    if request.temperature:
        evaluation = replace(evaluation, temperature=_temperature(model, part, corpus))
    return part.name, evaluation


def evaluate_part_of_lines(model: CharacterModel, part: TextPart, prior: Prior = PRIOR) -> TextEvaluation:
    """Score lines; those with conditions are also classified, with the given prior probabilities."""
    if isinstance(model, ConditionalModel) and part.conditions is not None:
        return evaluate_conditional_lines(model, part.lines, part.conditions, prior)
    return evaluate_lines(model, part.lines)


def _run_corpus(location: ModelFolders, root: Path, *, required: bool) -> CharCorpus | None:
    """Read the data of the run.

    Missing data are an error only if they are required. Otherwise the report states what is missing.
    """
    try:
        return run_corpus(location.run, root, "no text is named")
    except SeqtoolError:
        if required:
            raise
        return None


def _train_part(model: CharacterModel, corpus: CharCorpus | None, request: TextRequest) -> TextPart | None:
    if request.train_file is not None:
        return read_files(model, [request.train_file], request.reading)
    return None if corpus is None else part_of(model, corpus, "train")


def compare_with_training_text(
    model: CharacterModel, evaluation: TextEvaluation, part: TextPart, train: TextPart
) -> TextEvaluation:
    """Return the evaluation with n-gram baselines and novelty.

    Only the beginning of a very long training text is used.
    """
    train_symbols_used = TRAIN_LIMIT if len(train.ids) > TRAIN_LIMIT else None
    train = replace(train, ids=train.ids[:train_symbols_used])
    tell_progress("n-grams of the training text", 0, 2)
    ngrams = ngram_losses(part.joined_ids(), train.joined_ids(), len(model.vocabulary))
    tell_progress("a sample compared with the training text", 1, 2)
    return replace(
        evaluation,
        ngrams=ngrams,
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
