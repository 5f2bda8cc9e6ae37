"""Decoding of label scores in numpy: argmax, Viterbi, exact n-best lists and marginals.

Scores are additive: logits, log probabilities, or the scores of a CRF. The score of a label sequence is
`start[first] + the sum of its scores + the sum of transitions[from, to] + end[last]`. Forbidden transitions
have a large negative score and not minus infinity, so that a best sequence always exists. Training and
inference use these same functions.

References: Viterbi 1967; Rabiner 1989 (forward-backward); Seshadri and Sundberg 1994 (n-best).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqtool.settings.values import Scheme
from seqtool.spans import allowed_transitions
from seqtool.types import Array

ScoredSequence = tuple[Array, float]  # label indices (time,) and score

# Lower than any sum of real scores, but small enough that a double keeps ten digits after the decimal point.
FORBIDDEN = -1e6


def constraint_scores(labels: Sequence[str], scheme: Scheme) -> tuple[Array, Array, Array]:
    """Return scores that restrict decoding to well-formed labels: 0 if allowed, else `FORBIDDEN`.

    Returns:
        float64: start (L,), transitions (L, L) as [from, to], end (L,). A CRF adds its own scores to them.
    """
    start, transitions, end = (
        np.where(allowed, 0.0, FORBIDDEN) for allowed in allowed_transitions(labels, scheme)
    )
    return start, transitions, end


def log_softmax(scores: Array) -> Array:
    """Return log probabilities over the last axis, in float64."""
    shifted = scores.astype(np.float64)
    shifted -= shifted.max(-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(-1, keepdims=True))
    return shifted


# --- the best sequence --------------------------------------------------------------------------------------


def argmax(scores: Array) -> Array:
    """Return the best label of each token, chosen independently; of equal scores, the first label.

    Args:
        scores: (time, batch, L) or (time, L).

    Returns:
        Label indices, in the same shape without the last axis.
    """
    labels: Array = scores.argmax(-1)
    return labels


def viterbi(scores: Array, lengths: Array, start: Array, transitions: Array, end: Array) -> Array:
    """Return the best label sequence of each sentence (Viterbi 1967).

    Args:
        scores: (time, batch, L); scores after the end of a sentence are ignored.
        lengths: (batch,), in any order; 0 is allowed.
        start, transitions, end: (L,), (L, L) as [from, to], (L,).

    Returns:
        Label indices (time, batch), int64; -1 after the end of a sentence.
    """
    order = np.argsort(-lengths, kind="stable")  # longest first: active sentences form a slice
    lengths = lengths[order]
    active = (lengths[None, :] > np.arange(len(scores))[:, None]).sum(1)  # (time,): sentences with this token
    best = _best_scores(scores[:, order].astype(np.float64, copy=False), active, start, transitions)
    labels = np.full(scores.shape[:2], -1, np.int64)
    labels[:, order] = _backtrack(best, active, transitions, end)
    return labels


def _best_scores(scores: Array, active: Array, start: Array, transitions: Array) -> Array:
    """Replace `scores` by the score of the best sequence up to each token and label: (time, batch, L)."""
    if len(scores):
        scores[0] += start
    for time in range(1, len(scores)):
        count = active[time]
        scores[time, :count] += (scores[time - 1, :count, :, None] + transitions).max(1)
    return scores


def _backtrack(best: Array, active: Array, transitions: Array, end: Array) -> Array:
    """Follow the best sequences back from their last tokens.

    The best predecessor is computed here, for one label per token. That is half the work of storing the
    predecessor of every label in the forward pass.
    """
    labels = np.full(best.shape[:2], -1, np.int64)
    scores_into = np.ascontiguousarray(transitions.T)
    continued = 0  # number of sentences that have a next token
    for time in range(len(best) - 1, -1, -1):
        count = active[time]
        reached = best[time, :count]
        inner = reached[:continued] + scores_into[labels[time + 1, :continued]] if continued else reached[:0]
        labels[time, :count] = np.concatenate([inner, reached[continued:] + end]).argmax(1)
        continued = count
    return labels


# --- the n best sequences -----------------------------------------------------------------------------------


def nbest(scores: Array, start: Array, transitions: Array, end: Array, n: int) -> list[ScoredSequence]:
    """Return the exact n best label sequences of one sentence, best first (Seshadri and Sundberg 1994).

    Sequences that break a constraint are left out: those whose score is more than half of `FORBIDDEN` below
    the best score. So there may be fewer than n sequences.

    Args:
        scores: (time, L).
        start, transitions, end: (L,), (L, L) as [from, to], (L,).
        n: at least 1.

    Returns:
        Label indices (time,) and score of each sequence.
    """
    if not len(scores):
        return [(np.zeros(0, np.int64), 0.0)]
    # (position, label): scores of the best n sequences that end in each label. The pair of a position and a
    # label is stored as one number, position * L + label.
    reached = (start + scores[0].astype(np.float64))[None, :]
    predecessors: list[Array] = []
    for row in scores[1:]:
        extended = (reached[:, :, None] + transitions).reshape(-1, transitions.shape[1])
        predecessors.append(_largest(extended, n))
        reached = np.take_along_axis(extended, predecessors[-1], 0) + row
    final = (reached + end).reshape(-1, 1)
    last = _largest(final, n)[:, 0]
    totals = final[last, 0]
    allowed = totals > totals[0] + FORBIDDEN / 2
    sequences = _backtrack_nbest(last[allowed], predecessors, scores.shape[1])
    return list(zip(sequences, totals[allowed].tolist(), strict=True))


def _largest(values: Array, n: int) -> Array:
    """Return the row indices of the n largest values of each column, largest first."""
    if len(values) > 4 * n:
        candidates = np.sort(np.argpartition(-values, n - 1, axis=0)[:n], axis=0)
        order = np.argsort(-np.take_along_axis(values, candidates, 0), axis=0, kind="stable")
        return np.take_along_axis(candidates, order, 0)
    return np.argsort(-values, axis=0, kind="stable")[:n]


def _backtrack_nbest(last: Array, predecessors: list[Array], label_count: int) -> list[Array]:
    """Return the label sequences that end in the (position, label) pairs `last`."""
    sequences = np.empty((len(last), len(predecessors) + 1), np.int64)
    pairs = last
    sequences[:, -1] = pairs % label_count
    for time in range(len(predecessors) - 1, -1, -1):
        pairs = predecessors[time][pairs // label_count, pairs % label_count]
        sequences[:, time] = pairs % label_count
    return list(sequences)


def nbest_independent(scores: Array, n: int) -> list[ScoredSequence]:
    """Return the exact n best label sequences of one sentence without transition scores, best first.

    Args:
        scores: (time, L), for instance log probabilities.
        n: at least 1.

    Returns:
        Label indices (time,) and summed score of each sequence; fewer than n if no more exist.
    """
    sequences, totals = np.zeros((1, 0), np.int64), np.zeros(1)
    for row in scores.astype(np.float64):
        labels = _largest(row[:, None], n)[:, 0]
        sums = (totals[:, None] + row[labels]).reshape(-1, 1)
        kept = _largest(sums, n)[:, 0]
        totals = sums[kept, 0]
        sequences = np.concatenate([sequences[kept // len(labels)], labels[kept % len(labels), None]], axis=1)
    return list(zip(sequences, totals.tolist(), strict=True))


# --- sums over all sequences --------------------------------------------------------------------------------


def log_partition(scores: Array, start: Array, transitions: Array, end: Array) -> float:
    """Return the logarithm of the sum of the exponentials of all sequence scores.

    Args:
        scores: (time, L), with time at least 1.
        start, transitions, end: (L,), (L, L) as [from, to], (L,).
    """
    return float(_log_sum(_forward(scores, start, transitions)[-1] + end))


def marginals(scores: Array, start: Array, transitions: Array, end: Array) -> Array:
    """Return the marginal probability of each label at each token (forward-backward, Rabiner 1989).

    Args:
        scores: (time, L).
        start, transitions, end: (L,), (L, L) as [from, to], (L,); all finite.

    Returns:
        (time, L), float64.
    """
    if not len(scores):
        return np.zeros(scores.shape)
    forward = _forward(scores, start, transitions)
    # Both recursions include the score of the token itself, so it is subtracted once.
    backward = _forward(scores[::-1], end, transitions.T)[::-1]
    probabilities: Array = np.exp(log_softmax(forward + backward - scores))  # all rows have the same sum
    return probabilities


def _forward(scores: Array, start: Array, transitions: Array) -> Array:
    """Return the log of the summed exponentials of all sequences up to each token and label: (time, L)."""
    reached = scores.astype(np.float64)
    reached[0] += start
    for time in range(1, len(scores)):
        reached[time] += _log_sum(reached[time - 1][:, None] + transitions)
    return reached


def _log_sum(values: Array) -> Array:
    """Return the logarithm of the sum of the exponentials over the first axis."""
    largest = values.max(0)
    total: Array = np.log(np.exp(values - largest).sum(0)) + largest
    return total
