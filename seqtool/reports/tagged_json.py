"""Tagged sentences and texts as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from seqtool.data.tagging.unlabeled import Item
from seqtool.inference.tag_stream import Tagged
from seqtool.settings.values import Scheme
from seqtool.spans import Span, spans_of

if TYPE_CHECKING:  # raw text needs no format
    from seqtool.data.formats.jsonl import JsonlFormat

Offsets = list[tuple[int, int]]


def json_line(tagged: Tagged, scheme: Scheme, names: Sequence[str], form: JsonlFormat | None) -> str:
    """Return one line of JSON.

    Args:
        names: names of the labels of a tagger that predicts several.
        form: format of the input if it was JSON. Only its label field is written then; if an object has none,
            fields are added after its own.
    """
    if tagged.item.problem is not None:
        return json.dumps({"error": tagged.error}, ensure_ascii=False) + "\n"
    block = tagged.item.block
    fields = _json_fields(tagged, scheme, names)
    if form is None or block is None:
        if block is not None and not tagged.item.tokens and block.lines[0].strip():
            return ""  # a comment, a document mark or a header of another format
        return json.dumps(fields, ensure_ascii=False) + "\n"
    requested = {
        key: value
        for key, value in fields.items()
        if key in ("probabilities", "nbest", *names) and key != form.label_key
    }
    if block.labels is not None or form.span_keys is not None:
        return "".join(form.fill_fields(block, tagged.labels, {}, requested))
    others = {key: value for key, value in fields.items() if key not in ("tokens", "labels")}
    return "".join(form.fill_fields(block, tagged.labels, {"tokens": fields["tokens"]}, others))


def _json_fields(tagged: Tagged, scheme: Scheme, names: Sequence[str]) -> dict[str, object]:
    item, offsets = tagged.item, offsets_of(tagged)
    fields: dict[str, object] = {"tokens": item.tokens, "labels": tagged.labels}
    fields |= dict(zip(names, tagged.columns or [], strict=False))
    if offsets is not None:
        fields["offsets"] = list(map(list, offsets))
    if tagged.sentences is not None:
        fields["sentences"] = list(map(list, sentence_ranges(tagged.sentences)))
        fields["multiword"] = list(_multiword(tagged.sentences))
    if scheme != "none":
        fields["spans"] = [
            {
                "start": span.start,
                "end": span.end,
                "type": span.type,
                "text": _span_text(item, offsets, span.start, span.end),
            }
            for span in spans_in(tagged, scheme)
        ]
    if tagged.probabilities is not None:
        fields["probabilities"] = [round(probability, 6) for probability in tagged.probabilities]
    if tagged.nbest is not None:
        fields["nbest"] = [
            {"labels": labels, "log_probability": round(score, 6)} for labels, score in tagged.nbest
        ]
    return fields


def offsets_of(tagged: Tagged) -> Offsets | None:
    """Return start and end of each token in the text; words of a multiword token have the same ones."""
    if tagged.sentences is None:
        return tagged.item.offsets
    return [
        (token.start, token.end)
        for sentence in tagged.sentences
        for token in sentence.raw or ()
        for _ in token.words or (token,)
    ]


def sentence_ranges(sentences: Sequence[Tagged]) -> Iterator[tuple[int, int]]:
    """Yield the numbers of the first token and after the last token of each sentence."""
    at = 0
    for sentence in sentences:
        yield at, at + len(sentence.item.tokens)
        at += len(sentence.item.tokens)


def _multiword(sentences: Sequence[Tagged]) -> Iterator[dict[str, object]]:
    """Yield the range of words and the form of each multiword token."""
    at = 0
    for token in (token for sentence in sentences for token in sentence.raw or ()):
        if token.words:
            yield {"start": at, "end": at + len(token.words), "text": token.form}
        at += len(token.words) or 1


def spans_in(tagged: Tagged, scheme: Scheme) -> Iterator[Span]:
    """Yield the spans of all sentences."""
    if tagged.sentences is None:
        yield from spans_of(tagged.labels, scheme=scheme)
        return
    for sentence, (first, _) in zip(tagged.sentences, sentence_ranges(tagged.sentences), strict=True):
        for span in spans_of(sentence.labels, scheme=scheme):
            yield span._replace(start=span.start + first, end=span.end + first)


def _span_text(item: Item, offsets: Offsets | None, start: int, end: int) -> str:
    if item.text is not None and offsets is not None:
        return item.text[offsets[start][0] : offsets[end - 1][1]]
    return " ".join(item.tokens[start:end])
