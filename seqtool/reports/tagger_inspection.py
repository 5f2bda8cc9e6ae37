"""Show a tagger on a sentence: its input in numbers, the label probabilities, and the effect of each word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from seqtool.errors import pluralize
from seqtool.reports.formatting import cell_width, fit, pad, probability_color, terminal_style
from seqtool.safe_text import cell, shorten, visible
from seqtool.settings import feature_list
from seqtool.types import Arrays

if TYPE_CHECKING:
    from rich.text import Text

    from seqtool.inference.tagger import TaggerModel
    from seqtool.inspection.trace import WordAblation

SHOWN_TOKENS = 60
TOKEN_WIDTH = 16
CELL = 6  # columns of a probability
MIN_PROBABILITY = 0.005  # a label needs it at some token to get a column
MIN_EFFECT = 0.005
SHOWN_EFFECTS = 3  # words per token
BLOCKS = " ▁▂▃▄▅▆▇█"


def tagger_walk(model: TaggerModel, weights: Arrays, tokens: Sequence[str], width: int = 80) -> Iterator[str]:
    """Yield the feature numbers of each token, its label with probability, and the shapes of the arrays."""
    if not tokens:
        return
    labels, probabilities = model.tag_with_probabilities([tokens])[0]
    columns: dict[str, list[str]] = {"token": [cell(token) for token in tokens]}
    columns |= _feature_columns(model, tokens)
    columns |= {
        "label": [cell(label) for label in labels],
        "probability": [f"{value:.4f}" for value in probabilities],
    }
    count, directions = len(tokens), 2 if model.settings.bidirectional else 1
    yield ""
    yield f"{count} tokens, with the numbers of their features (row of each embedding)"
    yield from _column_blocks(columns, width)
    inputs = weights["encoder.0.forward.weight_ih"].shape[1]
    yield ""
    yield f"  token numbers  1x{count}   (batch, time)"
    yield f"  input          1x{count}x{inputs}   (batch, time, features)"
    yield f"  output         1x{count}x{directions * model.settings.hidden_size}   (batch, time, hidden)"
    yield f"  scores         1x{count}x{len(model.labels)}   (batch, time, labels)"


def _column_blocks(columns: Mapping[str, Sequence[str]], width: int) -> Iterator[str]:
    """Yield a table; columns that do not fit into the width follow in further tables with the same tokens."""
    rows = {
        name: [fit(one, TOKEN_WIDTH) for one in cells] for name, cells in columns.items() if name == "token"
    }
    rows |= {name: list(cells) for name, cells in columns.items() if name != "token"}
    widths = {name: max(cell_width(one) for one in (name, *cells)) for name, cells in rows.items()}
    first, *others = rows
    while True:
        shown = [first]
        while others and 2 + sum(widths[name] + 2 for name in (*shown, others[0])) <= width:
            shown.append(others.pop(0))
        if len(shown) == 1 and others:
            shown.append(others.pop(0))  # a column wider than the screen
        yield "  " + "  ".join(pad(name, widths[name]) for name in shown).rstrip()
        for cells in list(zip(*(rows[name] for name in shown), strict=True))[:SHOWN_TOKENS]:
            yield (
                "  "
                + "  ".join(pad(one, widths[name]) for name, one in zip(shown, cells, strict=True)).rstrip()
            )
        if not others:
            return
        yield ""


def _feature_columns(model: TaggerModel, tokens: Sequence[str]) -> dict[str, list[str]]:
    encoded = model.encoder.encode(list(tokens))
    looked_up = [feature for feature in feature_list(model.settings) if not feature.name.startswith("char_")]
    columns = {}
    for feature, numbers in zip(looked_up, encoded.ids.T.tolist(), strict=True):
        name = feature.name + (str(feature.length) if feature.name in ("prefix", "suffix") else "")
        columns[name] = ["-" if number < 0 else str(number) for number in numbers]
    return columns


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
