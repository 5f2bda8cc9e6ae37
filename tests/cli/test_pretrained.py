"""Pretrained models on the command line: their lookup, and files that commands make from them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import seqtool
from seqtool.errors import ModelError
from seqtool.storage import ownership
from tests.support.random_tokenizers import write_treebank
from tests.support.shell import Result, seqtool_in_process
from tests.support.small_runs import text_file
from tests.support.stored_models import store_character_model, store_tagger, store_tokenizer


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of three small models in place of the shipped ones."""
    folder = tmp_path_factory.mktemp("package") / "pretrained"
    store_tagger(folder / "english")
    store_tokenizer(folder / "splitter")
    store_character_model(folder / "texts")
    for name in ("english", "splitter", "texts"):
        (folder / name / "README.md").write_text(f"# {name}\n")
    return folder


@pytest.fixture
def here(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return an empty current directory, and check that no command changes the shipped models."""
    before = contents(shipped)
    monkeypatch.setattr(ownership, "PRETRAINED", shipped)
    yield tmp_path
    assert contents(shipped) == before


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def call(here: Path, *arguments: str | Path, **variables: Any) -> Result:
    return seqtool_in_process(*arguments, cwd=here, **variables)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("tag hello", "english"),
        ("tokenize hello", "splitter"),
        ("sample --length 3", "texts"),
        ("score abc", "texts"),
    ],
)
def test_without_a_model_a_pretrained_one_is_used_and_named(command: str, name: str, here: Path) -> None:
    done = call(here, *command.split())
    assert done.code == 0 and done.stdout
    assert f"model: {name} (pretrained)" in done.stderr.splitlines()
    named = call(here, *command.split(), "--model", name)
    assert (named.code, named.stdout) == (0, done.stdout) and "model:" not in named.stderr
    by_variable = call(here, *command.split(), SEQTOOL_MODEL=name)
    assert (by_variable.code, by_variable.stdout) == (0, done.stdout)


def test_a_run_that_fits_comes_first(here: Path) -> None:
    store_tagger(here / "runs/mine")
    assert "model: runs/mine (the newest)" in call(here, "tag", "hello").stderr
    assert "model: texts (pretrained)" in call(here, "sample", "--length", "3").stderr


def test_a_run_of_the_same_name_is_used_with_a_message(here: Path) -> None:
    store_tagger(here / "runs/english")
    note = "note: runs/english is used, not the pretrained model of this name"
    done = call(here, "tag", "-m", "english", "hello")
    assert done.code == 0 and note in done.stderr
    assert call(here, "inspect", "english").stderr.splitlines() == [note]
    with pytest.warns(UserWarning, match="runs/english is used"):
        assert seqtool.load("english", runs_dir=here / "runs").name == str(here / "runs/english")


def test_no_model_fits(here: Path) -> None:
    done = call(here, "predict", "abc")
    assert done.code == 2 and "no trained aligned character model" in done.stderr
    unknown = call(here, "tag", "-m", "nonsuch", "hello")
    assert "hint: runs here: none; pretrained: english, splitter, texts" in unknown.stderr


def test_load_returns_a_pretrained_model(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    monkeypatch.delenv("SEQTOOL_MODEL", raising=False)
    assert seqtool.load("english").name == seqtool.load().name == "english"
    assert seqtool.load("texts").sample("abc", 5)
    with pytest.raises(ModelError, match="no model directory"):
        seqtool.load("nonsuch")


def test_runs_lists_pretrained_models_apart(here: Path) -> None:
    alone = call(here, "runs")
    assert "no runs under runs" in alone.stderr
    assert [line.split()[0] for line in alone.lines] == ["pretrained", "english", "splitter", "texts"]
    store_tagger(here / "runs/mine")
    both = call(here, "runs")
    assert [line.split()[0] for line in both.lines if line][:3] == ["run", "mine", "pretrained"]
    value = json.loads(call(here, "runs", "--json").stdout)
    assert [run["name"] for run in value["runs"]] == ["mine"]
    assert [one["name"] for one in value["pretrained"]] == ["english", "splitter", "texts"]
    compared = call(here, "runs", "compare", "mine", "english")
    assert compared.code == 0


@pytest.mark.parametrize("variable", [True, False])
def test_pretrained_models_are_no_runs(variable: bool, here: Path, shipped: Path) -> None:
    assert call(here, "runs", "rm", "--yes", "english").code == 2
    text_file(here)
    for command in ("runs rm --yes english", "train-char text.txt --name english", "tag hello"):
        more: list[str | Path] = [] if variable else ["--runs-dir", shipped]
        done = call(here, *command.split(), *more, **({"SEQTOOL_RUNS": str(shipped)} if variable else {}))
        assert done.code == 2 and "this directory contains the pretrained models" in done.stderr


@pytest.mark.parametrize("reference", ["NAME", "{shipped}/NAME", "{shipped}/NAME/model"])
def test_generated_files_go_to_the_current_directory(reference: str, here: Path, shipped: Path) -> None:
    def named(name: str) -> str:
        return reference.format(shipped=shipped).replace("NAME", name)

    done = call(here, "export", named("texts"), "--dtype", "int8")
    assert done.code == 0 and done.lines[0] == "texts-int8" and (here / "texts-int8/manifest.json").is_file()
    pytest.importorskip("onnxruntime")
    assert call(here, "export", named("texts"), "--to", "onnx").code == 0
    assert (here / "model.onnx").is_file()
    pytest.importorskip("matplotlib")
    assert call(here, "report", named("texts"), "--text", "abc").code == 0
    assert (here / "report.html").is_file()
    states = call(here, "inspect", named("texts"), "--text", "abc", "--states", "states.npz")
    assert states.code == 0 and (here / "states.npz").is_file()


@pytest.mark.parametrize("file", ["english/model/vocab.json", "english/README.md", "new.npz"])
def test_no_output_option_writes_into_the_package(file: str, here: Path, shipped: Path) -> None:
    for option in ("export texts --to onnx --out", "inspect texts --text abc --states"):
        done = call(here, *option.split(), shipped / file)
        assert done.code == 2, done.stdout


def test_evaluate_reads_data_of_the_user(here: Path) -> None:
    treebank = write_treebank(here / "gold.conllu")
    done = call(here, "evaluate", "splitter", treebank)
    assert done.code == 0 and done.lines[0].startswith("splitter on ")
    nothing = call(here, "evaluate", "english")
    assert nothing.code == 2 and "hint: " in nothing.stderr


@pytest.mark.parametrize(
    ("command", "name"),
    [("train-char text.txt", "texts"), ("train-tagger words.conll", "english")],
    ids=["text", "tagger"],
)
def test_training_starts_from_a_pretrained_model(command: str, name: str, here: Path, shipped: Path) -> None:
    """A data file in place of a config: the network is that of the model."""
    pytest.importorskip("torch")
    text_file(here)
    (here / "words.conll").write_text("The\tDET\ndog\tNN\nate\tV\n\n" * 20)
    done = call(here, *command.split(), "--init-from", name, "--quiet", "--set=training.epochs=1")
    assert done.code == 0, done.stderr
    run = here / "runs" / Path(command.split()[1]).stem
    assert f"starts from {shipped / name / 'model'}" in done.stderr or done.stderr == ""
    manifest = json.loads((run / "model/manifest.json").read_bytes())
    initial = json.loads((shipped / name / "model/manifest.json").read_bytes())
    assert manifest["init_from"]["sha256"] == initial["sha256"]
    again = call(here, *command.split(), "--init-from", name, "--set=model.hidden_size=9", "--name=x")
    assert again.code == 2 and "the model to start from has model.hidden_size" in again.stderr


def test_completion_offers_pretrained_models(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seqtool.cli.options import complete_any_run, complete_run

    monkeypatch.chdir(here)
    assert complete_run("e") == ["english"] and complete_any_run("e") == []
    store_tagger(here / "runs/english")
    assert complete_run("e") == ["english"]


def test_a_package_without_pretrained_models_works(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "PRETRAINED", here / "nothing")
    done = call(here, "tag", "hello")
    assert done.code == 2 and "no trained tagger here" in done.stderr
    shutil.rmtree(here / "nothing", ignore_errors=True)
    assert call(here, "runs").code == 0
