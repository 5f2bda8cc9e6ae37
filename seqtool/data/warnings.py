"""Warnings about training data: texts first, then labeled sentences."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqtool.data.formats.conllu import ConlluFormat
from seqtool.data.tagging.split import Sentence, Split
from seqtool.data.text.splits import Parts
from seqtool.data.vocabulary import SymbolVocabulary
from seqtool.errors import pluralize
from seqtool.settings.values import Scheme
from seqtool.spans import convert, span_type
from seqtool.types import Array

LISTED = 10  # symbols that a warning lists
MANY_SYMBOLS = 1000  # some of which may be too rare to learn
RARE = 5  # occurrences
TOO_MANY_SYMBOLS = 30_000  # only the Han script has that many, and no text uses all of them


@dataclass(frozen=True)
class RareSymbols:
    """Symbols that the unknown symbol replaces.

    Attributes:
        symbols: number of distinct symbols.
        occurrences: of all of them, in train.
    """

    symbols: int = 0
    occurrences: int = 0


def text_warnings(
    paths: Mapping[str, Sequence[Path]],
    parts: Parts,
    vocabulary: SymbolVocabulary,
    counts: Mapping[str, Array],
    rare: RareSymbols,
) -> list[str]:
    """Return all warnings about a text, one line each.

    Args:
        paths: files by name of the text.
        parts: train, val and test.
        vocabulary: with the counts of train.
        counts: occurrences in each part of all symbols, before rare ones were replaced.
        rare: the replaced symbols.
    """
    warnings = _shared_files(paths)
    warnings += [
        f"{name}: too short to be used ({len(part)} of its symbols)"
        for name, part in parts.items()
        if len(part) and not part.is_usable
    ]
    if "val" in parts and not len(parts["val"]):
        warnings.append("val: no text is left for it (data.split); training runs without validation")
    if not rare.symbols:
        for name in ("val", "test"):
            if name in counts:
                warnings += _new_symbols(name, vocabulary, counts[name], counts["train"])
    return warnings + _number_of_symbols(vocabulary) + _wrong_decoding(vocabulary)


def _shared_files(paths: Mapping[str, Sequence[Path]]) -> list[str]:
    """Return a warning for each file that is used for several parts."""
    uses: dict[Path, list[str]] = {}
    for name, group in paths.items():
        for path in group:
            uses.setdefault(path.resolve(), []).append("train" if name == "text" else name)
    return [
        f"{path.name} is read for {' and '.join(parts)}" for path, parts in uses.items() if len(parts) > 1
    ]


def _new_symbols(name: str, vocabulary: SymbolVocabulary, counts: Array, train: Array) -> list[str]:
    """Return a warning about symbols that a model cannot learn, because they do not occur in train."""
    new = [(int(counts[number]), number) for number in np.flatnonzero((train == 0) & (counts > 0))]
    if not new:
        return []
    listed = ", ".join(
        f"{vocabulary.show(vocabulary.symbols[number])} ({count:,})"
        for count, number in sorted(new, reverse=True)[:LISTED]
    )
    more = f", and {len(new) - LISTED:,} more" if len(new) > LISTED else ""
    return [f"{name} has symbols that train lacks and no model can predict: {listed}{more}"]


def _number_of_symbols(vocabulary: SymbolVocabulary) -> list[str]:
    if vocabulary.unit == "word":
        return _words_seen_once(vocabulary)
    size, rare = len(vocabulary), int((np.array(vocabulary.counts) < RARE).sum())
    if size > TOO_MANY_SYMBOLS:
        return [f"{size:,} different symbols: is this text? `data.unit: byte` reads any file"]
    if size > MANY_SYMBOLS and rare > 0.1 * size:
        return [
            f"{size:,} symbols, {rare:,} of which occur less than {RARE} times in train; "
            f"`data.min_count: {RARE}` replaces them by one unknown symbol"
        ]
    return []


def _words_seen_once(vocabulary: SymbolVocabulary) -> list[str]:
    words = vocabulary.unit_sizes.astype(bool)[: len(vocabulary.counts)]
    once = int((np.array(vocabulary.counts)[words] == 1).sum())
    if len(vocabulary) <= MANY_SYMBOLS or once <= 0.1 * int(words.sum()):
        return []
    return [
        f"{once:,} of {int(words.sum()):,} words occur once in train; `data.min_count: 2` replaces them by "
        "the unknown word, with `data.spell_unknown: true` they are written as characters"
    ]


def _wrong_decoding(vocabulary: SymbolVocabulary) -> list[str]:
    """Return warnings about characters that do not occur in text that was decoded correctly."""
    if vocabulary.unit == "byte":
        return []
    warnings = []
    counts = dict(zip(vocabulary.symbols, vocabulary.counts, strict=True))
    if "\0" in counts:
        warnings.append(
            f"train has {counts[chr(0)]:,} NUL characters: is it a binary file, or encoded in utf-16?"
        )
    broken = "\N{REPLACEMENT CHARACTER}"
    if broken in counts and vocabulary.unknown is None:
        warnings.append(f"train has {counts[broken]:,} U+FFFD, left by a wrong decoding")
    return warnings


# Characters that are neither letters nor joiners. A token with one looks like a token without it.
INVISIBLE = re.compile("[\u200b\u2060\ufeff]")
REPLACEMENT = "\ufffd"
LISTED = 10
LONG, LONG_ALONE = (
    1000,
    100,
)  # words in a suspiciously long sentence, and in one that is the only one of its split
REPEATED = 0.1  # share of the sentences of a split that may also occur in train


def corpus_warnings(
    paths: Mapping[str, Sequence[Path]],
    splits: Mapping[str, Split],
    labels: Sequence[str],
    scheme: Scheme,
    inner_scheme: Scheme,
) -> tuple[str, ...]:
    """Return all warnings about a corpus, one line each; those of single files come first.

    Args:
        paths: files of each split.
        splits: `train`, `dev` and `test`; dev may be held out of train.
        labels: labels of train in the inner scheme.
        scheme: span scheme of the labels in the files.
        inner_scheme: span scheme of `labels`.
    """
    train = splits["train"]
    warnings = [warning for split in splits.values() for warning in split.warnings]
    warnings += _shared_files(paths)
    warnings += _label_count(train, labels)
    warnings += _missing_labels(train)
    warnings += _scheme_doubt(train, scheme)
    for name, split in splits.items():
        warnings += _sentence_length(name, split.sentences)
        warnings += _odd_characters(name, split)
        if scheme != "none":
            warnings += _malformed_spans(name, split, scheme)
        if name != "train" and split.sentences:
            warnings += _new_labels(name, split, train, scheme) or _new_inner_labels(
                name, split, labels, scheme, inner_scheme
            )
            warnings += _repeated_sentences(name, split.sentences, train)
    return tuple(warnings)


# --- files and labels of train ------------------------------------------------------------------------------


def _label_count(train: Split, labels: Sequence[str]) -> list[str]:
    words, forms = train.words, len(train.forms)
    if len(labels) == 1:
        finding = f"every token of train has the label {labels[0]!r}"
    elif len(labels) > 50 and len(labels) > 0.2 * words:
        finding = f"{len(labels):,} labels for {words:,} words in train"
    elif len(labels) > max(10, forms):
        finding = f"{len(labels):,} labels for {pluralize(forms, 'distinct word')} in train"
    else:
        return []
    return [f"{finding}: is `data.label` the right column?"]


def _missing_labels(train: Split) -> list[str]:
    """Warn of `_` among parts of speech. Only FEATS, relations and MISC keys may be missing."""
    if not isinstance(train.format, ConlluFormat) or train.format.label not in ("upos", "xpos"):
        return []
    count = train.labels["_"]
    if not count:
        return []
    return [f"train: {pluralize(count, 'word')} with `_` for {train.format.label}; it is trained as a label"]


def _scheme_doubt(train: Split, scheme: Scheme) -> list[str]:
    """Warn of labels that do not look like the scheme in the settings.

    IOB1 without adjacent spans looks like IO, so this is no reason for a warning.
    """
    if scheme == "none":
        return []
    detected = train.scheme
    if detected == scheme or (detected, scheme) == ("io", "iob1"):
        return []
    looks = "as if they marked no spans" if detected == "none" else f"like {detected}"
    return [f"the labels of train look {looks}, and are read as {scheme}"]


# --- sentences of each split --------------------------------------------------------------------------------


def _sentence_length(name: str, sentences: Sequence[Sentence]) -> list[str]:
    longest = max(sentences, key=lambda sentence: len(sentence.tokens), default=None)
    if longest is None or len(longest.tokens) <= (LONG if len(sentences) > 1 else LONG_ALONE):
        return []
    size, place = len(longest.tokens), _short(longest.place)
    return [f"{name}: a sentence of {size:,} words at {place}: is a blank line missing?"]


def _odd_characters(name: str, split: Split) -> Iterator[str]:
    suspects = {form: count for form, count in split.forms.items() if not form.isascii()}
    invisible = sum(count for form, count in suspects.items() if INVISIBLE.search(form))
    if invisible:
        characters = "an invisible character inside (U+200B, U+2060 or U+FEFF)"
        yield f"{name}: {pluralize(invisible, 'token')} with {characters}; kept as written"
    broken = sum(count for form, count in suspects.items() if REPLACEMENT in form)
    if broken:
        yield f"{name}: {pluralize(broken, 'token')} with U+FFFD, left by a wrong decoding"


def _malformed_spans(name: str, split: Split, scheme: Scheme) -> list[str]:
    count, first = split.malformed(scheme)
    if first is None:
        return []
    own = split.scheme
    if scheme != "bioes" and own not in ("none", scheme) and split.malformed(own)[1] is None:
        return [f"{name}: the labels look like {own}, those of train like {scheme}; spans are read from both"]
    return [
        f"{name}: {pluralize(count, 'label')} in a place that {scheme} does not allow, "
        f"first at {_short(first.place)}; read as conlleval does"
    ]


# --- dev and test compared with train -----------------------------------------------------------------------


def _new_labels(name: str, split: Split, train: Split, scheme: Scheme) -> list[str]:
    """Warn of labels that train lacks; of span labels only the types count, since the schemes may differ."""
    known = set(train.labels)
    if scheme != "none":
        types = set(map(span_type, known)) - {""}
        known |= {label for label in split.labels if span_type(label) in types}
    new = _without(split.labels, known)
    if not new:
        return []
    return [f"{name} has labels that train lacks; their tokens count as wrong: {_list(new)}"]


def _new_inner_labels(
    name: str, split: Split, labels: Sequence[str], scheme: Scheme, inner_scheme: Scheme
) -> list[str]:
    """Warn of labels that train lacks only in the inner scheme, such as a span of one word."""
    if scheme == "none":
        return []
    inner: Counter[str] = Counter()
    for sequence, count in split.label_sequences.items():
        for label in convert(sequence, scheme, inner_scheme):
            inner[label] += count
    new = _without(inner, set(labels))
    if not new:
        return []
    return [
        f"{name} has spans of a shape that train lacks ({inner_scheme}); they count as wrong: {_list(new)}"
    ]


def _without(counts: Counter[str], known: Container[str]) -> Counter[str]:
    return Counter({label: count for label, count in counts.items() if label not in known})


def _repeated_sentences(name: str, sentences: Sequence[Sentence], train: Split) -> list[str]:
    repeated = sum(sentence.tokens in train.token_sequences for sentence in sentences)
    if repeated <= REPEATED * len(sentences):
        return []
    share = f"{repeated:,} of {len(sentences):,} sentences also occur in train"
    return [f"{name}: {share}; scores on them say little about new text"]


def _list(counts: Counter[str]) -> str:
    listed = ", ".join(f"{label} ({count:,})" for label, count in counts.most_common(LISTED))
    return listed + (f", and {len(counts) - LISTED:,} more" if len(counts) > LISTED else "")


def _short(place: str) -> str:
    """Return `file:line` without the folder."""
    path, _, line = place.rpartition(":")
    return f"{Path(path).name}:{line}"
