"""Adaptive softmax (Grave et al. 2017): frequent symbols and groups of rarer ones, chosen in two steps.

The first symbols, which are the most frequent ones, and the groups of the others share one softmax. A second
softmax chooses within a group. In training, the scores of a group are computed only where the target belongs
to it. As the scores of all symbols come from one matrix, it can be tied to the embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional


def adaptive_log_probabilities(scores: Tensor, clusters: Tensor, bounds: Sequence[int]) -> Tensor:
    """Return the log probability of every symbol (…, symbols).

    Args:
        scores: of all symbols (…, symbols).
        clusters: scores of the groups (…, groups).
        bounds: end of the first symbols, then the end of each group.
    """
    head = functional.log_softmax(torch.cat([scores[..., : bounds[0]], clusters], dim=-1), dim=-1)
    parts = [head[..., : bounds[0]]]
    for group, (start, stop) in enumerate(pairwise(bounds)):
        within = functional.log_softmax(scores[..., start:stop], dim=-1)
        parts.append(head[..., bounds[0] + group, None] + within)
    return torch.cat(parts, dim=-1)


def adaptive_loss(
    y: Tensor, targets: Tensor, weight: Tensor, bias: Tensor, clusters: Tensor, bounds: Sequence[int]
) -> Tensor:
    """Return the summed cross-entropy in nats.

    Args:
        y: input of the output layer (count, width).
        targets: symbol numbers (count,); -1 is not counted.
        weight: output matrix (symbols, width).
        bias: of each symbol (symbols,).
        clusters: scores of the groups (count, groups).
        bounds: end of the first symbols, then the end of each group.
    """
    sizes = [bounds[0], *(stop - start for start, stop in pairwise(bounds))]
    weights, biases = torch.split(weight, sizes), torch.split(bias, sizes)
    group = torch.bucketize(targets, torch.tensor(bounds[:-1], device=targets.device), right=True)
    first = torch.where(group > 0, bounds[0] + group - 1, targets)
    head = torch.cat([functional.linear(y, weights[0], biases[0]), clusters], dim=1)
    loss = functional.cross_entropy(head, first, reduction="sum", ignore_index=-1)
    for number, start in enumerate(bounds[:-1], 1):
        rows = (group == number).nonzero()[:, 0]
        if len(rows):
            scores = functional.linear(y[rows], weights[number], biases[number])
            loss = loss + functional.cross_entropy(scores, targets[rows] - start, reduction="sum")
    return loss
