"""Suggested settings for a file of labeled sentences: notes, sizes, errors, and a complete example."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import yaml

from seqtool.config.load import parse_settings
from seqtool.errors import DataError
from seqtool.settings.experiment import TaggerSettings
from seqtool.tasks.interface import DataFiles
from seqtool.tasks.suggest_tagger import suggest_tagger
from tests.support.shell import seqtool_in_process
from tests.support.small_treebank import treebank

PEOPLE, PLACES, VERBS = ("Anna", "Bob", "Eva Meier"), ("Rome", "New York"), ("saw", "left")


def sentences(count: int, seed: int = 1) -> list[list[tuple[str, str]]]:
    """Return sentences about people and places, with span labels."""
    draw = random.Random(seed)

    def name(kind: str, words: str) -> list[tuple[str, str]]:
        return [(word, f"{'I' if place else 'B'}-{kind}") for place, word in enumerate(words.split())]

    return [
        [
            *name("PER", draw.choice(PEOPLE)),
            (draw.choice(VERBS), "O"),
            *name("LOC", draw.choice(PLACES)),
            (".", "O"),
        ]
        for _ in range(count)
    ]


def conll(sentences: list[list[tuple[str, str]]], separator: str = "\t") -> str:
    return "\n".join("".join(f"{token}{separator}{label}\n" for token, label in one) for one in sentences)


def settings(text: str, folder: Path) -> TaggerSettings:
    parsed = parse_settings(text, name="f", folder=folder).settings
    assert isinstance(parsed, TaggerSettings)
    return parsed


def test_detected_properties_are_reported_and_written_to_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("\n".join("".join(f"{t} x {label}\n" for t, label in one) for one in sentences(40)))
    suggested = suggest_tagger(DataFiles(path))
    assert suggested.notes[0].startswith("names.txt: 40 sentences, ")
    assert [note.split()[0] for note in suggested.notes[1:]] == [
        "layout",
        "labels",
        "scheme",
        "dev",
        "chosen",
    ]
    assert "CoNLL columns separated by spaces, tokens in column 1, labels in column 3" in suggested.notes[1]
    assert (
        "O, B-PER" in suggested.notes[2]
        and "iob2" in suggested.notes[3]
        and "drawn by seed" in suggested.notes[4]
    )
    data = settings(suggested.yaml, tmp_path).data
    assert (data.separator, data.label, data.scheme, data.split) == ("space", "3", "iob2", 0.1)


def test_dev_and_test_files_replace_the_split(tmp_path: Path) -> None:
    path = tmp_path / "my words.conll"
    path.write_text(conll(sentences(40)))
    read = yaml.safe_load(suggest_tagger(DataFiles(path, (path,), (path, path))).yaml)
    assert (
        read["data"]["dev"] == str(path)
        and read["data"]["test"] == [str(path), str(path)]
        and "split" not in read["data"]
    )


@pytest.mark.parametrize(("count", "split"), [(9, 0.0), (10, 0.1)])
def test_fewer_than_ten_sentences_are_not_split(tmp_path: Path, count: int, split: float) -> None:
    path = tmp_path / "few.conll"
    path.write_text(conll(sentences(count)))
    suggested = suggest_tagger(DataFiles(path))
    assert settings(suggested.yaml, tmp_path).data.split == split
    assert any("too few to hold some out" in note for note in suggested.notes) is (split == 0)


def test_sizes_depend_on_the_amount_of_data(tmp_path: Path) -> None:
    small, large, many = (tmp_path / name for name in ("small.conll", "large.conll", "many.conll"))
    small.write_text(conll(sentences(30)))
    large.write_text(conll(sentences(42_000)))
    draw = random.Random(2)
    many.write_text(conll([[(f"w{draw.random()}", "X") for _ in range(20)] for _ in range(4000)]))
    one, two, three = (
        settings(suggest_tagger(DataFiles(path)).yaml, tmp_path) for path in (small, large, many)
    )
    assert (
        one.model.features == "rich" and two.model.features == "standard" and three.model.features == "rich"
    )
    assert one.model.initial_scale > two.model.initial_scale
    assert (one.training.batch_words or 0) < (two.training.batch_words or 0) == 1000
    assert (one.training.epochs or 0) > (two.training.epochs or 0) >= 4


@pytest.mark.parametrize(("names", "weights"), [(1, {"O": 0.3}), (60, "none")])
def test_rare_spans_get_class_weights(tmp_path: Path, names: int, weights: str | dict[str, float]) -> None:
    path = tmp_path / "f.conll"
    path.write_text(conll(sentences(names) + [[(f"w{n}", "O") for n in range(8)]] * 30))
    assert settings(suggest_tagger(DataFiles(path)).yaml, tmp_path).training.class_weights == weights
    assert (
        settings(suggest_tagger(DataFiles(path), ["model.decoder=crf"]).yaml, tmp_path).training.class_weights
        == "none"
    )


def test_settings_of_the_user_replace_detection(tmp_path: Path) -> None:
    path = tmp_path / "f.conll"
    path.write_bytes("caf\xe9\tX\tP\n\tY\tQ\n\n".encode("latin-1") * 3)
    with pytest.raises(DataError, match="expected utf-8 text"):
        suggest_tagger(DataFiles(path))
    with pytest.raises(DataError, match="expected a token, found an empty one"):
        suggest_tagger(DataFiles(path), ["data.encoding=latin-1"])
    suggested = suggest_tagger(
        DataFiles(path),
        ["data.encoding=latin-1", "data.empty_tokens=repair", "data.label=2", "training.epochs=2"],
    )
    assert "labels     X, Y" in suggested.notes[2]


@pytest.mark.parametrize("text", ["", "\n\n", "only one column\n"], ids=["empty", "blank", "no labels"])
def test_file_without_labels_is_one_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "f.conll").write_text(text)
    result = seqtool_in_process("train-tagger", "f.conll", cwd=tmp_path)
    if "column" not in text:
        assert (
            result.code == 2
            and "expected labeled sentences" in result.stderr
            and "Traceback" not in result.stderr
        )
    else:
        assert result.code == 2 or "labels" in result.stderr


def test_file_without_config_is_trained_tagged_and_evaluated(tmp_path: Path) -> None:
    text = "\n".join(
        "".join(f"{n}\t{t}\t{label}\t_\n" for n, (t, label) in enumerate(one, 1)) for one in sentences(60)
    )
    (tmp_path / "names.tsv").write_text(text)
    (tmp_path / "test.tsv").write_text(text)
    few = ("--set", "training.epochs=4", "--set", "model.hidden_size=16", "--set", "model.features=standard")
    trained = seqtool_in_process(
        "train-tagger", "names.tsv", "--test", "test.tsv", *few, "--json", cwd=tmp_path
    )
    assert trained.code == 0, trained.stderr
    assert json.loads(trained.stdout)["scores"]["test_f1"] > 0.9
    tagged = seqtool_in_process("tag", "Bob left New York .", cwd=tmp_path)
    assert tagged.stdout == "Bob\tB-PER\nleft\tO\nNew\tB-LOC\nYork\tI-LOC\n.\tO\n\n"
    again = seqtool_in_process("evaluate", "names", cwd=tmp_path)
    assert again.code == 0 and "on " in again.lines[0] and "test.tsv" in again.lines[0]
    # The config of the run contains the detected layout, and the file is written in that layout.
    config = yaml.safe_load((tmp_path / "runs/names/config.yaml").read_text())
    assert (
        config["data"]["columns"] == ["column1", "form", "column3", "column4"]
        and config["data"]["label"] == "column3"
    )
    filled = seqtool_in_process("tag", "--file", "names.tsv", "--input-format", "conll", cwd=tmp_path)
    assert filled.stdout.splitlines()[0].split("\t")[:2] == text.splitlines()[0].split("\t")[:2]
    assert len(filled.lines) == len(text.splitlines())


def labels_of(suggested: str, folder: Path, *overrides: str) -> tuple[tuple[str, ...], str]:
    """Return `data.labels` and `data.label` of a suggested config with the overrides."""
    read = parse_settings(suggested, name="f", folder=folder, overrides=overrides).settings
    assert isinstance(read, TaggerSettings)
    return read.data.labels, read.data.label


@pytest.mark.parametrize(
    ("empty", "override", "expected"),
    [
        pytest.param((), "", ("upos", "xpos", "feats", "lemma"), id="all columns"),
        pytest.param((4,), "", ("upos", "feats", "lemma"), id="no xpos"),
        pytest.param((3, 5), "", ("xpos", "lemma"), id="no upos"),
        pytest.param((3, 4, 5), "", (), id="lemmas alone"),
        pytest.param((4, 5, 2), "", (), id="upos alone"),
        pytest.param((), "data.label=xpos", (), id="a label of the user"),
        pytest.param((), "data.labels=[feats, upos]", ("feats", "upos"), id="labels of the user"),
        pytest.param((), "model.decoder=crf", (), id="a decoder of one label"),
    ],
)
def test_all_columns_of_a_treebank_are_suggested(
    tmp_path: Path, empty: tuple[int, ...], override: str, expected: tuple[str, ...]
) -> None:
    lines = [line.split("\t") for line in treebank(20).splitlines()]
    for cells in lines:
        for column in empty if len(cells) > 1 else ():
            cells[column] = "_"
    path = tmp_path / "my.conllu"
    path.write_text("".join("\t".join(cells) + "\n" for cells in lines))
    overrides = [override] if override else []
    suggested = suggest_tagger(DataFiles(path), overrides)
    assert labels_of(suggested.yaml, tmp_path, *overrides)[0] == expected
    assert any(note.split()[0] == "columns" for note in suggested.notes) == bool(expected)
