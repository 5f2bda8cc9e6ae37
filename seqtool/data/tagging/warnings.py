"""What looks wrong in labelled data though it can be read: said as warnings before any time is spent on training."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from seqtool.data.formats.conllu import ConlluFormat
from seqtool.data.tagging.sentences import Sentence, Split, pluralize
from seqtool.settings import Scheme
from seqtool.spans import convert, detect_scheme, malformed

INVISIBLE = re.compile(
    "[\u200b\u2060\ufeff]"
)  # neither letters nor joiners: such a token looks like another and is not
REPLACEMENT = "\ufffd"
LISTED = 10
LONG, ALONE = 1000, 100  # words in a sentence, and in one that is all there is
REPEATED = 0.1  # share of a split's sentences that may occur in train


def corpus_warnings(
    paths: Mapping[str, Sequence[Path]],
    splits: Mapping[str, Split],
    labels: Sequence[str],
    scheme: Scheme,
    inner_scheme: Scheme,
) -> tuple[str, ...]:
    """All warnings about a corpus, one line each, those of the files first.

    Args:
        paths: the files of each split.
        splits: `train`, `dev` and `test`, dev possibly held out of train.
        labels: inner labels of train.
        scheme: of the files' labels.
        inner_scheme: that `labels` are in.
    """
    found = [warning for split in splits.values() for warning in split.warnings]
    found += _shared_files(paths)
    found += _label_shape(splits["train"].sentences, labels)
    found += _unlabelled(splits["train"])
    found += _scheme_doubt(splits["train"].sentences, scheme)
    for name, split in splits.items():
        found += _strange_sentences(name, split.sentences)
        if scheme != "none":
            found += _malformed(name, split.sentences, scheme)
        if name != "train" and split.sentences:
            found += _new_labels(
                name, split.sentences, splits["train"].sentences, labels, scheme, inner_scheme
            )
            found += _repeated(name, split.sentences, splits["train"].sentences)
    return tuple(found)


def _shared_files(paths: Mapping[str, Sequence[Path]]) -> list[str]:
    splits: dict[Path, list[str]] = {}
    for name, group in paths.items():
        for path in group:
            splits.setdefault(path.resolve(), []).append(name)
    return [
        f"{path.name} is read for {' and '.join(names)}" for path, names in splits.items() if len(names) > 1
    ]


def _label_shape(train: Sequence[Sentence], labels: Sequence[str]) -> list[str]:
    words = sum(len(sentence.tokens) for sentence in train)
    forms = len({token for sentence in train for token in sentence.tokens})
    if len(labels) == 1:
        return [f"every token of train has the label {labels[0]!r}: is `data.label` the right column?"]
    if len(labels) > 50 and len(labels) > 0.2 * words:
        return [f"{len(labels):,} labels for {words:,} words in train: is `data.label` the right column?"]
    if len(labels) > max(10, forms):
        return [
            f"{len(labels):,} labels for {pluralize(forms, 'distinct word')} in train: is `data.label` the right column?"
        ]
    return []


def _unlabelled(train: Split) -> list[str]:
    """`_` among parts of speech: FEATS, relations and MISC keys may be missing, these may not."""
    if not isinstance(train.format, ConlluFormat) or train.format.label not in ("upos", "xpos"):
        return []
    count = sum(sentence.labels.count("_") for sentence in train.sentences)
    return (
        [f"train: {pluralize(count, 'word')} with `_` for {train.format.label}; it is learnt as a label"]
        if count
        else []
    )


def _scheme_doubt(train: Sequence[Sentence], scheme: Scheme) -> list[str]:
    """Labels that do not look like the scheme the settings name; IOB1 without touching spans does look like IO."""
    if scheme == "none":
        return []
    looks = detect_scheme(sentence.labels for sentence in train)
    if looks == scheme or (looks, scheme) == ("io", "iob1"):
        return []
    like = "as if they marked no spans" if looks == "none" else f"like {looks}"
    return [f"the labels of train look {like}, and are read as {scheme}"]


def _strange_sentences(name: str, sentences: Sequence[Sentence]) -> list[str]:
    found: list[str] = []
    longest = max(sentences, key=lambda sentence: len(sentence.tokens), default=None)
    words = len(longest.tokens) if longest is not None else 0
    if longest is not None and words > (LONG if len(sentences) > 1 else ALONE):
        found.append(
            f"{name}: a sentence of {words:,} words at {_short(longest.place)}: is a blank line missing?"
        )
    forms = Counter(token for sentence in sentences for token in sentence.tokens)
    odd = {form: count for form, count in forms.items() if not form.isascii()}
    invisible = sum(count for form, count in odd.items() if INVISIBLE.search(form))
    if invisible:
        found.append(
            f"{name}: {pluralize(invisible, 'token')} with an invisible character inside (U+200B, U+2060 or U+FEFF); kept as written"
        )
    broken = sum(count for form, count in odd.items() if REPLACEMENT in form)
    if broken:
        found.append(f"{name}: {pluralize(broken, 'token')} with U+FFFD, left by a wrong decoding")
    return found


def _malformed(name: str, sentences: Sequence[Sentence], scheme: Scheme) -> list[str]:
    wrong = [
        (sentence.place, len(places))
        for sentence in sentences
        if (places := malformed(sentence.labels, scheme))
    ]
    if not wrong:
        return []
    count = sum(places for _, places in wrong)
    return [
        f"{name}: {pluralize(count, 'label')} may not stand there in {scheme}, first at {_short(wrong[0][0])}; read as conlleval does"
    ]


def _new_labels(
    name: str,
    sentences: Sequence[Sentence],
    train: Sequence[Sentence],
    labels: Sequence[str],
    scheme: Scheme,
    inner_scheme: Scheme,
) -> list[str]:
    """Labels that only this split has, in the file's scheme; failing that, in the inner one."""
    known = _labels(train)
    new = Counter({label: count for label, count in _labels(sentences).items() if label not in known})
    if new:
        return [f"{name} has labels that train lacks; their tokens count as wrong: {_listing(new)}"]
    if scheme == "none":
        return []
    inner = Counter(
        label for sentence in sentences for label in convert(sentence.labels, scheme, inner_scheme)
    )
    new = Counter({label: count for label, count in inner.items() if label not in set(labels)})
    return (
        [
            f"{name} has spans of a shape that train lacks ({inner_scheme}); they count as wrong: {_listing(new)}"
        ]
        if new
        else []
    )


def _labels(sentences: Iterable[Sentence]) -> Counter[str]:
    return Counter(label for sentence in sentences for label in sentence.labels)


def _repeated(name: str, sentences: Sequence[Sentence], train: Sequence[Sentence]) -> list[str]:
    known = {sentence.tokens for sentence in train}
    repeated = sum(sentence.tokens in known for sentence in sentences)
    if repeated <= REPEATED * len(sentences):
        return []
    return [
        f"{name}: {repeated:,} of {len(sentences):,} sentences also occur in train; scores on them say little about new text"
    ]


def _listing(counts: Counter[str]) -> str:
    listed = ", ".join(f"{label} ({count:,})" for label, count in counts.most_common(LISTED))
    return listed + (f", and {len(counts) - LISTED:,} more" if len(counts) > LISTED else "")


def _short(place: str) -> str:
    """`file:line` without the folder."""
    path, _, line = place.rpartition(":")
    return f"{Path(path).name}:{line}"
