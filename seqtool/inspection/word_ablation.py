"""What changed a tagger's mind: each token's label once more with one word of the sentence left out.

The effect of a word on a label is what the label loses in probability without the word: positive where the word speaks for
it, negative where it speaks against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqtool.inference.tagger import TaggerModel
from seqtool.types import Array

LONGEST = 80  # tokens; a sentence is tagged once for every word of it


@dataclass(frozen=True)
class WordAblation:
    """A sentence, every label's probability at every token, and the effects of leaving words out.

    Attributes:
        tokens: the words.
        labels: the best ones, in the network's own scheme where that is finer than that of the files.
        names: of all labels.
        probabilities: (tokens, names).
        effects: of leaving out a word (column) on the label of a token (row): (tokens, tokens), 0 on the diagonal;
            None for a sentence of one word, or of more than `LONGEST`.
        instead: the label that a token (row) gets where a word (column) is left out; as its number.
    """

    tokens: tuple[str, ...]
    labels: tuple[str, ...]
    names: tuple[str, ...]
    probabilities: Array
    effects: Array | None
    instead: Array | None


def ablate_words(model: TaggerModel, tokens: Sequence[str]) -> WordAblation:
    """Tag a sentence, and tag it again without each of its words."""
    count = len(tokens)
    (table,) = model.probabilities([tokens])
    best = table.argmax(1)
    effects = instead = None
    if 1 < count <= LONGEST:
        without = model.probabilities(
            [[*tokens[:left_out], *tokens[left_out + 1 :]] for left_out in range(count)]
        )
        effects, instead = np.zeros((count, count)), np.tile(best[:, None], count)
        for left_out, probabilities in enumerate(without):
            rows = np.delete(np.arange(count), left_out)
            effects[rows, left_out] = (
                table[rows, best[rows]] - probabilities[np.arange(count - 1), best[rows]]
            )
            instead[rows, left_out] = probabilities.argmax(1)
    return WordAblation(
        tuple(tokens), tuple(model.labels[number] for number in best), model.labels, table, effects, instead
    )
