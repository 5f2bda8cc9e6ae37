"""A linear-chain conditional random field (Lafferty, McCallum and Pereira 2001) over the scores of a tagger.

Only its training loss is here; decoding is `seqtool.decoding`, the same in training and in use. Sums over label sequences
are worked out in double precision where the device has it: a step is then one small matrix product of probabilities
instead of a log-sum-exp over all pairs of labels, and nothing is lost to its range.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqtool.types import Array

FORBIDDEN = -1e4  # its exponential is 0, and adding it up over a sentence stays within any range


class Crf(nn.Module):
    """Transition scores between labels, and which of them no well-formed label sequence has."""

    allowed_start: Tensor
    allowed_transitions: Tensor
    allowed_end: Tensor

    def __init__(self, allowed: tuple[Array, Array, Array]) -> None:
        """Args: allowed: booleans for the first label (L,), from label to label (L, L), the last label (L,)."""
        super().__init__()
        start, transitions, end = (
            torch.where(torch.from_numpy(np.asarray(part)), 0.0, FORBIDDEN) for part in allowed
        )
        self.register_buffer("allowed_start", start, persistent=False)
        self.register_buffer("allowed_transitions", transitions, persistent=False)
        self.register_buffer("allowed_end", end, persistent=False)
        self.start = nn.Parameter(torch.zeros(len(start)))
        self.transitions = nn.Parameter(torch.zeros(len(start), len(start)))
        self.end = nn.Parameter(torch.zeros(len(start)))

    def loss(self, scores: Tensor, labels: Tensor, lengths: Tensor, gaps: bool | None = None) -> Tensor:
        """Minus the log probability of the right label sequences, in nats, summed over sentences.

        A label of -1 within a sentence is one that is not known: it counts as any label.

        Args:
            scores: (time, batch, labels), padded.
            labels: (time, batch), padding -1.
            lengths: (batch,), none of them 0.
            gaps: whether there are such labels, where the caller knows; to find it out, the host waits for a GPU.
        """
        scores = scores.to(torch.float32 if scores.device.type == "mps" else torch.float64)
        inside = torch.arange(len(scores), device=scores.device).unsqueeze(1) < lengths
        if bool(((labels < 0) & inside).any()) if gaps is None else gaps:
            right = self.log_partition(scores + _only(labels, scores), lengths)
        else:
            right = self.path_score(scores, labels, lengths)
        return (self.log_partition(scores, lengths) - right).sum()

    def path_score(self, scores: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        """Score of given label sequences: (batch,). Forbidden steps in the data are scored by their weights alone."""
        inside = labels >= 0
        safe = labels.clamp(min=0)
        emitted = (scores.gather(2, safe.unsqueeze(2)).squeeze(2) * inside).sum(0)
        steps = (self.transitions[safe[:-1], safe[1:]] * inside[1:]).sum(0)
        last = safe.gather(0, (lengths - 1).unsqueeze(0)).squeeze(0)
        return emitted + steps + self.start[safe[0]] + self.end[last]

    def log_partition(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """Logarithm of the summed exponentials of all allowed label sequences' scores: (batch,)."""
        start, transitions, end = (
            (learned + allowed).to(scores.dtype)
            for learned, allowed in (
                (self.start, self.allowed_start),
                (self.transitions, self.allowed_transitions),
                (self.end, self.allowed_end),
            )
        )
        found: Tensor = LogPartition.apply(scores, lengths, start, transitions, end)  # type: ignore[no-untyped-call]
        return found


def _only(labels: Tensor, scores: Tensor) -> Tensor:
    """What keeps each token to its label, where it is known: (time, batch, labels), zeros and `FORBIDDEN`."""
    number = torch.arange(scores.shape[2], device=labels.device)
    kept = (labels.unsqueeze(2) < 0) | (labels.unsqueeze(2) == number)
    return torch.where(kept, 0.0, FORBIDDEN).to(scores.dtype)


class LogPartition(torch.autograd.Function):
    """The forward recursion, with the forward-backward algorithm (Rabiner 1989) as its gradient.

    The gradient of a log partition by a score is the probability that a label sequence uses it; working that out directly
    takes a third of the time of differentiating the recursion step by step.
    """

    @staticmethod
    def forward(
        ctx: Any, scores: Tensor, lengths: Tensor, start: Tensor, transitions: Tensor, end: Tensor
    ) -> Tensor:
        """Scores (time, batch, labels), lengths (batch,), start (L,), transitions (L, L) as [from, to], end (L,) to (batch,)."""
        step = transitions.exp()
        alpha = start + scores[0]
        alphas = [alpha]
        for time in range(1, len(scores)):
            reached = _through(alpha, step) + scores[time]
            alpha = torch.where((time < lengths).unsqueeze(1), reached, alpha)
            alphas.append(alpha)
        total = torch.logsumexp(alpha + end, dim=1)
        ctx.save_for_backward(scores, lengths, step, end, torch.stack(alphas), total)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, Tensor, Tensor, Tensor]:
        """Probabilities of labels and of pairs of labels, times the gradient (batch,)."""
        scores, lengths, step, end, alphas, total = ctx.saved_tensors
        betas = _betas(scores, lengths, step, end)
        inside = (torch.arange(len(scores), device=lengths.device).unsqueeze(1) < lengths).unsqueeze(2)
        weight = gradient.unsqueeze(1)
        single = (alphas + betas - total.unsqueeze(1)).exp() * inside * weight  # (time, batch, labels)
        last = single.gather(0, (lengths - 1).view(1, -1, 1).expand(1, -1, len(end))).sum((0, 1))
        return (
            single,
            None,
            single[0].sum(0),
            _pairs(alphas, scores + betas, total, step, inside * weight),
            last,
        )


def _through(alpha: Tensor, step: Tensor) -> Tensor:
    """One step of a recursion: log(exp(alpha) @ step) for alpha (batch, from), step (from, to)."""
    top = alpha.amax(1, keepdim=True)
    return ((alpha - top).exp() @ step).clamp(min=torch.finfo(alpha.dtype).tiny).log() + top


def _betas(scores: Tensor, lengths: Tensor, step: Tensor, end: Tensor) -> Tensor:
    """Log of the summed exponentials of all that can follow each label of each token: (time, batch, labels)."""
    beta = end.expand(scores.shape[1:])
    betas = [beta]
    back = step.T.contiguous()
    for time in range(len(scores) - 1, 0, -1):
        beta = torch.where((time < lengths).unsqueeze(1), _through(scores[time] + beta, back), end)
        betas.append(beta)
    return torch.stack(betas[::-1])


def _pairs(alphas: Tensor, after: Tensor, total: Tensor, step: Tensor, weight: Tensor) -> Tensor:
    """Summed probabilities of each pair of successive labels, weighted (time, batch, 1): (labels, labels)."""
    before, after, weight = alphas[:-1], after[1:], weight[1:]
    tops = before.amax(2, keepdim=True), after.amax(2, keepdim=True)
    # Halved, so that the two factors stay in range where the best label before and the best after do not go together.
    share = ((tops[0] + tops[1] - total.unsqueeze(1)) / 2).exp()
    left = (before - tops[0]).exp() * share
    right = (after - tops[1]).exp() * share * weight
    return step * (left.flatten(0, 1).T @ right.flatten(0, 1))
