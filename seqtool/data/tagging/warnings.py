"""Warnings about labeled data that can be read but looks wrong. They are reported before training starts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from seqtool.data.formats.conllu import ConlluFormat
from seqtool.data.tagging.sentences import Sentence, Split
from seqtool.errors import pluralize
from seqtool.settings import Scheme
from seqtool.spans import convert, detect_scheme, malformed

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
    train = splits["train"].sentences
    warnings = [warning for split in splits.values() for warning in split.warnings]
    warnings += _shared_files(paths)
    warnings += _label_count(train, labels)
    warnings += _missing_labels(splits["train"])
    warnings += _scheme_doubt(train, scheme)
    for name, split in splits.items():
        warnings += _sentence_length(name, split.sentences)
        warnings += _odd_characters(name, split.sentences)
        if scheme != "none":
            warnings += _malformed_spans(name, split.sentences, scheme)
        if name != "train" and split.sentences:
            warnings += _new_labels(name, split.sentences, train) or _new_inner_labels(
                name, split.sentences, labels, scheme, inner_scheme
            )
            warnings += _repeated_sentences(name, split.sentences, train)
    return tuple(warnings)


# --- files and labels of train ------------------------------------------------------------------------------


def _shared_files(paths: Mapping[str, Sequence[Path]]) -> list[str]:
    splits: dict[Path, list[str]] = {}
    for name, group in paths.items():
        for path in group:
            splits.setdefault(path.resolve(), []).append(name)
    return [
        f"{path.name} is read for {' and '.join(names)}" for path, names in splits.items() if len(names) > 1
    ]


def _label_count(train: Sequence[Sentence], labels: Sequence[str]) -> list[str]:
    words = sum(len(sentence.tokens) for sentence in train)
    forms = len({token for sentence in train for token in sentence.tokens})
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
    count = sum(sentence.labels.count("_") for sentence in train.sentences)
    if not count:
        return []
    return [f"train: {pluralize(count, 'word')} with `_` for {train.format.label}; it is trained as a label"]


def _scheme_doubt(train: Sequence[Sentence], scheme: Scheme) -> list[str]:
    """Warn of labels that do not look like the scheme in the settings.

    IOB1 without adjacent spans looks like IO, so this is no reason for a warning.
    """
    if scheme == "none":
        return []
    detected = detect_scheme(sentence.labels for sentence in train)
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


def _odd_characters(name: str, sentences: Sequence[Sentence]) -> Iterator[str]:
    forms = Counter(token for sentence in sentences for token in sentence.tokens)
    suspects = {form: count for form, count in forms.items() if not form.isascii()}
    invisible = sum(count for form, count in suspects.items() if INVISIBLE.search(form))
    if invisible:
        characters = "an invisible character inside (U+200B, U+2060 or U+FEFF)"
        yield f"{name}: {pluralize(invisible, 'token')} with {characters}; kept as written"
    broken = sum(count for form, count in suspects.items() if REPLACEMENT in form)
    if broken:
        yield f"{name}: {pluralize(broken, 'token')} with U+FFFD, left by a wrong decoding"


def _malformed_spans(name: str, sentences: Sequence[Sentence], scheme: Scheme) -> list[str]:
    places = [
        (sentence.place, len(positions))
        for sentence in sentences
        if (positions := malformed(sentence.labels, scheme))
    ]
    if not places:
        return []
    count = sum(size for _, size in places)
    return [
        f"{name}: {pluralize(count, 'label')} in a place that {scheme} does not allow, "
        f"first at {_short(places[0][0])}; read as conlleval does"
    ]


# --- dev and test compared with train -----------------------------------------------------------------------


def _new_labels(name: str, sentences: Sequence[Sentence], train: Sequence[Sentence]) -> list[str]:
    """Warn of labels, in the scheme of the files, that train lacks."""
    known = {label for sentence in train for label in sentence.labels}
    new = _count_new((label for sentence in sentences for label in sentence.labels), known)
    if not new:
        return []
    return [f"{name} has labels that train lacks; their tokens count as wrong: {_list(new)}"]


def _new_inner_labels(
    name: str, sentences: Sequence[Sentence], labels: Sequence[str], scheme: Scheme, inner_scheme: Scheme
) -> list[str]:
    """Warn of labels that train lacks only in the inner scheme, such as a span of one word."""
    if scheme == "none":
        return []
    inner = (label for sentence in sentences for label in convert(sentence.labels, scheme, inner_scheme))
    new = _count_new(inner, set(labels))
    if not new:
        return []
    return [
        f"{name} has spans of a shape that train lacks ({inner_scheme}); they count as wrong: {_list(new)}"
    ]


def _count_new(labels: Iterable[str], known: set[str]) -> Counter[str]:
    return Counter({label: count for label, count in Counter(labels).items() if label not in known})


def _repeated_sentences(name: str, sentences: Sequence[Sentence], train: Sequence[Sentence]) -> list[str]:
    known = {sentence.tokens for sentence in train}
    repeated = sum(sentence.tokens in known for sentence in sentences)
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
