"""Span labels: detection of the scheme, conversion between labels and spans, and allowed label transitions.

A label is a prefix with a type (`B-person`), a prefix alone (`B`, for segmentation without types) or outside
(`O`). Schemes (Ramshaw and Marcus 1995, Tjong Kim Sang and Veenstra 1999, Ratinov and Roth 2009):

    io     I-x on every token of a span; adjacent spans of one type are merged, since IO cannot separate them
    iob1   I-x; B-x only on the first token of a span that directly follows another span of its type
    iob2   B-x on the first token, I-x on the others
    bioes  B-x first, I-x inside, E-x last, S-x on a single token; BILOU, BMES and BMEWO are read as BIOES
    none   the labels mark no spans

Span scores are in `metrics`, constrained decoding is in `decoding`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np

from seqtool.settings.values import Scheme
from seqtool.types import Array

OUTSIDE = "O"
_PREFIXES = dict(zip("BIESMLUW", "BIESIESS", strict=True))  # prefixes of BMES, BILOU and BMEWO -> BIOES
MOST_STRAY = 0.1  # share of the tokens that may have a label outside the scheme
_LIKE_OUTSIDE = frozenset(
    ("0", "o", "_", "-")
)  # labels that people write for O; any number of them is accepted
_IOB: tuple[Scheme, Scheme] = ("iob2", "iob1")
_ParsedLabel = tuple[str, str]  # BIOES prefix (or O) and type
_OUTSIDE: _ParsedLabel = (OUTSIDE, "")


class Span(NamedTuple):
    """Typed range of tokens: `start` is included, `end` is not."""

    start: int
    end: int
    type: str


@lru_cache(maxsize=65536)
def _parse(label: str) -> _ParsedLabel:
    """Return the BIOES prefix and the type; a label that is not a span label is outside."""
    if label and label[0] in _PREFIXES and (len(label) == 1 or (label[1] == "-" and len(label) > 2)):
        return _PREFIXES[label[0]], label[2:]
    return _OUTSIDE


def _format(prefix: str, type_: str) -> str:
    return f"{prefix}-{type_}" if type_ else prefix


# --- labels and spans ---------------------------------------------------------------------------------------


def spans_of(labels: Sequence[str], strict: bool = False, scheme: Scheme = "iob2") -> list[Span]:
    """Return the spans that labels mark, in order.

    Args:
        labels: one label per token.
        strict: leave out spans that are not well-formed in `scheme`, as seqeval does with `mode="strict"`. In
            `iob2` these are spans that do not begin with B; in `bioes` also spans without an end. The default
            is the reading of conlleval, which is the same for every scheme: a span begins at each prefix or
            change of type that allows it.
        scheme: scheme for `strict`; in `io` and `iob1` strict and default reading are the same.
    """
    if strict and scheme in ("iob2", "bioes"):
        return _strict_spans(labels, closed=scheme == "bioes")
    spans: list[Span] = []
    start, (previous, previous_type) = 0, _OUTSIDE
    for index, label in enumerate((*labels, OUTSIDE)):
        prefix, type_ = _parse(label)
        begins = prefix in "BSO" or previous in "ESO" or type_ != previous_type
        if begins and previous != OUTSIDE:
            spans.append(Span(start, index, previous_type))
        if begins:
            start = index
        previous, previous_type = prefix, type_
    return spans


def _strict_spans(labels: Sequence[str], closed: bool) -> list[Span]:
    """Return the spans that begin with B or S and, if `closed`, end with E or S."""
    spans: list[Span] = []
    start, span_type, previous = -1, "", ""  # start -1: no span is open
    for index, label in enumerate((*labels, OUTSIDE)):
        prefix, type_ = _parse(label)
        if start >= 0 and not (prefix in "IE" and previous in "BI" and type_ == span_type):
            if not closed or previous in "ES":
                spans.append(Span(start, index, span_type))
            start = -1
        if prefix in "BS":
            start, span_type = index, type_
        previous = prefix
    return spans


def labels_of(spans: Iterable[Span], length: int, scheme: Scheme) -> list[str]:
    """Return `length` labels that mark spans; the spans must not overlap.

    Raises:
        ValueError: the scheme is `none`, spans overlap, or a span is not within the sequence.
    """
    if scheme == "none":
        raise ValueError("spans cannot be written without a scheme")
    labels = [OUTSIDE] * length
    previous = Span(0, 0, "")
    for span in sorted(spans):
        if not previous.end <= span.start < span.end <= length:
            raise ValueError(f"{span} overlaps {previous} or is not within {length} tokens")
        adjacent = previous.end == span.start and previous.type == span.type and previous.start < previous.end
        for index, prefix in enumerate(_prefixes(span.end - span.start, scheme, adjacent), span.start):
            labels[index] = _format(prefix, span.type)
        previous = span
    return labels


def _prefixes(width: int, scheme: Scheme, adjacent: bool) -> str:
    """Return the prefixes of a span of `width` tokens; `adjacent`: it directly follows a span of its type."""
    if scheme == "bioes":
        return "S" if width == 1 else "B" + "I" * (width - 2) + "E"
    marked = scheme == "iob2" or (scheme == "iob1" and adjacent)
    return ("B" if marked else "I") + "I" * (width - 1)


def convert(labels: Sequence[str], from_: Scheme, to: Scheme) -> list[str]:
    """Convert labels from one scheme to another.

    Labels are read as conlleval reads them, so the result is well-formed. Labels that are not span labels are
    kept. If both schemes are equal, only the prefixes of BILOU and BMES change to BIOES; malformed labels
    stay visible.

    Raises:
        ValueError: the schemes differ and one of them is `none`.
    """
    if from_ == to:
        return [_with_bioes_prefix(label) for label in labels] if to == "bioes" else list(labels)
    if from_ == "none":
        raise ValueError("labels without a scheme mark no spans")
    converted = labels_of(spans_of(labels), len(labels), to)
    return [label if _parse(label) is _OUTSIDE else new for label, new in zip(labels, converted, strict=True)]


def _with_bioes_prefix(label: str) -> str:
    prefix, type_ = parsed = _parse(label)
    return label if parsed is _OUTSIDE else _format(prefix, type_)


# --- detection and constraints ------------------------------------------------------------------------------


def detect_scheme(label_sequences: Iterable[Sequence[str]]) -> Scheme:
    """Detect the scheme of labels; `none` unless the labels are `O` or a prefix with a type.

    A few other labels are ignored (`stray_labels`). Prefixes without types count as span labels only if `B`
    and one of `I`, `M`, `E`, `L` occur. Of IOB1 and IOB2, the scheme with fewer malformed labels is chosen,
    so a few annotation errors do not change the result. IOB1 without adjacent spans is identical to IO and
    reported as IO. IOE (Tjong Kim Sang 1999) is not supported and gives `none`.
    """
    every = [tuple(labels) for labels in label_sequences]
    if all(_parse(label) is _OUTSIDE for label in set(chain.from_iterable(every))):
        return "none"  # tags need no counts
    sequences = Counter(every)
    counts: Counter[str] = Counter()
    for labels, count in sequences.items():
        for label in labels:
            counts[label] += count
    return scheme_of(counts, sequences)


def scheme_of(counts: Mapping[str, int], sequences: Mapping[tuple[str, ...], int]) -> Scheme:
    """Return the scheme of labels whose frequencies are known, as `detect_scheme` does.

    Args:
        counts: frequency of each label.
        sequences: frequency of each sequence of labels.
    """
    if not marks_spans(counts):
        return "none"
    distinct = counts.keys() - stray_labels(counts) - {OUTSIDE}
    prefixes = {_parse(label)[0] for label in distinct}
    if prefixes & set("ES"):
        return "bioes" if prefixes & set("BS") else "none"
    if prefixes == {"I"}:
        return "io"
    errors = {
        scheme: sum(count * len(malformed(labels, scheme)) for labels, count in sequences.items())
        for scheme in _IOB
    }
    return min(_IOB, key=errors.__getitem__)


def marks_spans(counts: Mapping[str, int]) -> bool:
    """Return whether the labels with these frequencies are span labels, except for a few (`stray_labels`)."""
    spans = {label for label in counts if _parse(label) is not _OUTSIDE}
    others = counts.keys() - spans - {OUTSIDE}
    without_type = {label for label in spans if len(label) == 1}
    if without_type and not ("B" in spans and without_type & set("IMEL")):
        return False  # more likely the names of a tag set
    return bool(spans) and others == stray_labels(counts)


def stray_labels(counts: Mapping[str, int]) -> set[str]:
    """Return the labels that belong to no scheme among span labels with types.

    They are labels such as `0`, which looks like `O`, and few others: one label, or a tenth of the tokens.
    The result is empty if more labels belong to no scheme, since the labels do not mark spans then.
    """
    spans = {label for label in counts if _parse(label) is not _OUTSIDE}
    stray = counts.keys() - spans - {OUTSIDE}
    odd = stray - _LIKE_OUTSIDE
    most = max(1, MOST_STRAY * sum(counts.values()))
    is_few = len(odd) <= len(spans) and sum(counts[label] for label in odd) <= most
    return set(stray) if is_few and any(len(label) > 1 for label in spans) else set()


def is_span_label(label: str) -> bool:
    """Return whether a label is `O` or a prefix with a type."""
    return label == OUTSIDE or (len(label) > 1 and _parse(label) is not _OUTSIDE)


def span_type(label: str) -> str:
    """Return the type of a span label; an empty string if it has none or is outside."""
    return _parse(label)[1]


def malformed(labels: Sequence[str], scheme: Scheme) -> list[int]:
    """Return the positions of labels that must not follow their predecessor.

    The position `len(labels)` is included if the last label must not end a sequence.
    """
    parsed = [_OUTSIDE, *map(_parse, labels), _OUTSIDE]
    return [
        index for index, (left, right) in enumerate(pairwise(parsed)) if not _may_follow(left, right, scheme)
    ]


def _may_follow(left: _ParsedLabel, right: _ParsedLabel, scheme: Scheme) -> bool:
    """Return True if `right` may follow `left`; the start and the end of a sequence count as outside."""
    continues = left[0] in "BI" and left[1] == right[1]
    if scheme == "iob2":
        return right[0] != "I" or continues
    if scheme == "iob1":
        return right[0] != "B" or continues
    if scheme == "bioes":
        return continues if right[0] in "IE" else left[0] not in "BI"
    return True


def allowed_transitions(labels: Sequence[str], scheme: Scheme) -> tuple[Array, Array, Array]:
    """Return the allowed first labels, label transitions and last labels.

    Returns:
        Booleans: start (L,), transitions (L, L) as [from, to], end (L,).
    """
    size = len(labels)
    if scheme in ("none", "io"):
        return np.ones(size, bool), np.ones((size, size), bool), np.ones(size, bool)
    parsed = [_parse(label) for label in labels]
    start = np.array([_may_follow(_OUTSIDE, label, scheme) for label in parsed], bool)
    transitions = np.array(
        [[_may_follow(left, right, scheme) for right in parsed] for left in parsed], bool
    ).reshape(size, size)
    end = np.array([_may_follow(label, _OUTSIDE, scheme) for label in parsed], bool)
    return start, transitions, end
