"""Output layers of a tagger with several labels, and the scores of whole label combinations.

The first label has the output layer of the network, and each further label has one here. Labels that are
predicted independently contradict each other, above all after little training. The labels of some columns,
such as part of speech and morphology, are therefore also scored together: the score of a combination that
occurs in the training data is the sum of the scores of its labels and of a bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqtool.types import Array


@dataclass(frozen=True)
class HeadSizes:
    """Sizes of the output layers of several labels.

    Attributes:
        labels: number of labels of each column, the first label included.
        reads_word: for each column, whether its output layer also reads the input of the recurrent layers, as
            a lemma depends on the letters of its word.
        combined: columns that are scored together; empty or two or more, the first one included.
        combinations: label numbers of each combination (combinations, combined columns), sorted.
    """

    labels: tuple[int, ...]
    reads_word: tuple[bool, ...]
    combined: tuple[int, ...] = ()
    combinations: Array | None = None


class LabelHeads(nn.Module):
    """Output layers of all labels except the first; that of column i is the submodule named i.

    Attributes:
        combinations: bias of each combination (combinations,); None if no labels are scored together.
        members: the label of each combined column in each combination (combined columns, combinations).
    """

    members: Tensor

    def __init__(self, sizes: HeadSizes, width: int, word_width: int) -> None:
        """Draw the weights from torch's global generator.

        Args:
            width: width of the last recurrent layer.
            word_width: width of the input of the recurrent layers.
        """
        super().__init__()
        self.sizes = sizes
        self.layers: list[nn.Linear] = []
        for column in range(1, len(sizes.labels)):
            inputs = width + word_width * sizes.reads_word[column]
            self.layers.append(nn.Linear(inputs, sizes.labels[column]))
            self.add_module(str(column), self.layers[-1])
        self.combinations: nn.Parameter | None = None
        if sizes.combinations is not None:
            self.combinations = nn.Parameter(torch.zeros(len(sizes.combinations)))
            self.register_buffer("members", torch.from_numpy(sizes.combinations.T.copy()), persistent=False)

    def forward(self, first: Tensor, y: Tensor, x: Tensor, places: Tensor | None = None) -> list[Tensor]:
        """Return the scores of all columns.

        Args:
            first: scores of the first label (time, batch, labels).
            y: output of the last recurrent layer (time, batch, width).
            x: input of the first recurrent layer (time, batch, word width).
            places: words, counted along the batch and then along time, whose lemmas are scored; None scores
                those of all words.

        Returns:
            scores (time, batch, labels) of each column; with `places`, those of lemmas are (places, labels).
        """
        scores = [first]
        for layer, reads_word in zip(self.layers, self.sizes.reads_word[1:], strict=True):
            scores.append(layer(_chosen(y, x, places) if reads_word else y))
        return scores

    def combination_scores(self, scores: Sequence[Tensor]) -> Tensor:
        """Return the scores of all combinations (combinations, time * batch), given those of all columns.

        Combinations come first, because whole rows of scores are copied faster than single ones.
        """
        assert self.combinations is not None
        together: Tensor = self.combinations.unsqueeze(1)
        for column, labels in zip(self.sizes.combined, self.members, strict=True):
            rows = scores[column].flatten(0, 1).t().contiguous()
            together = rows.index_select(0, labels).add_(together)
        return together


def _chosen(y: Tensor, x: Tensor, places: Tensor | None) -> Tensor:
    """Return output and input of the recurrent layers next to each other, at all places or some."""
    parts = [y, x] if places is None else [part.flatten(0, 1).index_select(0, places) for part in (y, x)]
    return torch.cat(parts, dim=-1)
