"""Model lookup: references, the newest run that fits, and the message for a reference that names nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqtool.errors import ModelError
from seqtool.storage.find_model import ALIGNED_MODEL, TAGGER, TEXT_MODEL, find_model, finished_runs
from tests.storage.test_run_directory import finish_run


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
