"""Small runs of a tokenizer and a tagger: settings, rows, comparison of two runs, a stop at a given check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seqtool.errors import Stopped
from seqtool.settings.experiment import Settings, TaggerSettings
from seqtool.storage.model_directory import read_manifest
from tests.support.small_runs import StopAt, metrics, run, samples, stopping, weights
from tests.support.small_treebank import joint_run


def short_run(folder: Path, steps: int = 12, **training: Any) -> TaggerSettings:
    """Return a joint run of 12 steps of each part, with rows after 5, 10 and 12 steps."""
    more = {"epochs": None, "max_steps": 12, "eval_every": 5, "schedule": "cosine", **training}
    return joint_run(folder, steps=steps, **more)


def rows(run: Path) -> list[tuple[str, int]]:
    """Return part and step of every row."""
    return [(row["part"], row["step"]) for row in metrics(run)]


def assert_same(left: Path, right: Path) -> None:
    assert weights(left) == weights(right)
    assert metrics(left) == metrics(right)
    assert samples(left) == samples(right)
    assert (left / "evaluation.json").read_bytes() == (right / "evaluation.json").read_bytes()
    assert read_manifest(left / "model").part_rows == read_manifest(right / "model").part_rows


def stop_at(settings: Settings, root: Path, poll: int, **options: Any) -> str:
    """Stop a run at the given check of its stop flag, and return the message."""
    with stopping(StopAt(poll)), pytest.raises(Stopped) as stopped:
        run(settings, root, **options)
    return str(stopped.value)
