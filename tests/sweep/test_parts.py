"""Sweeps over a tokenizer and a tagger: keys of both parts, compared by the score of the tagger."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqtool.config.dump import dump_settings
from seqtool.config.load import read_settings
from seqtool.settings.experiment import TaggerSettings
from tests.support.shell import seqtool
from tests.support.small_runs import metrics
from tests.support.small_treebank import joint_run

pytest.importorskip("optuna")


def test_trials_are_compared_by_the_score_of_the_tagger(tmp_path: Path) -> None:
    settings = joint_run(tmp_path, steps=4, epochs=None, max_steps=6, eval_every=3)
    (tmp_path / "small.yaml").write_text(dump_settings(settings), encoding="utf-8")
    space = "training.lr: [0.001, 0.01]\ntokenizer.training.lr: [0.002, 0.02]\n"
    (tmp_path / "space.yaml").write_text(space, encoding="utf-8")
    command = ("sweep", "small.yaml", "--space", "space.yaml", "--trials", "2", "--json")
    done = seqtool(*command, cwd=tmp_path)
    assert done.code == 0, done.stderr
    best = json.loads(done.stdout)["best"]
    rows = metrics(tmp_path / f"runs/small/trial-{best['place']:03d}")
    assert [row["part"] for row in rows] == ["tokenizer", "tagger", "tagger"]
    assert best["value"] == max(row.get("val_accuracy", 0) for row in rows)
    read = read_settings(tmp_path / "runs/small/best.yaml").settings
    assert isinstance(read, TaggerSettings) and read.tokenizer is not None
    assert read.training.lr == float(best["values"]["training.lr"])
    assert read.tokenizer.training.lr == float(best["values"]["tokenizer.training.lr"])
    again = seqtool(*command, cwd=tmp_path)
    assert again.code == 0 and json.loads(again.stdout)["best"] == best
