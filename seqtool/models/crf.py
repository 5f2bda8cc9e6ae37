"""A linear-chain conditional random field (Lafferty, McCallum and Pereira 2001) over the scores of a tagger.

Only its training loss is here; decoding is `seqtool.decoding`, the same in training and in use.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

FORBIDDEN = -1e4
_TINY = 1e-30  # keeps the logarithm finite where every way into a label is forbidden


class Crf(nn.Module):
    """Transition scores between labels, with those forbidden that no well-formed label sequence has."""

    allowed_start: Tensor
    allowed_transitions: Tensor
    allowed_end: Tensor

    def __init__(self, allowed: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:  # type: ignore[type-arg]
        """Args: allowed: booleans for the first label (L,), from label to label (L, L), the last label (L,)."""
        super().__init__()
        start, transitions, end = (torch.where(torch.from_numpy(part), 0.0, FORBIDDEN) for part in allowed)
        self.register_buffer("allowed_start", start, persistent=False)
        self.register_buffer("allowed_transitions", transitions, persistent=False)
        self.register_buffer("allowed_end", end, persistent=False)
        self.start = nn.Parameter(torch.zeros(len(start)))
        self.transitions = nn.Parameter(torch.zeros(len(start), len(start)))
        self.end = nn.Parameter(torch.zeros(len(start)))

    def loss(self, scores: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        """Minus the summed log probability of the right label sequences.

        Args:
            scores: (time, batch, labels), padded.
            labels: (time, batch), padding -1.
            lengths: (batch,), none of them 0.
        """
        return (self.log_partition(scores, lengths) - self.path_score(scores, labels, lengths)).sum()

    def path_score(self, scores: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        """Score of given label sequences: (batch,). Forbidden steps in the data are scored by their weights alone."""
        inside = labels >= 0
        safe = labels.clamp(min=0)
        emitted = (scores.gather(2, safe.unsqueeze(2)).squeeze(2) * inside).sum(0)
        steps = (self.transitions[safe[:-1], safe[1:]] * inside[1:]).sum(0)
        last = safe.gather(0, (lengths - 1).unsqueeze(0)).squeeze(0)
        return emitted + steps + self.start[safe[0]] + self.end[last]  # type: ignore[no-any-return]

    def log_partition(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """Logarithm of the summed exponentials of all allowed label sequences' scores: (batch,).

        Each step is one matrix product of probabilities, shifted by its largest score, instead of a log-sum-exp over all
        pairs of labels.
        """
        step = (self.transitions + self.allowed_transitions).exp()
        alpha = self.start + self.allowed_start + scores[0]
        for time in range(1, scores.shape[0]):
            top = alpha.detach().amax(1, keepdim=True)
            reached = ((alpha - top).exp() @ step).clamp(min=_TINY).log() + top + scores[time]
            alpha = torch.where((time < lengths).unsqueeze(1), reached, alpha)
        return torch.logsumexp(alpha + self.end + self.allowed_end, dim=1)
