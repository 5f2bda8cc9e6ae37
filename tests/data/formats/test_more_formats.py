"""Files of annotation tools and corpora, read without settings: tables, tags, spans, numbers, MISC keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqtool.data.formats.detect import Request, detect_file
from seqtool.data.formats.detection import sentence_format, settings_of
from seqtool.data.formats.layout import Layout
from seqtool.data.tagging.sentences import read_split
from seqtool.data.tagging.split import Split
from seqtool.errors import DataError
from seqtool.settings.data import TaggerData

KAGGLE = """\
Sentence #,Word,POS,Tag
Sentence: 1,Thousands,NNS,O
,of,IN,O
,people,NNS,O
,in,IN,O
,London,NNP,B-geo
Sentence: 2,They,PRP,O
,met,VBD,O
,Bush,NNP,B-per
,x,``,O
Sentence: 3,Iran,NNP,B-geo
,said,VBD,O
"""
KAGGLE_SENTENCES = [
    ("Thousands of people in London", "O O O O B-geo"),
    ("They met Bush x", "O O B-per O"),
    ("Iran said", "B-geo O"),
]
DOCCANO = [
    {"id": 1, "text": "Ann lives in New York.", "label": [[0, 3, "PER"], [13, 21, "LOC"]]},
    {"id": 2, "text": "Bob ran.", "label": [[0, 3, "PER"]]},
]
DOCCANO_SENTENCES = [("Ann lives in New York .", "B-PER O O B-LOC I-LOC O"), ("Bob ran .", "B-PER O O")]
PRODIGY = [
    {
        "text": "Ann ran",
        "tokens": [
            {"text": "Ann", "start": 0, "end": 3, "id": 0},
            {"text": "ran", "start": 4, "end": 7, "id": 1},
        ],
        "spans": [{"start": 0, "end": 3, "token_start": 0, "token_end": 0, "label": "PER"}],
        "answer": "accept",
    },
    {"text": "Bob ran", "spans": [], "answer": "accept"},
]
OWN_SPANS = [
    {"text": f"{name} ran", "spans": [{"start": 0, "end": 3, "label": "PER"}], "offsets": "x", "meta": 1}
    for name in ("Ann", "Bob")
]
WORD_TAG = "The/DT dog/NN ran/VBD\nA/DT cat/NN sat/VBD\n" * 4
WORD_TAG_SENTENCES = [("The dog ran", "DT NN VBD"), ("A cat sat", "DT NN VBD")] * 4


def misc(*words: tuple[str, str]) -> str:
    rows = [f"{n}\t{form}\t_\tX\t_\t_\t0\troot\t_\t{value}\n" for n, (form, value) in enumerate(words, 1)]
    return "".join([*rows, "\n"])


NE = misc(("Ann", "NE=B-PER"), ("Lee", "NE=I-PER"), ("ran", "SpaceAfter=No")) * 4


def rows(records: object) -> str:
    assert isinstance(records, list)
    return "".join(json.dumps(record) + "\n" for record in records)


def read(folder: Path, name: str, content: str, data: TaggerData | None = None) -> Split:
    path = folder / name
    path.write_bytes(content.encode())
    return read_split("train", [path], data or TaggerData(train=(str(path),)))


def sentences(split: Split) -> list[tuple[str, str]]:
    return [(" ".join(sentence.tokens), " ".join(sentence.labels)) for sentence in split.sentences]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", KAGGLE, KAGGLE_SENTENCES),
        ("a.csv", KAGGLE.replace("\n", "\r\n"), KAGGLE_SENTENCES),
        ("a.tsv", KAGGLE.replace(",", "\t"), KAGGLE_SENTENCES),
        ("a.csv", KAGGLE.replace(",", ";"), KAGGLE_SENTENCES),
        ("a.csv", KAGGLE.replace("London", '"London"').replace(",x,", ',"x",'), KAGGLE_SENTENCES),
        ("a.csv", KAGGLE.replace("Sentence: ", "s"), KAGGLE_SENTENCES),
        ("a.jsonl", rows(DOCCANO), DOCCANO_SENTENCES),
        ("a.jsonl", rows(DOCCANO).replace('"label"', '"labels"'), DOCCANO_SENTENCES),
        ("a.jsonl", rows(DOCCANO).replace('"label"', '"entities"'), DOCCANO_SENTENCES),
        ("a.json", json.dumps(DOCCANO), DOCCANO_SENTENCES),
        ("a.json", json.dumps(DOCCANO, indent=2), DOCCANO_SENTENCES),
        ("a.txt", rows(DOCCANO), DOCCANO_SENTENCES),
        ("a.jsonl", rows(PRODIGY), [("Ann ran", "B-PER O"), ("Bob ran", "O O")]),
        ("a.jsonl", rows(PRODIGY[::-1]), [("Bob ran", "O O"), ("Ann ran", "B-PER O")]),
        ("a.json", json.dumps(PRODIGY, indent=1), [("Ann ran", "B-PER O"), ("Bob ran", "O O")]),
        ("a.txt", WORD_TAG, WORD_TAG_SENTENCES),
        ("a.txt", WORD_TAG.replace("/", "_"), WORD_TAG_SENTENCES),
        ("a.pos", WORD_TAG.replace("\n", "\r\n"), WORD_TAG_SENTENCES),
        ("a.txt", WORD_TAG.replace("/", "_").replace("\n", "\r\n"), WORD_TAG_SENTENCES),
        ("a.txt", WORD_TAG.replace("/", "_").replace(" ", "\t"), WORD_TAG_SENTENCES),
        ("a.txt", WORD_TAG.replace("/", "|"), WORD_TAG_SENTENCES),
        ("a.jsonl", rows(OWN_SPANS), [("Ann ran", "B-PER O"), ("Bob ran", "B-PER O")]),
        ("a.jsonl", rows(OWN_SPANS).replace('"start"', '"begin"').replace('"label"', '"type"'),
         [("Ann ran", "B-PER O"), ("Bob ran", "B-PER O")]),
        ("a.jsonl", rows(DOCCANO) + "\n", DOCCANO_SENTENCES),
    ],
    ids=["Kaggle", "CRLF", "tabs", "semicolons", "quotes", "other ids", "doccano", "old doccano", "entities",
         "array", "indented array", "by content", "Prodigy", "Prodigy, no span first", "Prodigy array",
         "word/TAG", "word_TAG", "word/TAG, CRLF", "word_TAG, CRLF", "word_TAG, tabs", "word|TAG",
         "own spans", "own spans, other names", "doccano, blank line at the end"],
)  # fmt: skip
def test_a_file_is_read_without_settings(
    tmp_path: Path, name: str, content: str, expected: list[tuple[str, str]]
) -> None:
    split = read(tmp_path, name, content)
    assert sentences(split) == expected
    assert not split.warnings


@pytest.mark.parametrize(
    ("content", "label", "expected"),
    [
        (NE, "misc:NE", "B-PER I-PER O"),
        (NE.replace("NE=", "Entity="), "misc:Entity", "B-PER I-PER O"),
        (NE.replace("SpaceAfter=No", "_"), "misc:NE", "B-PER I-PER O"),
        (NE.replace("B-PER", "PER").replace("I-PER", "PER"), "misc:NE", "PER PER _"),
    ],
    ids=["BIO", "other key", "empty MISC", "no scheme"],
)
def test_a_missing_misc_key_is_outside_among_span_labels(
    tmp_path: Path, content: str, label: str, expected: str
) -> None:
    split = read(tmp_path, "a.conllu", content, TaggerData(train=(), label=label))
    assert sentences(split) == [("Ann Lee ran", expected)] * 4


def test_the_setting_decides_the_label_of_a_missing_key(tmp_path: Path) -> None:
    split = read(tmp_path, "a.conllu", NE, TaggerData(train=(), label="misc:NE", missing_label="none"))
    assert sentences(split)[0] == ("Ann Lee ran", "B-PER I-PER none")


@pytest.mark.parametrize("names", [("O", "B-PER"), ("O", "B-PER", "I-PER")], ids=["exact", "more"])
def test_integers_are_read_by_the_names_of_the_settings(tmp_path: Path, names: tuple[str, ...]) -> None:
    content = rows([{"id": "0", "tokens": ["Ann", "ran"], "ner_tags": [1, 0]}])
    split = read(tmp_path, "a.jsonl", content, TaggerData(train=(), label_names=names))
    assert sentences(split) == [("Ann ran", "B-PER O")]


def test_integers_without_names_are_refused_with_the_setting(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path, "a.jsonl", rows([{"tokens": ["Ann", "ran"], "ner_tags": [1, 0]}]))
    assert error.value.problems[0].place.endswith("a.jsonl:1")
    assert "data.label_names" in error.value.problems[0].hint


def test_the_label_field_that_the_model_knows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(rows([{"tokens": ["Ann", "ran"], "pos_tags": ["NN", "VB"], "ner_tags": ["B-PER", "O"]}]))
    assert detect_file(path).label_key == "ner_tags"
    assert detect_file(path).doubts
    known = detect_file(path, None, Request(known_labels=frozenset({"NN", "VB", "JJ"})))
    assert (known.label_key, known.doubts) == ("pos_tags", ())


def test_spans_that_cut_a_token_are_named_with_line_span_and_token(tmp_path: Path) -> None:
    records = [*DOCCANO, {"text": "Annie ran", "label": [[0, 3, "PER"]]}]
    split = read(tmp_path, "a.jsonl", rows(records))
    assert sentences(split)[2] == ("Annie ran", "B-PER O")
    place = tmp_path / "a.jsonl"
    assert split.warnings == (
        f"{place}:3: the span 0-3 'Ann' (PER) cuts the token 'Annie', which is labeled as a whole",
    )
    many = read(tmp_path, "b.jsonl", rows(records[2:] * 5))
    assert len(many.warnings) == 4
    assert many.warnings[-1].startswith("2 more spans")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"token": "lemma"}, ("a b", "X Y")),
        ({"token": "2"}, ("a b", "X Y")),
        ({"label": "other", "token": "word"}, ("A B", "P Q")),
        ({"sentence": "none"}, ("A B", "X Y")),
        ({"sentence": "lemma"}, ("A", "X")),
    ],
    ids=["token by name", "token by number", "label by name", "no ids", "ids by name"],
)
def test_settings_name_columns_by_header_or_number(
    tmp_path: Path, settings: dict[str, str], expected: tuple[str, str]
) -> None:
    content = "word,lemma,other,tag\nA,a,P,X\nB,b,Q,Y\n"
    split = read(tmp_path, "a.csv", content, table_settings({"label": "tag", **settings}))
    assert sentences(split)[0] == expected


def table_settings(values: dict[str, str]) -> TaggerData:
    """Return settings of a CSV table in which columns are named."""
    columns = {"token": "auto", "sentence": "auto", "label": "auto", **values}
    return TaggerData(
        train=(),
        format="csv",
        token=columns["token"],
        sentence=columns["sentence"],
        label=columns["label"],
    )


@pytest.mark.parametrize("key", ["token", "sentence"])
def test_a_setting_that_names_no_column_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(DataError, match="expected one of the columns") as error:
        read(tmp_path, "a.csv", KAGGLE, table_settings({key: "Wrod"}))
    assert f"data.{key}" in error.value.problems[0].hint


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", KAGGLE), ("a.jsonl", rows(DOCCANO)), ("a.txt", WORD_TAG), ("a.conllu", NE)],
    ids=["table", "spans", "tagged words", "CoNLL-U"],
)
def test_settings_of_a_detection_read_the_file_alike(tmp_path: Path, name: str, content: str) -> None:
    detected = read(tmp_path, name, content)
    settings = settings_of(detect_file(tmp_path / name), TaggerData(train=()))
    assert sentences(read(tmp_path, name, content, settings)) == sentences(detected)
    if name == "a.csv":
        assert (settings.token, settings.label, settings.sentence) == ("Word", "Tag", "Sentence #")


@pytest.mark.parametrize("label", ["B-Term", "O"])
@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("a.tsv", "law\tB-Term \nis\t O\nrule\tB-Term\n\n"),
        ("a.csv", "word,tag\nlaw,B-Term \nis, O\nrule,B-Term\n\n"),
        ("a.jsonl", '{"tokens": ["law", "is", "rule"], "labels": ["B-Term ", " O", "B-Term"]}\n'),
        ("a.conllu", misc(("law", "NE=B-Term "), ("is", "NE= O"), ("rule", "NE=B-Term"))),
    ],
    ids=["TSV", "CSV", "JSON lines", "CoNLL-U"],
)
def test_blanks_around_labels_are_not_part_of_them(tmp_path: Path, name: str, row: str, label: str) -> None:
    data = TaggerData(train=(), label="misc:NE" if name.endswith("u") else "auto")
    split = read(tmp_path, name, row, data)
    assert sentences(split) == [("law is rule", "B-Term O B-Term")]
    assert label in split.sentences[0].labels


def test_the_layout_of_a_model_reads_other_files_alike(tmp_path: Path) -> None:
    numbers = read(
        tmp_path,
        "a.jsonl",
        rows([{"tokens": ["Ann", "ran"], "ner_tags": [1, 0]}]),
        TaggerData(train=(), label_names=("O", "B-PER")),
    )
    spans = read(tmp_path, "b.jsonl", rows(DOCCANO))
    key = read(tmp_path, "a.conllu", NE, TaggerData(train=(), label="misc:NE"))
    for split in (numbers, spans, key):
        layout = Layout.of_file(TaggerData(train=(), label="misc:NE"), split.format)
        assert Layout.from_json(json.loads(json.dumps(layout.to_json()))) == layout
    path = tmp_path / "c.conllu"
    path.write_text(misc(("Bob", "_"), ("ran", "_")))
    data = layout.settings()
    reader = sentence_format(detect_file(path, data), data)
    (block,) = (block for block in reader.read(path.open(encoding="utf-8"), "c") if block.tokens)
    assert block.labels == ["O", "O"]
    assert reader.fill(block, ["B-PER", "O"]) == misc(("Bob", "NE=B-PER"), ("ran", "_")).splitlines(
        keepends=True
    )


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"pos_tags": ["NN", "VB"], "ner_tags": ["B-PER", "O"]}, "ner_tags"),
        ({"ner_tags": ["B-PER", "O"], "pos_tags": ["NN", "VB"], "chunk_tags": ["NP", "VP"]}, "ner_tags"),
        ({"upos": ["NOUN", "VERB"], "xpos": ["NN", "VB"]}, "upos"),
    ],
    ids=["names second", "names first", "no names"],
)
def test_of_several_label_fields_one_is_read_and_the_others_are_named(
    tmp_path: Path, fields: dict[str, list[str]], label: str
) -> None:
    split = read(tmp_path, "a.jsonl", rows([{"id": n, "tokens": ["Ann", "ran"], **fields} for n in (1, 2)]))
    assert sentences(split) == [("Ann ran", " ".join(fields[label]))] * 2
    assert all(repr(name) in split.warnings[0] for name in fields)
