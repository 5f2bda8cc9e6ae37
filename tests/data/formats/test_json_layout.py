"""Fields of JSON lines that are found without settings: tokens, labels, spans, and names of integers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqtool.data.formats.json_layout import JsonFields, find_fields
from seqtool.data.formats.jsonl import JsonlFormat
from seqtool.settings.data import TaggerData
from seqtool.types import Json

DATA = TaggerData(train=())
HF = [
    {"id": "0", "tokens": ["Ann", "ran"], "ner_tags": [1, 0]},
    {"id": "1", "tokens": ["x"], "ner_tags": [2]},
]
NAMES = ("O", "B-PER", "I-PER")
OBJECTS = ("start", "end", "label")
DOCCANO = ("start_offset", "end_offset", "label")


def span(*keys: str) -> Json:
    """Return a span with these names of start, end and label."""
    return dict(zip(keys, (0, 3, "PER"), strict=True))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"text": "Ann ran", "label": [[0, 3, "PER"]]}, ("text", "label", ())),
        ({"text": "Ann ran", "labels": [[0, 3, "PER"]]}, ("text", "labels", ())),
        ({"data": "Ann ran", "entities": [[0, 3, "PER"]]}, ("data", "entities", ())),
        ({"text": "Ann ran", "spans": [span(*OBJECTS)], "answer": "accept"}, ("text", "spans", OBJECTS)),
        ({"id": 3, "text": "Ann ran", "entities": [span(*DOCCANO)], "relations": []},
         ("text", "entities", DOCCANO)),
        ({"text": "Ann ran", "tokens": ["Ann", "ran"], "ner": [span("begin", "stop", "type")]},
         ("text", "ner", ("begin", "stop", "type"))),
        ({"tokens": ["a", "b"], "labels": ["X", "Y"]}, ("tokens", "labels", None)),
        ({"words": ["a", "b"], "tags": ["X", "Y"]}, ("words", "tags", None)),
        ({"w": ["a", "b"], "t": ["X", "Y"]}, ("w", "t", None)),
        ({"tokens": ["a", "b"], "labels": ["B-X", "O"], "spans": [span("start", "end", "type")],
          "text": "a b"},
         ("tokens", "labels", None)),
        ({"text": "Ann ran", "label": ["B-PER", "O"]}, ("text", "label", None)),
    ],
    ids=["doccano", "old doccano", "other text", "Prodigy", "doccano relations", "tokens and spans", "labels",
         "usual names", "other names", "own output", "text and labels"],
)  # fmt: skip
def test_fields_are_found(record: Json, expected: tuple[str, str, tuple[str, ...] | None]) -> None:
    empty = {key: [] if isinstance(value, list) else value for key, value in record.items()}
    for records in ([record], [empty, record], [record, empty]):
        found = find_fields(records, DATA)
        assert (found.text_key, found.label_key, found.span_keys) == expected
        assert not found.doubts


@pytest.mark.parametrize(
    ("known", "label"),
    [((), "ner_tags"), (("NN", "VB"), "pos_tags"), (("B-PER", "O"), "ner_tags"), (("b", "c"), "chunks")],
    ids=["no model", "parts of speech", "entities", "chunks"],
)
def test_the_field_that_the_model_knows_is_chosen(known: tuple[str, ...], label: str) -> None:
    record = {
        "tokens": ["Ann", "ran"],
        "pos_tags": ["NN", "VB"],
        "ner_tags": ["B-PER", "O"],
        "chunks": ["b", "c"],
    }
    found = find_fields([record], DATA, known=known)
    assert (found.text_key, found.label_key) == ("tokens", label)
    assert bool(found.doubts) == (not known)
    assert find_fields([record], TaggerData(train=(), label_key="pos_tags")).label_key == "pos_tags"


def features(names: object) -> Json:
    return {
        "features": {"tokens": {"feature": {"dtype": "string"}}, "ner_tags": {"feature": {"names": names}}}
    }


@pytest.mark.parametrize("source", ["settings", "record", "record features", "info", "infos"])
def test_integers_get_the_names_of_a_list(tmp_path: Path, source: str) -> None:
    data, records = DATA, [dict(record) for record in HF]
    if source == "settings":
        data = TaggerData(train=(), label_names=NAMES)
    if source == "record":
        records[0]["ner_tags_names"] = list(NAMES)
    if source == "record features":
        records[0] |= features(list(NAMES))
    if source == "info":
        (tmp_path / "dataset_info.json").write_text(json.dumps(features(list(NAMES))))
    if source == "infos":
        (tmp_path / "dataset_infos.json").write_text(json.dumps({"default": features(list(NAMES))}))
    found = find_fields(records, data, str(tmp_path / "train.jsonl"))
    assert (found.text_key, found.label_key, found.names) == ("tokens", "ner_tags", NAMES)
    assert labels_of(found, records) == [["B-PER", "O"], ["I-PER"]]


def labels_of(found: JsonFields, records: list[Json]) -> list[list[str] | None]:
    file_format = JsonlFormat(found.text_key, found.label_key, "refuse", found.names, found.span_keys)
    return [block.labels for block in file_format.read(map(json.dumps, records), "f")]


@pytest.mark.parametrize(
    "names", [[], ["O"], ["O", 1, 2], "O"], ids=["none", "too few", "no names", "no list"]
)
def test_integers_without_names_are_named(tmp_path: Path, names: object) -> None:
    (tmp_path / "dataset_info.json").write_text(json.dumps(features(names)))
    found = find_fields(HF, DATA, str(tmp_path / "train.jsonl"))
    assert found.names == ()
    assert found.doubts == ("'ner_tags' has label numbers without names: `data.label_names` lists them",)


@pytest.mark.parametrize(
    "content", ["{", "[" * 100_000, '"x"', "\udcff"], ids=["cut", "deep", "text", "bytes"]
)
def test_a_damaged_description_is_no_traceback(tmp_path: Path, content: str) -> None:
    (tmp_path / "dataset_info.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    assert find_fields(HF, DATA, str(tmp_path / "train.jsonl")).names == ()


def test_records_without_fields_have_the_usual_ones() -> None:
    assert find_fields([], DATA) == JsonFields("tokens", "labels")
    assert find_fields([{}, {"text": "a b"}], DATA) == JsonFields("text", "labels")


def test_fields_of_a_model_that_the_file_lacks_are_found_again() -> None:
    data = TaggerData(train=(), text_key="words", label_key="ner_tags")
    record = {"text": "Ann ran", "spans": [span(*OBJECTS)]}
    found = find_fields([record], data, known=("B-PER", "I-PER", "O"))
    assert (found.text_key, found.label_key, found.span_keys) == ("text", "spans", OBJECTS)
    assert find_fields([record], data).label_key == "ner_tags"
