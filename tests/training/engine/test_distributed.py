"""Several ranks with gloo agree with one process that has the same global batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seqtool.training.engine.ranks import ALONE
from tests.support.rank_runs import ENDINGS, RUNS, end_rank, ending, run_alone, run_together

CLOSE = 1e-5


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    return run_alone()


@pytest.fixture(scope="module", params=[2, 4])
def together(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    size: int = request.param
    return run_together(size, tmp_path_factory.mktemp("ranks") / "outcomes")


@pytest.mark.parametrize("name", RUNS)
def test_ranks_agree_with_one_process(
    name: str, alone: dict[str, Any], together: list[dict[str, Any]]
) -> None:
    expected = alone[name]
    assert len(expected["losses"]) == 50
    for actual in (rank[name] for rank in together):
        assert actual["losses"] == pytest.approx(expected["losses"], abs=CLOSE)
        assert len(actual["rows"]) == len(expected["rows"])
        for row, expected_row in zip(actual["rows"], expected["rows"], strict=True):
            assert row == pytest.approx(expected_row, abs=CLOSE)
        assert actual["weights"] == pytest.approx(expected["weights"], rel=1e-5)
        assert actual["carried"].keys() == expected["carried"].keys()
        for part, values in expected["carried"].items():
            assert actual["carried"][part] == pytest.approx(values, abs=1e-4)


@pytest.mark.parametrize("name", RUNS)
def test_all_ranks_have_equal_weights_and_numbers(name: str, together: list[dict[str, Any]]) -> None:
    first, *others = (rank[name] for rank in together)
    assert first["digest"] and all(other == first for other in others)


def test_one_rank_ends_the_run_of_all(tmp_path: Path) -> None:
    """All ranks end together: by the common score, the fastest clock, or the divergence of any rank."""
    endings = run_together(2, tmp_path / "ended", end_rank)
    assert endings[0] == endings[1]
    assert {name: end["step"] for name, end in endings[0].items() if name != "patience"} == {
        "max_minutes": 7,
        "diverged": 5,
    }
    assert endings[0]["max_minutes"]["ended"] == "max_minutes"
    assert endings[0]["diverged"]["ended"].startswith("the loss is no longer finite at step 6 ")
    assert endings[0] == {name: ending(name, ALONE, odd=True) for name in ENDINGS}
    assert endings[0]["patience"]["ended"] == "patience" and endings[0]["patience"]["step"] < 40
