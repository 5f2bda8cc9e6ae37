"""Weights stored as int8 rows: the error bound, exact repetition, and damaged arrays."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.errors import ModelError
from seqtool.export.smaller_copy import write_smaller_copy
from seqtool.inference.load import load_model
from seqtool.storage.find_model import ModelFolders
from seqtool.storage.int8_rows import LEVELS, SCALE, SMALLEST, int8_rows, restored_rows
from seqtool.storage.model_directory import read_model
from seqtool.types import Arrays
from tests.support.stored_models import store_character_model, store_tagger

SHAPES = ((1, 1), (3, 5), (4, 2, 3), (2, 0), (0, 3))


def restored(arrays: Arrays, largest: float = 1e6) -> Arrays:
    return restored_rows(arrays, largest, "weights.safetensors", "copy it again")


@given(st.integers(0, 2**32 - 1), st.floats(-30, 5), st.sampled_from(SHAPES))
def test_a_value_changes_by_half_a_scale_at_most(seed: int, size: float, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    values = (rng.normal(size=shape) * 10.0**size * rng.choice([1, 1e-3], shape)).astype(np.float32)
    weights = {"w": values, "bias": values.reshape(-1)}
    stored = int8_rows(weights)
    back = restored(stored, 1e30)
    assert stored["w"].dtype == np.int8 and back.keys() == weights.keys()
    np.testing.assert_array_equal(back["bias"], weights["bias"])
    width = math.prod(shape[1:])
    largest = np.abs(values.reshape(len(values), width)).max(axis=1, initial=0)
    bound = np.maximum(largest / (2 * LEVELS) * (1 + 2.0**-11), SMALLEST)
    difference = np.abs(back["w"].astype(float) - values).reshape(len(values), width).max(axis=1, initial=0)
    assert (difference <= bound * (1 + 1e-6)).all()
    again = int8_rows(back)
    assert all(np.array_equal(again[name], stored[name]) for name in stored)


def test_rows_of_zeros_stay_zero() -> None:
    back = restored(int8_rows({"w": np.array([[0, 0], [1, -2]], np.float32)}))
    assert back["w"][0].tolist() == [0, 0] and back["w"][1].tolist() == pytest.approx([1, -2], rel=0.01)


@pytest.mark.parametrize(
    "change",
    [
        {"w" + SCALE: None},
        {"w" + SCALE: np.ones(3, np.float32)},
        {"w" + SCALE: np.ones(2, np.float16)},
        {"w" + SCALE: -np.ones(2, np.float32)},
        {"w" + SCALE: np.full(2, 1e5, np.float32)},
        {"w": np.ones(2, np.int8)},
    ],
    ids=["no scale", "another shape", "float16", "negative", "too large", "one dimension"],
)
def test_arrays_that_do_not_fit_are_one_error(change: dict[str, np.ndarray | None]) -> None:
    arrays = {**int8_rows({"w": np.ones((2, 4), np.float32)}), **change}
    with pytest.raises(ModelError, match="scale"):
        restored({name: array for name, array in arrays.items() if array is not None})


@pytest.mark.parametrize("store", [store_character_model, store_tagger])
def test_an_int8_copy_is_a_model_of_a_quarter_of_the_size(store: object, tmp_path: Path) -> None:
    run = store(tmp_path / "runs/x")  # type: ignore[operator]
    place = ModelFolders(run / "model", run)
    copies = [
        write_smaller_copy(place, "int8", tmp_path / name, [], tmp_path / "runs") for name in ("a", "b")
    ]
    original, model = read_model(place.model), read_model(tmp_path / "a")
    load_model(model)
    assert model.manifest.parameters == original.manifest.parameters
    assert model.manifest.source["dtype"] == "int8"
    files = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("a", "b")]
    assert files[0] == files[1] and copies[0].path == tmp_path / "a"
    for name, array in original.weights.items():
        assert model.weights[name].dtype == np.float32
        np.testing.assert_allclose(model.weights[name], array, atol=np.abs(array).max() / 253)
    with pytest.raises(ModelError, match="int8 already"):
        write_smaller_copy(ModelFolders(tmp_path / "a", None), "int8", None, [], tmp_path)
