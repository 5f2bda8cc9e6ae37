"""Choice of sentence ends: the sentences of a paragraph with the largest expected F1, not one end at a time.

A sentence counts as right only if both of its ends are right and there is no end between them. An end with a
probability just above one half splits one sentence into two, and both are wrong if it is wrong.

F1 is twice the number of right sentences, divided by the chosen plus the true sentences. A ratio of two sums
is largest where the first sum minus a price for the second is largest, if the price is that ratio itself.
Repetition finds the price (Dinkelbach 1967), and dynamic programming the sentences for a price.

The F1 of a paragraph with doubtful ends is low, and so is its price. At a low price, a paragraph is cut into
too many sentences. The F1 of a whole text is higher. The price therefore has a lower limit.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from seqtool.types import Array

UNLIKELY = -4.6  # score of an end with a probability of 1 %; ends below it are not considered
NEGLIGIBLE = 1e-3  # a sentence is not considered if its end and the lack of ends inside are less probable
LOWEST_PRICE = 0.35  # per sentence, in expected right sentences: half of an F1 of 0.7
CLOSE = 1e-6  # difference of prices that ends the repetition
REPETITIONS = 20  # at most; three are common


def choose_sentences(scores: Array, forced: Array) -> Array:
    """Choose the tokens that end a sentence. The choice for a paragraph does not depend on other paragraphs.

    Args:
        scores: log-odds of a sentence end at each token (tokens,).
        forced: marks the last token of each paragraph (tokens,).

    Returns:
        Numbers of the chosen tokens, ascending; they contain all forced ones.
    """
    candidates = np.flatnonzero((scores > UNLIKELY) | forced)
    odds = np.clip(scores[candidates].astype(np.float64), -30, 30)
    probabilities = np.where(forced[candidates], 1.0, 1 / (1 + np.exp(-odds))).tolist()
    bounds = [0, *(np.flatnonzero(forced[candidates]) + 1).tolist()]
    chosen = [
        first + end for first, last in pairwise(bounds) for end in _paragraph_ends(probabilities[first:last])
    ]
    return candidates[chosen]


def _paragraph_ends(probabilities: list[float]) -> list[int]:
    """Return the numbers of the chosen ends of a paragraph, given the probability of each; the last is 1."""
    if len(probabilities) == 1:
        return [0]
    expected_sentences, price = sum(probabilities), LOWEST_PRICE
    for _ in range(REPETITIONS):
        ends, right = _best_ends(probabilities, price)
        earlier, price = price, max(LOWEST_PRICE, right / (len(ends) + expected_sentences))
        if abs(price - earlier) < CLOSE:
            break
    return ends


def _best_ends(probabilities: list[float], price: float) -> tuple[list[int], float]:
    """Return the best ends for a price of each sentence, and the expected number of right sentences.

    The best sentences up to an end are found for one end after the other, by the end before it.
    """
    values: list[float] = []  # expected right sentences up to each end, minus the price of each
    previous: list[int] = []  # the end before it in these sentences; -1 at the start of the paragraph
    for number, probability in enumerate(probabilities):
        best, best_previous, unbroken = -np.inf, -1, probability
        for start in range(number - 1, -2, -1):
            before = start >= 0
            chance = unbroken * (probabilities[start] if before else 1.0)
            value = (values[start] if before else 0.0) + chance - price
            if value > best:
                best, best_previous = value, start
            if before:
                unbroken *= 1 - probabilities[start]
            if unbroken < NEGLIGIBLE:
                break
        values.append(best)
        previous.append(best_previous)
    ends = _followed_back(previous)
    return ends, values[-1] + price * len(ends)


def _followed_back(previous: list[int]) -> list[int]:
    """Return the chosen ends from the first to the last one, given the end before each."""
    ends, number = [], len(previous) - 1
    while number >= 0:
        ends.append(number)
        number = previous[number]
    return ends[::-1]
