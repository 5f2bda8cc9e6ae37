"""Character spans in JSON: read as B- and I- labels over the tokens of the text, and written back.

A span is `[start, end, label]` (doccano), or an object with a start, an end and a label (Prodigy, doccano,
Label Studio). Positions count characters from 0, and the end is not included. The tokens are those of the
record, or else those of the rule tokenizer. A span that cuts a token labels the whole token, and of
overlapping spans the longer one is kept; both are named in the flaws of a block.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from seqtool.data.tokenization.rules import Token, basic
from seqtool.errors import DataError
from seqtool.spans import OUTSIDE, spans_of

START_KEYS = ("start", "start_offset", "begin", "startOffset", "start_char", "from")
END_KEYS = ("end", "end_offset", "stop", "endOffset", "end_char", "to")
LABEL_KEYS = ("label", "type", "entity", "entity_group", "tag", "entity_type", "class", "category", "labels")
TOKENS_KEY = "tokens"  # field of tokens with positions, beside the text
LEFT_OUT = ("reject", "ignore")  # answers of annotators in Prodigy: the spans are wrong, or there are none
SHOWN = 40  # characters of a text in a message
Record = Mapping[str, object]  # object of a line
SpanKeys = tuple[str, ...]  # names of start, end and label in an object; nothing for [start, end, label]


class CharSpan(NamedTuple):
    """Labeled range of characters; `item` is the span as it is in the file."""

    start: int
    end: int
    label: str
    item: Any


@dataclass(frozen=True)
class SpanRecord:
    """Tokens of a text, their labels, and what the labels do not contain.

    Attributes:
        tokens: tokens with their positions in the text.
        labels: one label for each token: `B-x`, `I-x` or `O`.
        items: span of the file, by its first token, its last token and its label.
        flaws: spans that are not read as they are in the file, one line each.
    """

    tokens: list[Token]
    labels: list[str]
    items: dict[tuple[int, int, str], Any]
    flaws: tuple[str, ...]


def span_keys(item: object) -> SpanKeys | None:
    """Return the form of a span: nothing for a list, its keys for an object; None for no span."""
    if isinstance(item, list) and len(item) == 3:
        return () if _is_position(item[0]) and _is_position(item[1]) and isinstance(item[2], str) else None
    if not isinstance(item, Mapping):
        return None
    keys = tuple(
        next((key for key in names if key in item), "") for names in (START_KEYS, END_KEYS, LABEL_KEYS)
    )
    return keys if all(keys) and _is_position(item[keys[0]]) and _is_position(item[keys[1]]) else None


def _is_position(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# --- reading ------------------------------------------------------------------------------------------------


def read_record(text: str, record: Record, spans: object, place: str) -> SpanRecord:
    """Return the tokens of a text with the labels of its spans.

    Args:
        text: text that the positions refer to.
        record: object of the line, which may contain the tokens.
        spans: value of the field of the spans; None counts as no spans.
        place: location of the line.

    Raises:
        DataError: a span is malformed or outside the text, or a token is not in the text.
    """
    tokens = text_tokens(text, record, place)
    return _label_tokens(tokens, _read_spans(text, spans, place), text, place)


def text_tokens(text: str, record: Record, place: str) -> list[Token]:
    """Return the tokens of a record with their positions in its text; raises the errors of `read_record`."""
    items = record.get(TOKENS_KEY)
    if not isinstance(items, list) or not items:
        return list(basic(text))
    tokens: list[Token] = []
    at = 0
    for item in items:
        form, start = _token_item(item, text, at, place)
        if start < at or text[start : start + len(form)] != form or not form:
            found = f"found {text[at : at + SHOWN]!r}"
            message = f"expected the token {form[:SHOWN]!r} in the text from character {at} on, {found}"
            raise DataError(message, place=place, hint="tokens are parts of the text, in order")
        at = start + len(form)
        tokens.append(Token(form, start, at))
    return tokens


def _token_item(item: object, text: str, at: int, place: str) -> tuple[str, int]:
    """Return the form and the start of a token: a string, or an object with its text and start."""
    if isinstance(item, str):
        return item, text.find(item, at)
    if isinstance(item, Mapping) and _is_position(item.get("start")):
        start = item["start"]
        end = item.get("end")
        form = item.get("text", text[start:end] if _is_position(end) else None)
        if isinstance(form, str):
            return form, start
    message = (
        f"expected strings or objects with text and start in {TOKENS_KEY!r}, found {str(item)[:SHOWN]!r}"
    )
    raise DataError(message, place=place)


def _read_spans(text: str, value: object, place: str) -> list[CharSpan]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise DataError(f"expected a list of spans, found {str(value)[:SHOWN]!r}", place=place)
    return [_read_span(text, item, place) for item in value]


def _read_span(text: str, item: Any, place: str) -> CharSpan:
    keys = span_keys(item)
    if keys is None:
        message = f'expected a span such as [0, 3, "PER"], found {str(item)[:SHOWN]!r}'
        hint = "a span has a start, an end and a label; positions are integers"
        raise DataError(message, place=place, hint=hint)
    start, end, label = item if not keys else (item[key] for key in keys)
    if isinstance(label, list) and len(label) == 1:
        label = label[0]
    if not isinstance(label, str) or not label.strip():
        raise DataError(
            f"expected a label in the span {start}-{end}, found {str(label)[:SHOWN]!r}", place=place
        )
    if not 0 <= start < end <= len(text):
        raise DataError(
            f"expected a span within the {len(text)} characters of the text, found {start}-{end} ({label})",
            place=place,
            hint="positions count characters from 0, not bytes; the end is not included",
        )
    content = text[start:end]
    written = item.get("text") if keys else None
    if isinstance(written, str) and written.strip() != content.strip():
        raise DataError(
            f"expected the text {written[:SHOWN]!r} of the span {start}-{end}, found {content[:SHOWN]!r}",
            place=place,
            hint="positions count characters from 0, not bytes; the end is not included",
        )
    if not content.strip():
        raise DataError(
            f"expected a word in the span {start}-{end} ({label}), found white space", place=place
        )
    lead = len(content) - len(content.lstrip())
    return CharSpan(start + lead, start + lead + len(content.strip()), label.strip(), item)


def _label_tokens(tokens: list[Token], spans: list[CharSpan], text: str, place: str) -> SpanRecord:
    """Label the tokens of each span, longest span first."""
    labels = [OUTSIDE] * len(tokens)
    items: dict[tuple[int, int, str], Any] = {}
    flaws: list[str] = []
    starts = [token.start for token in tokens]
    ends = [token.end for token in tokens]
    for span in sorted(spans, key=lambda span: span.start - span.end):
        first, last = bisect_right(ends, span.start), bisect_left(starts, span.end) - 1
        content = text[span.start : span.end][:SHOWN]
        name = f"{place}: the span {span.start}-{span.end} {content!r} ({span.label})"
        if (first, last, span.label) in items:
            continue
        if last < first:
            flaws.append(f"{name} has no token and is not read")
            continue
        if any(label != OUTSIDE for label in labels[first : last + 1]):
            flaws.append(f"{name} overlaps another span and is not read")
            continue
        for cut in {first, last}:
            if starts[cut] < span.start or ends[cut] > span.end:
                flaws.append(
                    f"{name} cuts the token {tokens[cut].form[:SHOWN]!r}, which is labeled as a whole"
                )
                break
        labels[first : last + 1] = [f"B-{span.label}", *[f"I-{span.label}"] * (last - first)]
        items[first, last, span.label] = span.item
    return SpanRecord(tokens, labels, items, tuple(flaws))


# --- writing ------------------------------------------------------------------------------------------------


def written_spans(old: SpanRecord, labels: Sequence[str], keys: SpanKeys, record: Record) -> list[Any]:
    """Return the spans that labels mark, in the form of the file. A span that did not change is kept.

    A label without a span prefix, such as a part of speech, becomes a span of its token.

    Args:
        old: the record as it was read.
        labels: new labels.
        keys: form of a span, see `span_keys`.
        record: object of the line; spans of Prodigy also contain the numbers of their tokens.
    """
    marked = [(span.start, span.end - 1, span.type) for span in spans_of(labels)]
    single = [
        (index, index, label)
        for index, label in enumerate(labels)
        if label != OUTSIDE and not spans_of([label])
    ]
    given = record.get(TOKENS_KEY)
    numbered = isinstance(given, list) and bool(given) and isinstance(given[0], Mapping) and "id" in given[0]
    return [
        old.items[place] if place in old.items else _new_item(old.tokens, place, keys, numbered)
        for place in sorted([*marked, *single])
    ]


def _new_item(tokens: list[Token], place: tuple[int, int, str], keys: SpanKeys, numbered: bool) -> Any:
    first, last, label = place
    start, end = tokens[first].start, tokens[last].end
    if not keys:
        return [start, end, label]
    value = [label] if keys[2] == "labels" else label
    item = {keys[0]: start, keys[1]: end, keys[2]: value}
    return item | {"token_start": first, "token_end": last} if numbered else item
