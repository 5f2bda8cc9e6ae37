"""Show a tagger on a sentence: its input in numbers, the label probabilities, and the effect of each word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from seqtool.errors import pluralize
from seqtool.inspection.trace import PARTS
from seqtool.reports.first_step import FirstStep, first_step_lines
from seqtool.reports.formatting import fit, probability_color, terminal_style
from seqtool.reports.weights import Column, column_blocks
from seqtool.safe_text import cell, shorten, visible
from seqtool.settings.model import feature_list
from seqtool.types import Arrays

if TYPE_CHECKING:
    from rich.text import Text

    from seqtool.inference.tagger import TaggerModel
    from seqtool.inspection.trace import WordAblation

SHOWN_TOKENS = 60
TOKEN_WIDTH = 16
CELL = 6  # columns of a probability
MEAN = "-"  # number of a value without an embedding of its own
MIN_PROBABILITY = 0.005  # a label needs it at some token to get a column
MIN_EFFECT = 0.005
SHOWN_EFFECTS = 3  # words per token
BLOCKS = " ▁▂▃▄▅▆▇█"


def tagger_walk(model: TaggerModel, weights: Arrays, tokens: Sequence[str], width: int = 80) -> Iterator[str]:
    """Yield the feature numbers of each token, its label with probability, and the shapes of the arrays."""
    if not tokens:
        return
    labels, probabilities = model.tag_with_probabilities([tokens])[0]
    shown = [fit(cell(token), TOKEN_WIDTH) for token in tokens[:SHOWN_TOKENS]]
    columns = _feature_columns(model, tokens[:SHOWN_TOKENS])
    numbers = {number for column in columns for number in column.cells}
    columns.append(Column("label", [cell(label) for label in labels[:SHOWN_TOKENS]]))
    columns.append(Column("probability", [f"{value:.4f}" for value in probabilities[:SHOWN_TOKENS]]))
    count, directions = len(tokens), 2 if model.settings.bidirectional else 1
    yield ""
    yield f"{count} tokens, with the numbers of their features (row of each embedding)"
    if MEAN in numbers:
        yield f"  {MEAN} stands for a value that training did not have: the mean of all rows"
    yield from column_blocks(Column("token", shown), columns, width)
    if count > SHOWN_TOKENS:
        yield f"  (tokens 1 to {SHOWN_TOKENS} of {count})"
    inputs = weights["encoder.0.forward.weight_ih"].shape[1]
    yield ""
    yield f"  token numbers  1x{count}   (batch, time)"
    yield f"  input          1x{count}x{inputs}   (batch, time, features)"
    yield f"  output         1x{count}x{directions * model.settings.hidden_size}   (batch, time, hidden)"
    yield f"  scores         1x{count}x{len(model.labels)}   (batch, time, labels)"


def _feature_columns(model: TaggerModel, tokens: Sequence[str]) -> list[Column]:
    encoded = model.encoder.encode(list(tokens))
    looked_up = [feature for feature in feature_list(model.settings) if not feature.name.startswith("char_")]
    columns = []
    for feature, numbers in zip(looked_up, encoded.ids.T.tolist(), strict=True):
        name = feature.name + (str(feature.length) if feature.name in ("prefix", "suffix") else "")
        columns.append(Column(name, [MEAN if number < 0 else str(number) for number in numbers]))
    return columns


def first_step_of(model: TaggerModel, weights: Arrays, tokens: Sequence[str]) -> Iterator[str]:
    """Yield the first step of the first layer in numbers; of two directions, of that from left to right."""
    encoder, direction = "encoder.0", "forward." if model.settings.bidirectional else ""
    before = [part[0, 0] for part in model.initial_state()[0]]
    names = {part: f"{encoder}.{direction}{part}" for part in PARTS[model.settings.cell]}
    states = model.states(tokens, set(names.values()))
    after = {part: states[name][0] for part, name in names.items()}
    title = repr(cell(tokens[0])) + (", from left to right" if direction else "")
    x = model.input_vectors(tokens[:1])[0]
    yield from first_step_lines(model.settings, weights, FirstStep(title, x, before, after))


def likely_labels(ablation: WordAblation, limit: int) -> list[int]:
    """Return the numbers of the most probable labels of a sentence, at most `limit`, in the model's order."""
    likely = np.flatnonzero(ablation.probabilities.max(0) >= MIN_PROBABILITY)
    best = likely[np.argsort(-ablation.probabilities.sum(0)[likely], kind="stable")][:limit]
    return sorted(best.tolist())


def marginal_rows(ablation: WordAblation, *, width: int, color: bool) -> Iterator[Text]:
    """Yield a heat map with one row per token and one column per likely label."""
    from rich.text import Text

    columns = likely_labels(ablation, max(1, (width - TOKEN_WIDTH - 2) // CELL))
    names = "".join(f"{shorten(visible(ablation.names[one]), CELL - 1):<{CELL}}" for one in columns)
    yield Text(f"{'probability':<{TOKEN_WIDTH}}  " + names.rstrip())
    for place, token in enumerate(ablation.tokens):
        row = Text(f"{fit(visible(token), TOKEN_WIDTH)}  ")
        for column in columns:
            row.append(*_probability_cell(float(ablation.probabilities[place, column]), color))
        row.rstrip()
        yield row
    hidden = len(ablation.names) - len(columns)
    if hidden:
        yield Text(f"({pluralize(hidden, 'less likely label')} not shown)")


def _probability_cell(value: float, color: bool) -> tuple[str, str]:
    """Return text and style of a probability: on a colored background, or after a block."""
    number = f"{value:.2f}".removeprefix("0") if value >= MIN_PROBABILITY else ""
    if color:
        return f" {number:<{CELL - 1}}", terminal_style(probability_color(value))
    return f"{BLOCKS[round(value * 8)]}{number:<{CELL - 1}}", ""


def effect_lines(ablation: WordAblation) -> Iterator[str]:
    """Yield one line per token: its label, and the words that change its probability most when left out."""
    if ablation.effects is None:
        yield "left-out words: only for sentences of 2 to 80 words"
        return
    yield "what each label loses when one other word is left out (+ the word speaks for it, - against it)"
    width = max(len(cell(label)) for label in ablation.labels)
    for place, token in enumerate(ablation.tokens):
        name = ablation.labels[place]
        probability = ablation.probabilities[place, ablation.names.index(name)]
        label = f"{cell(name):<{width}}  {probability:.2f}"
        effects = ", ".join(_token_effects(ablation, place)) or "no other word matters"
        yield f"{fit(visible(token), TOKEN_WIDTH)}  {label}   {effects}"


def _token_effects(ablation: WordAblation, place: int) -> Iterator[str]:
    """Yield the largest effects on the label of a token, with the label that replaces it if it changes."""
    assert ablation.effects is not None and ablation.instead is not None
    for other in np.argsort(-np.abs(ablation.effects[place]), kind="stable")[:SHOWN_EFFECTS].tolist():
        effect = ablation.effects[place, other]
        if abs(effect) < MIN_EFFECT:
            return
        changed = ablation.names[ablation.instead[place, other]]
        turns = f" (without it: {cell(changed)})" if changed != ablation.labels[place] else ""
        yield f"{shorten(visible(ablation.tokens[other]), TOKEN_WIDTH)} {effect:+.2f}{turns}"
