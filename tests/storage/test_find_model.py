"""Model lookup: references, the newest run that fits, and the message for a reference that names nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seqtool.errors import ModelError
from seqtool.storage import ownership
from seqtool.storage.atomic import kept_name, old_name
from seqtool.storage.find_model import (
    ALIGNED_MODEL,
    ANY_MODEL,
    CHARACTER_MODEL,
    LONGEST_REFERENCE,
    TAGGER,
    TEXT_MODEL,
    ModelFolders,
    find_model,
    finished_runs,
    input_files,
    runs_root,
)
from seqtool.storage.model_directory import Manifest
from tests.storage.test_run_directory import finish_run
from tests.support.unreadable import unreadable


def test_find_model_returns_the_newest_run_that_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEQTOOL_MODEL", raising=False)
    finish_run(tmp_path, "first", kind="pairs")
    finish_run(tmp_path, "second")
    finish_run(tmp_path / "second", "seed-1", kind="pairs")  # a run inside a run is never chosen
    names = [place.name for place, _ in finished_runs(tmp_path)]
    assert names == [str(tmp_path / "second"), str(tmp_path / "first")]
    assert find_model(None, tmp_path).run == tmp_path / "second"
    assert find_model(None, tmp_path, ALIGNED_MODEL).run == tmp_path / "first"
    assert find_model(None, tmp_path, TEXT_MODEL).run == tmp_path / "second"
    monkeypatch.setenv("SEQTOOL_MODEL", "first")
    assert find_model(None, tmp_path).run == tmp_path / "first"


@pytest.mark.parametrize("reference", ["second", "{root}/second", "{root}/second/model"])
def test_name_run_and_model_directory_find_the_same_model(tmp_path: Path, reference: str) -> None:
    finish_run(tmp_path, "second")
    location = find_model(reference.format(root=tmp_path), tmp_path)
    assert location.model == tmp_path / "second/model"
    assert location.run == tmp_path / "second"


def test_unknown_reference_is_refused_with_the_known_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish_run(tmp_path, "second")
    (tmp_path / "third.partial").mkdir()
    with pytest.raises(ModelError) as caught:
        find_model("nonsuch", tmp_path)
    assert caught.value.problems[0].hint.startswith("runs here: second; pretrained: ")
    with pytest.raises(ModelError) as caught:
        find_model("third", tmp_path)
    assert "--resume" in caught.value.problems[0].hint
    monkeypatch.setattr(ownership, "PRETRAINED", tmp_path / "nothing")
    with pytest.raises(ModelError, match="no trained tagger here"):
        find_model(None, tmp_path, TAGGER)


def test_runs_that_cannot_be_read_are_skipped_and_named(tmp_path: Path) -> None:
    for name in ("good", "damaged", "private"):
        finish_run(tmp_path, name)
    (tmp_path / "damaged/model/manifest.json").write_bytes(b"{")
    warnings: list[str] = []
    with unreadable(tmp_path / "private"):
        assert find_model(None, tmp_path, warn=warnings.append).run == tmp_path / "good"
    assert len(warnings) == 2
    assert "damaged/model/manifest.json: not the expected JSON" in warnings[0]
    assert warnings[1].endswith("private: cannot read: Permission denied")


def test_unreadable_reference_is_one_error(tmp_path: Path) -> None:
    finish_run(tmp_path, "private")
    with unreadable(tmp_path / "private"), pytest.raises(ModelError, match="cannot read: Permission denied"):
        find_model("private", tmp_path)
    with unreadable(tmp_path), pytest.raises(ModelError, match="cannot read: Permission denied"):
        find_model(None, tmp_path)


@pytest.mark.parametrize("name", ["x" * 5000, "x/" * 3000, "\udcff", "\ud800", "a\0b"])
def test_impossible_reference_is_one_short_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError) as caught:
        find_model(name, tmp_path)
    assert len(str(caught.value)) < 400


def test_root_of_the_runs_is_that_of_the_option_then_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEQTOOL_RUNS", "others")
    assert runs_root(Path("mine")) == Path("mine")
    assert runs_root() == Path("others")
    for value in ("", None):
        monkeypatch.setenv("SEQTOOL_RUNS", "") if value == "" else monkeypatch.delenv("SEQTOOL_RUNS")
        assert runs_root() == Path("runs")


@pytest.mark.parametrize(
    ("wanted", "accepted"),
    [
        (ANY_MODEL, {"char text", "char lines", "char pairs", "tagger "}),
        (TAGGER, {"tagger "}),
        (CHARACTER_MODEL, {"char text", "char lines", "char pairs"}),
        (ALIGNED_MODEL, {"char pairs"}),
        (TEXT_MODEL, {"char text", "char lines"}),
    ],
)
def test_filter_accepts_models_by_task_and_kind(wanted: object, accepted: set[str]) -> None:
    models = ("char text", "char lines", "char pairs", "tagger ")
    manifests = {model: Manifest(task=model.split(" ")[0], kind=model.split(" ")[1]) for model in models}
    assert {name for name, one in manifests.items() if wanted.accepts(one)} == accepted  # type: ignore[attr-defined]


def test_model_directory_without_a_run_is_no_run(tmp_path: Path) -> None:
    finish_run(tmp_path, "x")
    for name in ("plain", "model"):  # also with the name that a model has in its run
        (tmp_path / "x/model").rename(tmp_path / name)
        assert find_model(name, tmp_path) == ModelFolders(tmp_path / name, None)
        assert find_model(name, tmp_path).name == str(tmp_path / name)
        (tmp_path / name).rename(tmp_path / "x/model")
    (tmp_path / "x/model").rename(tmp_path / "x/other")  # a run contains its model under one name only
    assert find_model("x/other", tmp_path) == ModelFolders(tmp_path / "x/other", None)


def test_model_and_run_are_found_during_an_exchange(tmp_path: Path) -> None:
    finish_run(tmp_path, "x")
    (tmp_path / "x/model").rename(old_name(tmp_path / "x/model"))
    for name in ("x", "x/model"):
        assert find_model(name, tmp_path) == ModelFolders(tmp_path / "x/model", tmp_path / "x")
    old_name(tmp_path / "x/model").rename(tmp_path / "x/model")
    (tmp_path / "x").rename(kept_name(tmp_path / "x"))
    for name in ("x", "x/model"):
        assert find_model(name, tmp_path) == ModelFolders(tmp_path / "x/model", tmp_path / "x")


def test_path_of_the_current_directory_has_precedence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish_run(tmp_path / "runs", "x")
    finish_run(tmp_path, "x")
    monkeypatch.chdir(tmp_path)
    assert find_model("x", Path("runs")) == ModelFolders(Path("x/model"), Path("x"))


def test_hint_lists_all_runs_or_none(tmp_path: Path) -> None:
    def hint() -> str:
        with pytest.raises(ModelError, match="no model directory, run directory or run") as caught:
            find_model("y" * 230, tmp_path)
        assert LONGEST_REFERENCE <= len(caught.value.problems[0].place) <= LONGEST_REFERENCE + 1
        return str(caught.value.problems[0].hint)

    (tmp_path / ("z" * 10 + ".partial")).mkdir()
    assert hint().startswith("runs here: none; pretrained: ")
    for name in ("b", "a"):
        finish_run(tmp_path, name)
    assert hint().startswith("runs here: a, b; pretrained: ")


def test_hint_without_a_model_names_the_command_that_trains_one(tmp_path: Path) -> None:
    finish_run(tmp_path, "x")
    with pytest.raises(ModelError, match="no trained aligned character model") as caught:
        find_model(None, tmp_path, ALIGNED_MODEL)
    assert caught.value.problems[0].place == str(tmp_path)
    assert "seqtool train-char" in caught.value.problems[0].hint


def test_only_finished_runs_with_a_model_are_listed(tmp_path: Path) -> None:
    for number, name in enumerate(("c", "a", "b")):
        finish_run(tmp_path, name)
        os.utime(tmp_path / name / "model/manifest.json", ns=(0, 10 + number // 2))
    finish_run(tmp_path, "d")
    (tmp_path / "d").rename(tmp_path / "d.partial")
    (tmp_path / "seeds/seed-1/model").mkdir(parents=True)
    (tmp_path / "notes.txt").touch()
    warnings: list[str] = []
    found = [place.name for place, _ in finished_runs(tmp_path, warnings.append)]
    assert found == [str(tmp_path / name) for name in ("b", "a", "c")]
    assert warnings == []


def test_input_files_are_those_here_and_those_next_to_the_runs(tmp_path: Path) -> None:
    manifest = Manifest.from_json({"data": {"a.txt": "1", "b/c.txt": "2"}})
    run = tmp_path / "runs/x"
    here = [Path("a.txt"), Path("b/c.txt")]
    assert input_files(ModelFolders(run / "model", run), manifest) == [
        *here,
        tmp_path / "a.txt",
        tmp_path / "b/c.txt",
    ]
    assert input_files(ModelFolders(tmp_path / "model", None), manifest) == here
