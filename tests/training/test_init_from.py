"""Training from the weights of a trained model: new vocabularies, transferred weights, refused models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqtool.config.dump import dump_settings
from seqtool.config.load import read_run_settings, read_settings
from seqtool.data.tagging.word_encoder import form_counts
from seqtool.errors import ModelError, SeqtoolError
from seqtool.inference.load import load_model
from seqtool.reports.training import TrainingScreen
from seqtool.settings.data import CharData
from seqtool.settings.experiment import CharSettings, Settings, TaggerSettings
from seqtool.settings.model import Feature
from seqtool.storage.model_directory import StoredModel, read_model
from seqtool.training.run import TrainOptions, train
from tests.support.shell import seqtool
from tests.support.small_runs import StopAt, char_run, run, stopping, tagger_run, weights
from tests.support.small_treebank import treebank_run
from tests.support.stored_models import store_character_model


def char(folder: Path, **model: Any) -> CharSettings:
    settings = char_run(folder, max_steps=6, lr=1e-30, ema=0.0)  # the learning rate changes no weight
    return replace(settings, model=replace(settings.model, **model))


def starting(settings: Settings, model: Path, **data: Any) -> Settings:
    training = replace(settings.training, init_from=str(model))
    return replace(settings, name="second", training=training, data=replace(settings.data, **data))  # type: ignore[arg-type]


def second(settings: Settings, root: Path) -> StoredModel:
    run(settings, root)
    model = read_model(root / "second" / "model")
    load_model(model)
    return model


@pytest.mark.parametrize(
    "more", [{}, {"input": "onehot"}, {"tied": True, "num_layers": 1}], ids=["embedding", "onehot", "tied"]
)
def test_known_symbols_keep_their_weights_and_new_ones_are_added(
    more: dict[str, Any], tmp_path: Path
) -> None:
    settings = char(tmp_path, **more)
    run(settings, tmp_path)
    first = read_model(tmp_path / "small" / "model")
    text = tmp_path / "other.txt"
    text.write_text("übrigens: the dog aß an apple, " * 20, encoding="utf-8")
    extended = second(starting(settings, tmp_path / "small" / "model", text=(str(text),)), tmp_path)
    old, new = first.vocab["symbols"], extended.vocab["symbols"]
    assert new[: len(old)] == old and {"ü", "ß", ":"} <= set(new[len(old) :])
    for name, array in first.weights.items():
        np.testing.assert_allclose(
            extended.weights[name][tuple(slice(size) for size in array.shape)], array, atol=1e-6
        )
    assert (
        extended.weights["output.bias"].shape == (len(new),)
        and (extended.weights["output.bias"][len(old) :] != 0).all()
    )
    assert extended.manifest.init_from == first.manifest.sha256


def test_known_words_labels_and_characters_keep_their_weights(tmp_path: Path) -> None:
    settings = tagger_run(tmp_path, max_steps=6, lr=1e-30, ema=0.0)
    features = (
        *settings.model.features,
        Feature(name="form", dim=3, unknown=False),
        Feature(name="char_lstm", dim=3),
    )
    settings = replace(settings, model=replace(settings.model, features=features))
    run(settings, tmp_path)
    first = read_model(tmp_path / "small" / "model")
    data = tmp_path / "other.conll"
    data.write_text("Zebras\tNN\nate\tV\nthe\tDET\nöl\tX\n\n" * 6, encoding="utf-8")
    extended = second(
        starting(settings, tmp_path / "small" / "model", train=(str(data),), dev=(), test=()), tmp_path
    )
    assert extended.vocab["labels"] == [*first.vocab["labels"], "X"]
    forms = form_counts(extended.vocab)
    assert forms["Zebras"] == 6 and forms["the"] == form_counts(first.vocab)["the"] + 6
    for index, offset in ((0, 1), (1, 1), (3, 0)):
        name = f"features.{index}.weight"
        for place, value in enumerate(first.vocab["features"][index], offset):
            row = extended.vocab["features"][index].index(value) + offset
            np.testing.assert_allclose(extended.weights[name][row], first.weights[name][place], atol=1e-6)
    for index in (2, 4):
        name = f"features.{index}.embedding.weight"
        for place, character in enumerate(first.vocab["characters"], 3):
            row = extended.vocab["characters"].index(character) + 3
            np.testing.assert_allclose(extended.weights[name][row], first.weights[name][place], atol=1e-6)
    labels = len(first.vocab["labels"])
    np.testing.assert_allclose(
        extended.weights["crf.transitions"][:labels, :labels], first.weights["crf.transitions"], atol=1e-6
    )
    np.testing.assert_allclose(
        extended.weights["output.weight"][:labels], first.weights["output.weight"], atol=1e-6
    )


def test_run_that_starts_from_a_model_resumes_and_repeats_exactly(tmp_path: Path) -> None:
    settings = char_run(tmp_path, max_steps=10, eval_every=3)
    run(settings, tmp_path)
    again = starting(settings, tmp_path / "small" / "model")
    run(again, tmp_path / "whole")
    with stopping(StopAt(6)), pytest.raises(BaseException, match="stopped"):
        run(again, tmp_path)
    run(again, tmp_path, resume=True)
    assert (
        weights(tmp_path / "second") == weights(tmp_path / "whole" / "second") != weights(tmp_path / "small")
    )
    repeated = read_settings(tmp_path / "second" / "config.yaml").settings
    assert "../small/model" in (tmp_path / "second" / "config.yaml").read_text()
    run(repeated, tmp_path / "repeated")
    assert weights(tmp_path / "repeated" / "second") == weights(tmp_path / "second")
    with stopping(StopAt(6)), pytest.raises(BaseException, match="stopped"):
        run(again, tmp_path / "other")
    run(replace(settings, seed=7), tmp_path, overwrite=True)  # another model at the same path
    with pytest.raises(SeqtoolError, match=r"training\.init_from"):
        run(again, tmp_path / "other", resume=True)


def test_model_with_another_network_is_refused(tmp_path: Path) -> None:
    settings = char(tmp_path)
    run(settings, tmp_path)
    model = tmp_path / "small" / "model"
    other = replace(settings, model=replace(settings.model, hidden_size=6, cell="gru", dropout=0.1))
    with pytest.raises(SeqtoolError) as raised:
        run(starting(other, model), tmp_path)
    assert [problem.message for problem in raised.value.problems] == [
        "the model to start from has model.cell lstm, the settings have gru",
        "the model to start from has model.hidden_size 5, the settings have 6",
    ]
    with pytest.raises(ModelError, match="cannot start from a character model"):
        run(starting(tagger_run(tmp_path), model), tmp_path)
    with pytest.raises(ModelError, match="symbols are chars"):
        run(starting(settings, model, unit="byte"), tmp_path)
    with pytest.raises(ModelError, match="no model directory"):
        run(starting(settings, tmp_path / "nothing"), tmp_path)


def conditional(folder: Path, lines: str, name: str, **model: Any) -> CharSettings:
    """Return a run of lines with conditions; `lines` have their conditions before a tab."""
    (folder / name).write_text(lines, encoding="utf-8")
    settings = char(folder, state_reset=0.0, condition_dim=3, **model)
    data = CharData(text=(str(folder / name),), per_line=True, condition="prefix")
    return replace(settings, data=data)


@pytest.mark.parametrize("more", [{}, {"input": "onehot"}], ids=["embedding", "onehot"])
def test_known_conditions_keep_their_weights_and_new_ones_are_added(
    more: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(conditional(tmp_path, "b\tab\nc\tba\n" * 8, "first.tsv", **more), tmp_path)
    first = read_model(tmp_path / "small" / "model")
    after = conditional(tmp_path, "a\tabé\nc\tba\n" * 8, "second.tsv", **more)
    settings = starting(after, tmp_path / "small" / "model")
    train(settings, TrainOptions(tmp_path), [TrainingScreen(as_json=True)])
    assert "conditions: 2 of the model, 1 new: a" in capsys.readouterr().err
    extended = read_model(tmp_path / "second" / "model")
    load_model(extended)
    assert extended.vocab["conditions"] == {"names": ["b", "c", "a"], "counts": [0, 7, 7]}
    weight, old = extended.weights["condition.weight"], first.weights["condition.weight"]
    np.testing.assert_allclose(weight[:2], old, atol=1e-6)
    assert weight.shape == (3, 3) and (weight[2] != 0).all()
    if more:
        inputs = [model.weights["encoder.0.forward.weight_ih"] for model in (first, extended)]
        np.testing.assert_allclose(inputs[1][:, -3:], inputs[0][:, -3:], atol=1e-6)


def test_model_with_and_model_without_conditions_cannot_start_from_each_other(tmp_path: Path) -> None:
    plain, lines = char(tmp_path), conditional(tmp_path, "b\tab\nc\tba\n" * 8, "lines.tsv")
    run(plain, tmp_path / "plain")
    run(lines, tmp_path / "lines")
    with pytest.raises(ModelError, match=r"has no conditions, the settings have data\.condition: prefix"):
        run(starting(lines, tmp_path / "plain" / "small" / "model"), tmp_path)
    with pytest.raises(ModelError, match=r"has conditions of lines, the settings have data\.condition: none"):
        run(starting(plain, tmp_path / "lines" / "small" / "model"), tmp_path)


def test_unknown_symbol_is_kept_and_pairs_can_start_from_text(tmp_path: Path) -> None:
    settings = char(tmp_path)
    rare = replace(settings, data=replace(settings.data, min_count=12))
    run(rare, tmp_path)
    first = read_model(tmp_path / "small" / "model")
    assert first.vocab["unknown"] is not None
    extended = second(starting(settings, tmp_path / "small" / "model"), tmp_path)
    assert extended.vocab["symbols"][: len(first.vocab["symbols"])] == first.vocab["symbols"]
    assert extended.vocab["unknown"] == first.vocab["unknown"]
    pairs = starting(settings, tmp_path / "small" / "model", text=(), pairs=(("hihell", "ihello"),))
    assert (
        second(pairs, tmp_path / "pairs").vocab["symbols"][: len(first.vocab["symbols"])]
        == first.vocab["symbols"]
    )


def test_origin_and_new_symbols_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = char(tmp_path)
    run(settings, tmp_path)
    (tmp_path / "x.txt").write_text("the déjà dog " * 40, encoding="utf-8")
    other = starting(settings, tmp_path / "small" / "model", text=(str(tmp_path / "x.txt"),))
    train(other, TrainOptions(tmp_path), [TrainingScreen()])
    stderr = capsys.readouterr().err
    assert f"starts from {tmp_path / 'small' / 'model'}" in stderr
    assert "2 new: à é" in stderr or "3 new: j à é" in stderr


@pytest.mark.parametrize(("kind", "unit"), [("text", "char"), ("lines", "char"), ("text", "byte")])
def test_data_file_adapts_a_model_in_one_line(kind: str, unit: str, tmp_path: Path) -> None:
    """Network, symbols and kind of sequence come from the model, and the messages say what changes."""
    symbols = "\n the" if unit == "char" else "".join(map(chr, range(256)))
    store_character_model(tmp_path / "runs/old", kind=kind, symbols=symbols, unit=unit)
    (tmp_path / "more.txt").write_text("the déjà hut\n" * 300, encoding="utf-8")
    result = seqtool(
        "train-char", "more.txt", "--init-from", "old", "--set", "training.max_steps=2", cwd=tmp_path
    )
    assert result.code == 0, result.stderr
    new, old = (read_model(tmp_path / "runs" / name / "model") for name in ("more", "old"))
    assert new.config["kind"] == kind and new.config["symbols"] == old.config["symbols"]
    for name in ("cell", "hidden_size", "num_layers", "embedding_dim", "tied", "input"):
        assert new.config["model"][name] == old.config["model"][name]
    assert new.vocab["symbols"][: len(old.vocab["symbols"])] == old.vocab["symbols"]
    assert f"taken from the model: network (LSTM of 8), symbols (unit {unit}), weights" in result.stderr
    assert "learning rate 0.004 rather than 0.008" in result.stderr
    assert f"chosen: {'lines' if kind == 'lines' else 'running text'}, 2 steps" in result.stderr
    added = "5 new: d j u à é" if unit == "char" else "0 new"
    assert f"symbols: {len(symbols)} of the model, {added}" in result.stderr
    settings = read_run_settings(tmp_path / "runs/more").settings
    assert settings.training.lr == 0.004


def test_learning_rate_of_the_user_is_kept(tmp_path: Path) -> None:
    store_character_model(tmp_path / "runs/old", symbols="\n the")
    (tmp_path / "more.txt").write_text("the\n" * 300)
    given = ("--set", "training.max_steps=2", "--set", "training.lr=0.1")
    result = seqtool("train-char", "more.txt", "--init-from", "old", *given, cwd=tmp_path)
    assert result.code == 0 and "rather than" not in result.stderr
    assert read_run_settings(tmp_path / "runs/more").settings.training.lr == 0.1


def test_init_from_accepts_the_name_of_a_run(tmp_path: Path) -> None:
    settings: TaggerSettings = tagger_run(tmp_path, max_steps=6)
    run(settings, tmp_path / "runs")
    (tmp_path / "second.yaml").write_text(dump_settings(replace(settings, name="second")))
    result = seqtool("train-tagger", "second.yaml", "--init-from", "small", cwd=tmp_path)
    assert result.code == 0, result.stderr
    assert "starts from" in result.stderr and "labels: 4 of the model, 0 new" in result.stderr
    assert weights(tmp_path / "runs/second") != weights(tmp_path / "runs/small")


def test_one_label_of_the_user_starts_from_a_model_of_several(tmp_path: Path) -> None:
    run(treebank_run(tmp_path, epochs=1), tmp_path / "runs")
    (tmp_path / "two.conll").write_text("The\tDET\ndog\tNOUN\n\nA\tDET\nbook\tNOUN\n\n" * 9, encoding="utf-8")
    given = ("--init-from", "small", "--set", "data.label=2", "--set", "training.epochs=1")
    result = seqtool("train-tagger", "two.conll", *given, cwd=tmp_path)
    assert result.code == 0, result.stderr
    assert "starts from" in result.stderr
    assert "heads" not in read_model(tmp_path / "runs/two/model").config


def test_data_without_one_of_several_labels_are_refused(tmp_path: Path) -> None:
    """The same tag for all words is no label to learn, so the network would have one output layer less."""
    settings = treebank_run(tmp_path, epochs=1)
    run(settings, tmp_path)
    rows = [
        f"1\t{form}\t{form}\t{upos}\tX\t_\t_\t_\t_\t_\n\n" for form, upos in (("a", "DET"), ("dog", "NOUN"))
    ]
    other = tmp_path / "other.conllu"
    other.write_text("".join(rows) * 9, encoding="utf-8")
    again = starting(settings, tmp_path / "small" / "model", train=(str(other),), dev=())
    with pytest.raises(SeqtoolError, match=r"has data\.labels \['upos', 'xpos', 'feats', 'lemma'\]"):
        run(again, tmp_path)
