"""How much of what a model generates stands in its training text: running text by its longest copy and n-grams, lines one by one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from seqtool.evaluation.ngrams import longest_copy, share_seen
from seqtool.inference.character import CharacterModel

NGRAM_SIZES = (5, 10, 20)
SAMPLED_SYMBOLS = 1000
SAMPLED_LINES = 200
LONGEST_LINE = 200


@dataclass(frozen=True)
class Novelty:
    """A sample against the training text.

    Attributes:
        symbols: of the sample.
        longest_copy: its longest stretch that stands in the training text word for word; of a model of lines empty.
        seen_ngrams: the share of its n-grams that do, by size; None where it is too short for one.
        new_lines, seen_lines: of a model of lines: those that are no lines of the training text, and those that are.
    """

    symbols: int
    longest_copy: str = ""
    seen_ngrams: dict[int, float | None] | None = None
    new_lines: tuple[str, ...] = ()
    seen_lines: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All of it; n-grams by text keys, as JSON has them."""
        ngrams = (
            None
            if self.seen_ngrams is None
            else {str(size): share for size, share in self.seen_ngrams.items()}
        )
        return asdict(self) | {"longest_copy_symbols": len(self.longest_copy), "seen_ngrams": ngrams}


def novelty(model: CharacterModel, train_text: str) -> Novelty:
    """Draw a sample at temperature 1 and compare it with the training text."""
    if model.kind == "lines":
        return novelty_of_lines(sampled_lines(model), train_text)
    return novelty_of_text("".join(model.sample("", SAMPLED_SYMBOLS, seed=0)), train_text)


def sampled_lines(model: CharacterModel) -> list[str]:
    """Lines drawn one by one."""
    return ["".join(model.sample("", LONGEST_LINE, seed=seed)).strip("\n") for seed in range(SAMPLED_LINES)]


def novelty_of_lines(lines: list[str], train_text: str) -> Novelty:
    """Tell new lines from those of the training text."""
    known = set(train_text.splitlines())
    new, seen = (tuple(line for line in lines if (line in known) is wanted) for wanted in (False, True))
    return Novelty(sum(map(len, lines)), new_lines=new, seen_lines=seen)


def novelty_of_text(sample: str, train_text: str) -> Novelty:
    """What of a sample stands in the training text."""
    return Novelty(
        len(sample),
        longest_copy(sample, train_text),
        {size: share_seen(sample, train_text, size) for size in NGRAM_SIZES},
    )
