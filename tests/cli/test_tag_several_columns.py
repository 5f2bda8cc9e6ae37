"""`tag` of tables with several labels: each is written to the column that has its labels, or appended."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqtool.inference.load import load_tagger
from seqtool.settings.model import Feature, TaggerModel
from seqtool.storage.model_directory import read_model, write_model
from tests.support.random_models import multilabel_parts
from tests.support.shell import Result, seqtool, seqtool_in_process

WORDS = ("The", "dog", "ate", "apple")
ROWS = {"1": WORDS, "2": ("DET", "NN", "V", "NN"), "3": ("O", "B-x", "I-x", "O"), "4": ("a", "b", "c", "d")}
ROWS["5"] = ("the", "dog", "eat", "apple")
FOREIGN = ("k1", "k2", "k3", "k4")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a model that was trained on five columns: token, part of speech, spans, another label, lemma."""
    folder = tmp_path_factory.mktemp("columns")
    settings = TaggerModel(features=(Feature(name="lower", dim=5),), hidden_size=6, decoder="softmax")
    config, vocab, weights = multilabel_parts(settings)
    names = [str(number) for number in range(2, 6)]
    for column, name in zip(config["heads"]["columns"], names, strict=True):
        column["name"] = name if column["kind"] == "label" else "lemma"
    config["layout"] = {"label": "2", "columns": ["form", "p", "n", "x", "lemma"], "width": 5, "token": 0}
    write_model(folder / "model", config, vocab, weights, {"kind": "tagger"})
    return folder


def tag(here: Path, *arguments: str) -> Result:
    return seqtool_in_process("tag", "--model", "model", *arguments, cwd=here)


def labels_of(here: Path) -> dict[str, list[str]]:
    """Return the labels of the model by the column of the training file."""
    (columns,) = load_tagger(read_model(here / "model")).tag_columns([WORDS])
    return dict(zip("2345", columns, strict=True))


@pytest.mark.parametrize(
    ("columns", "appended"),
    [
        pytest.param("12345", "", id="as in training"),
        pytest.param("1xxxx", "234", id="nothing but tokens and foreign cells"),
        pytest.param("14325", "", id="other order"),
        pytest.param("1x2345", "", id="a foreign column before the labels"),
        pytest.param("12x45", "3", id="a foreign column in place of a label"),
        pytest.param("12", "345", id="the first label alone"),
    ],
)
def test_labels_are_written_to_their_columns(here: Path, columns: str, appended: str) -> None:
    found = labels_of(here)
    kept = {**ROWS, "x": FOREIGN}
    cells = [kept[name] for name in columns]
    text = "\n".join("\t".join(row) for row in zip(*cells, strict=True)) + "\n\n"
    (here / "in.conll").write_text(text)
    done = tag(here, "--file", "in.conll")
    assert done.code == 0, done.stderr
    lemma_is_known = columns[:2] == "12" and len(columns) == 5  # the columns look like those of training
    expected = [
        found.get(name, kept[name]) if name != "5" or lemma_is_known else kept[name] for name in columns
    ]
    expected += [found[name] for name in appended if name != "5"]
    if not lemma_is_known:
        expected.append(found["5"])
    rows = [line.split("\t") for line in done.stdout.splitlines() if line]
    assert [sorted(row) for row in rows] == [sorted(row) for row in zip(*expected, strict=True)]
    assert [row[: len(columns)] for row in rows] == [
        list(row) for row in zip(*expected[: len(columns)], strict=True)
    ]


def test_columns_of_conllu_without_the_labels_are_errors(here: Path) -> None:
    cells = zip("1234", WORDS, ROWS["2"], strict=True)
    text = "".join(f"{number}\t{word}\tkept\t{label}\t_\t_\t0\t_\t_\t_\n" for number, word, label in cells)
    (here / "in.conllu").write_text(text + "\n")
    refused = tag(here, "--file", "in.conllu")
    assert (refused.code, refused.stdout) == (2, "")
    assert "in.conllu  label 3: expected one column with the labels of the model" in refused.stderr
    assert "hint: --columns writes only the labels that it names" in refused.stderr
    done = tag(here, "--file", "in.conllu", "--columns", "2,lemma")
    assert done.code == 0, done.stderr
    found = labels_of(here)
    rows = [line.split("\t") for line in done.stdout.splitlines() if line]
    assert [row[2:4] for row in rows] == [list(row) for row in zip(found["5"], found["2"], strict=True)]
    assert tag(here, "--file", "in.conllu", "--format", "tsv").code == 0


def test_two_columns_that_fit_a_label_are_an_error(here: Path) -> None:
    cells = [ROWS["1"], ROWS["2"], FOREIGN, ROWS["4"], FOREIGN, ROWS["4"]]
    (here / "two.conll").write_text("\n".join("\t".join(row) for row in zip(*cells, strict=True)) + "\n\n")
    refused = tag(here, "--file", "two.conll")
    assert (refused.code, refused.stdout) == (2, "")
    assert "two.conll  label 4: expected one column" in refused.stderr
    assert "found 2: 4 and 6" in refused.stderr


def test_the_first_sentence_of_a_pipe_shows_the_columns(here: Path) -> None:
    cells = [ROWS["1"], FOREIGN, ROWS["2"], ROWS["3"], ROWS["4"]]
    text = "\n".join("\t".join(row) for row in zip(*cells, strict=True)) + "\n\n"
    done = seqtool("tag", "--model", "model", "--input-format", "conll", "-", cwd=here, stdin=text)
    assert done.code == 0, done.stderr
    found = labels_of(here)
    expected = [*cells[:2], found["2"], found["3"], found["4"]]
    rows = [line.split("\t") for line in done.stdout.splitlines() if line]
    assert [row[:5] for row in rows] == [list(row) for row in zip(*expected, strict=True)]
