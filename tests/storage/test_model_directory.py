"""Model directory: a model is read as it was written, and everything else is refused with one sentence."""

from __future__ import annotations

import json
import os
import random
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from seqtool.errors import ModelError
from seqtool.storage.atomic import old_name
from seqtool.storage.model_directory import (
    MODEL_FORMAT,
    Manifest,
    StoredModel,
    read_manifest,
    read_model,
    write_model,
)
from seqtool.storage.verified_directory import MANIFEST, canonical_json, pack_arrays, unpack_arrays

CONFIG = {"task": "char", "model": {"cell": "rnn"}}
VOCAB = {"symbols": ["a", "\u202e", "\U0001f600"], "unknown": None}


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


def forge(model: Path, name: str, content: bytes, size: object = None) -> None:
    """Replace a file and write its hash into the manifest, as an attacker would."""
    import hashlib

    (model / name).write_bytes(content)
    manifest = json.loads((model / MANIFEST).read_bytes())
    manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": size or len(content)}
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
        pytest.param(
            "vocab.json", b'{"symbols": ["\\ud800"]}', "half of a character", id="escaped surrogate"
        ),
        pytest.param("vocab.json", b'{"symbols": ["\xed\xa0\x80"]}', "can't decode", id="surrogate"),
        pytest.param("vocab.json", b'{"symbols": [], "symbols": []}', "same key twice", id="duplicate key"),
        pytest.param("vocab.json", b'{"unknown": 1%s}' % (b"0" * 30), "more than 64 bits", id="long number"),
        pytest.param("vocab.json", b"\xff\xfe{}", "not the expected JSON", id="not UTF-8"),
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


def packed(*entries: tuple[str, list[int], int, int], size: int, more: bytes = b"") -> bytearray:
    """Return a safetensors file of float32 arrays with given names, shapes and offsets."""
    parts = (
        f'"{name}":{{"dtype":"F32","shape":{shape},"data_offsets":[{first},{last}]}}'
        for name, shape, first, last in entries
    )
    header = ("{" + ",".join(parts) + "}").encode()
    return bytearray(len(header).to_bytes(8, "little") + header + bytes(size) + more)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(packed(("a", [2], 0, 8), ("b", [2], 4, 12), size=12), "expected data", id="overlap"),
        pytest.param(packed(("a", [1], 0, 4), ("b", [1], 8, 12), size=12), "expected data", id="gap"),
        pytest.param(packed(("a", [1], 0, 4), size=4, more=b"more"), "4 bytes after", id="trailing bytes"),
        pytest.param(packed(("a", [1], 0, 4), ("a", [1], 4, 8), size=8), "same key twice", id="same name"),
        pytest.param(packed(("__metadata__", [1], 0, 4), size=0), "do not fit", id="metadata"),
        pytest.param(bytearray(b"\xff" * 7 + b"\x7f{}"), "header is longer", id="long header"),
    ],
)
def test_file_of_arrays_has_one_meaning(content: bytearray, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        unpack_arrays(Path("x"), content, MODEL_FORMAT)


def test_arrays_may_be_empty_and_in_any_order() -> None:
    content = packed(("b", [1], 4, 8), ("none", [0, 3], 4, 4), ("a", [1], 0, 4), size=8)
    assert unpack_arrays(Path("x"), content, MODEL_FORMAT).keys() == {"a", "b", "none"}


def test_size_is_compared_with_the_manifest_before_a_file_is_read(model: Path) -> None:
    with (model / "weights.safetensors").open("ab") as file:
        file.truncate(20 << 30)  # sparse, takes no space
    tracemalloc.start()
    with pytest.raises(
        ModelError, match=r"expected the \d+ bytes of the manifest, found 21,474,836,480 bytes"
    ):
        read_model(model)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "limit"),
    [("config.json", 4 << 20), ("vocab.json", 1 << 30), ("weights.safetensors", 32 << 30)],
)
def test_file_larger_than_any_model_is_refused(name: str, limit: int, model: Path) -> None:
    os.truncate(model / name, limit + 1)  # a hole, no bytes on the disk
    with pytest.raises(ModelError, match=f"more than the {limit:,} allowed"):
        read_model(model)


def test_shapes_are_those_of_the_weights(model: Path) -> None:
    assert read_model(model).shapes == {"output.weight": (3, 2), "output.bias": (3,)}


def test_manifest_without_sizes_is_refused(model: Path) -> None:
    forge(model, "config.json", (model / "config.json").read_bytes(), size="4")
    with pytest.raises(ModelError, match=r"does not state the size of config\.json"):
        read_model(model)


def test_manifest_ignores_values_of_another_type_inside_objects() -> None:
    source = {
        "scores": {"a": 1.5, "b": "x", "c": True, "d": 1e99},
        "data": {"x": 1, "y": "z"},
        "command": [1, "a"],
    }
    manifest = Manifest.from_json({**source, "seconds": True, "step": False})
    assert (manifest.scores, manifest.data, manifest.command) == ({"a": 1.5}, {"y": "z"}, ("a",))
    assert (manifest.seconds, manifest.step) == (None, None)


def test_file_name_that_is_not_utf8_is_accepted_in_the_manifest(tmp_path: Path) -> None:
    write_model(tmp_path / "model", CONFIG, VOCAB, weights(), {"data": {"\udcff.txt": "00"}})
    assert read_model(tmp_path / "model").manifest.data == {"\udcff.txt": "00"}


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
    with pytest.raises(ModelError, match="expected a plain file, found a FIFO"):
        read_model(model)


def test_other_format_version_is_refused(model: Path) -> None:
    manifest = json.loads((model / MANIFEST).read_bytes())
    (model / MANIFEST).write_bytes(canonical_json({**manifest, "format_version": 99}))
    with pytest.raises(ModelError, match="expected format version 2 or 3, found 99"):
        read_manifest(model)


def test_old_model_is_read_during_an_exchange(model: Path) -> None:
    model.rename(old_name(model))
    assert read_model(model).config == CONFIG


# --- several parts ------------------------------------------------------------------------------------------


def part(task: str, value: float) -> StoredModel:
    arrays = {"output.weight": np.full((2, 2), value, np.float32)}
    return StoredModel({"task": task, "kind": task}, {"entries": [task]}, arrays, Manifest(task=task))


def write_parts(folder: Path) -> StoredModel:
    joined = StoredModel.joined([part("tokenizer", 1), part("tagger", 2)])
    write_model(folder, joined.config, joined.vocab, joined.weights, {"kind": "tagger"})
    return joined


def test_a_model_of_several_parts_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_parts(tmp_path / "model")
    whole = read_model(tmp_path / "model")
    assert (whole.task, whole.manifest.parameters) == ("tagger", 8)
    assert whole.manifest.parts == ("tokenizer", "tagger")
    assert sorted(whole.weights) == ["tagger.output.weight", "tokenizer.output.weight"]
    assert list(whole.parts) == ["tokenizer", "tagger"]
    for value, (task, read) in enumerate(whole.parts.items(), 1):
        expected = part(task, value)
        assert (read.task, read.config, read.vocab) == (task, expected.config, expected.vocab)
        assert read.weights["output.weight"].tolist() == expected.weights["output.weight"].tolist()


def test_the_format_version_depends_on_the_number_of_parts(model: Path, tmp_path: Path) -> None:
    write_parts(tmp_path / "several")
    versions = [
        json.loads((folder / MANIFEST).read_bytes())["format_version"]
        for folder in (model, tmp_path / "several")
    ]
    assert versions == [2, 3]


def test_a_model_of_one_part_is_its_own_part() -> None:
    alone = part("tagger", 1)
    assert StoredModel.joined([alone]) is alone
    assert alone.parts == {"tagger": alone}


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        pytest.param("config.json", b'"parts"', b'"peaces"', "expected the parts", id="no parts in config"),
        pytest.param("vocab.json", b'"parts"', b'"peaces"', "expected the parts", id="no parts in vocab"),
        pytest.param("vocab.json", b'"tokenizer":{', b'"char":{', "different parts", id="another part"),
        pytest.param(
            "config.json",
            b'"kind":"tokenizer","task":"tokenizer"',
            b'"task":"tagger"',
            "names the task",
            id="task",
        ),
        pytest.param(
            "weights.safetensors", b"tokenizer.output", b"tokenized.output", "belongs to no part", id="array"
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    tmp_path: Path, name: str, old: bytes, new: bytes, reason: str
) -> None:
    write_parts(tmp_path / "model")
    content = (tmp_path / "model" / name).read_bytes()
    assert old in content
    forge(tmp_path / "model", name, content.replace(old, new))
    with pytest.raises(ModelError, match=reason):
        read_model(tmp_path / "model")


def test_float16_weights_are_compared_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    content = bytearray(pack_arrays({"w": np.array([-65504, 1], np.float16)}))
    assert unpack_arrays(Path("x"), content, MODEL_FORMAT)["w"].dtype == np.float16
    assert not recwarn.list
