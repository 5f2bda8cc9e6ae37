"""The report on a character model, as lines of text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from seqtool.safe_text import shorten, visible

if TYPE_CHECKING:
    from seqtool.evaluation.novelty import Novelty
    from seqtool.evaluation.text_scores import Temperature, TextEvaluation

LISTED_LINES = 8


def text_report(evaluation: TextEvaluation, unit: str) -> Iterator[str]:
    """The whole report, in nats and bits per symbol."""
    what = "character" if unit == "char" else "byte"
    yield f"  scored     {evaluation.symbols:,} {what}s, {evaluation.unknown:.3%} of them unknown to the model"
    yield f"             nats     bits per {what}"
    name = "carried" if evaluation.blocks else "lines"
    in_bytes = "" if unit == "byte" else f"   ({evaluation.bits_per_byte:.4f} bits per byte)"
    yield f"  {name:<10} {evaluation.carried:.4f}   {_bits(evaluation.carried):.4f}{in_bytes}"
    for size, nats in evaluation.blocks.items():
        yield f"  {f'blocks {size}':<10} {nats:.4f}   {_bits(nats):.4f}"
    yield ""
    yield "  by class of symbol        nats     count"
    for kind, (nats, count) in evaluation.classes.items():
        yield f"    {kind:<20} {nats:9.4f} {count:9,}"
    yield ""
    yield from _contexts(evaluation)
    if evaluation.temperature is not None:
        yield ""
        yield from _temperature(evaluation.temperature)
    yield ""
    yield from novelty_lines(evaluation.novelty)
    if evaluation.train_symbols_used is not None:
        yield f"  n-grams and novelty go by the first {evaluation.train_symbols_used:,} symbols of the training text"


def _bits(nats: float) -> float:
    return nats / math.log(2)


def _contexts(evaluation: TextEvaluation) -> Iterator[str]:
    """Loss against context, each length beside the n-gram that sees as much."""
    ngrams = evaluation.ngrams
    if evaluation.contexts:
        yield "  by length of context      nats" + (
            "" if ngrams is None else "     interpolated n-gram of the training text"
        )
        for length, nats in evaluation.contexts.items():
            beside = (
                ""
                if ngrams is None or length + 1 not in ngrams
                else f"     {length + 1}-gram {ngrams[length + 1]:.4f}"
            )
            yield f"    {length:<20} {nats:9.4f}{beside}"
    if ngrams is None:
        yield "  n-gram baselines: not available (they need the training text: --train-text)"
    else:
        yield "  n-gram baselines: " + ", ".join(f"{order}-gram {nats:.4f}" for order, nats in ngrams.items())


def _temperature(found: Temperature) -> Iterator[str]:
    there = f"{found.fitted:.4f} nats there rather than {found.without:.4f}"
    yield f"  fitted temperature {found.value:.3f}, fitted on {found.fitted_on}: {there}"
    if found.nats is None:
        yield "  (a number fitted on what it is measured on is no score)"
    else:
        yield f"  this text at that temperature: {found.nats:.4f} nats"


def novelty_lines(found: Novelty | None) -> Iterator[str]:
    """What of a sample stands in the training text."""
    if found is None:
        yield "  novelty of a sample: not available (it needs the training text: --train-text)"
    elif found.seen_ngrams is None:
        count = len(found.new_lines) + len(found.seen_lines)
        yield f"  novelty: of {count} sampled lines {len(found.new_lines)} are new, {len(found.seen_lines)} stand in the training text"
        yield f"    new   {_listed(found.new_lines)}"
        yield f"    seen  {_listed(found.seen_lines)}"
    else:
        shares = ", ".join(
            f"{share:.1%} of {size}-grams" for size, share in found.seen_ngrams.items() if share is not None
        )
        yield f"  novelty of a sample of {found.symbols:,}: seen in the training text are {shares}"
        yield f"  longest copied stretch, {len(found.longest_copy)}: {shorten(visible(found.longest_copy), 80)}"


def _listed(lines: Sequence[str]) -> str:
    return shorten(visible("  ".join(lines[:LISTED_LINES])), 70) or "-"
