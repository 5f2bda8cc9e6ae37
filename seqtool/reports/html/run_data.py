"""Data of a run for the HTML report, and their conversion from the files of the run directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from seqtool.errors import ModelError
from seqtool.evaluation.tagger import WorstSentence
from seqtool.storage.plain_files import is_number, read_json_lines, read_object
from seqtool.types import Json

if TYPE_CHECKING:
    from seqtool.inspection.network import MetricsRow
    from seqtool.inspection.trace import Trace, Unit, WordAblation
    from seqtool.storage.model_directory import Manifest
    from seqtool.tasks.interface import NetworkPart

EVALUATION = "evaluation.json"


# --- samples ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SampleRow:
    """A row of `samples.jsonl`.

    Attributes:
        text: the predicted text.
        expected: the correct text; None for a generated sample.
    """

    epoch: int | None
    step: int | None
    text: str
    expected: str | None


def read_samples(run: Path, part: str = "") -> Iterator[SampleRow]:
    """Yield the samples of a run directory.

    Args:
        part: samples of other parts of the run are left out.

    Raises:
        ModelError: `samples.jsonl` cannot be read, or at a line that is damaged.
    """
    path = run / "samples.jsonl"
    for row in read_json_lines(path):
        if row.get("part", part) != part:
            continue
        try:
            epoch, step = (None if row.get(name) is None else _count(row[name]) for name in ("epoch", "step"))
            expected = None if row.get("expected") is None else _text(row["expected"])
            yield SampleRow(epoch, step, _text(row.get("text", "")), expected)
        except ValueError as error:
            raise ModelError(f"damaged: {error}", place=str(path)) from error


# --- evaluation -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LabelScores:
    """Scores of one label, or of the spans of one type."""

    precision: float
    recall: float
    f1: float
    support: int
    hits: int


@dataclass(frozen=True)
class WordShare:
    """Number of words of a kind, and the share of correct labels; None if there are no words."""

    tokens: int
    accuracy: float | None


@dataclass(frozen=True)
class Confusion:
    """Number of tokens with this gold label that got this predicted label."""

    gold: str
    predicted: str
    count: int


@dataclass(frozen=True, kw_only=True)
class EvaluationReport:
    """Evaluation of a model on one held-out part. These fields are empty if the model has no such results.

    Attributes:
        labels: scores of each label.
        worst: the sentences with the most wrong labels.
        contexts: nats per symbol by the length of the context.
        ngrams: nats per symbol of n-gram models of the training text, by their order.
    """

    labels: Mapping[str, LabelScores] = field(default_factory=dict)
    confusions: tuple[Confusion, ...] = ()
    worst: tuple[WorstSentence, ...] = ()
    contexts: Mapping[int, float] = field(default_factory=dict)
    ngrams: Mapping[int, float] = field(default_factory=dict)
    template = ""  # macro of parts.html.j2


@dataclass(frozen=True, kw_only=True)
class TaggerReport(EvaluationReport):
    """Evaluation of a tagger.

    Attributes:
        words: all words.
        interval: bounds of the 95 % interval of the accuracy; empty in reports of older versions.
        sentences: number of sentences.
        sentence_accuracy: share of sentences without a wrong label.
        known, unknown: words that the training data contain, and words that they do not contain.
        spans: scores of all spans; None if the labels do not mark spans.
        span_types: scores of the spans of each type.
    """

    words: WordShare
    interval: tuple[float, ...]
    sentences: int
    sentence_accuracy: float | None
    known: WordShare
    unknown: WordShare
    spans: LabelScores | None
    span_types: Mapping[str, LabelScores]
    template = "tagging"


@dataclass(frozen=True, kw_only=True)
class TextReport(EvaluationReport):
    """Evaluation of a text model.

    Attributes:
        nats, bits: loss per symbol by the `carried` protocol, or line by line.
        blocks: nats per symbol by the length of the blocks.
        classes: nats per symbol, and number of symbols, by class of symbol.
    """

    symbols: int
    nats: float
    bits: float
    bits_per_byte: float
    blocks: Mapping[str, float]
    classes: Mapping[str, tuple[float, int]]
    template = "text_scores"


def read_evaluation(run: Path, part: str = "") -> dict[str, EvaluationReport]:
    """Read the reports of a run directory by the name of the held-out split.

    Args:
        part: the part of the run whose reports are read, if the run has several.

    Raises:
        ModelError: the file cannot be read, or does not have the expected content.
    """
    path = run / EVALUATION
    reports = read_object(path)
    reports = reports.get(part, reports)
    try:
        return {name: _report(report) for name, report in reports.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError("damaged: not an evaluation of this version", place=str(path)) from error


def _report(report: Json) -> EvaluationReport:
    return _tagger_report(report) if "labels" in report else _text_report(report)


def _tagger_report(report: Json) -> TaggerReport:
    spans = report.get("spans")
    return TaggerReport(
        words=_word_share(report),
        interval=_interval(report.get("accuracy_interval_95") or ()),
        sentences=_count(report["sentences"]),
        sentence_accuracy=_share(report["sentence_accuracy"]),
        known=_word_share(report["known"]),
        unknown=_word_share(report["unknown"]),
        labels=_score_table(report["labels"]),
        confusions=tuple(
            Confusion(_text(one["gold"]), _text(one["predicted"]), _count(one["count"]))
            for one in report["confusions"]
        ),
        spans=_scores(spans) if spans else None,
        span_types=_score_table(spans["types"]) if spans else {},
        worst=tuple(map(_worst_sentence, report.get("worst", ()))),
    )


def _word_share(report: Json) -> WordShare:
    return WordShare(_count(report["tokens"]), _share(report["accuracy"]))


def _interval(bounds: Sequence[object]) -> tuple[float, ...]:
    if len(bounds) not in (0, 2):
        raise ValueError("expected two bounds of an interval")
    return tuple(map(_number, bounds))


def _worst_sentence(one: Json) -> WorstSentence:
    tokens, gold, predicted = (tuple(map(_text, one[name])) for name in ("tokens", "gold", "predicted"))
    if not len(tokens) == len(gold) == len(predicted):
        raise ValueError("expected a label for each token")
    return WorstSentence(_text(one["place"]), tokens, gold, predicted, _count(one["wrong"]))


def _score_table(scores: Mapping[str, Mapping[str, float]]) -> dict[str, LabelScores]:
    return {name: _scores(one) for name, one in scores.items()}


def _scores(scores: Mapping[str, float]) -> LabelScores:
    precision, recall, f1 = (_number(scores[name]) for name in ("precision", "recall", "f1"))
    return LabelScores(precision, recall, f1, int(_number(scores["support"])), int(_number(scores["hits"])))


def _text_report(report: Json) -> TextReport:
    carried = report["carried"]
    return TextReport(
        symbols=_count(report["symbols"]),
        nats=_number(carried["nats"]),
        bits=_number(carried["bits_per_char"]),
        bits_per_byte=_number(carried["bits_per_byte"]),
        blocks={name: _number(nats) for name, nats in report["blocks"].items()},
        classes={
            name: (_number(one["nats"]), _count(one["count"])) for name, one in report["classes"].items()
        },
        contexts=_by_number(report["contexts"]),
        ngrams=_by_number(report.get("ngrams") or {}),
    )


def _by_number(losses: Mapping[str, float]) -> dict[int, float]:
    """Convert the keys to numbers and sort them; JSON has strings in the order of strings."""
    return dict(sorted((_count(int(number)), _number(nats)) for number, nats in losses.items()))


def _number(value: object) -> float:
    if not is_number(value):
        raise ValueError(f"expected a number, found {str(value)[:40]!r}")
    return value


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(f"expected a count, found {str(value)[:40]!r}")
    return value


def _share(value: object) -> float | None:
    return None if value is None else _number(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, found {str(value)[:40]!r}")
    return value


# --- the whole run ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class UnitNote:
    """A hidden unit to show, and the reason: `line-position +0.83`."""

    unit: Unit
    note: str


@dataclass(frozen=True)
class TracedText:
    """A text and its trace through a character model.

    Attributes:
        title: description of the text.
        unit: `char` or `byte`.
        vocabulary: the symbols of the model.
        aligned: whether the model predicts aligned symbols instead of next symbols.
        trace: predictions, surprisal, and the states of `units`.
        units: the units to show.
    """

    title: str
    unit: str
    vocabulary: Sequence[str]
    aligned: bool
    trace: Trace
    units: Sequence[UnitNote]


@dataclass(frozen=True)
class RunData:
    """Everything that the report shows of one run; empty where the run has no such file.

    Attributes:
        name: name of the run.
        task: name of the task.
        title: one line about the network.
        parts: parts of the network in the order of the data flow.
        config_text: the resolved config.
        config_path: path of the config, for the command that repeats the run.
        settings: values by dotted key.
        rows, samples: the rows of training.
        evaluation: reports by the name of the held-out part.
        texts: texts with hidden units, for a character model.
        sentences: titles and sentences, for a tagger.
        notes: what cannot be shown, with the reason.
    """

    name: str
    task: str
    title: str
    parts: Sequence[NetworkPart]
    config_text: str
    config_path: str
    settings: Mapping[str, object]
    manifest: Manifest
    rows: Sequence[MetricsRow]
    samples: Sequence[SampleRow]
    evaluation: Mapping[str, EvaluationReport]
    texts: Sequence[TracedText]
    sentences: Sequence[tuple[str, WordAblation]]
    notes: Sequence[str]
