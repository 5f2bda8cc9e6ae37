"""A tagger with several labels on the command line: every output format, evaluation, check, float16."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from seqtool.inference.load import load_tagger
from seqtool.inference.multilabel_tagger import MultiLabelTagger
from seqtool.storage.model_directory import read_model
from tests.support.shell import Result, seqtool_in_process
from tests.support.small_runs import run
from tests.support.small_treebank import LABELS, treebank, treebank_run

TEXT = "The dogs reads ."


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a small tagger of four labels."""
    folder = tmp_path_factory.mktemp("labels")
    run(treebank_run(folder), folder / "runs")
    return folder


@pytest.fixture
def columns(here: Path) -> list[list[str]]:
    """Return the labels of TEXT by column."""
    model = cast(MultiLabelTagger, load_tagger(read_model(here / "runs/small/model")))
    return model.tag_columns([TEXT.split()])[0]


def tag(here: Path, *arguments: str) -> Result:
    return seqtool_in_process("tag", "--model", "small", *arguments, cwd=here)


def test_tsv_and_table_have_a_column_for_each_label(here: Path, columns: list[list[str]]) -> None:
    rows = [list(row) for row in zip(TEXT.split(), *columns, strict=True)]
    printed = tag(here, TEXT, "--format", "tsv").stdout
    assert [line.split("\t") for line in printed.splitlines() if line] == rows
    table = tag(here, TEXT, "--format", "table").stdout.replace("*", "").splitlines()
    assert table[0].split() == ["token", *LABELS]
    assert [line.split() for line in table[1:-1]] == rows
    with_probabilities = tag(here, TEXT, "--format", "tsv", "--probs").stdout
    assert [line.split("\t")[:-1] for line in with_probabilities.splitlines() if line] == rows


def test_json_has_a_field_for_each_label(here: Path, columns: list[list[str]]) -> None:
    fields = json.loads(tag(here, TEXT, "--json").stdout)
    assert fields["labels"] == fields["upos"]
    assert [fields[name] for name in LABELS] == columns
    best = json.loads(tag(here, TEXT, "--json", "--nbest", "2").stdout)["nbest"]
    assert best[0]["labels"] == columns[0]


def test_conllu_is_filled_and_keeps_every_other_byte(here: Path, columns: list[list[str]]) -> None:
    made = tag(here, TEXT, "--format", "conllu").stdout.splitlines()
    assert made[0] == f"# text = {TEXT}"
    cells = [line.split("\t") for line in made[1:-1]]
    assert [[row[3], row[4], row[5], row[2]] for row in cells] == [
        list(row) for row in zip(*columns, strict=True)
    ]
    (here / "in.conllu").write_text(
        "# sent_id = 7\n1-2\tThe dogs\t_\t_\t_\t_\t_\t_\t_\t_\n1\tThe\tx\tX\tX\tA=b\t2\tdet\t_\tK=v\n"
        "2\tdogs\t_\t_\t_\t_\t3\tnsubj\t_\t_\n3\treads\t_\t_\t_\t_\t0\troot\t_\t_\n4\t.\t_\t_\t_\t_\t3\tpunct\t_\t_"
    )
    filled = tag(here, "--file", "in.conllu").stdout.split("\n")
    assert filled[:2] == ["# sent_id = 7", "1-2\tThe dogs" + "\t_" * 8]
    rows = [line.split("\t") for line in filled[2:]]
    assert [[row[3], row[4], row[5], row[2]] for row in rows] == [
        list(row) for row in zip(*columns, strict=True)
    ]
    assert [row[6:] for row in rows[:2]] == [["2", "det", "_", "K=v"], ["3", "nsubj", "_", "_"]]


def test_fields_of_the_user_are_replaced_only_on_request(here: Path) -> None:
    (here / "in.jsonl").write_text('{"tokens": ["The", "dogs"], "lemma": 1}\n')
    refused = tag(here, "--file", "in.jsonl")
    assert refused.code == 2
    assert "in.jsonl:1" in refused.stderr
    assert "expected no field 'lemma'" in refused.stderr
    assert "--replace-fields" in refused.stderr
    fields = json.loads(tag(here, "--file", "in.jsonl", "--replace-fields").stdout)
    assert list(fields)[:2] == ["tokens", "lemma"]
    assert len(fields["lemma"]) == 2


def test_columns_are_appended_to_a_file_of_tokens(here: Path, columns: list[list[str]]) -> None:
    (here / "in.conll").write_text("".join(f"{token}\n" for token in TEXT.split()) + "\n")
    lines = tag(here, "--file", "in.conll").stdout.splitlines()
    assert [line.split()[1:] for line in lines if line] == [list(row) for row in zip(*columns, strict=True)]


def test_columns_select_labels(here: Path, columns: list[list[str]]) -> None:
    rows = [list(row) for row in zip(TEXT.split(), columns[3], columns[0], strict=True)]
    printed = tag(here, TEXT, "--format", "tsv", "--columns", "lemma,upos").stdout
    assert [line.split("\t") for line in printed.splitlines() if line] == rows
    fields = json.loads(tag(here, TEXT, "--json", "--columns", "lemma").stdout)
    assert list(fields) == ["tokens", "labels", "lemma", "offsets"]
    (here / "gold.conllu").write_text(treebank(3, 5))
    filled = tag(here, "--file", "gold.conllu", "--columns", "xpos").stdout
    cells = [line.split("\t") for line in filled.splitlines() if line]
    gold = [line.split("\t") for line in treebank(3, 5).splitlines() if line]
    assert [[*row[:4], *row[5:]] for row in cells] == [[*row[:4], *row[5:]] for row in gold]
    refused = tag(here, TEXT, "--columns", "upos,ner")
    assert refused.code == 2
    assert "no label 'ner'" in refused.stderr
    assert "upos, xpos, feats, lemma" in refused.stderr


def test_several_jobs_give_the_same_output(here: Path) -> None:
    (here / "many.conllu").write_text(treebank(50, 9))
    alone, together = (tag(here, "--file", "many.conllu", "--jobs", jobs).stdout for jobs in "12")
    assert alone == together


def test_evaluate_shows_each_label_and_all_together(here: Path) -> None:
    shown = seqtool_in_process("evaluate", "small", "dev.conllu", cwd=here)
    assert shown.code == 0, shown.stderr
    for name in (*LABELS, "AllTags"):
        assert f"  {name} " in shown.stdout
    columns = json.loads(seqtool_in_process("evaluate", "small", "dev.conllu", "--json", cwd=here).stdout)[
        "columns"
    ]
    assert list(columns) == [*LABELS, "AllTags"]
    words = columns["upos"]["tokens"]
    assert columns["lemma"]["tokens"] < words == columns["AllTags"]["tokens"]
    assert columns["upos"]["known"]["tokens"] + columns["upos"]["unknown"]["tokens"] == words
    assert columns["AllTags"]["accuracy"] <= min(columns[name]["accuracy"] for name in LABELS[:3])


def test_inspect_lists_the_output_layers(here: Path) -> None:
    shown = seqtool_in_process("inspect", "small", cwd=here).stdout
    assert "changes of a form into its lemma" in shown
    assert "upos + xpos + feats:" in shown


def test_float16_copies_all_heads(here: Path) -> None:
    done = seqtool_in_process("export", "small", "--dtype", "float16", "--out", "half", cwd=here)
    assert done.code == 0, done.stderr
    half = read_model(here / "half")
    assert {str(array.dtype) for array in half.weights.values()} == {"float16"}
    assert "accuracy_lemma" in done.stdout
    assert tag(here, TEXT).stdout


def test_report_is_written(here: Path) -> None:
    done = seqtool_in_process("report", "small", "--out", "page.html", cwd=here)
    assert done.code == 0, done.stderr


@pytest.mark.parametrize("options", [(), ("--label", "2")], ids=["detected", "named"])
def test_a_file_of_one_label_is_compared_with_the_first_one(here: Path, options: tuple[str, ...]) -> None:
    (here / "one.conll").write_text("the\tDET\ndog\tNOUN\nreads\tVERB\n.\tPUNCT\n\n" * 3)
    result = seqtool_in_process("evaluate", "small", "one.conll", "--json", *options, cwd=here)
    assert result.code == 0, result.stderr
    scores = json.loads(result.stdout)
    assert scores["tokens"] == 12
    assert "columns" not in scores
    assert "one.conll: one label, compared with the first one of the model, upos" in result.stderr


def test_an_option_that_names_the_label_evaluates_it_alone(here: Path) -> None:
    whole = json.loads(seqtool_in_process("evaluate", "small", "dev.conllu", "--json", cwd=here).stdout)
    alone = seqtool_in_process("evaluate", "small", "dev.conllu", "--label", "upos", "--json", cwd=here)
    assert json.loads(alone.stdout)["accuracy"] == whole["accuracy"]
    assert "columns" in whole
    assert "columns" not in json.loads(alone.stdout)
