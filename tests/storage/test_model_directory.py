"""Model directory: a model is read as it was written, and everything else is refused with one sentence."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from seqtool.errors import ModelError
from seqtool.storage.model_directory import (
    MODEL_FORMAT,
    Manifest,
    read_manifest,
    read_model,
    write_model,
)
from seqtool.storage.verified_directory import MANIFEST, canonical_json, pack_arrays, unpack_arrays

CONFIG = {"task": "char", "model": {"cell": "rnn"}}
VOCAB = {"symbols": ["a", "\u202e", "\ud800"], "unknown": None}


def weights(value: float = 0.5) -> dict[str, Any]:
    return {
        "output.weight": np.full((3, 2), value, np.float32),
        "output.bias": np.arange(3, dtype=np.float32),
    }


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_model(tmp_path / "model", CONFIG, VOCAB, weights(), {"kind": "text", "scores": {"loss": 1.5}})
    return tmp_path / "model"


def test_read_model_returns_what_was_written(model: Path) -> None:
    bundle = read_model(model)
    assert bundle.config == CONFIG
    assert bundle.vocab == VOCAB
    assert {name: array.tolist() for name, array in bundle.weights.items()} == {
        name: array.tolist() for name, array in weights().items()
    }
    assert bundle.task == "char"
    assert bundle.manifest.parameters == 9
    assert bundle.manifest.scores == {"loss": 1.5}


def test_manifest_keeps_values_without_a_field_and_ignores_wrong_types() -> None:
    source = {"task": "char", "note": [1], "step": "7", "seconds": 2, "files": {"a": {"bytes": 3}, "b": 1}}
    manifest = Manifest.from_json(source)
    assert manifest.to_json() == source
    assert (manifest.task, manifest.step, manifest.seconds, manifest.size) == ("char", None, 2, 3)


def test_equal_models_have_equal_bytes(model: Path, tmp_path: Path) -> None:
    write_model(
        tmp_path / "again",
        CONFIG,
        VOCAB,
        dict(reversed(weights().items())),
        {"scores": {"loss": 1.5}, "kind": "text"},
    )
    for name in (MANIFEST, *MODEL_FORMAT.limits):
        assert (tmp_path / "again" / name).read_bytes() == (model / name).read_bytes()


def test_damaged_bytes_are_refused(model: Path) -> None:
    generator = random.Random(1)
    for name in (MANIFEST, *MODEL_FORMAT.limits):
        whole = (model / name).read_bytes()
        for trial in range(60):
            damaged = bytearray(whole)
            if trial % 3 == 0:
                del damaged[generator.randrange(len(damaged)) :]
            else:
                damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
            (model / name).write_bytes(damaged)
            with pytest.raises(ModelError):
                read_model(model)
        (model / name).write_bytes(whole)
    read_model(model)


def test_other_digits_of_the_same_number_are_refused(model: Path) -> None:
    written = (model / MANIFEST).read_bytes()
    (model / MANIFEST).write_bytes(written.replace(b'"loss":1.5', b'"loss":1.50'))
    assert written != (model / MANIFEST).read_bytes()
    with pytest.raises(ModelError, match="damaged"):
        read_model(model)


def forge(model: Path, name: str, content: bytes) -> None:
    """Replace a file and write its hash into the manifest, as an attacker would."""
    import hashlib

    (model / name).write_bytes(content)
    manifest = json.loads((model / MANIFEST).read_bytes())
    manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    del manifest["sha256"]
    manifest["sha256"] = hashlib.sha256(canonical_json(manifest)).hexdigest()
    (model / MANIFEST).write_bytes(canonical_json(manifest))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        pytest.param("config.json", b"[" * 100_000, "nested too deep", id="deep JSON"),
        pytest.param("config.json", b'{"task": "char", "x": NaN}', "NaN is not a JSON number", id="NaN"),
        pytest.param("config.json", b"[1]", "expected a JSON object", id="no object"),
        pytest.param("config.json", b'{"task": "tagger"}', "different tasks", id="another task"),
        pytest.param("vocab.json", b"\xff\xfe{}", "not the JSON", id="not UTF-8"),
        pytest.param("weights.safetensors", b"\xff" * 64, "not a safetensors file", id="no safetensors"),
    ],
)
def test_forged_files_are_refused(model: Path, name: str, content: bytes, reason: str) -> None:
    forge(model, name, content)
    with pytest.raises(ModelError, match=reason):
        read_model(model)


@pytest.mark.parametrize(
    ("value", "reason"), [(np.nan, "not finite"), (np.inf, "not finite")], ids=["nan", "inf"]
)
def test_weights_must_be_finite(tmp_path: Path, value: float, reason: str) -> None:
    write_model(tmp_path / "model", CONFIG, VOCAB, weights(value), {})
    with pytest.raises(ModelError, match=reason):
        read_model(tmp_path / "model")


ARRAYS: dict[str, Any] = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "half": np.full(3, 0.5, np.float16),
    "none": np.zeros((0, 4), np.float32),
    "one": np.array(2.5, np.float32),
}


def test_unpacked_arrays_equal_those_of_the_library_and_are_writable() -> None:
    content = pack_arrays(ARRAYS)
    expected, arrays = (
        safetensors.numpy.load(content),
        unpack_arrays(Path("x"), bytearray(content), MODEL_FORMAT),
    )
    assert arrays.keys() == expected.keys() == ARRAYS.keys()
    for name, array in arrays.items():
        assert (array.dtype, array.shape) == (expected[name].dtype, expected[name].shape)
        np.testing.assert_array_equal(array, expected[name])
        array[...] = 1


SOME_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda part: st.lists(part, max_size=4),
    max_leaves=6,
)
SIZES = st.lists(st.integers(-2, 2**70) | SOME_JSON, max_size=3)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "F16", "I64"]) | SOME_JSON,
        "shape": SIZES | SOME_JSON,
        "data_offsets": SIZES | SOME_JSON,
    },
)


@given(
    st.dictionaries(st.text(max_size=3), ENTRIES | SOME_JSON, max_size=3) | SOME_JSON, st.binary(max_size=40)
)
def test_arbitrary_header_gives_an_error_or_arrays_inside_the_file(header: object, data: bytes) -> None:
    text = json.dumps(header).encode()
    content = bytearray(len(text).to_bytes(8, "little") + text + data)
    try:
        arrays = unpack_arrays(Path("x"), content, MODEL_FORMAT)
    except ModelError:
        return
    assert all(array.nbytes <= len(data) for array in arrays.values())


def test_only_plain_files_are_read(model: Path, tmp_path: Path) -> None:
    (model / "extra.pkl").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"extra\.pkl"):
        read_model(model)
    (model / "extra.pkl").unlink()
    (model / "vocab.json").rename(tmp_path / "elsewhere.json")
    (model / "vocab.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(ModelError, match="symbolic link"):
        read_model(model)
    (model / "vocab.json").unlink()
    os.mkfifo(model / "vocab.json")
    with pytest.raises(ModelError, match="not a plain file"):
        read_model(model)


def test_other_format_version_is_refused(model: Path) -> None:
    manifest = json.loads((model / MANIFEST).read_bytes())
    (model / MANIFEST).write_bytes(canonical_json({**manifest, "format_version": 99}))
    with pytest.raises(ModelError, match="expected format version 2, found 99"):
        read_manifest(model)


def test_old_model_is_read_during_an_exchange(model: Path) -> None:
    model.rename(model.with_name("model.old"))
    assert read_model(model).config == CONFIG
