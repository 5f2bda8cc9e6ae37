"""`evaluate`: scores of a model on labeled sentences or on a text, with their uncertainty."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from seqtool.cli.conditions import PriorOption
from seqtool.cli.evaluate_options import (
    TAGGER_OPTIONS,
    TEXT_OPTIONS,
    Against,
    Blocks,
    Data,
    Dynamic,
    DynamicChoice,
    DynamicDecay,
    DynamicRate,
    DynamicSegment,
    FitTemperature,
    Raw,
    SplitOption,
    Strict,
    SuspectsFile,
    TaggerOptions,
    TextOptions,
    TrainText,
)
from seqtool.cli.exit_codes import command
from seqtool.cli.options import (
    AsJson,
    Encoding,
    LabelColumn,
    ModelArgument,
    RunsDir,
    TokenColumn,
    known_encoding,
    options_in_hints,
)

if TYPE_CHECKING:
    from seqtool.errors import SeqtoolError
    from seqtool.evaluation.dynamic import DynamicScore
    from seqtool.evaluation.gold_labels import GoldSentences
    from seqtool.evaluation.tagger import Comparison, TaggerEvaluation
    from seqtool.evaluation.text_evaluation import TextEvaluation
    from seqtool.storage.find_model import ModelFolders
    from seqtool.storage.model_directory import StoredModel
    from seqtool.types import Array


class _Request(NamedTuple):
    """A model, the data to evaluate it on, and the options.

    Attributes:
        stored: the model; of a model of several parts, the part of its task.
        whole: the model with all its parts.
        raw: evaluate on the raw text of treebanks.
    """

    location: ModelFolders
    stored: StoredModel
    whole: StoredModel
    raw: bool
    files: tuple[Path, ...]
    tagger: TaggerOptions
    text: TextOptions
    runs_dir: Path | None
    encoding: str


@command
def evaluate(
    model: ModelArgument,
    data: Data = None,
    encoding: Encoding = None,
    raw: Raw = False,
    split: SplitOption = None,
    strict: Strict = False,
    against: Against = None,
    suspects: SuspectsFile = None,
    label: LabelColumn = None,
    token: TokenColumn = None,
    train_text: TrainText = None,
    blocks: Blocks = None,
    fit_temperature: FitTemperature = False,
    dynamic: Dynamic = False,
    dynamic_lr: DynamicRate = None,
    dynamic_decay: DynamicDecay = None,
    dynamic_segment: DynamicSegment = None,
    prior: PriorOption = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Evaluate a model, e.g. seqtool evaluate runs/ewt test.conllu"""
    from seqtool.reports.console import json_text, print_lines, say, write_line
    from seqtool.storage.find_model import find_model, runs_root
    from seqtool.storage.model_directory import read_model

    chosen = DynamicChoice(dynamic, dynamic_lr, dynamic_decay, dynamic_segment)
    chosen.values()  # refuses options without effect before anything is read
    location = find_model(model, runs_root(runs_dir), warn=say)
    whole = read_model(location.model)
    result = _evaluate(
        _Request(
            location=location,
            stored=whole.main,
            whole=whole,
            raw=raw,
            files=tuple(data or ()),
            tagger=TaggerOptions(split, strict, against, suspects, label, token),
            text=TextOptions(train_text, tuple(blocks or ()), fit_temperature, chosen, prior),
            runs_dir=runs_dir,
            encoding=known_encoding(encoding),
        )
    )
    if json:
        write_line(json_text({"model": location.name, **result.to_json()}))
        return
    print_lines([f"{location.name} on {result.title}", *result.lines()])


class _Result(Protocol):
    """Scores of a model.

    Attributes:
        title: name of the data in messages.
    """

    @property
    def title(self) -> str: ...

    def lines(self) -> Iterator[str]:
        """Yield the report for a person."""

    def to_json(self) -> Mapping[str, object]:
        """Return the fields that `--json` prints."""


def _evaluate(request: _Request) -> _Result:
    from seqtool.reports.progress import progress_bar

    evaluations: dict[str, Callable[[_Request], _Result]] = {
        "char": _evaluate_text_model,
        "tagger": _evaluate_tagger,
        "tokenizer": _evaluate_raw_text,
    }
    evaluation = _evaluate_raw_text if request.raw else evaluations[request.stored.task]
    with progress_bar():
        return evaluation(request)


# --- taggers ------------------------------------------------------------------------------------------------


class _Compared(NamedTuple):
    """Result of the paired test against another model."""

    name: str
    comparison: Comparison


class _Suspects(NamedTuple):
    """File of suspicious gold labels, and the number of these labels."""

    file: Path
    labels: int


class _TaggerResult(NamedTuple):
    """Scores of a tagger; `forms_min_count` is how often training had a word that counts as known."""

    gold: GoldSentences
    evaluation: TaggerEvaluation
    strict: bool
    compared: _Compared | None
    suspects: _Suspects | None
    forms_min_count: int

    @property
    def title(self) -> str:
        return self.gold.title

    def lines(self) -> Iterator[str]:
        from seqtool.reports.evaluation import comparison_line, tagger_report

        yield from tagger_report(self.evaluation, strict=self.strict, forms_min_count=self.forms_min_count)
        if self.compared is not None:
            yield ""
            yield comparison_line(self.compared.comparison, self.compared.name)
        if self.suspects is not None:
            count, file = self.suspects.labels, self.suspects.file
            yield ""
            yield f"  suspects   {count:,} gold labels that the model contradicts: {file}"

    def to_json(self) -> Mapping[str, object]:
        data = [str(path) for path, _ in self.gold.files]
        value = {"data": data, "forms_min_count": self.forms_min_count, **self.evaluation.to_json()}
        if self.compared is not None:
            value["comparison"] = {"model": self.compared.name, **self.compared.comparison.to_json()}
        if self.suspects is not None:
            value["suspects"] = {"file": str(self.suspects.file), "count": self.suspects.labels}
        return value


def _evaluate_tagger(request: _Request) -> _TaggerResult:
    from seqtool.evaluation.gold_labels import gold_sentences, write_suspects
    from seqtool.evaluation.tagger import compare, evaluate_tagger
    from seqtool.inference.load import load_tagger
    from seqtool.reports.console import say

    if request.text.given():
        raise _wrong_options(TEXT_OPTIONS, "character models", request)
    options = request.tagger
    model = load_tagger(request.stored)
    with options_in_hints("--label", "--token", "--encoding"):
        gold = gold_sentences(
            request.stored,
            request.location.run,
            request.files,
            options.split.value if options.split else None,
            encoding=request.encoding,
            label=options.label,
            token=options.token,
        )
    if options.suspects is not None:
        from seqtool.evaluation.gold_labels import SUSPECTS_MARK
        from seqtool.storage.find_model import input_files
        from seqtool.storage.ownership import check_output

        gold_files = [path for path, _ in gold.files]
        inputs = [*gold_files, *input_files(request.location, request.stored.manifest)]
        check_output(options.suspects, inputs, mark=SUSPECTS_MARK, option="--suspects")
    for note in gold.notes:
        say(f"note: {note}")
    evaluation = evaluate_tagger(model, gold.sentences, strict=options.strict)
    compared = suspects = None
    if options.against:
        from seqtool.cli.models import tagger

        other = tagger(options.against, request.runs_dir)
        other_evaluation = evaluate_tagger(other.model, gold.sentences, strict=options.strict)
        compared = _Compared(other.name, compare(evaluation, other_evaluation))
    if options.suspects is not None:
        suspects = _Suspects(options.suspects, write_suspects(options.suspects, model, gold))
    forms_min_count = request.stored.manifest.forms_min_count
    return _TaggerResult(gold, evaluation, options.strict, compared, suspects, forms_min_count)


# --- raw text -----------------------------------------------------------------------------------------------


def _evaluate_raw_text(request: _Request) -> _Result:
    from seqtool.cli.evaluate_raw import evaluate_on_treebanks

    if request.tagger.given() and request.raw:
        from seqtool.errors import SeqtoolError

        raise SeqtoolError(f"{TAGGER_OPTIONS} are for gold tokens", hint="omit them, or omit --raw")
    if request.tagger.given():
        raise _wrong_options(TAGGER_OPTIONS, "taggers", request)
    if request.text.given():
        raise _wrong_options(TEXT_OPTIONS, "character models", request)
    return evaluate_on_treebanks(request.whole, request.location.run, request.files, request.encoding)


# --- character models ---------------------------------------------------------------------------------------


class _TextResult(NamedTuple):
    """Scores of a character model."""

    name: str
    files: tuple[Path, ...]
    evaluation: TextEvaluation
    unit: str

    @property
    def title(self) -> str:
        return self.name if self.files else f"the {self.name} text of its run"

    def lines(self) -> Iterator[str]:
        from seqtool.reports.evaluation import text_report

        yield from text_report(self.evaluation, self.unit)

    def to_json(self) -> Mapping[str, object]:
        return {"data": [str(path) for path in self.files] or self.name, **self.evaluation.to_json()}


def _evaluate_text_model(request: _Request) -> _TextResult:
    from seqtool.evaluation.character import TextRequest, evaluate_character
    from seqtool.evaluation.text_files import Reading
    from seqtool.evaluation.text_scores import BLOCKS
    from seqtool.inference.load import load_character_model
    from seqtool.reports.console import say
    from seqtool.storage.find_model import runs_root

    if request.tagger.given():
        raise _wrong_options(TAGGER_OPTIONS, "taggers", request)
    options = request.text
    model = load_character_model(request.stored)
    text_request = TextRequest(
        request.files,
        options.train_text,
        options.blocks or BLOCKS,
        options.fit_temperature,
        Reading(request.encoding, say),
        _dynamic(request) if options.dynamic.wanted else None,
        options.prior.value if options.prior else None,
    )
    root = runs_root(request.runs_dir)
    name, evaluation = evaluate_character(model, request.location, root, text_request)
    return _TextResult(name, request.files, evaluation, model.vocabulary.unit)


def _dynamic(request: _Request) -> Callable[[Array, Array | None], DynamicScore]:
    """Return the function that scores a text by dynamic evaluation.

    Raises:
        SeqtoolError: torch is not installed.
        ConfigError: an option out of its range.
    """
    from seqtool.tasks.build import require_torch

    require_torch("steps of dynamic evaluation")
    from seqtool.evaluation.dynamic import DynamicOptions, TrainedNetwork, dynamic_score
    from seqtool.inference.load import load_character_model

    options = DynamicOptions(**request.text.dynamic.values())  # type: ignore[arg-type]
    model = load_character_model(request.stored)
    trained = TrainedNetwork(model.settings, len(model.vocabulary), request.stored.weights)

    return partial(dynamic_score, trained, options=options)


def _wrong_options(options: str, models: str, request: _Request) -> SeqtoolError:
    from seqtool.errors import SeqtoolError
    from seqtool.tasks.interface import definition

    message = f"{options} are for {models}; this is a {definition(request.stored.task).noun}"
    return SeqtoolError(message, place=request.location.name, hint="omit them")
