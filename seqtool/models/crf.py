"""Linear-chain conditional random field (Lafferty, McCallum and Pereira 2001): the training loss of a tagger.

Decoding is in `seqtool.decoding`, which training and inference share. Sums over label sequences are computed
in double precision if the device supports it. The range of double precision allows a step to be one small
matrix product of probabilities, which is faster than a log-sum-exp over all pairs of labels.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from seqtool.types import Array

FORBIDDEN = -1e4  # its exponential is 0, and the sum of many of them does not overflow

# Booleans: labels allowed first (labels,), transitions allowed [from, to] (labels, labels), labels allowed
# last (labels,).
AllowedLabels: TypeAlias = tuple[Array, Array, Array]


class Crf(nn.Module):
    """Learned scores of transitions between labels, and constraints against ill-formed sequences."""

    allowed_start: Tensor
    allowed_transitions: Tensor
    allowed_end: Tensor

    def __init__(self, allowed: AllowedLabels) -> None:
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
        """Return the negative log-likelihood of the gold label sequences, in nats, summed over sentences.

        A label of -1 within a sentence is unknown. All labels are then possible at that token.

        Args:
            scores: label scores (time, batch, labels), padded.
            labels: gold labels (time, batch), padded with -1.
            lengths: words of each sentence (batch,), at least 1.
            gaps: True if there are unknown labels. With None the labels are searched, and the host waits for
                a GPU.
        """
        scores = scores.to(torch.float32 if scores.device.type == "mps" else torch.float64)
        inside = torch.arange(len(scores), device=scores.device).unsqueeze(1) < lengths
        if gaps is None:
            gaps = bool(((labels < 0) & inside).any())
        if gaps:
            gold = self.log_partition(scores + _known_labels_only(labels, scores), lengths)
        else:
            gold = self.path_score(scores, labels, lengths)
        return (self.log_partition(scores, lengths) - gold).sum()

    def path_score(self, scores: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        """Return the score of one label sequence per sentence (batch,).

        A forbidden transition in the data gets its learned score only, so that the loss stays finite.
        """
        inside = labels >= 0
        safe = labels.clamp(min=0)
        emitted = (scores.gather(2, safe.unsqueeze(2)).squeeze(2) * inside).sum(0)
        steps = (self.transitions[safe[:-1], safe[1:]] * inside[1:]).sum(0)
        last = safe.gather(0, (lengths - 1).unsqueeze(0)).squeeze(0)
        return emitted + steps + self.start[safe[0]] + self.end[last]

    def log_partition(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """Return the log-sum-exp of the scores of all allowed label sequences (batch,)."""
        start, transitions, end = (
            (learned + allowed).to(scores.dtype)
            for learned, allowed in (
                (self.start, self.allowed_start),
                (self.transitions, self.allowed_transitions),
                (self.end, self.allowed_end),
            )
        )
        return LogPartition.apply(scores, lengths, start, transitions, end)  # type: ignore[no-any-return, no-untyped-call]


def _known_labels_only(labels: Tensor, scores: Tensor) -> Tensor:
    """Return `FORBIDDEN` for labels that contradict a known gold label, else 0: (time, batch, labels)."""
    numbers = torch.arange(scores.shape[2], device=labels.device)
    possible = (labels.unsqueeze(2) < 0) | (labels.unsqueeze(2) == numbers)
    return torch.where(possible, 0.0, FORBIDDEN).to(scores.dtype)


class LogPartition(torch.autograd.Function):
    """Forward recursion, with the forward-backward algorithm (Rabiner 1989) as its gradient.

    The gradient with respect to a score is the probability that a label sequence contains it. To compute this
    probability directly takes a third of the time of automatic differentiation of the recursion.
    """

    @staticmethod
    def forward(
        ctx: Any, scores: Tensor, lengths: Tensor, start: Tensor, transitions: Tensor, end: Tensor
    ) -> Tensor:
        """Return the log partition function (batch,).

        Args:
            ctx: keeps the tensors that `backward` needs.
            scores: label scores (time, batch, labels).
            lengths: words of each sentence (batch,).
            start: scores of the first label (labels,).
            transitions: scores [from, to] (labels, labels).
            end: scores of the last label (labels,).
        """
        step = transitions.exp()
        alpha = start + scores[0]
        alphas = [alpha]
        for time in range(1, len(scores)):
            reached = _advance(alpha, step) + scores[time]
            alpha = torch.where((time < lengths).unsqueeze(1), reached, alpha)
            alphas.append(alpha)
        total = torch.logsumexp(alpha + end, dim=1)
        ctx.save_for_backward(scores, lengths, step, end, torch.stack(alphas), total)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, Tensor, Tensor, Tensor]:
        """Return the probabilities of labels and of label pairs, times the gradient (batch,)."""
        scores, lengths, step, end, alphas, total = ctx.saved_tensors
        betas = _betas(scores, lengths, step, end)
        inside = (torch.arange(len(scores), device=lengths.device).unsqueeze(1) < lengths).unsqueeze(2)
        weight = gradient.unsqueeze(1)
        single = (alphas + betas - total.unsqueeze(1)).exp() * inside * weight  # (time, batch, labels)
        last = single.gather(0, (lengths - 1).view(1, -1, 1).expand(1, -1, len(end))).sum((0, 1))
        pairs = _pair_probabilities(alphas, scores + betas, total, step, inside * weight)
        return single, None, single[0].sum(0), pairs, last


def _advance(alpha: Tensor, step: Tensor) -> Tensor:
    """Compute one step of a recursion: log(exp(alpha) @ step) for alpha (batch, from) and step (from, to)."""
    top = alpha.amax(1, keepdim=True)
    return ((alpha - top).exp() @ step).clamp(min=torch.finfo(alpha.dtype).tiny).log() + top


def _betas(scores: Tensor, lengths: Tensor, step: Tensor, end: Tensor) -> Tensor:
    """Return the log-sum-exp of the scores of all continuations of each label: (time, batch, labels)."""
    beta = end.expand(scores.shape[1:])
    betas = [beta]
    back = step.T.contiguous()
    for time in range(len(scores) - 1, 0, -1):
        beta = torch.where((time < lengths).unsqueeze(1), _advance(scores[time] + beta, back), end)
        betas.append(beta)
    return torch.stack(betas[::-1])


def _pair_probabilities(alphas: Tensor, after: Tensor, total: Tensor, step: Tensor, weight: Tensor) -> Tensor:
    """Return probabilities of successive labels (labels, labels), summed with weights (time, batch, 1)."""
    before, after, weight = alphas[:-1], after[1:], weight[1:]
    tops = before.amax(2, keepdim=True), after.amax(2, keepdim=True)
    # The two factors share the normalization equally. Otherwise one of them could overflow when the best
    # label before and the best label after are an improbable pair.
    share = ((tops[0] + tops[1] - total.unsqueeze(1)) / 2).exp()
    left = (before - tops[0]).exp() * share
    right = (after - tops[1]).exp() * share * weight
    return step * (left.flatten(0, 1).T @ right.flatten(0, 1))
