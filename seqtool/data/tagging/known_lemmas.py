"""Lemmas of known words: a form and its first label, if they always have the same lemma in training.

A lemma is learned as a script, such as "remove the last character". The network infers it from the letters,
and may apply the script of a similar word. A word of the training data keeps the lemma that it has there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from seqtool.data.tagging.label_columns import NO_LEMMA, LabelColumns
from seqtool.data.tagging.lemma_scripts import lemma_script
from seqtool.data.tagging.split import Sentence
from seqtool.data.tagging.word_encoder import WordEncoder
from seqtool.types import Array

FREQUENT = 10  # occurrences from which on the network does not learn the lemma of a known word
KnownLemmas = Mapping[str, Sequence[int]]  # by form: first labels, each followed by the number of a script


def known_lemmas(
    columns: LabelColumns, train: Sequence[Sentence], encoder: WordEncoder, earlier: KnownLemmas
) -> dict[str, list[int]]:
    """Return the script of each form and first label whose training words all have the same script.

    Args:
        columns: all labels. Without a column of lemmas, or with spans in the first column, there are none.
        train: training sentences.
        encoder: a form that it normalizes is left out, since scripts count characters as they are written.
        earlier: those of the model that training starts from; kept where `train` has no such word.
    """
    column, first = columns.lemma, columns.columns[0]
    if column is None or not first.is_plain:
        return {}
    labels = {label: number for number, label in enumerate(first.labels)}
    scripts = {script: number for number, script in enumerate(column.labels)}
    found: dict[tuple[str, int], str | None] = {}
    for form, label, lemma in dict.fromkeys(_words(train, column.index)):
        if lemma != NO_LEMMA and form == encoder.normalized(form):
            key, script = (form, labels[label]), lemma_script(form, lemma)
            found[key] = script if found.get(key, script) == script else None
    kept = {
        (form, label): script
        for form, row in earlier.items()
        for label, script in zip(row[::2], row[1::2], strict=True)
    }
    numbers = kept | {key: scripts.get(script or "") for key, script in found.items()}
    rows: dict[str, list[int]] = {}
    for (form, place), number in sorted(numbers.items(), key=lambda item: item[0][1]):
        if number is not None:
            rows.setdefault(form, []).extend((place, number))
    return rows


def without_frequent(
    lemmas: KnownLemmas, sentences: Sequence[Sentence], labels: Sequence[Array], column: int
) -> list[Array]:
    """Return label numbers without the lemmas that are looked up, and that the network need not learn.

    Rare known words remain, since the network learns from them what to do with unknown words.

    Args:
        lemmas: of known words.
        sentences: training sentences.
        labels: numbers of each sentence's labels (length, columns).
        column: index of the column of lemmas, whose numbers become -1.
    """
    pairs = zip(sentences, labels, strict=True)
    words = [list(zip(sentence.tokens, row[:, 0].tolist(), strict=True)) for sentence, row in pairs]
    counts = Counter(chain.from_iterable(words))
    frequent = {
        (form, label)
        for (form, label), count in counts.items()
        if count >= FREQUENT and label in lemmas.get(form, ())[::2]
    }
    learned = [row.copy() for row in labels]
    for row, keys in zip(learned, words, strict=True):
        row[[key in frequent for key in keys], column] = -1
    return learned


def _words(sentences: Iterable[Sentence], column: int) -> Iterator[tuple[str, str, str]]:
    """Return form, first label and lemma of each word."""
    words = (zip(one.tokens, one.labels, one.column(column), strict=True) for one in sentences)
    return chain.from_iterable(words)
