"""`evaluate`: how good a model is on labelled sentences or on a text, and how far that can be trusted."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqtool.cli.completion import complete_run
from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, RunsDir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seqtool.inference.character import CharacterModel
    from seqtool.inference.tagger import TaggerModel
    from seqtool.storage.find_model import ModelPlace
    from seqtool.storage.model_directory import StoredModel


class Split(StrEnum):
    """Which of the run's own data."""

    TEST = "test"
    DEV = "dev"


Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A run's name, a run or a model directory.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
Data = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[DATA]...",
        help="Labelled files, or texts; without any, the run's own held-out data.",
        show_default=False,
    ),
]
SplitOption = Annotated[
    Split | None,
    typer.Option(
        "--split", help="Taggers without DATA: which split (default: test, else dev).", show_default=False
    ),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Count well-formed spans alone, rather than read them as conlleval does."),
]
Against = Annotated[
    str | None,
    typer.Option("--against", metavar="MODEL", help="Another tagger, for a paired test.", show_default=False),
]
SuspectsFile = Annotated[
    Path | None,
    typer.Option(
        "--suspects",
        metavar="FILE",
        help="Write gold labels that the model contradicts, surest first.",
        show_default=False,
    ),
]
TrainText = Annotated[
    Path | None,
    typer.Option(
        "--train-text", help="Text for n-grams and novelty (default: the run's own).", show_default=False
    ),
]
Blocks = Annotated[
    list[int] | None,
    typer.Option("--block", min=1, help="Block length to score (default: 64, 256).", show_default=False),
]
FitTemperature = Annotated[
    bool, typer.Option("--fit-temperature", help="Say which temperature would suit the text best.")
]


@command
def evaluate(
    model: Model,
    data: Data = None,
    split: SplitOption = None,
    strict: Strict = False,
    against: Against = None,
    suspects: SuspectsFile = None,
    train_text: TrainText = None,
    blocks: Blocks = None,
    fit_temperature: FitTemperature = False,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Say how good a model is, e.g. seqtool evaluate runs/ewt test.conllu"""
    from seqtool.errors import SeqtoolError
    from seqtool.inference.load import load_character_model, load_tagger
    from seqtool.reports.console import json_text, write_line
    from seqtool.storage.find_model import find_model, runs_root
    from seqtool.storage.model_directory import read_model

    place = find_model(model, runs_root(runs_dir))
    bundle = read_model(place.model)
    value: dict[str, Any] = {"model": place.name}
    if bundle.task == "char":
        if strict or against or suspects or split:
            raise SeqtoolError(
                "--strict, --against, --suspects and --split are for taggers; this is a character model",
                place=place.name,
            )
        lines = _character(
            load_character_model(bundle),
            place,
            data or [],
            train_text,
            blocks,
            fit_temperature,
            runs_dir,
            value,
        )
    else:
        if train_text or blocks or fit_temperature:
            raise SeqtoolError(
                "--train-text, --block and --fit-temperature are for character models; this is a tagger",
                place=place.name,
            )
        lines = _tagger(
            load_tagger(bundle), bundle, place, data or [], split, strict, against, suspects, runs_dir, value
        )
    report = list(lines)
    for line in [json_text(value)] if json else report:
        write_line(line)


def _tagger(
    model: TaggerModel,
    bundle: StoredModel,
    place: ModelPlace,
    files: list[Path],
    split: Split | None,
    strict: bool,
    against: str | None,
    suspects_file: Path | None,
    runs_dir: Path | None,
    value: dict[str, Any],
) -> Iterator[str]:
    from seqtool.cli.model_argument import tagger
    from seqtool.evaluation.gold_labels import gold_sentences
    from seqtool.evaluation.tagger import compare, evaluate_tagger
    from seqtool.reports.console import say
    from seqtool.reports.evaluation import comparison_line, tagger_report

    given = gold_sentences(bundle, place.run, files, split.value if split else None)
    for note in given.notes:
        say(f"note: {note}")
    sentences = given.sentences
    evaluation = evaluate_tagger(model, sentences, strict=strict)
    value |= {"data": [str(path) for path, _ in given.files], **evaluation.to_json()}
    yield f"{place.name} on {given.title}"
    yield from tagger_report(evaluation, strict=strict)
    if against:
        other = tagger(against, runs_dir)
        comparison = compare(evaluation, evaluate_tagger(other.model, sentences, strict=strict))
        value["comparison"] = {"model": other.name, **comparison.to_json()}
        yield ""
        yield comparison_line(comparison, other.name)
    if suspects_file is not None:
        from seqtool.evaluation.gold_labels import write_suspects

        count = write_suspects(suspects_file, model, given)
        value["suspects"] = {"file": str(suspects_file), "count": count}
        yield ""
        yield f"  suspects   {count:,} gold labels that the model contradicts: {suspects_file}"


def _character(
    model: CharacterModel,
    place: ModelPlace,
    files: list[Path],
    train_file: Path | None,
    blocks: list[int] | None,
    fit_temperature: bool,
    runs_dir: Path | None,
    value: dict[str, Any],
) -> Iterator[str]:
    from seqtool.evaluation.character import TextRequest, evaluate_character
    from seqtool.reports.evaluation import text_report
    from seqtool.storage.find_model import runs_root

    request = TextRequest(tuple(files), train_file, tuple(blocks or (64, 256)), fit_temperature)
    name, evaluation = evaluate_character(model, place, runs_root(runs_dir), request)
    value |= {"data": [str(path) for path in files] or name, **evaluation.to_json()}
    yield f"{place.name} on {name if files else f'the {name} text of its run'}"
    yield from text_report(evaluation, model.vocabulary.unit)
