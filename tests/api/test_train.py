"""`seqtool.train` and `seqtool.read_config`: examples of their docstrings, both tasks, and their output."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import pytest

import seqtool
from seqtool.api import model as api
from seqtool.api import train as teach
from seqtool.errors import ConfigError, SeqtoolError
from tests.support.shell import PROJECT

PAIRS = {
    "task": "char",
    "name": "tiny",
    "data": {"pairs": [["ab", "ba"]]},
    "model": {"hidden_size": 4},
    "training": {"epochs": 2},
}


def test_examples_of_docstrings_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    for module in (teach, api):  # in this order: the second example loads the model that the first one trains
        done = doctest.testmod(module, extraglobs={"seqtool": seqtool, "folder": tmp_path})
        assert done.failed == 0
        assert done.attempted > 0


def test_mapping_trains_like_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = seqtool.train(PAIRS, ["seed=3"], runs_dir=tmp_path)
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == "epoch\tloss\tprediction"
    assert len(shown.out.splitlines()) == 3
    assert f"model: {tmp_path / 'tiny' / 'model'}" in shown.err
    assert run.path == tmp_path / "tiny"
    assert run.model.facts["seed"] == 3
    assert run.model is run.model
    assert run.parameters == run.model.facts["parameters"]
    assert len(run.model.predict("ab")) == 2
    losses = [float(str(row["train_loss"])) for row in run.history]
    assert [row["epoch"] for row in run.history] == [1, 2]
    assert min(losses) == pytest.approx(run.scores["train_loss"])
    assert repr(run).startswith(f"<Run {run.path}: train_loss ") and len(repr(run).splitlines()) == 1


def test_quiet_training_of_a_tagger_prints_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = {
        "training.epochs": 2,
        "training.shuffle": True,
        "data.columns": ("form", "pos"),
        "name": "toy",
    }
    run = seqtool.train(PROJECT / "configs/toy_tagger.yaml", overrides, runs_dir=tmp_path, quiet=True)
    assert capsys.readouterr() == ("", "")
    assert run.model.task == "tagger"
    assert set(run.scores) == {"train_loss"}
    with pytest.raises(SeqtoolError, match="expected a character model, found a tagger"):
        run.model.predict("a")


def test_data_file_gets_suggested_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.conll").write_text("a\tX\n\nb\tY\n\n" * 10)
    Path("b.txt").write_text("some words\nand more of them\n" * 10)
    assert seqtool.read_config("a.conll").settings.task == "tagger"
    assert seqtool.read_config(Path("b.txt"), {"training.epochs": 1}).settings.training.epochs == 1


def test_config_error_lists_all_mistakes() -> None:
    with pytest.raises(ConfigError, match="did you mean hidden_size"):
        try:
            seqtool.read_config({**PAIRS, "model": {"hidden_sise": 4}}, {"training.lr": -1})
        except ConfigError as error:
            assert len(error.problems) == 2
            raise ConfigError("; ".join(problem.hint for problem in error.problems)) from None
    with pytest.raises(ConfigError, match="nothing to train on"):
        seqtool.train(
            "configs/hello.yaml" if Path("configs/hello.yaml").exists() else PROJECT / "configs/hello.yaml"
        )


def test_package_imports_lazily_and_lists_its_names() -> None:
    heavy = ("numpy", "torch", "pydantic", "yaml")
    code = f"import sys, seqtool; print(sorted(sys.modules.keys() & {heavy!r}), dir(seqtool))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("[] ")
    assert all(f"'{name}'" in done.stdout for name in seqtool.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        seqtool.nothing  # noqa: B018
