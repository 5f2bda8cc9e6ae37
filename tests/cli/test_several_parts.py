"""A model directory with a tokenizer and a tagger: every command that uses a tagger finds its part."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

import seqtool
from seqtool.storage.model_directory import StoredModel, read_model, write_model
from tests.support.shell import seqtool_in_process
from tests.support.small_runs import run
from tests.support.small_treebank import LABELS, treebank_run
from tests.support.stored_models import store_tokenizer


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write `alone`, a tagger, and `both`, the same tagger with a tokenizer."""
    folder = tmp_path_factory.mktemp("parts")
    run(treebank_run(folder), folder / "runs")
    tagger = read_model(folder / "runs/small/model")
    first = read_model(store_tokenizer(folder / "tokenizer") / "model")
    for name, model in (("alone", tagger), ("both", StoredModel.joined([first, tagger]))):
        facts = {"kind": "tagger", "scores": dict(tagger.manifest.scores)}
        write_model(folder / name, model.config, model.vocab, model.weights, facts)
    return folder


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("tag --model {} --pretokenized --json -- 'The dogs is .'", id="tag"),
        pytest.param("evaluate {} dev.conllu --json", id="evaluate"),
    ],
)
def test_a_command_gives_the_result_of_the_tagger_alone(here: Path, command: str) -> None:
    alone, both = (
        seqtool_in_process(*shlex.split(command.format(name)), cwd=here) for name in ("alone", "both")
    )
    assert both.code == 0, both.stderr
    lines, expected = ([line for line in done.lines if "on disk" not in line] for done in (both, alone))
    assert [line.replace("both", "alone") for line in lines] == expected


def test_python_finds_the_tagger(here: Path) -> None:
    sentences = [["The", "dogs", "is", "."]]
    assert seqtool.load(here / "both").tag(sentences) == seqtool.load(here / "alone").tag(sentences)


def test_float16_converts_all_parts(here: Path) -> None:
    done = seqtool_in_process(
        "export", "both", "--dtype", "float16", "--out", "half", "--data", "dev.conllu", "--json", cwd=here
    )
    assert done.code == 0, done.stderr
    half = read_model(here / "half")
    assert list(half.parts) == ["tokenizer", "tagger"]
    assert {array.dtype for array in half.weights.values()} == {np.dtype(np.float16)}
    scores = json.loads(done.stdout)["scores"]
    assert {f"accuracy_{name}" for name in LABELS[1:]} < scores.keys()


def test_a_report_is_written(here: Path) -> None:
    done = seqtool_in_process("report", "both", "--out", "page.html", cwd=here)
    assert done.code == 0, done.stderr


def test_a_file_of_one_label_names_its_column_to_start_from_the_tagger(here: Path) -> None:
    """The model has several labels, and nothing says which of them the second column is."""
    (here / "words.conll").write_text("The\tDET\ndog\tNOUN\n\n" * 20)
    command = ("train-tagger", "words.conll", "--init-from", "both", "--set=training.max_steps=1")
    refused = seqtool_in_process(*command, cwd=here)
    assert refused.code == 2 and not (here / "runs/words").exists()
    labels = ", ".join(LABELS)
    assert f"the initial model has the labels {labels}; give the column of one" in refused.stderr
    assert seqtool_in_process(*command, "--set=data.label=2", cwd=here).code == 0


def test_training_can_start_from_the_tagger(here: Path) -> None:
    settings = treebank_run(here, init_from=str(here / "both"), max_steps=2)
    run(settings, here / "more")
    first, second = read_model(here / "alone"), read_model(here / "more/small/model")
    assert second.vocab["heads"] == first.vocab["heads"]
