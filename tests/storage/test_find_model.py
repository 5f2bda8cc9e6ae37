"""Model lookup: references, the newest run that fits, and the message for a reference that names nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqtool.errors import ModelError
from seqtool.storage.find_model import ALIGNED_MODEL, TAGGER, TEXT_MODEL, find_model, finished_runs
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
    place = find_model(reference.format(root=tmp_path), tmp_path)
    assert place.model == tmp_path / "second/model"
    assert place.run == tmp_path / "second"


def test_unknown_reference_is_refused_with_the_known_runs(tmp_path: Path) -> None:
    finish_run(tmp_path, "second")
    (tmp_path / "third.partial").mkdir()
    with pytest.raises(ModelError) as caught:
        find_model("nonsuch", tmp_path)
    assert caught.value.problems[0].hint == "runs here: second"
    with pytest.raises(ModelError) as caught:
        find_model("third", tmp_path)
    assert "--resume" in caught.value.problems[0].hint
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
