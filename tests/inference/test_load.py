"""Tests of loading: parts that do not fit each other are refused, and no heavy library is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqtool.errors import ModelError
from seqtool.inference.character import CharacterModel
from seqtool.inference.load import load_character_model, load_model, load_tagger
from seqtool.inference.tagger import TaggerModel
from seqtool.settings.model import CharModel, Feature
from seqtool.settings.model import TaggerModel as TaggerSettings
from seqtool.storage.model_directory import StoredModel, read_model, write_model
from tests.support.random_models import (
    FEATURES,
    SPAN_LABELS,
    Parts,
    character_parts,
    random_sentences,
    stored_model,
    tagger_parts,
)
from tests.support.shell import environment

TAGGER = TaggerSettings(
    features=(*FEATURES, Feature(name="char_cnn", dim=3)), projection=6, hidden_size=5, decoder="crf"
)
CHARACTER = CharModel(hidden_size=5, embedding_dim=4, tied=True, initial_state="learned")


def stored(parts: Parts, folder: Path) -> StoredModel:
    write_model(folder / "model", *parts, {})
    return read_model(folder / "model")


def test_stored_tagger_gives_the_same_scores(tmp_path: Path) -> None:
    parts = tagger_parts(TAGGER)
    model = load_model(stored(parts, tmp_path))
    assert isinstance(model, TaggerModel)
    sentences = random_sentences([5, 3])
    for ours, before in zip(
        model.scores(sentences), load_tagger(stored_model(parts)).scores(sentences), strict=True
    ):
        np.testing.assert_array_equal(ours, before)


@pytest.mark.parametrize("unit", ["char", "byte"])
def test_stored_character_model_gives_the_same_sample(unit: str, tmp_path: Path) -> None:
    parts = character_parts(CHARACTER, "\nabc", unit=unit)
    model = load_model(stored(parts, tmp_path))
    assert isinstance(model, CharacterModel)
    assert "".join(model.sample("ab", 40)) == "".join(
        load_character_model(stored_model(parts)).sample("ab", 40)
    )


def test_half_precision_weights_are_computed_in_single_precision(tmp_path: Path) -> None:
    config, vocab, weights = tagger_parts(TAGGER)
    half = {name: array.astype(np.float16) for name, array in weights.items()}
    model = load_model(stored((config, vocab, half), tmp_path))
    single = {name: array.astype(np.float32) for name, array in half.items()}
    again = load_tagger(stored_model((config, vocab, single)))
    assert isinstance(model, TaggerModel)
    scores, expected = model.scores([["The", "dog"]])[0], again.scores([["The", "dog"]])[0]
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=1e-6)


GONE = object()
Change = tuple[
    str, object, str
]  # a path into config (c), vocab (v) or weights (w), its new value, and a pattern of the error message

WRONG_TAGGERS: list[Change] = [
    (
        "w/encoder.0.backward.weight_hh",
        GONE,
        r"encoder\.0\.backward\.weight_hh: expected shape \(20, 5\), found no such array",
    ),
    ("w/extra.weight", np.zeros(2, np.float32), r"extra\.weight: not an array of this network"),
    ("w/output.bias", np.zeros(3, np.float32), r"output\.bias: expected shape \(6,\), found \(3,\)"),
    ("w/output.bias", np.zeros(6), r"output\.bias: expected float32 or float16, found float64"),
    ("v/features/0", ["the"], r"features\.0\.weight: expected shape \(2, 5\)"),
    ("v/features/5", ["a"], r"features\.5: expected null"),
    ("v/features/1", None, r"features\.1: expected a list of strings"),
    ("v/features", [], "features: expected 6 lists"),
    ("v/labels", ["O", "B-x"], r"crf\.end: expected shape \(2,\)"),
    ("v/labels", [1, 2], "labels: expected a list of strings"),
    ("v/labels", [], "labels: expected a list of strings"),
    ("v/forms", [["The", 1]], "forms: expected a list of strings"),
    ("v/forms", GONE, "forms: expected a list of strings"),
    ("v/forms", ["The"], r"counts: expected one for each of 1 forms, found \d"),
    ("v/counts", GONE, "counts: expected a list of whole numbers"),
    ("v/counts/0", -1, "counts: expected a list of whole numbers"),
    ("v/counts/0", True, "counts: expected a list of whole numbers"),
    ("v/characters", None, "characters: expected a list of strings"),
    ("c/scheme", "iob9", "scheme: expected one of none, io"),
    ("c/scheme", "none", "expected both or none of them to mark spans"),
    ("c/words", None, "words: expected a JSON object"),
    ("c/words/normalize", "nfd", r"words\.normalize: expected one of none, nfc, found 'nfd'"),
    ("c/model", GONE, "model: expected a JSON object"),
    ("c/model/hidden_size", "5", r"model\.hidden_size: not an allowed value: '5'"),
    ("c/model/hidden_size", True, r"model\.hidden_size: not an allowed value"),
    ("c/model/hidden_size", -5, r"model\.hidden_size: expected at least 1"),
    ("c/model/cell", "transformer", r"model\.cell: not an allowed value"),
    ("c/model/attention", 2, r"model\.attention: unknown key"),
    ("c/model/features", "standard", r"model\.features: expected a list"),
    ("c/model/features/1/dim", None, r"model\.features\.1\.dim: not an allowed value"),
    ("c/model/features/1", 3, r"model\.features\.1: expected a JSON object"),
    ("c/model/features/1/name", GONE, r"model\.features\.1\.name: is missing"),
    ("c/model/num_layers", 10**9, r"model\.num_layers: 1,000,000,000 layers, but only \d\d arrays"),
    ("c/tokenizer", "nonsuch", "tokenizer: expected one of whitespace, basic, found 'nonsuch'"),
    ("c/tokenizer", ["basic"], "tokenizer: expected one of whitespace, basic"),
    ("c/tokenizer_f1", "x", "tokenizer_f1: expected a number"),
    ("c/words/tokens", 1, r"words\.tokens: expected text"),
    ("c/layout", [], "layout: expected a JSON object"),
    ("c/layout/label", 1, r"layout\.label: expected text"),
    ("c/layout/columns", [1], r"layout\.columns: expected a list of strings"),
    ("c/layout/width", "2", r"layout\.width: expected a number"),
]
WRONG_CHARACTER_MODELS: list[Change] = [
    (
        "w/initial_state.0.forward.c",
        GONE,
        r"initial_state\.0\.forward\.c: expected shape \(5,\), found no such array",
    ),
    ("w/bridge.weight", GONE, r"bridge\.weight: expected shape \(4, 5\), found no such array"),
    ("c/model/tied", False, r"bridge\.weight: not an array of this network"),
    ("c/model/input", "onehot", r"model\.tied: expected an embedding"),
    ("c/kind", "poem", "kind: expected one of pairs, text, lines, found 'poem'"),
    ("c/symbols/unit", "line", r"symbols\.unit: expected one of char, byte, word"),
    ("c/symbols/unit", "byte", "symbols: expected a list of bytes"),
    ("v/symbols", ["a", "b"], r"embedding\.weight: expected shape \(2, 4\), found \(4, 4\)"),
    ("v/symbols/1", "c", "symbols: expected different symbols"),
    ("v/symbols", [104], "symbols: expected a list of strings"),
    ("v/symbols", [], "symbols: expected a list of strings"),
    ("v/unknown", 9, "unknown: expected the number of a symbol, found 9"),
    ("c/model/num_layers", 10**9, r"model\.num_layers: 1,000,000,000 layers, but only \d\d? arrays"),
    ("v/counts", None, "counts: expected a list of whole numbers"),
    ("v/counts", [1, "2"], "counts: expected a list of whole numbers"),
]


def changed(parts: Parts, path: str, value: object) -> StoredModel:
    """Return a stored model with one value replaced."""
    at: Any = dict(zip("cvw", parts, strict=True))
    *way, last = path.split("/")
    for key in way:
        at = at[int(key) if isinstance(at, list) else key]
    if value is GONE:
        del at[last]
    else:
        at[int(last) if isinstance(at, list) else last] = value
    return stored_model(parts)


@pytest.mark.parametrize(("path", "value", "reason"), WRONG_TAGGERS)
def test_tagger_with_parts_that_do_not_fit_is_refused(path: str, value: object, reason: str) -> None:
    parts = tagger_parts(TAGGER)
    parts[0]["model"]["features"] = list(parts[0]["model"]["features"])  # as JSON has it
    with pytest.raises(ModelError, match=reason):
        load_model(changed(parts, path, value))


@pytest.mark.parametrize(("path", "value", "reason"), WRONG_CHARACTER_MODELS)
def test_character_model_with_parts_that_do_not_fit_is_refused(path: str, value: object, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        load_model(changed(character_parts(CHARACTER, "\nabc"), path, value))


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    parts = tagger_parts(TAGGER)
    parts[2]["crf.start"][3] = np.nan
    with pytest.raises(ModelError, match=r"crf\.start: a weight is not finite"):
        load_model(stored(parts, tmp_path))


def test_symbols_above_255_are_refused_as_bytes() -> None:
    parts = character_parts(CHARACTER, "\nabc", unit="byte")
    with pytest.raises(ModelError, match="symbols: expected bytes from 0 to 255"):
        load_model(changed(parts, "v/symbols/3", 256))


def test_settings_that_a_config_lacks_are_added_to_it() -> None:
    stored = changed(character_parts(CHARACTER, "\nabc"), "c/model/nonlinearity", GONE)
    load_model(stored)
    assert stored.config["model"]["nonlinearity"] == CHARACTER.nonlinearity


def test_labels_come_from_the_vocabulary() -> None:
    model = load_model(stored_model(tagger_parts(TAGGER)))
    assert isinstance(model, TaggerModel)
    assert model.labels == SPAN_LABELS


def test_inference_imports_no_heavy_library() -> None:
    code = (
        "import sys, seqtool.inference.load, seqtool.inference.text_scoring, seqtool.metrics;"
        "heavy = {'torch', 'pydantic', 'yaml', 'typer', 'rich', 'scipy'};"
        "print(*{name.split('.')[0] for name in sys.modules} & heavy)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert done.stdout.strip() == ""
