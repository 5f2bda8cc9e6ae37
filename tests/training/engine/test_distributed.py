"""Several ranks with gloo agree with one process that has the same global batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seqtool.training.engine.ranks import ALONE
from tests.support.rank_runs import (
    ENDINGS,
    RUNS,
    ending,
    run_ranks,
    run_single_process,
    write_error_of_the_last_rank,
    write_rank_endings,
)

CLOSE = 1e-5


@pytest.fixture(scope="module")
def single() -> dict[str, Any]:
    return run_single_process()


@pytest.fixture(scope="module", params=[2, 4])
def ranks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    size: int = request.param
    return run_ranks(size, tmp_path_factory.mktemp("ranks") / "results")


@pytest.mark.parametrize("name", RUNS)
def test_ranks_agree_with_one_process(name: str, single: dict[str, Any], ranks: list[dict[str, Any]]) -> None:
    expected = single[name]
    assert len(expected["losses"]) == 50
    for result in (rank[name] for rank in ranks):
        assert result["losses"] == pytest.approx(expected["losses"], abs=CLOSE)
        assert len(result["rows"]) == len(expected["rows"])
        for row, expected_row in zip(result["rows"], expected["rows"], strict=True):
            assert row == pytest.approx(expected_row, abs=CLOSE)
        assert result["weights"] == pytest.approx(expected["weights"], rel=1e-5)
        assert result["carried"].keys() == expected["carried"].keys()
        for part, values in expected["carried"].items():
            assert result["carried"][part] == pytest.approx(values, abs=1e-4)


@pytest.mark.parametrize("name", RUNS)
def test_all_ranks_have_equal_weights_and_numbers(name: str, ranks: list[dict[str, Any]]) -> None:
    first, *others = (rank[name] for rank in ranks)
    assert first["same_bits"] and all(other == first for other in others)


def test_one_rank_ends_the_run_of_all(tmp_path: Path) -> None:
    """All ranks end together: by the common score, the fastest clock, or the divergence of any rank."""
    first, second = run_ranks(2, tmp_path / "ended", write_rank_endings)
    assert first == second
    assert {name: end["step"] for name, end in first.items()} == {
        "patience": 12,
        "max_minutes": 7,
        "diverged": 5,
    }
    assert first["patience"]["ended"] == "patience"
    assert first["max_minutes"]["ended"] == "max_minutes"
    assert first["diverged"]["ended"].startswith("the loss is no longer finite at step 6 ")
    assert first == {name: ending(name, ALONE, has_fault=True) for name in ENDINGS}


def test_error_of_a_rank_reaches_the_others_in_one_line(tmp_path: Path) -> None:
    *others, failed = run_ranks(3, tmp_path / "error", write_error_of_the_last_rank)
    assert failed == ["no room", "for this"]
    for message, hint in others:
        assert message.startswith("rank 2 on ") and message.endswith(" ended: ValueError: no room for this")
        assert "--max-restarts" in hint
