"""Word ablation: the labels of a sentence, predicted again with one word of the sentence left out.

The effect of a word on a label is the label's probability in the whole sentence minus its probability without
the word. It is positive if the word supports the label, and negative if the word speaks against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqtool.inference.tagger import TaggerModel
from seqtool.types import Array

LONGEST = 80  # tokens; a sentence is tagged once for every word


@dataclass(frozen=True)
class WordAblation:
    """Probabilities of all labels in a sentence, and the effects of leaving out words.

    Attributes:
        tokens: the words.
        labels: the best label of each token, in the scheme of the network, which can be finer than that of
            the files.
        names: all labels.
        probabilities: (tokens, names).
        effects: effect of a left-out word (column) on the label of a token (row): (tokens, tokens), 0 on the
            diagonal. None for a sentence of one word, or of more than `LONGEST`.
        instead: number of the label that a token (row) gets if a word (column) is left out; None as for
            `effects`.
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
        shortened = [[*tokens[:left_out], *tokens[left_out + 1 :]] for left_out in range(count)]
        effects, instead = np.zeros((count, count)), np.tile(best[:, None], count)
        for left_out, probabilities in enumerate(model.probabilities(shortened)):
            rows = np.delete(np.arange(count), left_out)
            without = probabilities[np.arange(count - 1), best[rows]]
            effects[rows, left_out] = table[rows, best[rows]] - without
            instead[rows, left_out] = probabilities.argmax(1)
    labels = tuple(model.labels[number] for number in best)
    return WordAblation(tuple(tokens), labels, model.labels, table, effects, instead)
