"""`evaluate` for taggers: all scores of the report, files of other layouts, paired tests and suspects."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.shell import Result, seqtool_in_process

TRAIN = "".join(
    f"{person}\tB-PER\n{verb}\tO\n{place}\tB-LOC\n.\tO\n\n{place}\tB-LOC\nCity\tI-LOC\n{verb}\tO\n\n"
    for person in ("Anna", "Bob", "Eva")
    for verb in ("saw", "left", "likes")
    for place in ("Rome", "Paris", "Oslo")
)
# Two sentences as in train, one with an unknown word and an unknown label, one with wrong gold labels.
TEST = (
    "Anna\tB-PER\nsaw\tO\nRome\tB-LOC\n.\tO\n\n"
    "Oslo\tB-LOC\nCity\tI-LOC\nleft\tO\n\n"
    "Zzyzx\tB-ORG\nsaw\tO\nRome\tB-LOC\n.\tO\n\n"
    "Bob\tB-LOC\nlikes\tO\nParis\tI-LOC\n.\tO\n\n"
)
SMALL = (
    "model:\n  features: standard\n  hidden_size: 12\n  projection: 24\n"
    "training:\n  batch_words: 60\n  lr: 0.02\n  threads: 1\n"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one config: `good`, and `bad` after a single epoch."""
    path = tmp_path_factory.mktemp("evaluate")
    (path / "train.conll").write_text(TRAIN)
    (path / "dev.conll").write_text(TRAIN)
    (path / "test.conll").write_text(TEST)
    data = "data:\n  train: train.conll\n  dev: dev.conll\n  test: test.conll\n"
    (path / "c.yaml").write_text(f"task: tagger\nname: good\n{data}{SMALL}  epochs: 15\n")
    for name, epochs in (("good", 15), ("bad", 1)):
        lr = "training.lr=0.02" if name == "good" else "training.lr=1e-5"
        trained = seqtool_in_process(
            "train-tagger",
            "c.yaml",
            "--name",
            name,
            "--set",
            f"training.epochs={epochs}",
            "--set",
            lr,
            "--json",
            "-q",
            cwd=path,
        )
        assert trained.code == 0, trained.stderr
    return path


def report(folder: Path, *arguments: str) -> dict[str, Any]:
    result = seqtool_in_process("evaluate", *arguments, "--json", cwd=folder)
    assert result.code == 0, result.stderr
    value: dict[str, Any] = json.loads(result.stdout)
    return value


def plain(folder: Path, *arguments: str) -> Result:
    result = seqtool_in_process("evaluate", *arguments, cwd=folder)
    assert result.code == 0, result.stderr
    return result


def test_json_contains_every_score(folder: Path) -> None:
    value = report(folder, "good")  # the test file of the run
    assert value["data"] == [str(folder / "test.conll")]
    assert (value["tokens"], value["sentences"]) == (15, 4)
    assert value["accuracy"] == pytest.approx(12 / 15) and value["sentence_accuracy"] == pytest.approx(0.5)
    assert value["known"] == {"tokens": 14, "accuracy": pytest.approx(12 / 14)}
    assert value["unknown"] == {"tokens": 1, "accuracy": 0.0}
    assert value["labels"]["B-LOC"]["support"] == 4 and value["labels"]["B-LOC"]["recall"] == pytest.approx(
        3 / 4
    )
    low, high = value["accuracy_interval_95"]
    assert low < 0.8 < high
    low, high = value["f1_interval_95"]
    assert low <= value["spans"]["f1"] <= high
    assert value["unknown_labels"] == {"B-ORG": 1}
    assert value["worst"][0]["tokens"] == ["Bob", "likes", "Paris", "."] and value["worst"][0]["wrong"] == 2
    assert value["confusions"][0].keys() == {"gold", "predicted", "count"}


def test_spans_are_counted_like_conlleval_and_strictly(folder: Path) -> None:
    value = report(folder, "good")
    assert (
        value["spans"]["support"] == 7 and value["spans_strict"]["support"] == 6
    )  # strict: I-LOC after O does not begin a span
    assert value["spans"]["types"].keys() == {"PER", "LOC", "ORG"}
    lenient, strict = plain(folder, "good").stdout, plain(folder, "good", "--strict").stdout
    assert "conlleval's reading" in lenient and "(strict;" in strict
    assert f"span F1    {100 * value['spans']['f1']:.2f}" in lenient
    assert f"span F1    {100 * value['spans_strict']['f1']:.2f}" in strict


def test_report_shows_unknown_words_confusions_and_worst_sentences(folder: Path) -> None:
    out = plain(folder, "good").stdout
    assert (
        "accuracy   80.00% of 15 words  (95 % interval " in out and "sentences  50.00% of 4 all right" in out
    )
    assert "unknown    0.00% of 1 words that it had not" in out
    assert "the model does not have the label B-ORG; its 1 tokens count as wrong" in out
    assert "largest confusions: gold, predicted, count" in out
    worst = out[out.index("test.conll:15: 2 of 4 wrong") :].splitlines()
    assert worst[1].split() == ["token", "Bob", "likes", "Paris", "."]
    assert worst[2].split() == ["gold", "B-LOC", "O", "I-LOC", "O"]
    assert worst[3].split() == ["predicted", "B-PER", ".", "B-LOC", "."]


def test_run_contains_the_same_report(folder: Path) -> None:
    stored = json.loads((folder / "runs/good/evaluation.json").read_text())
    value = report(folder, "good")
    assert stored["test"] == {key: value[key] for key in stored["test"]}
    assert stored["dev"]["accuracy"] == report(folder, "good", "--split", "dev")["accuracy"] == 1.0


def test_against_runs_a_paired_test(folder: Path) -> None:
    value = report(folder, "good", "--against", "bad", "dev.conll")["comparison"]
    assert value["score"] == "f1" and value["this"] == 1.0 > value["against"] and value["p_value"] < 0.01
    assert "not by chance" in plain(folder, "good", "--against", "bad", "dev.conll").lines[-1]
    assert report(folder, "good", "--against", "good", "dev.conll")["comparison"]["p_value"] == 1.0
    assert "could be chance" in plain(folder, "good", "--against", "good").lines[-1]


def test_suspects_are_sorted_and_have_line_numbers(folder: Path) -> None:
    value = report(folder, "good", "test.conll", "--suspects", "s.tsv")
    assert value["suspects"] == {"file": "s.tsv", "count": 3}
    header, *rows = [line.split("\t") for line in (folder / "s.tsv").read_text().splitlines()]
    assert header == ["probability", "gold_probability", "place", "token", "gold", "predicted"]
    assert [float(row[0]) for row in rows] == sorted((float(row[0]) for row in rows), reverse=True)
    lines = TEST.splitlines()
    for row in rows:
        name, number = row[2].rsplit(":", 1)
        assert name == "test.conll" and lines[int(number) - 1] == f"{row[3]}\t{row[4]}"


def test_equal_seeds_give_equal_weights(folder: Path) -> None:
    again = seqtool_in_process("train-tagger", "c.yaml", "--name", "again", "--json", "-q", cwd=folder)
    assert again.code == 0
    first, second = (folder / f"runs/{name}/model/weights.safetensors" for name in ("good", "again"))
    assert first.read_bytes() == second.read_bytes()


def test_held_out_share_of_a_seed_is_evaluated_again(folder: Path) -> None:
    overrides = (
        "--set",
        "data.dev=[]",
        "--set",
        "data.test=[]",
        "--set",
        "data.split=0.2",
        "--set",
        "training.epochs=3",
    )
    assert (
        seqtool_in_process("train-tagger", "c.yaml", "--name", "held", *overrides, "-q", cwd=folder).code == 0
    )
    stored = json.loads((folder / "runs/held/evaluation.json").read_text())
    value = report(folder, "held", "--suspects", "held.tsv")
    assert value["accuracy"] == stored["dev"]["accuracy"] and value["tokens"] == stored["dev"]["tokens"]
    assert "that seed 1 held out" in plain(folder, "held").lines[0]


OTHERS = {
    "four columns": (TRAIN.replace("\t", "\tx\ty\t"), "f.txt", "tokens in column 1, labels in column 4"),
    "counted tokens": (
        "1\tAnna\tB-PER\n2\tsaw\tO\n\n1\tBob\tB-PER\n",
        "f.tsv",
        "tokens in column 2, labels in column 3",
    ),
    "JSON lines": (
        '{"words": ["Anna", "saw"], "tags": ["B-PER", "O"]}\n',
        "f.jsonl",
        "labels in field 'tags'",
    ),
    "BIOES": (
        "Anna\tS-PER\nsaw\tO\nRome\tB-LOC\nCity\tE-LOC\n\n",
        "f.conll",
        "read as the iob2 that the model was trained on",
    ),
}


@pytest.mark.parametrize(("text", "name", "note"), OTHERS.values(), ids=OTHERS)
def test_file_of_another_layout_or_scheme_is_read_with_a_note(
    folder: Path, text: str, name: str, note: str
) -> None:
    (folder / name).write_text(text)
    result = seqtool_in_process("evaluate", "good", name, cwd=folder)
    assert result.code == 0 and note in result.stderr
    assert "accuracy   100.00%" in result.stdout


@pytest.mark.parametrize("odd", ["0", "LOC"])
def test_odd_label_of_the_training_data_is_known_to_the_model(odd: str, tmp_path: Path) -> None:
    rows = "s,Ann,B-PER\n,is,O\n,in,O\n" * 9
    (tmp_path / "t.csv").write_text(f"id,word,tag\n{rows}t,it,{odd}\n")
    options = ("--set", "training.max_steps=1", "--set", "model.hidden_size=4", "--name", "m")
    assert seqtool_in_process("train-tagger", "t.csv", *options, "-q", cwd=tmp_path).code == 0
    result = seqtool_in_process("evaluate", "m", "t.csv", cwd=tmp_path)
    assert result.code == 0 and "does not have the label" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        (TRAIN.replace("Bob\tB-PER", "Bob", 1), "wrong.conll", 82),
        (TRAIN.replace("\t", " ").replace("saw O", "saw O O", 1), "wrong.txt", 2),
        ("id,word,tag\ns1,Anna,B-PER\n,saw,O\ns2,Bob\n,left,O\n,Rome,B-LOC\n", "wrong.csv", 4),
    ],
    ids=["too few", "too many", "table"],
)
def test_lines_with_a_wrong_number_of_cells_are_refused(
    folder: Path, text: str, name: str, line: int
) -> None:
    (folder / name).write_text(text)
    result = seqtool_in_process("evaluate", "good", name, cwd=folder)
    assert result.code == 2 and result.stdout == ""
    assert f"{name}:{line}" in result.stderr and "columns" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("good", "no.conll"), "no.conll  there is no such file"),
        (("nobody",), "nobody"),
        (("good", "--block", "64"), "are for character models; this is a tagger"),
        (("good", "--against", "nobody"), "nobody"),
        (("good", "--suspects", "no/such/folder.tsv"), "no/such"),
        (("alone",), "the model is not part of a run with a config"),
    ],
    ids=["file", "model", "option", "against", "suspects", "bare model"],
)
def test_usage_errors_exit_2_with_one_message(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    shutil.copytree(folder / "runs/good/model", folder / "alone", dirs_exist_ok=True)
    result = seqtool_in_process("evaluate", *arguments, cwd=folder)
    assert result.code == 2 and message in result.stderr and result.stderr.count("error:") == 1


def test_labels_without_spans_have_no_span_scores(tmp_path: Path) -> None:
    (tmp_path / "t.conll").write_text("".join(f"w{n}\tX\nv{n}\tY\n\n" for n in range(20)))
    assert (
        seqtool_in_process(
            "train-tagger",
            "t.conll",
            "--set",
            "training.epochs=2",
            "--set",
            "model.hidden_size=4",
            "-q",
            cwd=tmp_path,
        ).code
        == 0
    )
    value = report(tmp_path, "t", "t.conll")
    assert value["spans"] is None and "f1_interval_95" not in value
    assert "span F1" not in plain(tmp_path, "t", "t.conll").stdout
