"""Weights in a quarter of the size: rows of whole numbers from -127 to 127, and a scale for each row.

An array of two or more dimensions is stored as `NAME` (int8) and `NAME.scale` (float32, one number for each
row). Its values are their products. A scale has at most 12 significant bits, so that these products are exact
in float32. Rounding the values of such a model again therefore gives the same bytes.
"""

from __future__ import annotations

import math

from seqtool.errors import ModelError
from seqtool.types import Array, Arrays

SCALE = ".scale"  # ending of the name of an array of scales
LEVELS = 127  # the largest whole number
SCALE_BITS = 12  # significant bits of a scale
SMALLEST = 2.0**-100  # a row of smaller numbers becomes a row of zeros


def int8_rows(weights: Arrays) -> Arrays:
    """Return the arrays to store. A value changes by at most half the scale of its row."""
    import numpy as np

    stored: Arrays = {}
    for name, array in weights.items():
        if array.ndim < 2:
            stored[name] = array.astype(np.float32)
            continue
        rows = array.astype(np.float32).reshape(len(array), math.prod(array.shape[1:]))
        scales = _scales(np.abs(rows).max(axis=1, initial=0))
        levels = np.rint(rows / np.where(scales, scales, np.inf)[:, None])
        stored[name] = levels.astype(np.int8).reshape(array.shape)
        stored[name + SCALE] = scales
    return stored


def _scales(largest: Array) -> Array:
    """Return a scale for each row, rounded up to `SCALE_BITS` bits, given its largest absolute value."""
    import numpy as np

    mantissas, exponents = np.frexp(largest.astype(np.float64) / LEVELS)
    scales = np.ldexp(np.ceil(np.ldexp(mantissas, SCALE_BITS)), exponents - SCALE_BITS)
    rounded: Array = np.where(largest < SMALLEST, 0, scales).astype(np.float32)
    return rounded


def restored_rows(stored: Arrays, largest: float, place: str, repair: str) -> Arrays:
    """Return the arrays that `int8_rows` has stored, as float32. Other arrays are returned as they are.

    Args:
        largest: largest absolute value of a weight.
        place: file of the arrays, for messages.
        repair: hint for a damaged file.

    Raises:
        ModelError: an array of int8 has no scales, or scales of another shape or type, or out of range.
    """
    import numpy as np

    whole = [name for name, array in stored.items() if array.dtype == np.int8]
    scale_names = {name + SCALE for name in whole}
    restored = {name: array for name, array in stored.items() if name not in scale_names}
    for name in whole:
        array, scales = stored[name], stored.get(name + SCALE)
        if array.ndim < 2 or scales is None or scales.shape != array.shape[:1] or scales.dtype != np.float32:
            message = f"{name}: expected a float32 scale for each row of int8"
            raise ModelError(message, place=place, hint=repair)
        if not (scales.min(initial=0) >= 0 and LEVELS * float(scales.max(initial=0)) <= largest):
            message = f"{name + SCALE}: expected scales from 0 to {largest / LEVELS:,.0f}"
            raise ModelError(message, place=place, hint=repair)
        restored[name] = np.multiply(array, scales.reshape(-1, *[1] * (array.ndim - 1)), dtype=np.float32)
    return restored
