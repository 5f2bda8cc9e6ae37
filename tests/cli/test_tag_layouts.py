"""`tag` on files of every layout: only the label column or field is written, and `evaluate` reads it back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from seqtool.inference.load import load_tagger
from seqtool.settings.model import TaggerModel
from seqtool.storage.model_directory import read_model
from tests.support.random_models import tagger_parts
from tests.support.shell import SEQTOOL, Result, environment, seqtool, seqtool_in_process, start
from tests.support.stored_models import RICH, store, store_tagger
from tests.support.tag_layouts import random_tag_file

COLUMNS = {"label": "auto", "columns": [], "width": 2, "text_key": "tokens", "label_key": "labels"}
NAMES = ("O", "B-PER", "I-PER", "E-PER", "S-PER")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder with a tagger of parts of speech and one of names, trained on two columns."""
    folder = tmp_path_factory.mktemp("layouts")
    store_tagger(folder / "runs/words", layout=COLUMNS)
    model = TaggerModel(features=RICH, hidden_size=6, projection=8)
    config, vocab, weights = tagger_parts(model, NAMES, scheme="iob2")
    store(folder / "runs/names", ({**config, "tokenizer": "basic", "layout": COLUMNS}, vocab, weights))
    return folder


def tag(here: Path, name: str, text: str, *options: str, model: str = "names") -> Result:
    path = here / name
    path.write_text(text)
    return seqtool_in_process("tag", "--model", model, "--file", path, *options, cwd=here)


# Once misread: many blank lines, a column of `_`, a path in a column, a number in line 1.
MISREAD = (815, 1076, 1202, 1726, 1786, 1808, 1964, 2069, 2832)


@pytest.mark.parametrize("seeds", [*(range(start, start + 8) for start in range(0, 32, 8)), MISREAD])
def test_bytes_outside_the_labels_are_kept_and_evaluate_reads_the_labels(
    here: Path, seeds: Sequence[int]
) -> None:
    """`python -m tests.benchmarks.tag_layouts` runs thousands of files."""
    model = load_tagger(read_model(here / "runs/words/model"))
    for seed in seeds:
        file = random_tag_file(seed)
        path = here / file.name
        path.write_bytes(file.content)
        done = seqtool_in_process("tag", "--model", "words", "--file", path, cwd=here)
        assert done.stdout.encode() == file.expected(model.tag(file.sentences)), (
            seed,
            file.kind,
            done.stderr,
        )
        path.write_bytes(done.stdout.encode())
        scores = json.loads(seqtool_in_process("evaluate", "words", path, "--json", cwd=here).stdout)
        assert scores["accuracy"] == 1.0, (seed, file.kind)


# --- another layout than in training ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("EU NNP B-NP O\nwins VBZ B-VP O\n\n", 3, "labels in column 4"),
        ("EU NNP B-PER B-NP\nwins VBZ O B-VP\n\n", 2, "labels in column 3"),
        ("1\tIn\n2\tLeeds\n\n", 2, "tokens in column 2, no labels; labels are appended as column 3"),
        ("In\tIN\nLeeds\tNNP\n\n", 2, "labels are appended as column 3"),
        ("B-PER\tLeeds\nO\twins\n\n", 0, "tokens in column 2, labels in column 1"),
    ],
    ids=["last of four", "third of four", "counter", "other labels", "labels first"],
)
def test_only_the_column_with_labels_of_the_model_is_written(
    here: Path, text: str, column: int, said: str
) -> None:
    done = tag(here, "other.conll", text)
    assert done.code == 0 and said in done.stderr
    for old, new in zip(text.splitlines(), done.lines, strict=False):
        before, after = old.split(), new.split()
        assert [cell for index, cell in enumerate(after) if index != column] == [
            cell for index, cell in enumerate(before) if index != column
        ]
        assert not old or after[column] in NAMES


def test_two_columns_that_fit_equally_are_refused_until_an_option_decides(here: Path) -> None:
    text = "EU B-PER O\nwins O B-PER\n\n"
    refused = tag(here, "two.conll", text)
    assert (refused.code, refused.stdout) == (2, "")
    assert "2 and 3" in refused.stderr and "--label names the column" in refused.stderr
    assert [line.split()[2] for line in tag(here, "two.conll", text, "--label", "2").lines[:2]] == [
        "O",
        "B-PER",
    ]
    appended = tag(here, "two.conll", text, "--label", "none").lines
    assert [line.rsplit(" ", 1)[0] for line in appended[:2]] == text.splitlines()[:2]


def test_tags_of_other_labels_after_words_are_not_replaced(here: Path) -> None:
    text = "The/DT dog/NN\nA/DT cat/NN\n"
    refused = tag(here, "words.txt", text)
    assert (refused.code, refused.stdout) == (2, "") and "found DT, NN" in refused.stderr
    assert tag(here, "words.txt", text, "--label", "tag").code == 0


# --- JSON ---------------------------------------------------------------------------------------------------


def test_spans_are_written_in_the_form_of_the_file(here: Path) -> None:
    text = '{"text": "Ann ran", "label": [[0, 3, "PER"]], "offsets": "x", "labels": null}\n'
    done = tag(here, "spans.jsonl", text)
    before, after = json.loads(text), json.loads(done.stdout)
    assert done.code == 0 and all(len(span) == 3 for span in after["label"])
    assert {**before, "label": 0} == {**after, "label": 0}


def test_numbers_of_labels_stay_numbers(here: Path) -> None:
    text = '{"tokens": ["Ann", "ran"], "tags": [1, 0], "tags_names": ["O", "B-PER", "I-PER"]}\n'
    done = tag(here, "numbers.jsonl", text)
    assert done.code == 0 and set(json.loads(done.stdout)["tags"]) <= {0, 1, 2}


@pytest.mark.parametrize("field", ["labels", "spans"])
def test_field_of_the_user_is_replaced_only_on_request(here: Path, field: str) -> None:
    text = f'{{"tokens": ["Ann", "ran"], "{field}": ["mine"], "n": 1}}\n'
    if field == "labels":
        text = text.replace('["mine"]', '["mine", "own"]')
    refused = tag(here, "mine.jsonl", text)
    assert (refused.code, refused.stdout) == (2, "")
    assert repr(field) in refused.stderr and "--replace-fields" in refused.stderr
    assert json.loads(tag(here, "mine.jsonl", text, "--replace-fields").stdout)["n"] == 1


# --- raw text in a column -----------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", "\t"], ids=["CSV", "TSV"])
def test_raw_text_in_a_column_gets_an_appended_cell(here: Path, separator: str) -> None:
    rows = [["id", "text"], ["1", "Ann ran"], ["2", "Bob sat"]]
    text = "".join(separator.join(row) + "\n" for row in rows)
    done = tag(here, "texts.tsv", text, "--column", "text")
    assert done.code == 0
    assert [line.rsplit(separator, 1)[0] for line in done.lines] == text.splitlines()
    assert tag(here, "texts.csv", text).code == 2 or separator == "\t"
    assert "'gone'" in tag(here, "texts.tsv", text, "--column", "gone").stderr


# --- a program at the other end of a pipe -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentences", "answers"),
    [
        ((), [b"The dog\n"] * 3, [3, 3, 3]),
        (("--input-format", "conll"), [b"The\tDET\ndog\tNN\n\n"] * 3, [3, 3, 3]),
        (("--input-format", "conllu"), [b"1\tdog" + b"\t_" * 8 + b"\n\n"] * 3, [2, 2, 2]),
        (("--input-format", "jsonl"), [b'{"tokens": ["dog"]}\n'] * 3, [1, 1, 1]),
        (("--input-format", "word_tag"), [b"The/DET dog/NN\n"] * 3, [1, 1, 1]),
        (("--input-format", "csv"), [b"word,label\nThe,DET\n\n", b"dog,NN\n\n", b"a,NN\n\n"], [3, 2, 2]),
        (
            ("--input-format", "csv"),
            [b"Sentence #,Word,Tag\ns1,The,DET\n,dog,NN\ns2,A,DET\n", b",cat,NN\ns3,a,NN\n"],
            [3, 2],
        ),
        (("--input-format", "csv", "--column", "text"), [b"id,text\n1,The dog\n", b"2,a\n"], [2, 1]),
    ],
    ids=["text", "conll", "conllu", "jsonl", "word_tag", "csv", "csv with ids", "csv with raw text"],
)
def test_each_sentence_is_answered_before_the_next_is_sent(
    here: Path, options: tuple[str, ...], sentences: list[bytes], answers: list[int]
) -> None:
    process = start("tag", "--model", "words", *options, cwd=here)
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    for sentence, count in zip(sentences, answers, strict=True):
        process.stdin.write(sentence)
        process.stdin.flush()
        assert all(process.stdout.readline() for _ in range(count))
    process.stdin.close()
    process.stdout.read()
    assert process.wait(timeout=60) == 0
    process.stdout.close()
    process.stderr.close()


# --- records and ends of files ------------------------------------------------------------------------------

PRODIGY = (
    '{"text": "Ann ran", "spans": [{"start": 0, "end": 3, "label": "PER"}], "answer": "accept"}\n'
    '{"text": "Bob ran", "spans": [{"start": 0, "end": 7, "label": "PER"}], "answer": "reject"}\n'
    '{"text": "Cy ran", "spans": [], "answer": "ignore"}\n'
)


def test_rejected_records_are_not_learned_and_are_kept_by_tag(here: Path) -> None:
    done = tag(here, "prodigy.jsonl", PRODIGY)
    assert done.code == 0 and done.lines[1:] == PRODIGY.splitlines()[1:]
    found = seqtool_in_process("check", "prodigy.jsonl", cwd=here)
    assert "train: 1 sentence, 2 words" in found.stdout
    assert "2 records with the answer reject or ignore left out, first in line 2" in found.stdout
    (here / "none.jsonl").write_text("".join(PRODIGY.splitlines(True)[1:]))
    refused = seqtool_in_process("check", "none.jsonl", cwd=here)
    assert refused.code == 2 and "found only records with the answer reject or ignore" in refused.stderr


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
@pytest.mark.parametrize("last", ["]", ""])
def test_array_without_its_last_bracket_is_an_error(here: Path, last: str, end: str) -> None:
    records = [f'{{"tokens": ["{token}", "ran"], "labels": ["B-PER", "O"]}}' for token in ("Ann", "Bob")]
    text = "[" + ",\n".join(records) + last + end
    done = tag(here, "array.json", text)
    checked = seqtool_in_process("check", "array.json", cwd=here)  # an array is no config
    if last:
        assert (done.code, checked.code) == (0, 0) and "train: 2 sentences" in checked.stdout
        return
    assert (done.code, checked.code) == (2, 2)
    for result in (done, checked):
        assert "expected ] at the end of the array, found none" in result.stderr and "hint" in result.stderr


def test_numbers_without_names_are_kept_and_named(here: Path) -> None:
    text = '{"tokens": ["Ann", "ran"], "ner_tags": [1, 0]}\n'
    done = tag(here, "numbers2.jsonl", text)
    assert done.code == 0 and json.loads(done.stdout)["ner_tags"] == [1, 0]
    assert "'ner_tags' has label numbers without names and is kept" in done.stderr


def test_file_as_standard_input_is_detected_from_all_of_it(here: Path) -> None:
    text = "EU NNP B-NP O\nwins VBZ B-VP O\n\nAnn NNP B-NP B-PER\nran VBD B-VP O\n\n"
    expected = tag(here, "whole.conll", text)
    with (here / "whole.conll").open("rb") as stream:
        done = subprocess.run(
            [*SEQTOOL, "tag", "--model", "names", "--input-format", "conll"],
            cwd=here,
            stdin=stream,
            capture_output=True,
            env=environment(),
            check=False,
        )
    assert done.stdout.decode() == expected.stdout and b"labels in column 4" in done.stderr


def test_lines_of_a_pipe_in_the_encoding_of_training_are_named(here: Path) -> None:
    model = TaggerModel(features=RICH, hidden_size=6, projection=8)
    config, vocab, weights = tagger_parts(model, NAMES, scheme="iob2")
    layout = {**COLUMNS, "encoding": "latin-1"}
    store(here / "runs/latin", ({**config, "tokenizer": "basic", "layout": layout}, vocab, weights))
    done = seqtool("tag", "--model", "latin", cwd=here, stdin="Zo\u00eb ran\n".encode("latin-1"))
    assert done.code == 0 and done.stdout.startswith("Zo\u00eb\t")
    assert "1 line was not utf-8 and read as latin-1; the output is UTF-8" in done.stderr


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_file_without_sentences_is_refused_with_a_hint(here: Path, content: str) -> None:
    (here / "none.txt").write_text(content)
    done = seqtool_in_process("evaluate", "words", "none.txt", cwd=here)
    assert done.code == 2 and "hint: give a file with a token and its label on each line" in done.stderr
