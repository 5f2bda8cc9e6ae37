"""CRF, compared with sums over all label sequences, with numeric gradients and with the decoder."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seqtool import decoding
from seqtool.models.crf import FORBIDDEN, Crf, LogPartition

LABELS = 3
LENGTHS = torch.tensor([4, 3, 1])


def random_crf(seed: int, labels: int = LABELS, share: float = 0.8, scale: float = 1.0) -> Crf:
    """Return a CRF with random weights in which about this share of transitions is allowed."""
    draw = np.random.default_rng(seed)
    allowed: Any = tuple(draw.random(shape) < share for shape in [(labels,), (labels, labels), (labels,)])
    for part in allowed:
        part[..., 0] = True  # at least one sequence is allowed
        part[0] = True
    crf = Crf(allowed)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.normal_(0, scale)
    return crf.double()


def sequence_score(crf: Crf, scores: Tensor, path: tuple[int, ...]) -> Tensor:
    """Return the score of one label sequence."""
    start, steps, end = (
        crf.start + crf.allowed_start,
        crf.transitions + crf.allowed_transitions,
        crf.end + crf.allowed_end,
    )
    total = start[path[0]] + end[path[-1]]
    total = total + torch.stack([scores[time, label] for time, label in enumerate(path)]).sum()
    return total + sum(steps[a, b] for a, b in pairwise(path))


def by_enumeration(crf: Crf, scores: Tensor, length: int, labels: list[list[int]] | None = None) -> Tensor:
    """Return the log-sum-exp over all label sequences, or over those of the given labels at each word."""
    choices = labels or [list(range(scores.shape[1]))] * length
    return torch.logsumexp(torch.stack([sequence_score(crf, scores, path) for path in product(*choices)]), 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.1, 1.0, 30.0]))
def test_log_partition_equals_the_sum_over_all_sequences(seed: int, scale: float) -> None:
    crf = random_crf(seed, scale=scale)
    scores = torch.randn(4, 3, LABELS, dtype=torch.double) * scale
    log_partition = crf.log_partition(scores, LENGTHS)
    for column, length in enumerate(LENGTHS.tolist()):
        assert log_partition[column].item() == pytest.approx(
            by_enumeration(crf, scores[:, column], length).item(), rel=1e-9, abs=1e-9
        )


def test_log_partition_and_marginals_equal_those_of_decoding() -> None:
    crf = random_crf(3, 5)
    scores = torch.randn(9, 1, 5, dtype=torch.double)
    parts = [
        (learned + allowed).detach().numpy()
        for learned, allowed in (
            (crf.start, crf.allowed_start),
            (crf.transitions, crf.allowed_transitions),
            (crf.end, crf.allowed_end),
        )
    ]
    expected = decoding.log_partition(scores[:, 0].numpy(), *parts)
    assert crf.log_partition(scores, torch.tensor([9])).item() == pytest.approx(expected, rel=1e-12)
    full = scores.clone().requires_grad_()
    crf.log_partition(full, torch.tensor([9])).sum().backward()  # type: ignore[no-untyped-call]
    assert full.grad is not None  # the gradient of the log partition function equals the marginals
    np.testing.assert_allclose(
        full.grad[:, 0].numpy(), decoding.marginals(scores[:, 0].numpy(), *parts), atol=1e-10
    )


@pytest.mark.parametrize("seed", range(4))
def test_gradients_equal_numeric_ones(seed: int) -> None:
    crf = random_crf(seed, share=1.0 if seed == 0 else 0.7)
    scores = torch.randn(4, 3, LABELS, dtype=torch.double, requires_grad=True)

    def partition(scores: Tensor, start: Tensor, steps: Tensor, end: Tensor) -> Any:
        constrained = start + crf.allowed_start, steps + crf.allowed_transitions, end + crf.allowed_end
        return LogPartition.apply(scores, LENGTHS, *constrained)  # type: ignore[no-untyped-call]

    assert torch.autograd.gradcheck(partition, (scores, crf.start, crf.transitions, crf.end))


def gold(seed: int) -> Tensor:
    """Return random gold labels (time, batch), padded with -1."""
    labels = torch.randint(0, LABELS, (4, 3), generator=torch.Generator().manual_seed(seed))
    return labels.masked_fill(torch.arange(4).unsqueeze(1) >= LENGTHS, -1)


@pytest.mark.parametrize("seed", range(5))
def test_loss_is_the_negative_log_likelihood_of_the_labels(seed: int) -> None:
    crf = random_crf(seed, share=1.0)
    scores, labels = torch.randn(4, 3, LABELS, dtype=torch.double), gold(seed)
    expected = 0.0
    for column, length in enumerate(LENGTHS.tolist()):
        path = tuple(labels[:length, column].tolist())
        expected += (
            by_enumeration(crf, scores[:, column], length) - sequence_score(crf, scores[:, column], path)
        ).item()
    assert crf.loss(scores, labels, LENGTHS).item() == pytest.approx(expected, rel=1e-9)


def test_unknown_label_allows_all_labels() -> None:
    crf = random_crf(1, share=1.0)
    scores, labels = torch.randn(4, 3, LABELS, dtype=torch.double), gold(1)
    labels[1, 0] = -1
    known = [[label] if label >= 0 else [0, 1, 2] for label in labels[:, 0].tolist()]
    expected = (by_enumeration(crf, scores[:, 0], 4) - by_enumeration(crf, scores[:, 0], 4, known)).item()
    for column in (1, 2):
        length = int(LENGTHS[column])
        path = [[label] for label in labels[:length, column].tolist()]
        expected += (
            by_enumeration(crf, scores[:, column], length)
            - by_enumeration(crf, scores[:, column], length, path)
        ).item()
    assert crf.loss(scores, labels, LENGTHS).item() == pytest.approx(expected, rel=1e-9)


def test_forbidden_transitions_have_no_gradient() -> None:
    crf = random_crf(2, share=0.5)
    scores = torch.randn(4, 3, LABELS, dtype=torch.double, requires_grad=True)
    crf.log_partition(scores, LENGTHS).sum().backward()  # type: ignore[no-untyped-call]
    for parameter, allowed in (
        (crf.start, crf.allowed_start),
        (crf.transitions, crf.allowed_transitions),
        (crf.end, crf.allowed_end),
    ):
        assert parameter.grad is not None and bool((parameter.grad[allowed == FORBIDDEN] == 0).all())


def test_loss_of_forbidden_labels_is_finite() -> None:
    crf = Crf((np.array([True, False]), np.array([[True, False], [True, True]]), np.array([True, True])))
    scores = torch.zeros(2, 1, 2, requires_grad=True)
    loss = crf.loss(scores, torch.tensor([[1], [0]]), torch.tensor([2]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert bool(torch.isfinite(loss)) and scores.grad is not None and bool(torch.isfinite(scores.grad).all())


def test_padding_does_not_change_the_loss() -> None:
    crf, labels = random_crf(5), gold(5)
    scores = torch.randn(4, 3, LABELS, dtype=torch.double)
    other = scores.masked_fill((labels < 0).unsqueeze(2), 50.0)
    assert crf.loss(scores, labels, LENGTHS).item() == pytest.approx(
        crf.loss(other, labels, LENGTHS).item(), rel=1e-12
    )
