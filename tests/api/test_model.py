"""`import seqtool`, `seqtool.load` and the methods of a loaded model."""

from __future__ import annotations

import inspect
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

import seqtool
from seqtool.inference.load import load_character_model, load_tagger
from seqtool.storage.model_directory import read_model
from tests.support.stored_models import store_character_model, store_tagger


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    store_tagger(folder / "tagger")
    store_tagger(folder / "scriptless", tokenizer=None)
    store_character_model(folder / "pairs", kind="pairs")
    store_character_model(folder / "text")
    return folder


def test_load_finds_a_model_by_path_name_or_age(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEQTOOL_MODEL", raising=False)
    assert seqtool.load(runs / "tagger").task == seqtool.load(str(runs / "tagger/model")).task == "tagger"
    assert seqtool.load("text", runs_dir=runs).task == "char"
    monkeypatch.setenv("SEQTOOL_RUNS", str(runs))
    assert seqtool.load("text").facts["name"] == "text"
    assert seqtool.load().name
    with pytest.raises(seqtool.SeqtoolError, match="no model directory"):
        seqtool.load("gone")


def test_tag_accepts_tokens_and_raw_text(runs: Path) -> None:
    model = seqtool.load(runs / "tagger")
    tokens = [["The", "dog", "."], [], ["apple"]]
    expected = load_tagger(read_model(runs / "tagger/model")).tag(tokens)
    assert model.tag(tokens) == expected
    assert model.tag(tuple(map(tuple, tokens))) == expected
    assert model.tag(["The dog.", "", "apple"]) == expected
    text = "The dog."
    assert [text[token.start : token.end] for token in model.tokenize(text)] == tokens[0]
    with pytest.raises(TypeError, match="list of sentences"):
        model.tag("The dog")
    with pytest.raises(seqtool.SeqtoolError, match="expected tokens"):
        seqtool.load(runs / "scriptless").tag(["The dog"])


def test_sample_score_and_predict_equal_inference(runs: Path) -> None:
    model, plain = seqtool.load(runs / "text"), load_character_model(read_model(runs / "text/model"))
    given = {"temperature": 0.8, "top_k": 4, "top_p": 0.9, "seed": 5, "stop": "h"}
    expected = "".join(plain.sample("ab", 30, **given))  # type: ignore[arg-type]
    assert model.sample("ab", 30, **given) == "".join(model.stream("ab", 30, **given)) == expected  # type: ignore[arg-type]
    assert model.score("abc", "d").total == plain.score("abc", "d").total
    assert seqtool.load(runs / "pairs").predict("abc") == load_character_model(
        read_model(runs / "pairs/model")
    ).predict("abc")


def test_methods_of_other_models_are_refused(runs: Path) -> None:
    with pytest.raises(seqtool.SeqtoolError, match="expected a character model, found a tagger"):
        seqtool.load(runs / "tagger").sample()
    with pytest.raises(seqtool.SeqtoolError, match="expected a tagger, found a character model"):
        seqtool.load(runs / "text").tag([["a"]])
    with pytest.raises(seqtool.SeqtoolError, match="pairs"):
        seqtool.load(runs / "pairs").score("abc")


def _tag(model: seqtool.Model) -> list[list[str]]:
    return model.tag([["The", "dog"]])


def test_model_can_be_pickled(runs: Path) -> None:
    for name in ("tagger", "text"):
        model = seqtool.load(runs / name)
        again = pickle.loads(pickle.dumps(model))
        assert again.task == model.task
    model = seqtool.load(runs / "tagger")
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        assert pool.submit(_tag, model).result(timeout=60) == _tag(model)


def test_public_api_is_listed_typed_and_documented() -> None:
    assert set(seqtool.__all__) <= set(dir(seqtool))
    for name, function in inspect.getmembers(seqtool.Model, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.getdoc(function)
            signature = inspect.signature(function)
            assert signature.return_annotation is not inspect.Signature.empty
            assert all(
                one.annotation is not inspect.Parameter.empty
                for one in list(signature.parameters.values())[1:]
            )
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = seqtool.nothing
