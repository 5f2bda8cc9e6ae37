"""Data of a run for the HTML report, and their conversion from the files of the run directory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from seqtool.errors import ModelError
from seqtool.evaluation.tagger import WorstSentence
from seqtool.storage.run_directory import read_json_lines
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


def read_samples(run: Path) -> tuple[SampleRow, ...]:
    """Read the samples of a run directory."""
    return tuple(
        SampleRow(row.get("epoch"), row.get("step"), str(row.get("text", "")), row.get("expected"))
        for row in read_json_lines(run / "samples.jsonl")
    )


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


def read_evaluation(run: Path) -> dict[str, EvaluationReport]:
    """Read the reports of a run directory by the name of the held-out part.

    Raises:
        ModelError: the file does not have the expected content.
        OSError: the file cannot be read.
    """
    path = run / EVALUATION
    try:
        reports = json.loads(path.read_text(encoding="utf-8"))
        return {name: _report(report) for name, report in reports.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{EVALUATION} is damaged", place=str(path)) from error


def _report(report: Json) -> EvaluationReport:
    return _tagger_report(report) if "labels" in report else _text_report(report)


def _tagger_report(report: Json) -> TaggerReport:
    spans = report.get("spans")
    return TaggerReport(
        words=WordShare(report["tokens"], report["accuracy"]),
        interval=tuple(report.get("accuracy_interval_95") or ()),
        sentences=report["sentences"],
        sentence_accuracy=report["sentence_accuracy"],
        known=WordShare(**report["known"]),
        unknown=WordShare(**report["unknown"]),
        labels=_score_table(report["labels"]),
        confusions=tuple(Confusion(**one) for one in report["confusions"]),
        spans=_scores(spans) if spans else None,
        span_types=_score_table(spans["types"]) if spans else {},
        worst=tuple(
            WorstSentence(
                one["place"],
                tuple(one["tokens"]),
                tuple(one["gold"]),
                tuple(one["predicted"]),
                one["wrong"],
            )
            for one in report.get("worst", ())
        ),
    )


def _score_table(scores: Mapping[str, Mapping[str, float]]) -> dict[str, LabelScores]:
    return {name: _scores(one) for name, one in scores.items()}


def _scores(scores: Mapping[str, float]) -> LabelScores:
    return LabelScores(
        scores["precision"], scores["recall"], scores["f1"], int(scores["support"]), int(scores["hits"])
    )


def _text_report(report: Json) -> TextReport:
    carried = report["carried"]
    return TextReport(
        symbols=report["symbols"],
        nats=carried["nats"],
        bits=carried["bits_per_char"],
        bits_per_byte=carried["bits_per_byte"],
        blocks=report["blocks"],
        classes={name: (one["nats"], one["count"]) for name, one in report["classes"].items()},
        contexts=_by_number(report["contexts"]),
        ngrams=_by_number(report.get("ngrams") or {}),
    )


def _by_number(losses: Mapping[str, float]) -> dict[int, float]:
    """Convert the keys to numbers and sort them; JSON has strings in the order of strings."""
    return dict(sorted((int(number), nats) for number, nats in losses.items()))


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
