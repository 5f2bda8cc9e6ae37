"""Labels that mark spans: finding out a scheme, reading spans from labels and writing them, and what may follow what.

A label is a prefix and a type (`B-person`), a prefix alone (`B`, for plain segmentation) or outside (`O`). Schemes
(Ramshaw and Marcus 1995, Tjong Kim Sang and Veenstra 1999, Ratinov and Roth 2009):

    io     I-x on every token of a span; two spans of one type side by side become one, since IO cannot tell them apart
    iob1   I-x, with B-x only where a span begins right after another of its type
    iob2   B-x on the first token, I-x on the others
    bioes  B-x first, I-x inside, E-x last, S-x alone; also spelt BILOU, BMES and BMEWO, which are read as BIOES
    none   the labels mark no spans

Scores over spans are in `metrics`, decoding under the constraints in `decoding`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from seqtool.settings import Scheme
from seqtool.types import Array

OUTSIDE = "O"
_SPELLINGS = {
    "B": "B",
    "I": "I",
    "E": "E",
    "S": "S",
    "M": "I",
    "L": "E",
    "U": "S",
    "W": "S",
}  # BMES, BILOU, BMEWO as BIOES
_Parsed = tuple[str, str]
_OUTSIDE: _Parsed = (OUTSIDE, "")


class Span(NamedTuple):
    """A stretch of tokens: from `start` up to, not including, `end`."""

    start: int
    end: int
    type: str


@lru_cache(maxsize=65536)
def _parse(label: str) -> _Parsed:
    """Prefix in BIOES spelling, and type; whatever is no span label stands outside."""
    if label and label[0] in _SPELLINGS and (len(label) == 1 or (label[1] == "-" and len(label) > 2)):
        return _SPELLINGS[label[0]], label[2:]
    return _OUTSIDE


def _write(prefix: str, type_: str) -> str:
    return f"{prefix}-{type_}" if type_ else prefix


# --- reading and writing ----------------------------------------------------------------------------------------------


def spans_of(labels: Sequence[str], strict: bool = False, scheme: Scheme = "iob2") -> list[Span]:
    """The spans that labels mark, in order.

    Args:
        labels: one label per token.
        strict: leave out every span that is not well-formed in `scheme` (as seqeval's `mode="strict"` does): under
            `iob2` one that does not begin with B, under `bioes` one that is not closed as well. By default the reading
            is conlleval's, the same for every scheme: a span begins wherever the prefix or a change of type lets it.
        scheme: what `strict` goes by; under `io` and `iob1` both readings are the same.
    """
    if strict and scheme in ("iob2", "bioes"):
        return _strict_spans(labels, closed=scheme == "bioes")
    spans: list[Span] = []
    start, (last, last_type) = 0, _OUTSIDE
    for place, label in enumerate((*labels, OUTSIDE)):
        prefix, type_ = _parse(label)
        new = prefix in "BSO" or last in "ESO" or type_ != last_type
        if new and last != OUTSIDE:
            spans.append(Span(start, place, last_type))
        if new:
            start = place
        last, last_type = prefix, type_
    return spans


def _strict_spans(labels: Sequence[str], closed: bool) -> list[Span]:
    spans: list[Span] = []
    start, type_, last = -1, "", ""  # start -1: no span is open
    for place, label in enumerate((*labels, OUTSIDE)):
        prefix, own = _parse(label)
        if start >= 0 and not (prefix in "IE" and last in "BI" and own == type_):
            if not closed or last in "ES":
                spans.append(Span(start, place, type_))
            start = -1
        if prefix in "BS":
            start, type_ = place, own
        last = prefix
    return spans


def labels_of(spans: Iterable[Span], length: int, scheme: Scheme) -> list[str]:
    """Write spans, which must not overlap, as `length` labels.

    Raises:
        ValueError: the scheme is `none`, or spans overlap or reach beyond the sequence.
    """
    if scheme == "none":
        raise ValueError("spans cannot be written without a scheme")
    labels = [OUTSIDE] * length
    before = Span(0, 0, "")
    for span in sorted(spans):
        if not before.end <= span.start < span.end <= length:
            raise ValueError(f"{span} overlaps {before} or does not lie within {length} tokens")
        touches = before.end == span.start and before.type == span.type and before.start < before.end
        for place, prefix in enumerate(_prefixes(span.end - span.start, scheme, touches), span.start):
            labels[place] = _write(prefix, span.type)
        before = span
    return labels


def _prefixes(width: int, scheme: Scheme, touches: bool) -> str:
    """Prefixes of a span of `width` tokens; `touches`: it follows a span of its own type without a gap."""
    if scheme == "bioes":
        return "S" if width == 1 else "B" + "I" * (width - 2) + "E"
    begins = scheme == "iob2" or (scheme == "iob1" and touches)
    return ("B" if begins else "I") + "I" * (width - 1)


def convert(labels: Sequence[str], from_: Scheme, to: Scheme) -> list[str]:
    """Write the spans of one scheme in another; the reading is lenient, so the result is well-formed.

    Labels that are no span labels at all stay as they are. Between equal schemes nothing changes but the spelling
    (BILOU and BMES become BIOES), so that labels that are not well-formed stay visible.

    Raises:
        ValueError: one of two different schemes is `none`.
    """
    if from_ == to:
        return [_respelt(label) for label in labels] if to == "bioes" else list(labels)
    if from_ == "none":
        raise ValueError("labels without a scheme mark no spans")
    written = labels_of(spans_of(labels), len(labels), to)
    return [label if _parse(label) is _OUTSIDE else new for label, new in zip(labels, written, strict=True)]


def _respelt(label: str) -> str:
    prefix, type_ = parsed = _parse(label)
    return label if parsed is _OUTSIDE else _write(prefix, type_)


# --- which scheme, and what it allows ---------------------------------------------------------------------------------


def detect_scheme(label_sequences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme that labels are in; `none` unless every label is `O` or a prefix with a type.

    Prefixes without types are taken for spans only where `B` and one of `I`, `M`, `E`, `L` occur. IOB1 and IOB2 are told
    apart by the smaller number of labels that break their rules, so that a few slips in a file do no harm. IOB1 without
    touching spans looks like IO, and is called so. IOE (Tjong Kim Sang 1999) is not supported: `none`.
    """
    sequences = [list(labels) for labels in label_sequences]
    found = {label for labels in sequences for label in labels} - {OUTSIDE}
    if not found or any(_parse(label) is _OUTSIDE for label in found) or not _segments(found):
        return "none"
    prefixes = {_parse(label)[0] for label in found}
    if prefixes & set("ES"):
        return "bioes" if prefixes & set("BS") else "none"
    if prefixes == {"I"}:
        return "io"
    slips = {scheme: sum(len(malformed(labels, scheme)) for labels in sequences) for scheme in _IOB}
    return min(_IOB, key=slips.__getitem__)


_IOB: tuple[Scheme, Scheme] = ("iob2", "iob1")


def _segments(found: set[str]) -> bool:
    bare = {label for label in found if len(label) == 1}
    return not bare or ("B" in found and bool(found & set("IMEL")))


def malformed(labels: Sequence[str], scheme: Scheme) -> list[int]:
    """Places of the labels that may not follow what stands before them; `len(labels)` where the last may not be last."""
    parsed = [_OUTSIDE, *map(_parse, labels), _OUTSIDE]
    return [
        place for place, (left, right) in enumerate(pairwise(parsed)) if not _may_follow(left, right, scheme)
    ]


def _may_follow(left: _Parsed, right: _Parsed, scheme: Scheme) -> bool:
    """Whether `right` may come after `left`; both ends of a sequence count as outside."""
    goes_on = left[0] in "BI" and left[1] == right[1]
    if scheme == "iob2":
        return right[0] != "I" or goes_on
    if scheme == "iob1":
        return right[0] != "B" or goes_on
    if scheme == "bioes":
        return goes_on if right[0] in "IE" else left[0] not in "BI"
    return True


def allowed_transitions(labels: Sequence[str], scheme: Scheme) -> tuple[Array, Array, Array]:
    """Which label may come first, which may follow which, and which may come last.

    Returns:
        Booleans: start (L,), transitions (L, L) as [from, to], end (L,).
    """
    size = len(labels)
    if scheme in ("none", "io"):
        return np.ones(size, bool), np.ones((size, size), bool), np.ones(size, bool)
    parsed = [_parse(label) for label in labels]
    start = np.array([_may_follow(_OUTSIDE, label, scheme) for label in parsed], bool)
    steps = np.array(
        [[_may_follow(left, right, scheme) for right in parsed] for left in parsed], bool
    ).reshape(size, size)
    end = np.array([_may_follow(label, _OUTSIDE, scheme) for label in parsed], bool)
    return start, steps, end
