"""Fields of JSON lines: detection of the tokens or the text, and of the labels.

The label field has a list of strings or of integers, one for each token, or spans of characters of a text. If
several fields fit, the one whose labels the model knows is chosen, then the one that the settings name, then
span labels, then usual names; the others are named in a doubt. `json_names.py` has the names of integers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, NamedTuple

from seqtool.data.formats.json_names import MOST_NAMES, names_of
from seqtool.data.formats.json_spans import Record, SpanKeys, span_keys
from seqtool.data.formats.label_column import NEW_COLUMN, best_places, is_usable, share_of_labels
from seqtool.data.formats.layout import Layout
from seqtool.errors import DataError
from seqtool.settings.data import TaggerData
from seqtool.spans import spans_of

MOST_RECORDS = 2000  # records that a choice is made from
TOKEN_FIELDS = ("tokens", "words", "forms", "sentence", "text", "data", "content")
LABEL_FIELDS = ("labels", "label", "ner_tags", "tags", "entities", "spans", "upos", "pos_tags", "pos", "ner")
DEFAULT_TEXT, DEFAULT_LABEL = "tokens", "labels"
Value = tuple[str, ...]  # labels of a field in one record


@dataclass(frozen=True)
class JsonFields:
    """Fields of a file of JSON lines.

    Attributes:
        text_key: field of the tokens, or of the text that spans refer to.
        label_key: field of the labels.
        names: names of labels that are integers.
        span_keys: form of spans, see `json_spans.span_keys`; None for lists of labels.
        doubts: other fields that fit, and what is missing; one line each.
    """

    text_key: str
    label_key: str
    names: tuple[str, ...] = ()
    span_keys: SpanKeys | None = None
    doubts: tuple[str, ...] = ()


@dataclass
class _Candidate:
    """Label field and its content in the records so far."""

    labels: set[str] = field(default_factory=set)
    numbers: set[int] = field(default_factory=set)
    keys: SpanKeys | None = None
    fits: bool = True
    values: int = 0  # records in which the field is not empty

    @property
    def marks_spans(self) -> bool:
        """True for character spans, and for labels with B- and I-."""
        return self.keys is not None or any(spans_of([label]) for label in self.labels)


def find_fields(
    records: Iterable[Record],
    data: TaggerData,
    path: str = "",
    known: Collection[str] = (),
    trained: Layout | None = None,
    *,
    optional: bool = False,
) -> JsonFields:
    """Return the fields of tokens and labels.

    Args:
        records: objects of the file; the first 2,000 are read.
        data: settings: `text_key`, `label_key` and `label_names`.
        path: path of the file, beside which names of integers are looked up; empty for a pipe.
        known: labels of the model, if there is one.
        trained: fields of the training file of the model.
        optional: the labels may be missing, as in a file that is to be tagged; only a field with labels of
            the model is a label field then.

    Raises:
        DataError: several fields fit equally, if the labels may be missing.
    """
    sample = list(islice(records, MOST_RECORDS))
    first: Record = next((record for record in sample if record), {})
    of_training = trained.text_key if optional and trained is not None else DEFAULT_TEXT
    if data.text_key == DEFAULT_TEXT and any(of_training in record for record in sample):
        data = replace(data, text_key=of_training)
    if known and not optional and not any(data.label_key in record for record in sample):
        data = replace(data, label_key=DEFAULT_LABEL)  # the model was trained on a file with other fields
    if known and not optional and not any(data.text_key in record for record in sample):
        data = replace(data, text_key=DEFAULT_TEXT)
    candidates = _candidates(sample)
    names = {key: names_of(key, item.numbers, first, data, path) for key, item in candidates.items()}
    usable = {
        key: item
        for key, item in candidates.items()
        if item.fits and item.values and (not item.numbers or names[key])
    }
    if optional:
        found = _fields_to_tag(first, _Fields(usable, names, known), data, trained or Layout(), path)
        unnamed = [key for key, item in candidates.items() if item.numbers and not names[key]]
        return replace(found, doubts=_unnamed(unnamed)) if not found.label_key else found
    label = _choose_label(usable, names, data, known)
    if label is None:
        numbered = [key for key, item in candidates.items() if item.numbers]
        label = next(iter(numbered), data.label_key) if data.label_key == DEFAULT_LABEL else data.label_key
        doubt = f"{label!r} has label numbers without names: `data.label_names` lists them"
        return JsonFields(_text_key(first, data, False), label, doubts=(doubt,) if label in numbered else ())
    keys = usable[label].keys
    tokens = _choose_tokens(usable, data) if keys is None and data.text_key == DEFAULT_TEXT else None
    text = tokens or _text_key(first, data, keys is not None)
    others = sorted(key for key in usable if key not in (label, text, *TOKEN_FIELDS))
    doubts = _other_fields(label, others) if label != data.label_key and not known else ()
    return JsonFields(text, label, names[label] if usable[label].numbers else (), keys, doubts)


class _Fields(NamedTuple):
    """Fields that may hold labels, names of their numbers, and the labels of the model."""

    usable: Mapping[str, _Candidate]
    names: Mapping[str, tuple[str, ...]]
    known: Collection[str]

    def labels(self, key: str) -> set[str]:
        """Return the labels of a field."""
        item = self.usable[key]
        return {self.names[key][number] for number in item.numbers} if item.numbers else item.labels


def _fields_to_tag(
    first: Record, fields: _Fields, data: TaggerData, trained: Layout, path: str
) -> JsonFields:
    """Return the fields of a file to be tagged; the label field is empty if the file has none."""
    usable = fields.usable
    label, keys = _label_to_tag(first, fields, data, trained, path)
    if label in usable:
        keys = usable[label].keys
    tokens = None
    if keys is None and data.text_key == DEFAULT_TEXT:
        others = {key: item for key, item in usable.items() if key != label}
        tokens = next((key for key in TOKEN_FIELDS if key in others and others[key].labels), None)
    text = tokens or _text_key(first, data, keys is not None)
    numbered = label in usable and usable[label].numbers
    return JsonFields(text, label, fields.names[label] if numbered else (), keys)


def _label_to_tag(
    first: Record, fields: _Fields, data: TaggerData, trained: Layout, path: str
) -> tuple[str, SpanKeys | None]:
    """Return the label field, or an empty string without any, and the form of its spans.

    Raises:
        DataError: several fields fit equally.
    """
    if data.label_key == NEW_COLUMN:
        return "", None
    if data.label_key != DEFAULT_LABEL:  # an option names it
        return data.label_key, trained.span_keys if data.label_key == trained.label_key else None
    tokens = data.text_key if data.text_key != DEFAULT_TEXT else _first_key(first, fields.usable)
    shares = {
        key: share_of_labels(dict.fromkeys(fields.labels(key), 1), fields.known)
        for key in fields.usable
        if key != tokens
    }
    of_training = trained.label_key
    has_no_span = not first.get(of_training) and isinstance(first.get(trained.text_key), str)
    if trained.span_keys is not None and has_no_span and not best_places(shares):
        return of_training, trained.span_keys
    if is_usable(of_training, shares):
        return of_training, None
    places = best_places(shares)
    if len(places) > 1:
        shown = " and ".join(map(repr, places))
        message = f"expected one field with the labels of the model, found {len(places)}: {shown}"
        raise DataError(message, place=path, hint="`data.label_key` names the field")
    return (places[0] if places else ""), None


def _first_key(first: Record, keys: Collection[str]) -> str:
    return next((key for key in TOKEN_FIELDS if key in first and key in keys), "")


def _unnamed(fields: Sequence[str]) -> tuple[str, ...]:
    """Return a line for each usual label field with numbers that `tag` cannot write."""
    return tuple(
        f"{key!r} has label numbers without names and is kept; the labels are added in another field"
        for key in fields
        if key in LABEL_FIELDS
    )


def _other_fields(label: str, others: Sequence[str]) -> tuple[str, ...]:
    if not others:
        return ()
    fields = ", ".join(map(repr, others))
    return (f"labels are read from {label!r}; {fields} would fit, too: `data.label_key` names the field",)


# --- candidates ---------------------------------------------------------------------------------------------


def _candidates(records: Sequence[Record]) -> dict[str, _Candidate]:
    found: dict[str, _Candidate] = {}
    for record in records:
        lengths = _token_counts(record)
        for key, value in record.items():
            if isinstance(value, list) and value:
                _add(found.setdefault(key, _Candidate()), value, lengths - {(key, len(value))})
    return {key: item for key, item in found.items() if item.fits}


def _token_counts(record: Record) -> set[tuple[str, int]]:
    """Return each field of the record that may have the tokens, with the number of its tokens."""
    counts: set[tuple[str, int]] = set()
    for key, value in record.items():
        if isinstance(value, str):
            counts.add((key, len(value.split())))
        elif isinstance(value, list) and all(isinstance(item, str | Mapping) for item in value):
            counts.add((key, len(value)))
    return counts


def _add(candidate: _Candidate, value: list[Any], lengths: Collection[tuple[str, int]]) -> None:
    """Add the value of a record: a list of strings or of integers, one for each token, or spans."""
    candidate.values += 1
    aligned = any(count == len(value) for _, count in lengths)
    if aligned and all(isinstance(item, str) for item in value):
        candidate.labels.update(item.strip() for item in value[:MOST_NAMES])
    elif aligned and all(isinstance(item, int) and not isinstance(item, bool) for item in value):
        candidate.numbers.update(value)
    elif (keys := span_keys(value[0])) is not None and all(span_keys(item) == keys for item in value):
        candidate.keys = keys
        candidate.labels.update(_span_labels(value, keys))
    else:
        candidate.fits = False
    kinds = (
        bool(candidate.labels) and candidate.keys is None,
        bool(candidate.numbers),
        candidate.keys is not None,
    )
    candidate.fits = candidate.fits and sum(kinds) == 1


def _span_labels(value: list[Any], keys: SpanKeys) -> set[str]:
    labels = [item[2] if not keys else item[keys[2]] for item in value]
    return {f"{prefix}-{label}" for label in labels if isinstance(label, str) for prefix in "BI"}


def _choose_label(
    usable: Mapping[str, _Candidate],
    names: Mapping[str, tuple[str, ...]],
    data: TaggerData,
    known: Collection[str],
) -> str | None:
    """Return the best label field, or None without any."""
    tokens = _choose_tokens(usable, data)
    choices = [key for key in usable if key != tokens or key == data.label_key]
    if data.label_key != DEFAULT_LABEL:
        return data.label_key if data.label_key in usable else None
    if data.label_key in choices and not known:
        return data.label_key

    def rank(key: str) -> tuple[float, bool, bool, bool, int]:
        item = usable[key]
        labels = {names[key][number] for number in item.numbers} if item.numbers else item.labels
        share = len(labels & set(known)) / len(labels) if labels and known else 0.0
        usual = LABEL_FIELDS.index(key) if key in LABEL_FIELDS else len(LABEL_FIELDS)
        marked = item.marks_spans or any(spans_of([label]) for label in labels)
        return share, key == data.label_key, item.keys is None and marked, marked, -usual

    return max(choices, key=rank, default=None)


def _choose_tokens(usable: Mapping[str, _Candidate], data: TaggerData) -> str | None:
    """Return the field of the tokens among lists of strings: a usual name, or the first list."""
    lists = [
        key for key, item in usable.items() if item.labels and item.keys is None and key != data.label_key
    ]
    others = lists if len(lists) > 1 or data.label_key in usable else []
    return next((key for key in (data.text_key, *TOKEN_FIELDS, *others) if key in lists), None)


def _text_key(first: Record, data: TaggerData, of_spans: bool) -> str:
    """Return the field of the tokens; for spans, the field of the text."""
    if data.text_key != DEFAULT_TEXT:
        return data.text_key
    texts = [key for key, value in first.items() if isinstance(value, str)]
    lists = [key for key, value in first.items() if isinstance(value, list)]
    fields = [*texts, *lists] if of_spans else [*lists, *texts]
    if of_spans and isinstance(first.get(data.text_key), list):
        fields = texts  # positions refer to the text, also if the record has tokens
    usual = sorted(TOKEN_FIELDS, key=lambda key: isinstance(first.get(key), str) != of_spans)
    return next((key for key in (data.text_key, *usual) if key in fields), data.text_key)
