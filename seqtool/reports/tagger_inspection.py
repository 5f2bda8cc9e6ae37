"""A tagger's mind, for a terminal: the probability of each label at each token, and the words that speak for or against it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from seqtool.reports.colors import is_dark, share
from seqtool.safe_text import shorten, visible

if TYPE_CHECKING:
    from rich.text import Text

    from seqtool.inspection.word_ablation import WordAblation

TOKEN_WIDTH = 16
CELL = 6
LEAST = 0.005  # a label that is never likelier is not shown
INFLUENCES = 3
LEAST_EFFECT = 0.005
BLOCKS = " ▁▂▃▄▅▆▇█"


def likely_labels(inside: WordAblation, limit: int) -> list[int]:
    """Numbers of the labels worth a column, the likeliest over all first, in the model's order."""
    likely = np.flatnonzero(inside.probabilities.max(0) >= LEAST)
    best = likely[np.argsort(-inside.probabilities.sum(0)[likely], kind="stable")][:limit]
    return sorted(best.tolist())


def marginal_rows(inside: WordAblation, *, width: int, colour: bool) -> Iterator[Text]:
    """A heat strip: a row for each token, a column for each label that is likely anywhere."""
    from rich.text import Text

    columns = likely_labels(inside, max(1, (width - TOKEN_WIDTH - 2) // CELL))
    yield Text(
        f"{'probability':<{TOKEN_WIDTH}}  "
        + "".join(f"{shorten(visible(inside.names[one]), CELL - 1):<{CELL}}" for one in columns).rstrip()
    )
    for place, token in enumerate(inside.tokens):
        row = Text(f"{_cut(token, TOKEN_WIDTH)}  ")
        for column in columns:
            value = float(inside.probabilities[place, column])
            number = f"{value:.2f}".removeprefix("0") if value >= LEAST else ""
            if colour:
                shade = share(value)
                style = f"{'#ffffff' if is_dark(shade) else '#000000'} on #{shade[0]:02x}{shade[1]:02x}{shade[2]:02x}"
                row.append(f" {number:<{CELL - 1}}", style=style)
            else:
                row.append(f"{BLOCKS[round(value * 8)]}{number:<{CELL - 1}}")
        row.rstrip()
        yield row
    hidden = len(inside.names) - len(columns)
    if hidden:
        yield Text(f"({hidden} labels that are less likely are not shown)")


def effect_lines(inside: WordAblation) -> Iterator[str]:
    """For each token its label and the words that matter most to it."""
    if inside.effects is None or inside.instead is None:
        yield "left-out words: only for sentences of 2 to 80 words"
        return
    yield "what each label loses when one other word is left out (+ the word speaks for it, - against it)"
    best = [inside.names.index(label) for label in inside.labels]
    width = max(map(len, inside.labels))
    for place, token in enumerate(inside.tokens):
        probability = inside.probabilities[place, best[place]]
        found = []
        for other in np.argsort(-np.abs(inside.effects[place]), kind="stable")[:INFLUENCES].tolist():
            effect = inside.effects[place, other]
            if abs(effect) < LEAST_EFFECT:
                break
            changed = inside.instead[place, other]
            turns = f" (without it: {visible(inside.names[changed])})" if changed != best[place] else ""
            found.append(f"{shorten(visible(inside.tokens[other]), TOKEN_WIDTH)} {effect:+.2f}{turns}")
        label = f"{visible(inside.labels[place]):<{width}}  {probability:.2f}"
        yield f"{_cut(token, TOKEN_WIDTH)}  {label}   {', '.join(found) or 'no other word matters'}"


def _cut(text: str, width: int) -> str:
    from rich.cells import cell_len, set_cell_size

    text = visible(text)
    return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"
