"""`inspect` without a terminal: text models and taggers, --json, and errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from seqtool.settings.model import CharModel
from seqtool.storage.model_directory import write_model
from tests.support.random_models import FEATURES, character_parts, tagger_parts
from tests.support.shell import seqtool_in_process


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a character model, a tagger, and a text of two lines."""
    from seqtool.settings.model import TaggerModel

    path = tmp_path_factory.mktemp("inspect")
    write_model(
        path / "runs/char/model",
        *character_parts(CharModel(hidden_size=5, embedding_dim=3), "\n ab"),
        {"kind": "text"},
    )
    write_model(
        path / "runs/tagger/model",
        *tagger_parts(TaggerModel(features=FEATURES[:1], hidden_size=4, decoder="crf")),
        {"kind": "tagger"},
    )
    (path / "text.txt").write_text("ab a\nba b\n")
    return path


def test_json_contains_shapes_and_ranked_units(folder: Path) -> None:
    plain = json.loads(seqtool_in_process("inspect", "char", "--json", cwd=folder).stdout)
    assert plain["weights"]["encoder.0.forward.weight_hh"] == [20, 5]
    assert "units" not in plain
    ranked = json.loads(
        seqtool_in_process(
            "inspect", "char", "--find", "spaces", "--file", "text.txt", "--top", "3", "--json", cwd=folder
        ).stdout
    )["units"]
    strengths = [abs(one["correlation"]) for one in ranked]
    assert len(ranked) == 3 and strengths == sorted(strengths, reverse=True)


def test_texts_and_files_are_followed_through_the_network(folder: Path) -> None:
    walk = seqtool_in_process("inspect", "char", "--text", "ba", "--file", "text.txt", cwd=folder).stdout
    assert walk.count("the last output equals the final state") == 2
    tagged = seqtool_in_process("inspect", "tagger", "--file", "text.txt", cwd=folder).stdout
    assert tagged.count("what each label loses") == 2


def test_units_surprisal_and_states_of_a_text_are_shown_and_written(folder: Path) -> None:
    shown = seqtool_in_process("inspect", "char", "--text", "ab ba", "--units", "h1,c2,surprisal", cwd=folder)
    assert shown.code == 0
    assert any(line.lstrip().startswith("h1 ") for line in shown.lines)
    assert shown.lines[-1].split()[1:4] == ["bits", "in", "all,"]
    assert (
        seqtool_in_process(
            "inspect", "char", "--text", "ab ba", "--units", "h1", "--states", "one.npz", cwd=folder
        ).code
        == 0
    )
    assert len(np.load(folder / "one.npz")["ids"]) == 5


def test_states_of_a_sentence_are_written(folder: Path) -> None:
    result = seqtool_in_process(
        "inspect", "tagger", "--text", "The dog ate", "--states", "tagger.npz", cwd=folder
    )
    assert result.lines[0].startswith("tagger.npz: 3 tokens, ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ("char", "--set", "model.hidden_size=3"), "--set changes a config", id="--set on a model"
        ),
        pytest.param(
            ("char", "--units", "h1", "--json"), "--json goes with --find, or alone", id="units as json"
        ),
        pytest.param(
            ("tagger", "--find", "spaces", "--json"),
            "--find is for character models",
            id="ranking of a tagger",
        ),
        pytest.param(
            ("tagger", "--text", "a", "--find", "spaces"),
            "are for character models; this is a tagger",
            id="units of a tagger",
        ),
        pytest.param(
            ("tagger", "--states", "x.npz"), "--states needs one sentence, found 0", id="states of nothing"
        ),
        pytest.param(("gone",), "no model directory, run directory or run of this name", id="no such run"),
    ],
)
def test_usage_errors_exit_2_with_one_message(arguments: tuple[str, ...], message: str, folder: Path) -> None:
    result = seqtool_in_process("inspect", *arguments, cwd=folder)
    assert (result.code, result.stdout) == (2, "")
    assert message in result.stderr
