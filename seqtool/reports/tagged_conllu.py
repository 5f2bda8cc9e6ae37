"""Tagged sentences in CoNLL-U; those of a trained tokenizer with `n-m` lines and `SpaceAfter=No`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count, repeat
from typing import TYPE_CHECKING

from seqtool.data.formats.conllu import COLUMNS, LABELS
from seqtool.inference.tag_stream import Tagged
from seqtool.safe_text import escaped

if TYPE_CHECKING:
    from seqtool.inference.tokenizer import RawSentence

NONE = "_"
FEATS = "feats"
SPACE_AFTER = "SpaceAfter=No"


class ConlluWriter:
    """Writer of sentences with labels.

    Attributes:
        numbers: numbers of the sentences of raw texts, for `# sent_id`.
    """

    def __init__(self, names: Sequence[str], numbers: Iterator[int] | None = None) -> None:
        """Prepare the columns.

        Args:
            names: for each label, the name of its column or `misc:KEY`; a label of another name goes to MISC.
            numbers: numbers that another writer of the same output has left.
        """
        self.numbers = count(1) if numbers is None else numbers
        lower = [name.lower() for name in names]
        self._places = {name: place for place, name in enumerate(lower) if name in LABELS}
        self._misc = [
            (place, name.removeprefix("misc:"))
            for place, name in enumerate(names)
            if lower[place] not in LABELS
        ]

    def __call__(self, tagged: Tagged) -> str:
        """Return a sentence, or all sentences of a raw text."""
        if tagged.item.problem is not None:
            return f"# error: {tagged.error}\n\n"
        if tagged.sentences is not None:
            return "".join(
                self._raw_sentence(sentence, new_paragraph=not place)
                for place, sentence in enumerate(tagged.sentences)
            )
        if not tagged.item.tokens:
            return ""
        comment = "" if tagged.item.text is None else f"# text = {tagged.item.text}\n"
        rows = self._rows(list(map(escaped, tagged.item.tokens)), tagged, repeat(NONE))
        return comment + "".join(rows) + "\n"

    def _raw_sentence(self, tagged: Tagged, *, new_paragraph: bool) -> str:
        text, sentence = tagged.item.text, tagged.raw
        assert text is not None and sentence is not None
        lines = conllu_comments(text, sentence, next(self.numbers), new_paragraph=new_paragraph)
        rows = self._rows(tagged.item.tokens, tagged, word_spaces(text, sentence))
        if any(token.words for token in sentence):
            return "".join([*lines, *_with_ranges(rows, text, sentence), "\n"])
        return "".join([*lines, *rows, "\n"])

    def _rows(self, forms: Sequence[str], tagged: Tagged, misc: Iterator[str]) -> Iterator[str]:
        """Yield the lines of words; `misc` is the content of MISC without labels."""
        columns = tagged.columns or [tagged.labels]
        cells: list[Iterator[str] | Sequence[str]] = [repeat(NONE)] * len(COLUMNS)
        cells[0] = map(str, range(1, len(forms) + 1))
        cells[1] = forms
        for name, place in self._places.items():
            cells[COLUMNS.index(name)] = columns[place]
        if FEATS in self._places:
            cells[COLUMNS.index(FEATS)] = map(sorted_features, columns[self._places[FEATS]])
        cells[-1] = self._with_labels(misc, columns) if self._misc else misc
        return ("\t".join(row) + "\n" for row in zip(*cells, strict=False))

    def _with_labels(self, misc: Iterator[str], columns: Sequence[Sequence[str]]) -> Iterator[str]:
        names = [name for _, name in self._misc]
        for rest, *labels in zip(misc, *(columns[place] for place, _ in self._misc), strict=False):
            parts = [f"{name}={label}" for name, label in zip(names, labels, strict=True)]
            yield "|".join(parts if rest == NONE else [*parts, rest])


@lru_cache(1 << 12)
def sorted_features(features: str) -> str:
    """Return features in the order of their names, without regard to case."""
    return "|".join(sorted(features.split("|"), key=lambda item: item.partition("=")[0].lower()))


# --- sentences of raw text ----------------------------------------------------------------------------------


def conllu_comments(text: str, sentence: RawSentence, number: int, *, new_paragraph: bool) -> list[str]:
    """Return the comments of a sentence of a raw text; white space in `# text` is a single space."""
    content = " ".join(text[sentence[0].start : sentence[-1].end].split())
    first = ["# newpar\n"] if new_paragraph else []
    return [*first, f"# sent_id = {number}\n", f"# text = {content}\n"]


def space_after(text: str, end: int) -> str:
    """Return the content of MISC that tells whether white space or the end of the text follows a token."""
    return NONE if end == len(text) or text[end].isspace() else SPACE_AFTER


def word_spaces(text: str, sentence: RawSentence) -> Iterator[str]:
    """Yield the content of MISC for each word; a multiword token has its own on its `n-m` line."""
    for token in sentence:
        yield from [NONE] * len(token.words) if token.words else (space_after(text, token.end),)


def _with_ranges(rows: Iterator[str], text: str, sentence: RawSentence) -> Iterator[str]:
    """Yield the lines of words, and a line `n-m` before those of a multiword token."""
    word = 1
    for token in sentence:
        size = len(token.words) or 1
        if token.words:
            yield range_line(word, word + size - 1, token.form, space_after(text, token.end))
        for _ in range(size):
            yield next(rows)
        word += size


def range_line(first: int, last: int, form: str, misc: str) -> str:
    """Return the line of a multiword token."""
    return "\t".join([f"{first}-{last}", form, *NONE * 7, misc]) + "\n"
