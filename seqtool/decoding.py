"""From scores to label sequences: independent choice, Viterbi, exact n-best lists and marginals, in numpy.

Scores are additive (logits, log probabilities, or a CRF's). A sequence's score is `start[first] + the sum of its
scores + the sum of transitions[from, to] + end[last]`. What may not be is a large negative number rather than minus
infinity, so that there is always a sequence to give. Training and use decode with these same functions.

References: Viterbi 1967; Rabiner 1989 (forward-backward); Seshadri and Sundberg 1994 (n-best).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqtool.settings import Scheme
from seqtool.spans import allowed_transitions
from seqtool.types import Array

Path = tuple["Array", float]

FORBIDDEN = (
    -1e6
)  # beyond what scores add up to, and small enough to leave a double ten digits after the point


def constraint_scores(labels: Sequence[str], scheme: Scheme) -> tuple[Array, Array, Array]:
    """Scores that hold decoding to well-formed labels: 0 where allowed, `FORBIDDEN` elsewhere.

    Returns:
        float64: start (L,), transitions (L, L) as [from, to], end (L,); a CRF's own are added to them.
    """
    start, transitions, end = (
        np.where(allowed, 0.0, FORBIDDEN) for allowed in allowed_transitions(labels, scheme)
    )
    return start, transitions, end


def log_softmax(scores: Array) -> Array:
    """Log probabilities over the last axis, in float64."""
    shifted = scores.astype(np.float64)
    shifted -= shifted.max(-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(-1, keepdims=True))
    return shifted


# --- the best sequence ------------------------------------------------------------------------------------------------


def argmax(scores: Array) -> Array:
    """The best label of each token on its own, the first of equals: (time, batch, L) or (time, L) without the last axis."""
    found: Array = scores.argmax(-1)
    return found


def viterbi(scores: Array, lengths: Array, start: Array, transitions: Array, end: Array) -> Array:
    """The best label sequence of each sentence.

    Args:
        scores: (time, batch, L), of any content beyond a sentence's length.
        lengths: (batch,), in any order; 0 is allowed.
        start, transitions, end: (L,), (L, L) as [from, to], (L,).

    Returns:
        Label indices (time, batch), int64; -1 beyond a sentence's length.
    """
    order = np.argsort(-lengths, kind="stable")  # longest first: those still running are then a slice
    lengths = lengths[order]
    running = (lengths[None, :] > np.arange(len(scores))[:, None]).sum(1)
    best = _best_scores(scores[:, order].astype(np.float64, copy=False), running, start, transitions)
    found = np.full(scores.shape[:2], -1, np.int64)
    found[:, order] = _trace(best, running, transitions, end)
    return found


def _best_scores(scores: Array, running: Array, start: Array, transitions: Array) -> Array:
    """Score of the best sequence up to each token that ends in each label: (time, batch, L), in the place of `scores`."""
    if len(scores):
        scores[0] += start
    for time in range(1, len(scores)):
        count = running[time]
        scores[time, :count] += (scores[time - 1, :count, :, None] + transitions).max(1)
    return scores


def _trace(best: Array, running: Array, transitions: Array, end: Array) -> Array:
    """Follow the best sequences back from their last tokens.

    The steps are found again here, for one label each: half the work of noting the way into every label going forward.
    """
    found = np.full(best.shape[:2], -1, np.int64)
    into = np.ascontiguousarray(transitions.T)
    later = 0  # how many sentences go on after this token
    for time in range(len(best) - 1, -1, -1):
        count = running[time]
        reached = best[time, :count]
        going_on = reached[:later] + into[found[time + 1, :later]] if later else reached[:0]
        found[time, :count] = np.concatenate([going_on, reached[later:] + end]).argmax(1)
        later = count
    return found


# --- the n best sequences ---------------------------------------------------------------------------------------------


def nbest(scores: Array, start: Array, transitions: Array, end: Array, n: int) -> list[Path]:
    """The n best label sequences of one sentence, best first, exactly.

    Sequences that break a constraint are left out (those worse than the best by half of `FORBIDDEN`), and there may be
    fewer than n in all.

    Args:
        scores: (time, L).
        start, transitions, end: (L,), (L, L) as [from, to], (L,).
        n: at least 1.

    Returns:
        Label indices (time,) and score of each.
    """
    if not len(scores):
        return [(np.zeros(0, np.int64), 0.0)]
    reached = (start + scores[0].astype(np.float64))[
        None, :
    ]  # (rank, label): the best few sequences into each label
    origins: list[Array] = []
    for row in scores[1:]:
        ways = (reached[:, :, None] + transitions).reshape(-1, transitions.shape[1])
        origins.append(_top(ways, n))  # (rank, label) -> rank and label before, as one number
        reached = np.take_along_axis(ways, origins[-1], 0) + row
    final = (reached + end).reshape(-1, 1)
    chosen = _top(final, n)[:, 0]
    values = final[chosen, 0]
    chosen, values = _allowed(chosen, values)
    return list(zip(_follow(chosen, origins, scores.shape[1]), values.tolist(), strict=True))


def _top(values: Array, n: int) -> Array:
    """Rows of the n largest values of each column, largest first."""
    if len(values) > 4 * n:
        picked = np.sort(np.argpartition(-values, n - 1, axis=0)[:n], axis=0)
        ranks = np.argsort(-np.take_along_axis(values, picked, 0), axis=0, kind="stable")
        return np.take_along_axis(picked, ranks, 0)
    return np.argsort(-values, axis=0, kind="stable")[:n]


def _allowed(chosen: Array, values: Array) -> tuple[Array, Array]:
    kept = values > values[0] + FORBIDDEN / 2
    return chosen[kept], values[kept]


def _follow(chosen: Array, origins: list[Array], labels: int) -> list[Array]:
    """The label sequences that lead to the chosen (rank, label) pairs of the last token."""
    paths = np.empty((len(chosen), len(origins) + 1), np.int64)
    places = chosen
    paths[:, -1] = places % labels
    for time in range(len(origins) - 1, -1, -1):
        places = origins[time][places // labels, places % labels]
        paths[:, time] = places % labels
    return list(paths)


def nbest_independent(scores: Array, n: int) -> list[Path]:
    """The n best label sequences of one sentence where each token's label is chosen on its own, best first, exactly.

    Args:
        scores: (time, L), for instance log probabilities.
        n: at least 1.

    Returns:
        Label indices (time,) and summed score of each; fewer than n where there are no more.
    """
    paths, totals = np.zeros((1, 0), np.int64), np.zeros(1)
    for row in scores.astype(np.float64):
        labels = _top(row[:, None], n)[:, 0]
        sums = (totals[:, None] + row[labels]).reshape(-1, 1)
        kept = _top(sums, n)[:, 0]
        totals = sums[kept, 0]
        paths = np.concatenate([paths[kept // len(labels)], labels[kept % len(labels), None]], axis=1)
    return list(zip(paths, totals.tolist(), strict=True))


# --- sums over all sequences ------------------------------------------------------------------------------------------


def log_partition(scores: Array, start: Array, transitions: Array, end: Array) -> float:
    """Logarithm of the summed exponentials of all label sequences' scores, for scores (time, L) with time at least 1."""
    return float(_log_sum(_forward(scores, start, transitions)[-1] + end))


def marginals(scores: Array, start: Array, transitions: Array, end: Array) -> Array:
    """The probability of each label at each token, summed over all label sequences: (time, L), float64.

    Args:
        scores: (time, L).
        start, transitions, end: (L,), (L, L) as [from, to], (L,); all finite.
    """
    if not len(scores):
        return np.zeros(scores.shape)
    forward = _forward(scores, start, transitions)
    # The same recursion from the other end; it includes the token's own score, which must count once.
    backward = _forward(scores[::-1], end, transitions.T)[::-1]
    probabilities: Array = np.exp(log_softmax(forward + backward - scores))  # every row has the same sum
    return probabilities


def _forward(scores: Array, start: Array, transitions: Array) -> Array:
    """Log of the summed exponentials of all sequences up to each token that end in each label: (time, L)."""
    reached = scores.astype(np.float64)
    reached[0] += start
    for time in range(1, len(scores)):
        reached[time] += _log_sum(reached[time - 1][:, None] + transitions)
    return reached


def _log_sum(values: Array) -> Array:
    """Logarithm of the summed exponentials over the first axis."""
    top = values.max(0)
    summed: Array = np.log(np.exp(values - top).sum(0)) + top
    return summed
