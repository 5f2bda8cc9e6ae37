"""The report on a tagger, as lines of text: scores with their intervals, labels, confusions, the worst sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

from seqtool.metrics import HitCounts, SpanCounts
from seqtool.safe_text import shorten, visible

if TYPE_CHECKING:
    from seqtool.evaluation.tagger import Comparison, TaggerEvaluation

LABELS_SHOWN = 60
CONFUSIONS_SHOWN = 15
WORST_SHOWN = 5
WIDEST_TOKEN = 16
PAGE = 80  # columns


def tagger_report(evaluation: TaggerEvaluation, *, strict: bool = False) -> Iterator[str]:
    """The whole report."""
    counts = evaluation.counts
    yield from summary(evaluation, strict=strict)
    yield f"  sentences  {_percent(counts.sentences.accuracy)} of {counts.sentences.total:,} all right"
    yield f"  known      {_percent(counts.known.accuracy)} of {counts.known.total:,} words that training had"
    yield f"  unknown    {_percent(counts.unknown.accuracy)} of {counts.unknown.total:,} words that it had not"
    for label, count in evaluation.unknown_labels.items():
        yield f"  warning: the model does not have the label {visible(label)}; its {count} tokens count as wrong"
    if evaluation.marks_spans:
        table = counts.strict_spans if strict else counts.spans
        yield from _table("type", dict(sorted(table.types.items())))
    yield from _table("label", counts.labels())
    yield from _confusions(counts.confusions(CONFUSIONS_SHOWN))
    for one in evaluation.worst[:WORST_SHOWN]:
        yield ""
        yield f"{visible(one.place)}: {one.wrong} of {len(one.tokens)} wrong"
        yield from _side_by_side(one.tokens, one.gold, one.predicted)


def summary(evaluation: TaggerEvaluation, *, strict: bool = False) -> Iterator[str]:
    """The scores that count, each with its bootstrap interval."""
    counts = evaluation.counts
    low, high = evaluation.accuracy_interval()
    yield f"  accuracy   {_percent(counts.tokens.accuracy)} of {counts.tokens.total:,} words  (95 % interval {low:.2%} to {high:.2%})"
    if evaluation.marks_spans:
        overall = (counts.strict_spans if strict else counts.spans).overall
        low, high = evaluation.f1_interval()
        reading = "strict" if strict else "conlleval's reading"
        scores = f"precision {overall.precision:.2%}, recall {overall.recall:.2%}"
        yield f"  span F1    {100 * overall.f1:.2f}  ({reading}; {scores}; 95 % interval {100 * low:.2f} to {100 * high:.2f})"


def comparison_line(comparison: Comparison, name: str) -> str:
    """A paired test in a line."""
    scale = 100
    verdict = "could be chance" if comparison.p_value > 0.05 else "not by chance"
    values = f"{scale * comparison.first:.2f} against {scale * comparison.second:.2f}"
    return f"  {comparison.score} {values} of {visible(name)}: p = {comparison.p_value:.4f} (approximate randomisation), {verdict}"


def _percent(value: float | None) -> str:
    return "   -  " if value is None else f"{value:.2%}"


def _table(what: str, rows: Mapping[str, HitCounts | SpanCounts]) -> Iterator[str]:
    width = max([len(what), *(len(visible(name)) for name in rows)], default=8)
    yield ""
    yield f"  {what:<{width}}  precision  recall      F1   count"
    for name, counts in list(rows.items())[:LABELS_SHOWN]:
        yield f"  {visible(name):<{width}}  {counts.precision:9.2%} {counts.recall:7.2%} {100 * counts.f1:7.2f} {counts.gold:7,}"
    if len(rows) > LABELS_SHOWN:
        yield f"  … and {len(rows) - LABELS_SHOWN} more (all of them with --json)"


def _confusions(confusions: Sequence[tuple[str, str, int]]) -> Iterator[str]:
    if confusions:
        yield ""
        yield "  largest confusions: gold, predicted, count"
    for gold, predicted, count in confusions:
        yield f"  {visible(gold):<12} {visible(predicted):<12} {count:6,}"


def _side_by_side(tokens: Sequence[str], gold: Sequence[str], predicted: Sequence[str]) -> Iterator[str]:
    """Tokens, gold and predicted labels under each other, folded to the page; a right label is not said twice."""
    found = ["." if wanted == label else label for wanted, label in zip(gold, predicted, strict=True)]
    columns = [
        [shorten(visible(text), WIDEST_TOKEN) for text in one]
        for one in zip(tokens, gold, found, strict=True)
    ]
    widths = [max(map(_cells, one)) + 2 for one in columns]
    start = 0
    while start < len(columns):
        stop, used = start, len("  predicted  ")
        while stop < len(columns) and (stop == start or used + widths[stop] <= PAGE):
            used += widths[stop]
            stop += 1
        for row, name in enumerate(("token", "gold", "predicted")):
            texts = (
                one[row] + " " * (width - _cells(one[row]))
                for one, width in zip(columns[start:stop], widths[start:stop], strict=True)
            )
            yield f"  {name:<9}  {''.join(texts)}".rstrip()
        start = stop


def _cells(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text)
