"""Choice of sentence ends: the sentences of a paragraph that are probably right, not one end at a time.

A sentence counts as right only if both of its ends are right and no end lies between them. An end with a
probability just above one half splits one sentence into two, and both are wrong if it is wrong. The choice
therefore maximizes the expected number of right sentences minus a price for each sentence. Half of the
expected F1 is the price that maximizes F1, since F1 is a ratio of two sums (Dinkelbach 1967).
"""

from __future__ import annotations

import numpy as np

from seqtool.types import Array

UNLIKELY = -4.6  # score of an end with a probability of 1 %; ends below it are not considered
NEGLIGIBLE = 1e-3  # a sentence is not considered if its end and the lack of ends inside are less probable


def choose_sentences(scores: Array, forced: Array, price: float) -> Array:
    """Choose the tokens that end a sentence.

    The choice for a paragraph does not depend on other paragraphs.

    Args:
        scores: log-odds of a sentence end at each token (tokens,).
        forced: marks the last token of each paragraph (tokens,).
        price: what a sentence costs, in expected right sentences; a lower price gives more sentences.

    Returns:
        Numbers of the chosen tokens, ascending; they contain all forced ones.
    """
    candidates = np.flatnonzero((scores > UNLIKELY) | forced)
    odds = np.minimum(scores[candidates].astype(np.float64), -UNLIKELY * 5)
    probabilities = np.where(forced[candidates], 1.0, 1 / (1 + np.exp(-odds)))
    return candidates[_best_ends(probabilities.tolist(), forced[candidates].tolist(), price)]


def _best_ends(probabilities: list[float], forced: list[bool], price: float) -> list[int]:
    """Return the numbers of the chosen candidates by dynamic programming over the last end before each."""
    values: list[float] = []  # expected gain of the best sentences up to each candidate, in its paragraph
    previous: list[int] = []  # the end before it in these sentences; -1 at the start of the text
    first = 0  # first candidate of the paragraph
    for number, probability in enumerate(probabilities):
        best, best_previous, unbroken = -np.inf, first - 1, probability
        for start in range(number - 1, first - 2, -1):
            inside = start >= first
            chance = unbroken * (probabilities[start] if inside else 1.0)
            value = (values[start] if inside else 0.0) + chance - price
            if value > best:
                best, best_previous = value, start
            unbroken *= 1 - probabilities[start] if inside else 0.0
            if unbroken < NEGLIGIBLE:
                break
        values.append(best)
        previous.append(best_previous)
        if forced[number]:
            first = number + 1
    return _followed_back(previous)


def _followed_back(previous: list[int]) -> list[int]:
    """Return the candidates from the first to the last one, given the candidate before each."""
    ends, number = [], len(previous) - 1
    while number >= 0:
        ends.append(number)
        number = previous[number]
    return ends[::-1]
