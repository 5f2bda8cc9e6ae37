"""Values of the columns of a table: what varies like words, counts up, is constant, or marks spans.

`ColumnCounts` collects the values of one column from pieces of a file, in bounded memory. `Column` is the
evidence that they give; `column_evidence.py` compares it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from seqtool.data.formats.brackets import CELL, label_counts, opens
from seqtool.safe_text import shorten, visible
from seqtool.spans import OUTSIDE, marks_spans, span_type

MOST_VALUES = 5000  # distinct values of a column that are counted
LOCATED_VALUES = 1000  # distinct values of a column whose first line is known
EMPTY = frozenset(("", "_", "-", "*", "--", "NULL", "null", "None"))  # cells of an empty column
MOST_STEPS = 0.95  # share of the cells of a counter that follow their predecessor
SHOWN = 4  # values that a line of evidence lists
_TAGS = (
    "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X CC CD DT EX FW IN JJ JJR "
    "JJS LS MD NN NNS NNP NNPS PDT POS PRP PRP$ RB RBR RBS RP TO UH VB VBD VBG VBN VBP VBZ WDT WP WP$ WRB "
    "-LRB- -RRB- `` '' . , : # $ V N A P CONJ"
)
TAGS = frozenset(_TAGS.split())
NUMBER = re.compile(r"[+-]?[0-9]+([.,:][0-9]+)*")
BRACKETS = re.compile(r"(?=.*[()*])[A-Za-z0-9-]*[(*][^ ]*|[0-9A-Za-z:|()-]*\)|[*-]")


class ColumnCounts:
    """Values of one column with their frequencies; bounded, so that a long file fits into memory.

    Attributes:
        counts: frequency of each value. Counting ends after the piece in which `MOST_VALUES` is passed.
        first_lines: number of the line in which a value occurs first.
        early: number of distinct values in the first piece of the file.
        counts_up: whether the first piece has numbers that count up.
        spaces: share of the cells of the first piece that contain a space.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first_lines: dict[str, int] = {}
        self.early = 0
        self.counts_up = False
        self.spaces = 0.0

    @property
    def full(self) -> bool:
        """True if further values are not counted."""
        return len(self.counts) > MOST_VALUES

    def add(self, cells: Sequence[str], line_of: Callable[[int], int]) -> None:
        """Count the cells of a piece.

        Args:
            line_of: function that returns the number of the line of a row.
        """
        if self.full or not cells:
            return
        counts, before = self.counts, len(self.counts)
        if before == 1:
            value = next(iter(counts))
            if cells.count(value) == len(cells):
                counts[value] += len(cells)
                return
        counts.update(cells)
        if not before:
            self.early = len(counts)
            self.counts_up = counts_up(cells)
            self.spaces = sum(" " in cell for cell in cells) / len(cells)
        if before < len(counts) <= LOCATED_VALUES:
            for value in list(counts)[before:]:
                self.first_lines[value] = line_of(cells.index(value))


def counts_up(cells: Sequence[str]) -> bool:
    """Return whether nearly every cell is the previous number plus one, or starts again at 0 or 1."""
    numbers = [int(cell) for cell in cells[:MOST_VALUES] if cell.isdecimal()]
    if len(numbers) < MOST_STEPS * min(len(cells), MOST_VALUES) or len(set(numbers)) < 2:
        return False
    steps = [after == before + 1 or after < min(2, before) for before, after in pairwise(numbers)]
    return sum(steps) >= MOST_STEPS * len(steps) and any(b == a + 1 for a, b in pairwise(numbers))


@dataclass(frozen=True)
class Column:
    """Evidence of one column.

    Attributes:
        index: index of the column, from 0.
        counts: frequency of its values.
        distinct: number of distinct values in the first piece of the file.
        counts_up: whether it counts up.
        spaces: share of cells with a space.
    """

    index: int
    counts: Counter[str]
    distinct: int
    counts_up: bool = False
    spaces: float = 0.0

    @cached_property
    def total(self) -> int:
        """Number of counted cells."""
        return self.counts.total()

    @cached_property
    def is_constant(self) -> bool:
        """True if there is one value at most, empty cells aside."""
        return len(self.counts.keys() - EMPTY) == 0 or len(self.counts) == 1

    @cached_property
    def is_number(self) -> bool:
        """True if all cells are numbers, empty ones aside."""
        return self._share(lambda value: NUMBER.fullmatch(value) is not None or value in EMPTY) >= MOST_STEPS

    @cached_property
    def is_name(self) -> bool:
        """True if nearly all cells contain a digit, as ids of words and sentences do."""
        return self._share(lambda value: any(map(str.isdecimal, value)) or value in EMPTY) > MOST_STEPS

    @cached_property
    def is_bracketed(self) -> bool:
        """True if the cells mark spans with brackets, as `(PERSON*`, `*` and `*)` do."""
        return self._share(lambda value: BRACKETS.fullmatch(value) is not None) > MOST_STEPS

    @cached_property
    def has_flat_brackets(self) -> bool:
        """True if the brackets are those of flat spans, which are read as labels."""
        return self.is_bracketed and self.is_flat and any(map(opens, self.counts))

    @cached_property
    def is_flat(self) -> bool:
        """True if the cells are brackets of flat spans, or `*`."""
        return self._share(lambda value: CELL.fullmatch(value) is not None) > MOST_STEPS

    @cached_property
    def labels(self) -> Counter[str]:
        """Frequency of the labels: those of brackets, or the values."""
        return label_counts(self.counts) if self.has_flat_brackets else self.counts

    @cached_property
    def marks_spans(self) -> bool:
        """True if the cells are span labels, some odd ones aside."""
        return marks_spans(self.counts)

    @cached_property
    def is_outside(self) -> bool:
        """True if every cell is `O`."""
        return self.counts.keys() == {OUTSIDE}

    @cached_property
    def is_tags(self) -> bool:
        """True if nearly all cells are well-known part-of-speech tags."""
        return self._share(TAGS.__contains__) > MOST_STEPS and any(map(str.isalpha, self.counts))

    @cached_property
    def types(self) -> frozenset[str]:
        """Types of the spans that the cells mark."""
        return frozenset(map(span_type, self.counts)) - {""}

    @cached_property
    def spans(self) -> int:
        """Number of cells inside spans."""
        return sum(count for value, count in self.counts.items() if span_type(value))

    @cached_property
    def dashes(self) -> float:
        """Share of cells that stand for no value."""
        return self._share(lambda value: value in EMPTY and value != "")

    def _share(self, test: Callable[[str], bool]) -> float:
        matching = sum(count for value, count in self.counts.items() if test(value))
        return matching / max(1, self.total)

    def shown(self) -> str:
        """Return the most frequent values for a message."""
        values = [
            visible(shorten(value, 20)) or "an empty cell" for value, _ in self.counts.most_common(SHOWN)
        ]
        return ", ".join(values) + (" …" if len(self.counts) > SHOWN else "")

    @property
    def title(self) -> str:
        """Name of the column in messages."""
        return f"column {self.index + 1}"
