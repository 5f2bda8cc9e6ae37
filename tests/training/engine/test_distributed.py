"""Several ranks with gloo against one process with the same global batch: the same losses, rows, states and weights."""

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
    return run_together(size, tmp_path_factory.mktemp("ranks") / "found")


@pytest.mark.parametrize("name", RUNS)
def test_ranks_find_what_one_process_finds(
    name: str, alone: dict[str, Any], together: list[dict[str, Any]]
) -> None:
    expected = alone[name]
    assert len(expected["losses"]) == 50
    for found in (rank[name] for rank in together):
        assert found["losses"] == pytest.approx(expected["losses"], abs=CLOSE)
        assert len(found["rows"]) == len(expected["rows"])
        for row, wanted in zip(found["rows"], expected["rows"], strict=True):
            assert row == pytest.approx(wanted, abs=CLOSE)
        assert found["weights"] == pytest.approx(expected["weights"], rel=1e-5)
        assert found["carried"].keys() == expected["carried"].keys()
        for part, values in expected["carried"].items():
            assert found["carried"][part] == pytest.approx(values, abs=1e-4)


@pytest.mark.parametrize("name", RUNS)
def test_all_ranks_hold_the_same_bits_and_report_the_same_numbers(
    name: str, together: list[dict[str, Any]]
) -> None:
    first, *others = (rank[name] for rank in together)
    assert first["digest"] and all(other == first for other in others)


def test_ranks_end_together_for_one_rank_s_reason(tmp_path: Path) -> None:
    """Patience by the common score; minutes by whichever clock is ahead; a loss that is no number, wherever it was."""
    found = run_together(2, tmp_path / "ended", end_rank)
    assert found[0] == found[1]
    assert {name: end["step"] for name, end in found[0].items() if name != "patience"} == {
        "max_minutes": 7,
        "diverged": 5,
    }
    assert found[0]["max_minutes"]["ended"] == "max_minutes"
    assert found[0]["diverged"]["ended"].startswith("the loss is no longer finite at step 6 ")
    assert found[0] == {name: ending(name, ALONE, odd=True) for name in ENDINGS}
    assert found[0]["patience"]["ended"] == "patience" and found[0]["patience"]["step"] < 40
