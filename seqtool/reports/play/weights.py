"""Weights of a play page: arrays as bytes, large ones in half the size, and shorter tables of vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from seqtool.reports.formatting import format_size
from seqtool.settings.model import Feature
from seqtool.storage.model_directory import StoredModel
from seqtool.types import Array, Arrays

FLOAT32_BYTES = 8 << 20  # of all weights; larger ones are stored as float16
VECTOR_BYTES = 4 << 20  # of a table of pretrained vectors in float32; of a larger one, a part is kept
LARGEST_HALF = float(np.finfo(np.float16).max)

Index = list[tuple[str, Sequence[int], int, int]]  # name, shape, bytes of a number, offset


def shown_weights(stored: StoredModel, features: Sequence[Feature], notes: list[str]) -> StoredModel:
    """Return the model with the weights that a page contains.

    Args:
        features: features of a tagger; other models have none.
        notes: receives what the page lacks.
    """
    stored = _shorter_vectors(stored, features, notes)
    size = sum(array.size for array in stored.weights.values()) * 4
    if size <= FLOAT32_BYTES:
        return stored
    notes.append(
        f"The weights are stored as float16, since they have {format_size(size)} as float32. "
        "Probabilities may differ from those of the command line in the third digit."
    )
    return stored._replace(weights={name: _half(array) for name, array in stored.weights.items()})


def _half(array: Array) -> Array:
    """Return float16 values; an array with a number that float16 lacks stays as it is."""
    fits = float(np.abs(array).max(initial=0)) <= LARGEST_HALF
    return array.astype(np.float16) if fits else array


def pack(weights: Mapping[str, Array]) -> tuple[Index, bytes]:
    """Return the bytes of arrays one after the other, each at a multiple of four, and their places."""
    index: Index = []
    pieces: list[bytes] = []
    offset = 0
    for name, array in weights.items():
        content = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        content += b"\0" * (-len(content) % 4)
        index.append((name, list(array.shape), array.dtype.itemsize, offset))
        pieces.append(content)
        offset += len(content)
    return index, b"".join(pieces)


def float32(arrays: Mapping[str, Array]) -> Arrays:
    """Return arrays as float32."""
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def _shorter_vectors(stored: StoredModel, features: Sequence[Feature], notes: list[str]) -> StoredModel:
    """Keep of a large table of pretrained vectors those of the training words, as far as they fit."""
    vocab, weights = stored.vocab, dict(stored.weights)
    for index, feature in enumerate(features):
        name = f"features.{index}.weight"
        if feature.name != "vectors" or weights[name].size * 4 <= VECTOR_BYTES:
            continue
        values = vocab["features"][index]
        kept = _kept_words(values, vocab["forms"], VECTOR_BYTES // (4 * feature.dim))
        rows = np.array([0, *(row + 1 for row in kept)], np.int64)  # row 0 is the vector of unknown words
        weights[name] = weights[name][rows]
        lists = [*vocab["features"]]
        lists[index] = [values[row] for row in kept]
        vocab = {**vocab, "features": lists}
        notes.append(
            f"Of {len(values):,} pretrained word vectors, the page contains {len(kept):,}: "
            "those of the training words. "
            "It reads any other word with the vector of unknown words; the command line does not."
        )
    return stored._replace(vocab=vocab, weights=weights)


def _kept_words(values: Sequence[str], forms: Sequence[str], limit: int) -> list[int]:
    """Return the places of the vectors of training words, in the order of the forms, at most `limit`."""
    places = {value: place for place, value in enumerate(values)}
    wanted = (places.get(form, places.get(form.lower())) for form in forms)
    return list(dict.fromkeys(place for place in wanted if place is not None))[:limit]
