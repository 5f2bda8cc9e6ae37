"""Evaluations of a run for the HTML report, converted from `evaluation.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seqtool.errors import ModelError
from seqtool.evaluation.raw_text import TokenizationError
from seqtool.evaluation.tagger import WorstSentence
from seqtool.storage.plain_files import is_number, read_object
from seqtool.types import Json

EVALUATION = "evaluation.json"
SHOWN_ERRORS = 20  # different errors of a tokenizer


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
        nats: loss per character, byte or word by the `carried` protocol, or line by line.
        bits, bits_per_byte: the same per character (of a model of bytes: byte) and per byte; None if unknown
            words hide the text.
        perplexity: per character, byte or word; None in a file of an earlier version.
        unit: `character`, `byte` or `word`.
        blocks: nats per symbol by the length of the blocks.
        classes: nats per symbol, and number of symbols, by class of symbol.
        lines: accuracy of the classification of lines by condition; None for a model without conditions.
        interval: bounds of its 95 % interval.
        macro_f1: mean F1 of the conditions.
    """

    symbols: int
    nats: float
    bits: float | None
    bits_per_byte: float | None
    perplexity: float | None
    unit: str
    blocks: Mapping[str, float]
    classes: Mapping[str, tuple[float, int]]
    lines: WordShare | None = None
    interval: tuple[float, ...] = ()
    macro_f1: float = 0.0
    template = "text_scores"


@dataclass(frozen=True, kw_only=True)
class TokenizerReport(EvaluationReport):
    """Evaluation on raw text.

    Attributes:
        measures: scores of tokens, sentences and words.
        errors: different errors with their frequency, the most frequent first.
    """

    measures: Mapping[str, LabelScores]
    errors: Sequence[tuple[TokenizationError, int]]
    template = "raw_text"


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
    if "labels" in report:
        return _tagger_report(report)
    if "errors" not in report:
        return _text_report(report)
    measures = {name: one for name, one in report.items() if name != "errors"}
    errors = tuple(map(_error, report["errors"][:SHOWN_ERRORS]))
    return TokenizerReport(measures=_score_table(measures), errors=errors)


def _tagger_report(report: Json) -> TaggerReport:
    spans = report.get("spans")
    return TaggerReport(
        words=_word_share(report),
        interval=_interval(report.get("accuracy_interval_95") or ()),
        sentences=whole_number(report["sentences"]),
        sentence_accuracy=_share(report["sentence_accuracy"]),
        known=_word_share(report["known"]),
        unknown=_word_share(report["unknown"]),
        labels=_score_table(report["labels"]),
        confusions=_confusions(report["confusions"]),
        spans=_scores(spans) if spans else None,
        span_types=_score_table(spans["types"]) if spans else {},
        worst=tuple(map(_worst_sentence, report.get("worst", ()))),
    )


def _confusions(confusions: Sequence[Mapping[str, object]]) -> tuple[Confusion, ...]:
    return tuple(
        Confusion(text(one["gold"]), text(one["predicted"]), whole_number(one["count"])) for one in confusions
    )


def _word_share(report: Json) -> WordShare:
    return WordShare(whole_number(report["tokens"]), _share(report["accuracy"]))


def _interval(bounds: Sequence[object]) -> tuple[float, ...]:
    if len(bounds) not in (0, 2):
        raise ValueError("expected two bounds of an interval")
    return tuple(map(_number, bounds))


def _worst_sentence(one: Json) -> WorstSentence:
    tokens, gold, predicted = (tuple(map(text, one[name])) for name in ("tokens", "gold", "predicted"))
    if not len(tokens) == len(gold) == len(predicted):
        raise ValueError("expected a label for each token")
    return WorstSentence(text(one["place"]), tokens, gold, predicted, whole_number(one["wrong"]))


def _score_table(scores: Mapping[str, Mapping[str, float]]) -> dict[str, LabelScores]:
    return {name: _scores(one) for name, one in scores.items()}


def _scores(scores: Mapping[str, float]) -> LabelScores:
    precision, recall, f1 = (_number(scores[name]) for name in ("precision", "recall", "f1"))
    return LabelScores(precision, recall, f1, int(_number(scores["support"])), int(_number(scores["hits"])))


def _text_report(report: Json) -> TextReport:
    carried = report["carried"]
    classified = report.get("conditions")
    lines = (
        None
        if classified is None
        else WordShare(whole_number(classified["classified"]), _share(classified["accuracy"]))
    )
    return TextReport(
        lines=lines,
        interval=_interval(classified["accuracy_interval_95"]) if classified else (),
        macro_f1=_number(classified["macro_f1"]) if classified else 0.0,
        labels=_score_table(classified["labels"]) if classified else {},
        confusions=_confusions(classified["confusions"]) if classified else (),
        symbols=whole_number(report["symbols"]),
        nats=_number(carried["nats"]),
        bits=_share(carried["bits_per_char"]),
        bits_per_byte=_share(carried["bits_per_byte"]),
        perplexity=_share(carried.get("perplexity")),
        unit={"byte": "byte", "word": "word"}.get(report.get("unit", ""), "character"),
        blocks={name: _number(nats) for name, nats in report["blocks"].items()},
        classes={
            name: (_number(one["nats"]), whole_number(one["count"]))
            for name, one in report["classes"].items()
        },
        contexts=_by_number(report["contexts"]),
        ngrams=_by_number(report.get("ngrams") or {}),
    )


def _error(one: Mapping[str, object]) -> tuple[TokenizationError, int]:
    fields = (text(one[name]) for name in TokenizationError._fields)
    return TokenizationError(*fields), whole_number(one["count"])


def _by_number(losses: Mapping[str, float]) -> dict[int, float]:
    """Convert the keys to numbers and sort them; JSON has strings in the order of strings."""
    return dict(sorted((whole_number(int(number)), _number(nats)) for number, nats in losses.items()))


def _number(value: object) -> float:
    if not is_number(value):
        raise ValueError(f"expected a number, found {str(value)[:40]!r}")
    return value


def whole_number(value: object) -> int:
    """Return a count of `evaluation.json` or a log; raises ValueError for anything else."""
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(f"expected a count, found {str(value)[:40]!r}")
    return value


def _share(value: object) -> float | None:
    return None if value is None else _number(value)


def text(value: object) -> str:
    """Return a text likewise."""
    if not isinstance(value, str):
        raise ValueError(f"expected text, found {str(value)[:40]!r}")
    return value
