"""The report on a character model, as lines of text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from seqtool.safe_text import shorten, visible

if TYPE_CHECKING:
    from seqtool.jobs.text_evaluation import TextEvaluation


def text_report(evaluation: TextEvaluation, unit: str) -> Iterator[str]:
    """The whole report, in nats and bits per symbol."""
    what = "character" if unit == "char" else "byte"
    yield f"  scored     {evaluation.symbols:,} {what}s, {evaluation.unknown:.3%} of them unknown to the model"
    yield "             nats     bits"
    name = "carried" if evaluation.blocks else "lines"
    yield f"  {name:<10} {evaluation.carried:.4f}   {_bits(evaluation.carried):.4f}   ({evaluation.bits_per_byte:.4f} bits per byte)"
    for size, nats in evaluation.blocks.items():
        yield f"  {f'blocks {size}':<10} {nats:.4f}   {_bits(nats):.4f}"
    yield ""
    yield "  by class of symbol        nats     count"
    for kind, (nats, count) in evaluation.classes.items():
        yield f"    {kind:<20} {nats:9.4f} {count:9,}"
    if evaluation.contexts:
        yield ""
        yield f"  by length of context      nats{'' if evaluation.ngrams is None else '     interpolated n-gram of the training text'}"
        for length, nats in evaluation.contexts.items():
            ngram = (evaluation.ngrams or {}).get(length + 1)
            yield f"    {length:<20} {nats:9.4f}" + (f"     {length + 1}-gram {ngram:.4f}" if ngram is not None else "")
    if evaluation.ngrams is None:
        yield "  n-gram baselines: not available (they need the training text: --train-text)"
    else:
        yield "  n-gram baselines: " + ", ".join(f"{order}-gram {nats:.4f}" for order, nats in evaluation.ngrams.items())
    if evaluation.temperature is not None:
        temperature, nats, without = evaluation.temperature
        yield f"  fitted temperature {temperature:.3f}: {nats:.4f} nats rather than {without:.4f} (fitted on this very text: not a score)"
    yield from _novelty(evaluation)


def _bits(nats: float) -> float:
    return nats / math.log(2)


def _novelty(evaluation: TextEvaluation) -> Iterator[str]:
    found = evaluation.novelty
    yield ""
    if found is None:
        yield "  novelty of a sample: not available (it needs the training text: --train-text)"
    elif "lines" in found:
        new = found["lines"] - found["seen_lines"]
        yield f"  novelty: {new} of {found['lines']} sampled lines are new, the others stand in the training text"
    else:
        shares = ", ".join(f"{share:.1%} of {size}-grams" for size, share in found["seen_ngrams"].items() if share is not None)
        yield f"  novelty of a sample of {found['sample_symbols']:,}: seen in the training text are {shares}"
        yield f"  longest copied stretch, {found['longest_copy_symbols']}: {shorten(visible(found['longest_copy']), 80)}"
