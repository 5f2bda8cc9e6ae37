"""`export`: networks agree in onnxruntime with inference, and float16 copies are half as large."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqtool.decoding import viterbi
from seqtool.errors import SeqtoolError
from seqtool.export import onnx_models
from seqtool.export.onnx import export_onnx, onnx_model, onnx_network
from seqtool.export.onnx_models import state_names
from seqtool.export.onnx_verify import (
    SHAPES,
    OnnxSession,
    tagger_inputs,
    verify_character,
    verify_tagger,
)
from seqtool.export.smaller_copy import write_smaller_copy
from seqtool.inference.load import load_model
from seqtool.inference.tagger import TaggerModel as Tagger
from seqtool.settings.model import CharModel, Feature, TaggerModel
from seqtool.storage.find_model import ModelFolders
from seqtool.storage.model_directory import Manifest, StoredModel, read_model, write_model
from tests.support.random_models import (
    FEATURES,
    Parts,
    character_parts,
    conditional_parts,
    multilabel_parts,
    random_sentences,
    tagger_parts,
)
from tests.support.shell import seqtool_in_process

pytest.importorskip("onnxruntime")

CNN = Feature(name="char_cnn", dim=6, char_dim=4, width=3)
WIDE_CNN = Feature(name="char_cnn", dim=5, char_dim=3, width=7)
LSTM = Feature(name="char_lstm", dim=4, char_dim=5)
VECTORS = Feature(name="vectors", dim=3)

CHARACTERS = {
    "rnn": CharModel(cell="rnn", hidden_size=5, input="onehot"),
    "relu": CharModel(cell="rnn", nonlinearity="relu", hidden_size=5, embedding_dim=4),
    "lstm": CharModel(hidden_size=7, embedding_dim=4, initial_state="random"),
    "gru": CharModel(cell="gru", hidden_size=6, embedding_dim=6, tied=True, initial_state="learned"),
    "deep lstm": CharModel(hidden_size=6, num_layers=3, embedding_dim=4, residual=True, tied=True),
    "deep gru": CharModel(cell="gru", hidden_size=6, num_layers=2, input="onehot", initial_state="learned"),
    "bare cell": CharModel(cell="rnn", hidden_size=2, input="onehot", output="none"),
}
TAGGERS = {
    "lstm": TaggerModel(features=FEATURES, hidden_size=6, projection=8),
    "one way gru": TaggerModel(
        features=FEATURES[:2], cell="gru", hidden_size=5, projection=0, bidirectional=False, decoder="softmax"
    ),
    "deep rnn": TaggerModel(
        features=FEATURES,
        cell="rnn",
        hidden_size=4,
        num_layers=2,
        residual=True,
        projection=6,
        layer_norm=False,
    ),
    "learned gru": TaggerModel(
        features=FEATURES, cell="gru", hidden_size=4, num_layers=2, initial_state="learned", projection=0
    ),
    "crf": TaggerModel(features=FEATURES, hidden_size=5, initial_state="random", decoder="crf"),
    "char_cnn": TaggerModel(features=(FEATURES[0], CNN, FEATURES[1], WIDE_CNN), hidden_size=5),
    "char_lstm alone": TaggerModel(features=(LSTM,), hidden_size=5),
    "vectors": TaggerModel(features=(VECTORS, LSTM, FEATURES[4]), hidden_size=5),
}


def bundle_of(parts: Parts) -> StoredModel:
    config, vocab, weights = parts
    return StoredModel(
        json.loads(json.dumps(config)), vocab, weights, Manifest(task=config["task"], name="x")
    )


def exported(bundle: StoredModel) -> tuple[OnnxSession, Any]:
    proto = onnx_model(bundle, onnx_network(bundle))
    return OnnxSession(proto.SerializeToString()), proto


@pytest.mark.parametrize("name", CHARACTERS)
def test_exported_text_models_agree_with_inference(name: str) -> None:
    bundle = bundle_of(character_parts(CHARACTERS[name], "abcdé\n", scale=0.6))
    model = load_model(bundle)
    assert verify_character(model, exported(bundle)[0]) <= 1  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["rnn", "lstm", "deep lstm"])
def test_exported_models_of_lines_read_a_condition(name: str) -> None:
    parts = conditional_parts(CHARACTERS[name], "\nabc", ("red", "green", "blue"), (5, 3, 2))
    bundle = bundle_of(parts)
    model: Any = load_model(bundle)
    session, proto = exported(bundle)
    assert verify_character(model, session) <= 1
    facts = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(facts["conditions"]) == {"names": ["red", "green", "blue"], "counts": [5, 3, 2]}
    ids, numbers = np.random.default_rng(1).integers(0, 4, (6, 3)), np.array([2, 0, 1])
    names = [name for layer in state_names(model.settings) for name in layer]
    states = [part for parts in model.initial_state(3) for part in parts]
    inputs = {name: np.ascontiguousarray(part) for name, part in zip(names, states, strict=True)}
    logits = session({"ids": ids, "conditions": numbers, **inputs})["logits"]
    for column, number in enumerate(numbers.tolist()):
        expected = model.under(number).forward(ids[:, column : column + 1])[0][:, 0]
        assert np.abs(logits[:, column] - expected).max() < 1e-4
    bundle.weights["condition.weight"][2] += 1
    with pytest.raises(SeqtoolError, match="onnxruntime gives other results"):
        verify_character(model, exported(bundle)[0])


@pytest.mark.parametrize("name", TAGGERS)
def test_exported_taggers_agree_with_inference(name: str) -> None:
    bundle = bundle_of(tagger_parts(TAGGERS[name]))
    model = load_model(bundle)
    assert verify_tagger(model, exported(bundle)[0]) <= 1  # type: ignore[arg-type]


def test_agreement_of_a_tagger_of_several_labels_includes_every_label() -> None:
    bundle = bundle_of(multilabel_parts(TAGGERS["lstm"]))
    model = load_model(bundle)
    assert verify_tagger(model, exported(bundle)[0]) <= 1  # type: ignore[arg-type]
    bundle.weights["heads.3.weight"][0] += 1
    with pytest.raises(SeqtoolError, match="onnxruntime gives other results"):
        verify_tagger(model, exported(bundle)[0])  # type: ignore[arg-type]


def test_text_models_are_compared_on_text_that_they_generate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random symbols can amplify rounding errors beyond the tolerance; the model's own text does not."""
    config, vocab, weights = character_parts(CHARACTERS["lstm"], "abcdé\n")
    weights["output.bias"][3] = 100
    bundle = bundle_of((config, vocab, weights))
    inputs_ids: list[Any] = []
    whole = OnnxSession.__call__

    def watched(self: OnnxSession, inputs: Any) -> Any:
        inputs_ids.append(inputs["ids"])
        return whole(self, inputs)

    monkeypatch.setattr(OnnxSession, "__call__", watched)
    assert verify_character(load_model(bundle), exported(bundle)[0]) <= 1  # type: ignore[arg-type]
    assert [ids.shape for ids in inputs_ids] == [
        (length, batch) for batch, length in SHAPES for _ in range(2)
    ]
    assert all((ids[1:] == 3).all() for ids in inputs_ids)


def test_float16_weights_can_be_exported() -> None:
    config, vocab, weights = character_parts(CHARACTERS["deep lstm"], "abc")
    half = {name: array.astype(np.float16) for name, array in weights.items()}
    bundle = bundle_of((config, vocab, half))
    assert verify_character(load_model(bundle), exported(bundle)[0]) <= 1  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["crf", "lstm", "one way gru"])
def test_metadata_contain_everything_for_decoding(name: str) -> None:
    """Viterbi decoding of the exported scores, with the metadata alone, gives the labels of the model."""
    bundle = bundle_of(tagger_parts(TAGGERS[name]))
    model = load_model(bundle)
    assert isinstance(model, Tagger)
    network, proto = exported(bundle)
    metadata = {prop.key: prop.value for prop in proto.metadata_props}
    labels, sequence = json.loads(metadata["labels"]), json.loads(metadata["sequence_scores"])
    sentences = random_sentences([3, 9, 1, 5])
    inputs = tagger_inputs(model, sentences)
    scores = network(inputs)["scores"].astype(np.float64)
    best = viterbi(
        scores, inputs["lengths"], *(np.array(sequence[part]) for part in ("start", "transitions", "end"))
    )
    result = [
        model.to_file_scheme([labels[number] for number in best[: len(sentence), column]])
        for column, sentence in enumerate(sentences)
    ]
    assert result == model.tag(sentences)


def test_metadata_contain_symbols_and_initial_state() -> None:
    bundle = bundle_of(character_parts(CHARACTERS["gru"], "abé", unknown=2))
    metadata = {prop.key: prop.value for prop in exported(bundle)[1].metadata_props}
    assert (json.loads(metadata["symbols"]), metadata["unit"], metadata["unknown"], metadata["kind"]) == (
        ["a", "b", "é"],
        "char",
        "2",
        "text",
    )
    start = json.loads(metadata["initial_state"])["h.0"]
    assert np.allclose(start, bundle.weights["initial_state.0.forward.h"])


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Path]:
    for name, parts in (
        ("char", character_parts(CHARACTERS["lstm"], "ab")),
        ("tagger", tagger_parts(TAGGERS["crf"])),
    ):
        config, vocab, weights = parts
        write_model(
            tmp_path / "runs" / name / "model",
            config,
            vocab,
            weights,
            {"kind": config["kind"], "scores": {"train_loss": 1.0}},
        )
        (tmp_path / "runs" / name / "config.yaml").write_text("task: char\n")
    yield tmp_path


def test_export_command_writes_onnx(runs: Path) -> None:
    result = seqtool_in_process("export", "char", "--to", "onnx", cwd=runs)
    assert (result.code, result.stderr) == (0, "")
    assert result.lines[0].startswith("runs/char/model.onnx  ")
    assert "  input   ids                (time, batch)" in result.lines
    assert result.lines[-1].startswith(
        "verified in onnxruntime on batch x length 1 x 1, 2 x 7, 5 x 3, 3 x 40: at most "
    )
    assert OnnxSession((runs / "runs/char/model.onnx").read_bytes()).outputs == [
        "h.0.next",
        "c.0.next",
        "logits",
    ]
    value = json.loads(
        seqtool_in_process(
            "export", "runs/tagger/model", "--to", "onnx", "--out", "x/y.onnx", "--json", cwd=runs
        ).stdout
    )
    assert (value["version"], value["file"]) == (1, "x/y.onnx")
    assert value["inputs"] == {"lengths": ["batch"], "features": ["time", "batch", 5]}
    assert value["bytes"] == (runs / "x/y.onnx").stat().st_size
    assert len(value["verified"]["shapes"]) >= 3


def test_network_that_does_not_agree_is_not_written(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(onnx_models.GATES, "lstm", (0, 1, 2, 3))
    for name in ("char", "tagger"):
        place = ModelFolders(runs / "runs" / name / "model", runs / "runs" / name)
        with pytest.raises(SeqtoolError, match="onnxruntime gives other results than the model"):
            export_onnx(place, None)
        assert not (place.run / "model.onnx").exists()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["char"], "expected one of --to and --dtype", id="nothing wanted"),
        pytest.param(
            ["char", "--to", "onnx", "--dtype", "float16"], "expected one of --to and --dtype", id="both"
        ),
        pytest.param(
            ["char", "--to", "onnx", "--data", "a.txt"], "--data goes with --dtype", id="data for onnx"
        ),
        pytest.param(["char", "--to", "torchscript"], "Invalid value for '--to'", id="another format"),
        pytest.param(["gone", "--to", "onnx"], "runs here: char, tagger", id="no such model"),
        pytest.param(
            ["char", "--dtype", "float16", "--out", "runs/char/model"],
            "this is an input of the command",
            id="onto itself",
        ),
        pytest.param(
            ["char", "--dtype", "float16", "--out", "runs"],
            "this is an input of the command",
            id="onto another folder",
        ),
        pytest.param(
            ["char", "--dtype", "float16", "--data", "gone.txt"], "gone.txt  cannot read", id="no such data"
        ),
    ],
)
def test_usage_errors_exit_2_and_change_nothing(arguments: list[str], message: str, runs: Path) -> None:
    result = seqtool_in_process("export", *arguments, cwd=runs)
    assert (result.code, result.stdout) == (2, "")
    assert message in result.stderr
    assert (runs / "runs/char/config.yaml").is_file()
    assert read_model(runs / "runs/char/model").weights["output.bias"].dtype == np.float32
    assert not (runs / "runs/char-float16").exists()


def test_error_without_onnx_names_the_extra(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqtool.export.onnx.find_spec", lambda _: None)
    result = seqtool_in_process("export", "char", "--to", "onnx", cwd=runs)
    assert result.code == 2
    assert "pip install 'seqtool[onnx]'" in result.stderr


def test_float16_copy_is_written_and_listed(runs: Path) -> None:
    (runs / "a.txt").write_text("abba" * 50)
    result = seqtool_in_process("export", "char", "--dtype", "float16", "--data", "a.txt", cwd=runs)
    assert (result.code, result.stderr) == (0, "")
    assert result.lines[0] == "runs/char-float16"
    assert result.lines[1].startswith("  size ")
    assert result.lines[2].startswith("  nats ")
    before, after = (read_model(runs / "runs" / name) for name in ("char/model", "char-float16"))
    assert {array.dtype for array in after.weights.values()} == {np.dtype(np.float16)}
    assert after.manifest.to_json()["made_from"] == before.manifest.sha256
    assert after.manifest.scores == before.manifest.scores
    assert any(line.startswith("char-float16") for line in seqtool_in_process("runs", cwd=runs).lines)
    again = seqtool_in_process("export", "char-float16", "--dtype", "float16", cwd=runs)
    assert (again.code, "float16 already" in again.stderr) == (2, True)
    assert (
        seqtool_in_process("export", "char", "--dtype", "float16", "--data", "a.txt", cwd=runs).code == 0
    )  # an earlier copy is replaced


def test_float16_copy_of_a_tagger_has_scores_before_and_after(runs: Path) -> None:
    (runs / "t.conll").write_text("The\tO\ndog\tB-x\n\nate\tO\n\n")
    value = json.loads(
        seqtool_in_process(
            "export", "tagger", "--dtype", "float16", "--data", "t.conll", "--json", cwd=runs
        ).stdout
    )
    assert set(value) == {"version", "model", "bytes", "scores", "data"}
    assert set(value["scores"]) == {"accuracy", "f1"}
    assert value["bytes"][1] < value["bytes"][0]
    result = seqtool_in_process("export", "tagger", "--dtype", "float16", cwd=runs)
    assert "  data       not scored: " in result.stdout
    (runs / "runs/tagger/config.yaml").write_text(
        "task: tagger\ntraining: {epochs: 1}\ndata: {train: gone.conll}\n"
    )
    result = seqtool_in_process("export", "tagger", "--dtype", "float16", cwd=runs)
    assert (
        "runs/tagger/gone.conll: expected a file, found none with this name; name data with --data"
        in result.stdout
    )


def test_float16_copy_is_scored_on_the_data_of_the_run(runs: Path) -> None:
    (runs / "t.conll").write_text("The\tO\ndog\tB-x\n\nate\tO\n\n")
    head = "task: tagger\ntraining: {epochs: 1}\n"
    for data in ("{train: ../../gone.conll, test: ../../t.conll}", "{train: ../../t.conll}"):
        (runs / "runs/tagger/config.yaml").write_text(f"{head}data: {data}\n")
        assert "t.conll" in seqtool_in_process("export", "tagger", "--dtype", "float16", cwd=runs).lines[-1]
    config, vocab, weights = character_parts(CHARACTERS["rnn"], "ab", kind="pairs")
    write_model(runs / "runs/pairs/model", config, vocab, weights, {})
    (runs / "runs/pairs/config.yaml").write_text(
        "task: char\ntraining: {epochs: 1}\ndata: {pairs: [[ab, ba]]}\n"
    )
    assert (
        seqtool_in_process("export", "pairs", "--dtype", "float16", cwd=runs).lines[-1]
        == "  data       the pairs it was trained on"
    )


def test_weight_too_large_for_float16_is_refused(runs: Path) -> None:
    config, vocab, weights = character_parts(replace(CHARACTERS["rnn"]), "ab")
    weights["output.bias"][0] = 1e6
    write_model(runs / "large", config, vocab, weights, {})
    with pytest.raises(SeqtoolError, match="too large for float16"):
        write_smaller_copy(ModelFolders(runs / "large", None), "float16", None, [], runs / "runs")
    assert not (runs / "large-float16").exists()
