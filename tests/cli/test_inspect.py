"""`inspect` without a terminal: text models and taggers, --json, and errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from seqtool.settings import CharModel
from seqtool.storage.model_directory import write_model
from tests.support.random_models import FEATURES, character_parts, tagger_parts
from tests.support.shell import inside


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A character model, a tagger, and a text of two lines."""
    from seqtool.settings import TaggerModel

    folder = tmp_path_factory.mktemp("inspect")
    write_model(
        folder / "runs/char/model",
        *character_parts(CharModel(hidden_size=5, embedding_dim=3), "\n ab"),
        {"kind": "text"},
    )
    write_model(
        folder / "runs/tagger/model",
        *tagger_parts(TaggerModel(features=FEATURES[:1], hidden_size=4, decoder="crf")),
        {"kind": "tagger"},
    )
    (folder / "text.txt").write_text("ab a\nba b\n")
    return folder


def test_json_says_what_the_model_directory_says_and_ranks_units(here: Path) -> None:
    plain = json.loads(inside("inspect", "char", "--json", cwd=here).stdout)
    assert plain["weights"]["encoder.0.forward.weight_hh"] == [20, 5]
    assert "units" not in plain
    ranked = json.loads(
        inside(
            "inspect", "char", "--find", "spaces", "--file", "text.txt", "--top", "3", "--json", cwd=here
        ).stdout
    )["units"]
    strengths = [abs(one["correlation"]) for one in ranked]
    assert len(ranked) == 3 and strengths == sorted(strengths, reverse=True)


def test_texts_and_files_are_walked_through(here: Path) -> None:
    found = inside("inspect", "char", "--text", "ba", "--file", "text.txt", cwd=here).stdout
    assert found.count("the last output equals the final state") == 2
    tagged = inside("inspect", "tagger", "--file", "text.txt", cwd=here).stdout
    assert tagged.count("what each label loses") == 2


def test_units_surprisal_and_states_of_a_text(here: Path) -> None:
    shown = inside("inspect", "char", "--text", "ab ba", "--units", "h1,c2,surprisal", cwd=here)
    assert shown.code == 0
    assert any(line.lstrip().startswith("h1 ") for line in shown.lines)
    assert shown.lines[-1].split()[1:4] == ["bits", "in", "all,"]
    assert (
        inside("inspect", "char", "--text", "ab ba", "--units", "h1", "--states", "one.npz", cwd=here).code
        == 0
    )
    assert len(np.load(here / "one.npz")["ids"]) == 5


def test_states_of_a_sentence(here: Path) -> None:
    done = inside("inspect", "tagger", "--text", "The dog ate", "--states", "tagger.npz", cwd=here)
    assert done.lines[0].startswith("tagger.npz: 3 tokens, ")


@pytest.mark.parametrize(
    ("arguments", "said"),
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
def test_mistakes_are_answered(arguments: tuple[str, ...], said: str, here: Path) -> None:
    done = inside("inspect", *arguments, cwd=here)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr
