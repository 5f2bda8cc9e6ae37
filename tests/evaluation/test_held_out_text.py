"""The beginning of a held-out text: equal to that of the whole text, in little memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seqtool.config.dump import dump_settings
from seqtool.data.text.encode import PIECE
from seqtool.evaluation.character import held_out_text
from tests.support.small_runs import char_run

LONG = 12_000_000


def write_config(folder: Path, content: str, **data: Any) -> Path:
    """Write the config of a run on a text, of which nine tenths are held out."""
    (folder / "long.txt").write_text(content, encoding="utf-8")
    settings = char_run(folder)
    model = replace(settings.model, state_reset=0.0, initial_state="zeros")
    text = replace(settings.data, text=(str(folder / "long.txt"),), split=(0.1, 0.9), **data)
    run = folder / "runs/small"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(dump_settings(replace(settings, data=text, model=model)))
    return run


@pytest.mark.parametrize("longest", [0, 1, 7, 50, 10_000])
@pytest.mark.parametrize(
    "data", [{}, {"unit": "byte"}, {"per_line": True}], ids=["characters", "bytes", "lines"]
)
def test_beginning_is_that_of_the_whole_text(data: dict[str, Any], longest: int, tmp_path: Path) -> None:
    content = "".join(f"déjà vu {number} €\n" for number in range(60))
    run = write_config(tmp_path, content, **data)
    whole = held_out_text(run, tmp_path / "runs", len(content))
    end = whole.encode("utf-8", "surrogateescape")  # of bytes, it may begin inside a character
    assert len(whole) > 100 and (data.get("per_line") or content.encode().endswith(end))
    assert held_out_text(run, tmp_path / "runs", longest) == whole[:longest]


def test_long_text_is_not_decoded_as_a_whole(tmp_path: Path) -> None:
    run = write_config(tmp_path, "the dog ate an apple\n" * (LONG // 21))
    held_out_text(run, tmp_path / "runs", 10)  # encodes the text once
    tracemalloc.start()
    assert len(held_out_text(run, tmp_path / "runs", 30_000)) == 30_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * PIECE < 4 * LONG  # symbols are counted in pieces, and a decoded text takes much more
