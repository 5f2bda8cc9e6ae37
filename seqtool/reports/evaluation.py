"""Format evaluations: scores, confusions and worst sentences of a tagger, and losses of a text model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from seqtool.metrics import HitCounts, SpanCounts
from seqtool.reports.formatting import cell_width, pad
from seqtool.safe_text import cell, limited, shorten, visible

if TYPE_CHECKING:
    from seqtool.evaluation.conditions import ConditionEvaluation
    from seqtool.evaluation.dynamic import DynamicScore
    from seqtool.evaluation.label_columns import ColumnScores
    from seqtool.evaluation.novelty import Novelty
    from seqtool.evaluation.tagger import Comparison, TaggerEvaluation
    from seqtool.evaluation.text_evaluation import Temperature, TextEvaluation

SHOWN_LABELS = 60
SHOWN_CONFUSIONS = 15
SHOWN_SENTENCES = 5
SHOWN_TOKENS = 60  # of a sentence
MAX_TOKEN_WIDTH = 16
PAGE_WIDTH = 80  # columns
SHOWN_LINES = 8  # of a sample
SIGNIFICANT = 0.05  # p-value


# --- taggers ----------------------------------------------------------------------------------------------


def tagger_report(
    evaluation: TaggerEvaluation, *, strict: bool = False, forms_min_count: int = 1
) -> Iterator[str]:
    """Yield the whole report on a tagger.

    Args:
        forms_min_count: number of times that training had a word that counts as known.
    """
    counts = evaluation.counts
    yield from tagger_summary(evaluation, strict=strict)
    sentences, known, unknown = counts.sentences, counts.known, counts.unknown
    yield f"  sentences  {_percent(sentences.accuracy)} of {sentences.total:,} all right"
    often, rarely = "had", "had not"
    if forms_min_count > 1:
        often, rarely = f"had at least {forms_min_count} times", "had less often"
    yield f"  known      {_percent(known.accuracy)} of {known.total:,} words that training {often}"
    yield f"  unknown    {_percent(unknown.accuracy)} of {unknown.total:,} words that it {rarely}"
    for label, count in evaluation.unknown_labels.items():
        missing = f"the model does not have the label {cell(label)}"
        yield f"  warning: {missing}; its {count} tokens count as wrong"
    if evaluation.marks_spans:
        spans = counts.strict_spans if strict else counts.spans
        yield from _score_table("type", dict(sorted(spans.types.items())))
    yield from _score_table("label", counts.labels())
    yield from _confusions(counts.confusions(SHOWN_CONFUSIONS))
    for one in evaluation.worst[:SHOWN_SENTENCES]:
        yield ""
        yield f"{limited(visible(one.place))}: {one.wrong} of {len(one.tokens)} wrong"
        yield from _aligned_labels(*(side[:SHOWN_TOKENS] for side in (one.tokens, one.gold, one.predicted)))
        if len(one.tokens) > SHOWN_TOKENS:
            yield f"  … and {len(one.tokens) - SHOWN_TOKENS:,} more words"


def tagger_summary(evaluation: TaggerEvaluation, *, strict: bool = False) -> Iterator[str]:
    """Yield the main scores of a tagger with their bootstrap intervals."""
    tokens = evaluation.counts.tokens
    low, high = evaluation.accuracy_interval()
    interval = f"95 % interval {low:.2%} to {high:.2%}"
    yield f"  accuracy   {_percent(tokens.accuracy)} of {tokens.total:,} words  ({interval})"
    if evaluation.marks_spans:
        overall = (evaluation.counts.strict_spans if strict else evaluation.counts.spans).overall
        low, high = evaluation.f1_interval()
        interval = f"95 % interval {100 * low:.2f} to {100 * high:.2f}"
        protocol = "strict" if strict else "conlleval's reading"
        scores = f"precision {overall.precision:.2%}, recall {overall.recall:.2%}"
        yield f"  span F1    {100 * overall.f1:.2f}  ({protocol}; {scores}; {interval})"
    if evaluation.columns is not None:
        yield from _column_table(evaluation.columns)


def _column_table(columns: ColumnScores) -> Iterator[str]:
    """Yield the accuracies of each of several labels."""
    width = max(len("label"), *(len(visible(name)) for name in columns.tallies))
    yield f"  {'label':<{width}}  accuracy  known    unknown"
    for name, tally in columns.tallies.items():
        accuracies = [_percent(part.accuracy) for part in (tally.words, tally.known, tally.unknown)]
        yield f"  {visible(name):<{width}}  {accuracies[0]:<8}  {accuracies[1]:<7}  {accuracies[2]}"


def comparison_line(comparison: Comparison, name: str) -> str:
    """Return one line with the result of a paired significance test against another model."""
    verdict = "could be chance" if comparison.p_value > SIGNIFICANT else "not by chance"
    scores = f"{100 * comparison.first:.2f} against {100 * comparison.second:.2f} of {visible(name)}"
    test = f"p = {comparison.p_value:.4f} (approximate randomization), {verdict}"
    return f"  {comparison.score} {scores}: {test}"


def _percent(value: float | None) -> str:
    return "   -  " if value is None else f"{value:.2%}"


def _score_table(title: str, rows: Mapping[str, HitCounts | SpanCounts]) -> Iterator[str]:
    width = max([len(title), *(len(cell(name)) for name in rows)], default=8)
    yield ""
    yield f"  {title:<{width}}  precision  recall      F1   count"
    for name, counts in list(rows.items())[:SHOWN_LABELS]:
        scores = f"{counts.precision:9.2%} {counts.recall:7.2%} {100 * counts.f1:7.2f}"
        yield f"  {cell(name):<{width}}  {scores} {counts.gold:7,}"
    if len(rows) > SHOWN_LABELS:
        yield f"  … and {len(rows) - SHOWN_LABELS} more (all of them with --json)"


def _confusions(confusions: Sequence[tuple[str, str, int]]) -> Iterator[str]:
    if confusions:
        yield ""
        yield "  largest confusions: gold, predicted, count"
    for gold, predicted, count in confusions:
        yield f"  {cell(gold):<12} {cell(predicted):<12} {count:6,}"


def _aligned_labels(tokens: Sequence[str], gold: Sequence[str], predicted: Sequence[str]) -> Iterator[str]:
    """Yield tokens, gold labels and predicted labels in aligned rows of at most `PAGE_WIDTH` columns.

    A correct label is printed as a dot.
    """
    wrong = ["." if label == right else label for right, label in zip(gold, predicted, strict=True)]
    columns = [
        [shorten(visible(text), MAX_TOKEN_WIDTH) for text in column]
        for column in zip(tokens, gold, wrong, strict=True)
    ]
    widths = [max(map(cell_width, column)) + 2 for column in columns]
    start = 0
    while start < len(columns):
        stop, used = start, len("  predicted  ")
        while stop < len(columns) and (stop == start or used + widths[stop] <= PAGE_WIDTH):
            used += widths[stop]
            stop += 1
        for row, name in enumerate(("token", "gold", "predicted")):
            cells = (pad(columns[place][row], widths[place]) for place in range(start, stop))
            yield f"  {name:<9}  {''.join(cells)}".rstrip()
        start = stop


# --- text models ------------------------------------------------------------------------------------------


def text_report(evaluation: TextEvaluation, unit: str) -> Iterator[str]:
    """Yield the whole report on a text model, in nats and bits per symbol.

    Args:
        unit: `char`, `byte` or `word`.
    """
    noun = {"char": "character", "byte": "byte", "word": "word"}[unit]
    unknown = f"{evaluation.unknown:.3%} of them unknown to the model"
    yield f"  scored     {evaluation.symbols:,} {noun}s, {unknown}"
    yield f"             nats     bits per {noun}"
    name = "carried" if evaluation.blocks else "lines"
    in_bytes = ""
    if unit != "byte" and evaluation.bits_per_byte is not None:
        in_bytes = f"   ({evaluation.bits_per_byte:.4f} bits per byte)"
    yield f"  {name:<10} {evaluation.carried:.4f}   {_bits(evaluation.carried):.4f}{in_bytes}"
    if unit == "word":
        yield from _word_lines(evaluation)
    for size, nats in evaluation.blocks.items():
        yield f"  {f'blocks {size}':<10} {nats:.4f}   {_bits(nats):.4f}"
    if evaluation.dynamic is not None:
        yield from _dynamic_lines(evaluation.dynamic)
    yield ""
    yield "  by class of symbol        nats     count"
    for kind, (nats, count) in evaluation.classes.items():
        yield f"    {kind:<20} {nats:9.4f} {count:9,}"
    yield ""
    yield from _context_lines(evaluation)
    if evaluation.temperature is not None:
        yield ""
        yield from _temperature_lines(evaluation.temperature)
    if evaluation.conditions is not None:
        yield ""
        yield from _condition_lines(evaluation.conditions)
    yield ""
    yield from novelty_lines(evaluation.novelty)
    if evaluation.train_symbols_used is not None:
        used = f"the first {evaluation.train_symbols_used:,} symbols of the training text"
        yield f"  n-grams and novelty use {used}"


PRIORS = {"counts": "by their numbers of training lines", "uniform": "uniform"}


def _condition_lines(evaluation: ConditionEvaluation) -> Iterator[str]:
    """Yield the scores of the classification of lines by condition."""
    tally, (low, high) = evaluation.counts.tokens, evaluation.accuracy_interval()
    yield f"  classification of lines by condition (prior of the conditions: {PRIORS[evaluation.prior]})"
    interval = f"95 % interval {low:.2%} to {high:.2%}"
    yield f"  accuracy   {_percent(tally.accuracy)} of {tally.total:,} lines  ({interval})"
    yield f"  macro F1   {100 * evaluation.macro_f1:.2f}"
    yield f"  confidence {_percent(evaluation.confidence)}, the mean probability of the chosen condition"
    yield from _score_table("condition", evaluation.counts.labels())
    yield from _confusions(evaluation.counts.confusions(SHOWN_CONFUSIONS))


def _word_lines(evaluation: TextEvaluation) -> Iterator[str]:
    """Yield the perplexity per word, and the loss per character, which units of other models share."""
    yield f"  perplexity {evaluation.perplexity:.2f} per word"
    if evaluation.nats_per_character is None or evaluation.bits_per_character is None:
        yield "             per character and per byte: not known, since unknown words hide the text"
    else:
        per_character = f"{evaluation.nats_per_character:.4f}   {evaluation.bits_per_character:.4f}"
        yield f"  characters {per_character} bits per character"


def _bits(nats: float) -> float:
    return nats / math.log(2)


def _dynamic_lines(score: DynamicScore) -> Iterator[str]:
    options = f"learning rate {score.learning_rate:g}, decay {score.decay:g}, segments of {score.segment}"
    yield f"  dynamic    {score.nats:.4f}   {_bits(score.nats):.4f}   (weights adapt to the text; {options})"
    if score.gradients == "text":
        yield "             without a training text (--train-text), sizes of gradients are those of this text"


def _context_lines(evaluation: TextEvaluation) -> Iterator[str]:
    """Yield the loss for each length of context, next to the loss of the n-gram with the same context."""
    ngrams = evaluation.ngrams or {}
    if evaluation.contexts:
        heading = "     interpolated n-gram of the training text" if evaluation.ngrams is not None else ""
        yield "  by length of context      nats" + heading
        for length, nats in evaluation.contexts.items():
            order = length + 1
            baseline = f"     {order}-gram {ngrams[order]:.4f}" if order in ngrams else ""
            yield f"    {length:<20} {nats:9.4f}{baseline}"
    if evaluation.ngrams is None:
        yield "  n-gram baselines: not available (they need the training text: --train-text)"
    else:
        yield "  n-gram baselines: " + ", ".join(f"{order}-gram {nats:.4f}" for order, nats in ngrams.items())


def _temperature_lines(temperature: Temperature) -> Iterator[str]:
    losses = f"{temperature.fitted:.4f} nats there rather than {temperature.without:.4f}"
    yield f"  fitted temperature {temperature.value:.3f}, fitted on {temperature.fitted_on}: {losses}"
    if temperature.nats is None:
        yield "  (a number fitted on the text that it is measured on is no score)"
    else:
        yield f"  this text at that temperature: {temperature.nats:.4f} nats"


def novelty_lines(novelty: Novelty | None) -> Iterator[str]:
    """Yield the share of a sample that also occurs in the training text."""
    if novelty is None:
        yield "  novelty of a sample: not available (it needs the training text: --train-text)"
    elif novelty.seen_ngrams is None:
        new, seen = novelty.new_lines, novelty.seen_lines
        yield (
            f"  novelty: of {len(new) + len(seen)} sampled lines "
            f"{len(new)} are new, {len(seen)} occur in the training text"
        )
        yield f"    new   {_listed(new)}"
        yield f"    seen  {_listed(seen)}"
    else:
        shares = ", ".join(
            f"{share:.1%} of {size}-grams" for size, share in novelty.seen_ngrams.items() if share is not None
        )
        yield f"  novelty of a sample of {novelty.symbols:,}: seen in the training text are {shares}"
        copy = shorten(visible(novelty.longest_copy), 80)
        yield f"  longest copied stretch, {len(novelty.longest_copy)}: {copy}"


def _listed(lines: Sequence[str]) -> str:
    return shorten(visible("  ".join(lines[:SHOWN_LINES])), 70) or "-"
